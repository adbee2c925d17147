//! What the operator configured for all tenants. The manager reads it once and passes it down.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Port of HTTPS (RFC 9110, section 4.2.2): firewalls let it out.
const HTTPS: u16 = 443;

/// The forwarder's image as it is built.
const FORWARDER_IMAGE: &str = "ghcr.io/nagaya-dev/nagaya-forwarder:dev";
/// Of the networks that nobody is to route ever (RFC 1112, section 4: class E), so that no network of a tenant has it.
const FORWARDER_V4: Ipv4Addr = Ipv4Addr::new(240, 110, 97, 103);
/// A local address (RFC 4193), out of a prefix that says `nagay` instead of being random: nothing of it leaves a node.
const FORWARDER_V6: Ipv6Addr = Ipv6Addr::new(0xfd6e, 0x6167, 0x6179, 0, 0, 0, 0, 1);

/// Settings that shape what is rendered, the same for all tenants.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Host name or IP address that NodePort endpoints get when the spec names none.
    pub node_port_host: Option<String>,
    /// IP addresses behind `nodePortHost` when that is a host name.
    pub node_port_addresses: Vec<IpAddr>,
    /// When set, `NAME.NAMESPACE.DOMAIN` is the host of NodePort endpoints from birth.
    pub domain: Option<String>,
    /// Where the gateway is, for tenants with `spec.expose.type: Gateway`.
    pub gateway: GatewaySettings,
    /// Images of control planes, on the management cluster.
    pub control_plane_images: ImageSource,
    /// Images of addons, on the tenants' nodes.
    pub addon_images: ImageSource,
    /// Nagaya's own image, required: control-plane pods run its verbs `wait` and `admit-member` before they start, and the
    /// Jobs that save and restore etcd its verb `snapshot`.
    pub manager_image: String,
    /// `nodeSelector` of control-plane pods.
    pub node_selector: BTreeMap<String, String>,
    /// Tolerations of control-plane pods.
    pub tolerations: Vec<Toleration>,
    /// StorageClass of etcd volumes when the spec names none; unset: the cluster's default class.
    pub storage_class: Option<String>,
    /// Requests and limits by component (`etcd`, `kube-apiserver`, …), instead of the built-in ones.
    /// kube-controller-manager and kube-scheduler use one processor, or as many as a limit on `cpu` says, two at least.
    pub resources: BTreeMap<String, ResourceRequirements>,
}

/// Where the gateway is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatewaySettings {
    /// The endpoint of a new tenant behind the gateway is `NAME.NAMESPACE.DOMAIN`: `*.DOMAIN` has to lead to the gateway in DNS.
    /// Unset: `spec.expose.type: Gateway` is refused. A tenant keeps the name that it was born with.
    pub domain: Option<String>,
    /// Port at which machines reach the gateway. A tenant keeps the one that it was born with.
    pub port: NonZeroU16,
    /// IP addresses of the gateway, as the tenants' machines reach them and the manager too: it looks at the first as a
    /// machine does that wants to join, and names all of them to the tenants' pods. Needed with `gateway.domain`.
    pub addresses: Vec<IpAddr>,
    /// What leads pods of tenants behind the gateway to their API server, on each of their nodes.
    pub forwarder: ForwarderSettings,
}

/// What leads pods of tenants behind the gateway to their API server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ForwarderSettings {
    /// Its image, to which the rewrites and digests of `addonImages` apply.
    pub image: String,
    /// The address that `default/kubernetes` leads to in such a cluster, and that each of its nodes gives to itself. One of
    /// each IP family, of which the one of a tenant's first Service network is taken. No machine, pod or Service may have
    /// it. Another one is for all tenants, at once.
    pub addresses: Vec<IpAddr>,
}

impl Default for ForwarderSettings {
    fn default() -> Self {
        let addresses = vec![FORWARDER_V4.into(), FORWARDER_V6.into()];
        Self { image: FORWARDER_IMAGE.to_owned(), addresses }
    }
}

impl Default for GatewaySettings {
    fn default() -> Self {
        let port = NonZeroU16::new(HTTPS).unwrap_or(NonZeroU16::MIN);
        let forwarder = ForwarderSettings::default();
        Self { domain: None, port, addresses: Vec::new(), forwarder }
    }
}

/// Where images come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ImageSource {
    /// Prefix rewrites, longest match first: `registry.k8s.io` → `mirror.example.com/k8s`.
    pub rewrite: BTreeMap<String, String>,
    /// `sha256:…` to pin, by image reference after rewriting.
    pub digests: BTreeMap<String, String>,
    /// Names of image pull Secrets; they must exist where the pods run.
    pub pull_secrets: Vec<String>,
}

impl ImageSource {
    /// The reference to pull for an official one.
    #[must_use]
    pub fn resolve(&self, official: &str) -> String {
        let rewritten = self
            .rewrite
            .iter()
            .filter(|(prefix, _)| {
                official.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('/'))
            })
            .max_by_key(|(prefix, _)| prefix.len())
            .map_or_else(
                || official.to_owned(),
                |(prefix, target)| format!("{target}{}", &official[prefix.len()..]),
            );
        match self.digests.get(&rewritten) {
            Some(digest) => format!("{rewritten}@{digest}"),
            None => rewritten,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins_and_a_digest_is_appended() {
        let source = ImageSource {
            rewrite: [
                ("registry.k8s.io".to_owned(), "mirror/k8s".to_owned()),
                ("registry.k8s.io/coredns".to_owned(), "mirror/dns".to_owned()),
            ]
            .into(),
            digests: [("mirror/k8s/pause:3.10".to_owned(), "sha256:ab".to_owned())].into(),
            pull_secrets: Vec::new(),
        };
        assert_eq!(source.resolve("registry.k8s.io/pause:3.10"), "mirror/k8s/pause:3.10@sha256:ab");
        assert_eq!(source.resolve("registry.k8s.io/coredns/coredns:v1"), "mirror/dns/coredns:v1");
        assert_eq!(source.resolve("registry.k8s.io.evil/x:1"), "registry.k8s.io.evil/x:1");
    }
}
