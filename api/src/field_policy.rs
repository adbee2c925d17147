//! What becomes of a running cluster when a field of its spec changes: a policy for every field.

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The schema refuses it (a CEL rule with the reason).
    Immutable,
    /// Refused once nodes may have it baked in; until then it can be corrected.
    FixedAtBirth,
    /// Applied; these components restart, in this order, each when the one before it is healthy.
    Restarts(&'static [&'static str]),
    /// Applied; nothing on the management side restarts.
    Live,
}

/// The policy of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldPolicy {
    /// Path in the object; a map or a free-form object is one field.
    pub path: &'static str,
    /// What a change does.
    pub change: Change,
    /// What follows from it, and how long it takes.
    pub note: &'static str,
}

const fn row(path: &'static str, change: Change, note: &'static str) -> FieldPolicy {
    FieldPolicy { path, change, note }
}

const NEW_PLACE: &str = "a snapshot is taken there at once; those of before stay where they are, and can be restored \
                         once the field is set back";

const KUBE_PROXY_ROLLS_OUT: &str = "kube-proxy rolls out on the nodes, one after the other";
const CORE_DNS_ROLLS_OUT: &str = "CoreDNS rolls out, one pod after the other";
const COREFILE_IS_READ: &str =
    "running pods read it within two minutes, and keep the one of before where it is no Corefile";

/// Every field of a `TenantCluster`'s spec.
pub const FIELD_POLICIES: &[FieldPolicy] = &[
    row(
        "spec.version",
        Change::Restarts(&["kube-apiserver", "kube-controller-manager", "kube-scheduler"]),
        "newer patches and one minor up, never down; then kube-proxy and CoreDNS roll out on the nodes. About \
         a minute; the API stays up",
    ),
    row(
        "spec.controlPlane.replicas",
        Change::Live,
        "API servers come or go, 10 to 20 s for each; with `spec.expose.type: Gateway` those that stay are replaced too, one after \
         the other: the tunnel's agents are told how many there are",
    ),
    row(
        "spec.etcd.replicas",
        Change::Restarts(&["kube-apiserver"]),
        "members join or leave one at a time, about 20 s for each; kube-apiserver connects to new ones when all \
         are there, and lets go of those that leave before they do",
    ),
    row(
        "spec.etcd.quota",
        Change::Restarts(&["etcd"]),
        "one member after the other, each when the one before it is healthy; with a single member the API is away \
         for some seconds",
    ),
    row("spec.etcd.storage.className", Change::Immutable, "a volume cannot be moved in place"),
    row("spec.etcd.storage.size", Change::Immutable, "a volume claim cannot be changed in place"),
    row("spec.networking.podCIDRs", Change::Immutable, "nodes already have parts of it"),
    row("spec.networking.serviceCIDRs", Change::Immutable, "Services already have addresses of it"),
    row("spec.networking.clusterDomain", Change::Immutable, "kubelets and certificates hold it"),
    row(
        "spec.expose.type",
        Change::Restarts(&["kube-apiserver"]),
        "to and from the gateway, and where the first address differs; the endpoint follows, for a load balancer when it has given an address, and the former one is served until \
         spec.expose.retiredEndpoint names it, for kubelets have it in their kubeconfigs",
    ),
    row(
        "spec.expose.retiredEndpoint",
        Change::Restarts(&["kube-apiserver"]),
        "only where the gateway's endpoint ends, and the tunnel with it; the former endpoint ends at once; nodes that still use it \
         are cut off",
    ),
    row(
        "spec.expose.nodePort.host",
        Change::FixedAtBirth,
        "every kubelet has it in its kubeconfig; further names go into spec.expose.extraNames",
    ),
    row(
        "spec.expose.nodePort.port",
        Change::FixedAtBirth,
        "every kubelet has it in its kubeconfig",
    ),
    row(
        "spec.expose.loadBalancer.class",
        Change::FixedAtBirth,
        "another load balancer gives another address, and every kubelet has this one in its kubeconfig; move to another type and back",
    ),
    row(
        "spec.expose.loadBalancer.address",
        Change::FixedAtBirth,
        "every kubelet has it in its kubeconfig; to name the one that it has is no change",
    ),
    row(
        "spec.expose.loadBalancer.port",
        Change::FixedAtBirth,
        "every kubelet has it in its kubeconfig",
    ),
    row(
        "spec.expose.loadBalancer.annotations",
        Change::Live,
        "what follows from it is the load balancer's",
    ),
    row(
        "spec.expose.loadBalancer.sourceRanges",
        Change::Live,
        "connections that are open stay; the manager has to be let in too, or the cluster is not Ready",
    ),
    row(
        "spec.expose.external.host",
        Change::Restarts(&["kube-apiserver"]),
        "where the first address differs; the endpoint follows as with another type",
    ),
    row("spec.expose.external.port", Change::Live, "the endpoint follows as with another type"),
    row(
        "spec.expose.external.addresses",
        Change::Restarts(&["kube-apiserver"]),
        "the first is what kube-apiserver calls its own; the API server's certificate is made anew",
    ),
    row(
        "spec.expose.hostname",
        Change::FixedAtBirth,
        "by the schema already when it has an endpoint: kubelets will have it in their kubeconfigs; further names go into spec.expose.extraNames",
    ),
    row(
        "spec.expose.extraNames",
        Change::Live,
        "the API server's certificate is made anew; it is read again without a restart, within minutes",
    ),
    row("spec.kubelet", Change::Live, "for nodes that join from then on; those there keep theirs"),
    row(
        "spec.addons.kubeProxy.management",
        Change::Live,
        "`Unmanaged`: what is there stays, and is yours from then on",
    ),
    row("spec.addons.kubeProxy.config", Change::Live, "kube-proxy rolls out on the nodes"),
    row("spec.addons.kubeProxy.resources.requests", Change::Live, KUBE_PROXY_ROLLS_OUT),
    row("spec.addons.kubeProxy.resources.limits", Change::Live, KUBE_PROXY_ROLLS_OUT),
    row(
        "spec.addons.coreDNS.management",
        Change::Live,
        "`Unmanaged`: what is there stays, and is yours from then on",
    ),
    row(
        "spec.addons.coreDNS.replicas",
        Change::Live,
        "pods come or go; left out again, kubeadm's two, or what somebody in the tenant scales to",
    ),
    row("spec.addons.coreDNS.resources.requests", Change::Live, CORE_DNS_ROLLS_OUT),
    row("spec.addons.coreDNS.resources.limits", Change::Live, CORE_DNS_ROLLS_OUT),
    row("spec.addons.coreDNS.corefile.plugins", Change::Live, COREFILE_IS_READ),
    row("spec.addons.coreDNS.corefile.servers", Change::Live, COREFILE_IS_READ),
    row("spec.addons.coreDNS.corefile.importCustom", Change::Live, CORE_DNS_ROLLS_OUT),
    row(
        "spec.addons.forwarder.management",
        Change::Live,
        "`Unmanaged`: what is there stays, and is yours from then on; CoreDNS rolls out on the nodes, and asks by the endpoint's name",
    ),
    row(
        "spec.addons.konnectivity.management",
        Change::Live,
        "`Unmanaged`: what is there stays, and is yours from then on; without agents of yours the API server reaches no node",
    ),
    row("spec.snapshots.suspend", Change::Live, "at once; those that are there stay"),
    row("spec.snapshots.schedule", Change::Live, "counts from the last snapshot on"),
    row("spec.snapshots.keep", Change::Live, "with the next snapshot"),
    row(
        "spec.snapshots.volume.className",
        Change::Live,
        "for a claim that is made from then on; one that is there keeps its own",
    ),
    row(
        "spec.snapshots.volume.size",
        Change::Live,
        "for a claim that is made from then on; one that is there keeps its own",
    ),
    row("spec.snapshots.s3.endpoint", Change::Live, NEW_PLACE),
    row("spec.snapshots.s3.bucket", Change::Live, NEW_PLACE),
    row("spec.snapshots.s3.region", Change::Live, "with the next snapshot"),
    row("spec.snapshots.s3.prefix", Change::Live, NEW_PLACE),
    row("spec.snapshots.s3.secretName", Change::Live, "with the next snapshot"),
    row(
        "spec.restoreFrom.snapshot",
        Change::Restarts(&["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]),
        "all are stopped first; the API is away for about a minute, and what was written since the snapshot is gone",
    ),
    row("spec.deletionPolicy", Change::Live, "counts when the object is deleted"),
    row("spec.deletionProtection", Change::Live, "at once"),
    row("spec.paused", Change::Live, "at once; probing and status go on"),
];
