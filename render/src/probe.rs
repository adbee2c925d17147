//! What a stock `kubeadm join` would meet now, part by part, as plain data: the prober fills it in, the
//! status step reads it.
//!
//! The parts follow the phases of `kubeadm join` (`cmd/kubeadm/app/cmd/phases/join`, `app/discovery`):
//! a tenant is joinable exactly when every part is [`Finding::Ok`].

mod blindness;

pub use blindness::Eyesight;

/// One look at a tenant, from the same side as a machine that wants to join.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeReport {
    /// TCP, TLS and the names in the certificate, through the public endpoint.
    pub endpoint: Finding,
    /// `kube-public/cluster-info`, read without credentials: kubeconfig, server and CA.
    pub cluster_info: Finding,
    /// The signature on cluster-info.
    pub signature: Finding,
    /// `kube-system/kubeadm-config`, read with the rights of a bootstrap token.
    pub kubeadm_config: Finding,
    /// `kube-system/kubelet-config`, read with the rights of a bootstrap token.
    pub kubelet_config: Finding,
    /// `kube-system/kube-proxy`: its absence is a warning to kubeadm, but garbage in it ends a join.
    pub kube_proxy_config: Finding,
    /// What else bootstrap tokens and nodes have to be allowed.
    pub permissions: Finding,
    /// The API server accepts bootstrap tokens as credentials.
    pub authentication: Finding,
    /// A certificate request of a node is approved and signed with the right CA.
    pub signer: Finding,
    /// No part of it: kube-apiserver seems to write nothing any more, so etcd has to be asked why.
    pub stalled: bool,
}

/// What was found out about one part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Finding {
    /// kubeadm would get past it.
    Ok,
    /// kubeadm would fail here.
    Failed {
        /// For programs: becomes the reason of a condition.
        reason: Reason,
        /// For people: what is wrong and what to do.
        message: String,
    },
    /// Not looked at, because something that comes before it failed or the time was up.
    #[default]
    Unknown,
}

/// What is said with [`Reason::GatewayRefuses`] of the alert that the gateway sends for limits, and for API servers that do
/// not answer.
pub const NOT_THROUGH: &str = "does not get through to the API server";

/// Why kubeadm would fail, in the words that conditions use as reasons.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::IntoStaticStr, strum::VariantNames,
)]
pub enum Reason {
    /// Nothing listens there, or no route leads there.
    EndpointUnreachable,
    /// The connection or the answer did not come in time: packets are dropped on the way.
    EndpointTimeout,
    /// The gateway answers, and does not lead to the API server.
    GatewayRefuses,
    /// The API server answers, but not with what was asked for: it is starting, stopping or ill.
    EndpointUnhealthy,
    /// The serving certificate lacks the endpoint's host.
    CertificateNameMismatch,
    /// The serving certificate is not from the tenant's CA.
    CertificateUntrusted,
    /// The serving certificate is not valid at this time.
    CertificateExpired,
    /// The TLS handshake failed otherwise.
    TlsFailed,
    /// The object that kubeadm reads does not exist.
    ObjectMissing,
    /// The identity that kubeadm uses may not read the object.
    ObjectForbidden,
    /// The object is not in the form that kubeadm reads.
    ObjectInvalid,
    /// cluster-info names another server than the endpoint.
    ServerMismatch,
    /// cluster-info does not hold the cluster CA.
    AuthorityMismatch,
    /// cluster-info carries no signature of the manager's token.
    SignatureMissing,
    /// The signature on cluster-info is not of its present content.
    SignatureMismatch,
    /// kubeadm-config names a version that kubeadm of the tenant's minor refuses.
    VersionUnsupported,
    /// A right that kubeadm or the kubelet needs is not granted.
    PermissionMissing,
    /// The API server refuses bootstrap tokens.
    TokenRefused,
    /// kube-controller-manager is not ready.
    SignerNotReady,
    /// A certificate request was not approved in time.
    RequestNotApproved,
    /// An approved certificate request was not signed in time.
    RequestNotSigned,
    /// A certificate was signed by another CA than the API server trusts.
    SignerMismatch,
    /// The manager's own connection to the API server does not work, so that parts could not be seen.
    AdminConnectionFailed,
}

impl Finding {
    /// A failure in words.
    #[must_use]
    pub fn failed(reason: Reason, message: impl Into<String>) -> Self {
        Self::Failed { reason, message: message.into() }
    }

    /// Whether kubeadm would get past it.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        *self == Self::Ok
    }
}

impl ProbeReport {
    /// Every part with its name, in the order in which kubeadm meets them.
    #[must_use]
    pub fn parts(&self) -> [(&'static str, &Finding); 9] {
        let Self {
            endpoint,
            cluster_info,
            signature,
            kubeadm_config,
            kubelet_config,
            kube_proxy_config,
            permissions,
            authentication,
            signer,
            stalled: _,
        } = self;
        [
            ("endpoint", endpoint),
            ("cluster-info", cluster_info),
            ("signature", signature),
            ("authentication", authentication),
            ("kubeadm-config", kubeadm_config),
            ("kubelet-config", kubelet_config),
            ("kube-proxy", kube_proxy_config),
            ("permissions", permissions),
            ("signer", signer),
        ]
    }

    /// Whether a stock `kubeadm join` would succeed now.
    #[must_use]
    pub fn joinable(&self) -> bool {
        self.parts().iter().all(|(_, finding)| finding.is_ok())
    }

    /// The first failure that kubeadm would meet.
    #[must_use]
    pub fn first_failure(&self) -> Option<(&'static str, Reason, &str)> {
        self.parts().into_iter().find_map(|(part, finding)| match finding {
            Finding::Failed { reason, message } => Some((part, *reason, message.as_str())),
            Finding::Ok | Finding::Unknown => None,
        })
    }

    /// Whether the API server could not even be talked to.
    #[must_use]
    pub fn unreachable(&self) -> bool {
        matches!(
            self.endpoint,
            Finding::Failed { reason: Reason::EndpointUnreachable | Reason::EndpointTimeout, .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joinable() -> ProbeReport {
        ProbeReport {
            endpoint: Finding::Ok,
            cluster_info: Finding::Ok,
            signature: Finding::Ok,
            kubeadm_config: Finding::Ok,
            kubelet_config: Finding::Ok,
            kube_proxy_config: Finding::Ok,
            permissions: Finding::Ok,
            authentication: Finding::Ok,
            signer: Finding::Ok,
            stalled: false,
        }
    }

    #[test]
    fn a_tenant_is_joinable_only_when_every_part_is_ok() {
        assert!(joinable().joinable());
        assert!(!ProbeReport::default().joinable());
        assert!(!ProbeReport { signer: Finding::Unknown, ..joinable() }.joinable());
    }

    #[test]
    fn the_first_failure_is_the_one_that_kubeadm_meets_first() {
        let report = ProbeReport {
            authentication: Finding::failed(Reason::TokenRefused, "401"),
            kubeadm_config: Finding::failed(Reason::ObjectMissing, "404"),
            ..joinable()
        };
        assert_eq!(report.first_failure(), Some(("authentication", Reason::TokenRefused, "401")));
        assert_eq!(joinable().first_failure(), None);
    }

    #[test]
    fn only_failures_of_transport_count_as_unreachable() {
        let with = |reason| ProbeReport { endpoint: Finding::failed(reason, ""), ..joinable() };
        assert!(with(Reason::EndpointTimeout).unreachable());
        assert!(!with(Reason::CertificateNameMismatch).unreachable());
        assert!(!with(Reason::GatewayRefuses).unreachable());
        assert!(!joinable().unreachable());
    }
}
