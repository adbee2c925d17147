//! What the operator looks at without the machine: `nagaya doctor`. The names are here, beside the machine's, for the reference.

use strum::{IntoStaticStr, VariantArray};

/// One thing that a join needs, and that is seen in the management cluster or in the tenant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
#[allow(missing_docs, reason = "`ROWS` says what each is")]
pub enum OperatorCheck {
    TenantCluster,
    Spec,
    Ready,
    PublicEndpoint,
    Connections,
    JoinToken,
    LastAttempt,
    Requests,
    Nodes,
}

/// What it looks at, and which right it needs besides `get` on `tenantclusters` and `jointokens`.
pub(crate) const ROWS: &[(OperatorCheck, &str, &str)] = &[
    (
        OperatorCheck::TenantCluster,
        "whether there is such a `TenantCluster`, is not being deleted, and the manager has seen its newest spec",
        "",
    ),
    (OperatorCheck::Spec, "`Stalled` and `Accepted`: whether the spec is served", ""),
    (
        OperatorCheck::Ready,
        "`Ready`: whether a stock `kubeadm join` would succeed, and if not, why",
        "",
    ),
    (
        OperatorCheck::PublicEndpoint,
        "`EndpointReachable`: what the manager sees of the endpoint; behind the gateway, whether that has a route",
        "",
    ),
    (
        OperatorCheck::Connections,
        "`ConnectionsLimited`: whether the gateway refuses connections of this tenant, as far as the manager hears of it",
        "",
    ),
    (
        OperatorCheck::JoinToken,
        "the `JoinToken`, the newest of the cluster that is not over if none is named: whether it is there (its deletion revokes it), is of this cluster, is issued, and has not expired; and its Secret",
        "`list` on `jointokens` if none is named; `get` on the Secret `TOKEN-join`",
    ),
    (
        OperatorCheck::LastAttempt,
        "`status.lastAttempt`: the machine that showed the token last, and what it got; after ten minutes a warning, and nothing once its request is gone",
        "",
    ),
    (
        OperatorCheck::Requests,
        "certificate requests of kubelets in the tenant's cluster that wait, were denied, or are not signed",
        "`get` on the Secret `NAME-kubeconfig`",
    ),
    (
        OperatorCheck::Nodes,
        "`NodesReady`: nodes that have joined and are not Ready, and why; and whether the machine of the last attempt has become a node, for which it has a minute",
        "`get` on the Secret `NAME-kubeconfig`, for the latter",
    ),
];

impl OperatorCheck {
    /// All of them, in their order.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// `join-token`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}
