//! Labels and annotations that objects are found by. They are API: changing one orphans what carries it.

/// Component name, as in the recommended Kubernetes labels.
pub const NAME: &str = "app.kubernetes.io/name";
/// Version of what an object runs, as in the recommended Kubernetes labels: says how far an upgrade is.
pub const VERSION_LABEL: &str = "app.kubernetes.io/version";
/// Who manages an object; the value is [`MANAGER`].
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`], and the field manager of every apply.
pub const MANAGER: &str = "nagaya";
/// Field manager of annotations that are written beside what an apply owns.
pub const RECORD_MANAGER: &str = "nagaya-record";

/// Name of the `TenantCluster` an object belongs to.
pub const TENANT_NAME: &str = "nagaya.dev/tenant-name";
/// Namespace of the `TenantCluster` an object belongs to.
pub const TENANT_NAMESPACE: &str = "nagaya.dev/tenant-namespace";
/// UID of the `TenantCluster` an object belongs to: compared, never searched by.
pub const TENANT_UID: &str = "nagaya.dev/tenant-uid";

/// Marks a namespace that holds a control plane; the value is `true`.
pub const CONTROL_PLANE: &str = "nagaya.dev/control-plane";
/// Set by the operator on namespaces whose `TenantCluster`s Nagaya may serve; see [`PROJECT_ENABLED`].
pub const PROJECT: &str = "nagaya.dev/project";
/// Value of [`PROJECT`] that turns it on.
pub const PROJECT_ENABLED: &str = "enabled";

/// Annotation on a control-plane namespace: the host that kubelets have baked in.
pub const ENDPOINT_HOST: &str = "nagaya.dev/endpoint-host";
/// Annotation on a control-plane namespace: the port that kubelets have baked in.
pub const ENDPOINT_PORT: &str = "nagaya.dev/endpoint-port";
/// Annotation on a control-plane namespace: the address that a load balancer has given to the endpoint.
pub const ENDPOINT_ADDRESS: &str = "nagaya.dev/endpoint-address";
/// Annotation on a control-plane namespace: the node port that the operator's own load balancer leads to.
pub const ENDPOINT_NODE_PORT: &str = "nagaya.dev/endpoint-node-port";
/// Annotation on a control-plane namespace: the Service of the endpoint, where it is not the one that it was born with.
pub const ENDPOINT_SERVICE: &str = "nagaya.dev/endpoint-service";
/// Annotation on a control-plane namespace: the endpoint of before `spec.expose.type` was changed, as JSON, until it is
/// ended.
pub const FORMER_ENDPOINT: &str = "nagaya.dev/former-endpoint";
/// Annotation on a tenant's Node: the endpoint (`host:port`) that its kubelet was told to use since it joined.
pub const NODE_ENDPOINT: &str = "nagaya.dev/endpoint";
/// Annotation on a control-plane namespace whose owner was deleted under `deletionPolicy: Retain`; the
/// value is that owner's UID.
pub const RETAINED: &str = "nagaya.dev/retained";
/// Annotation on a `TenantCluster` that lets it adopt a plane of another UID; the value is that UID.
pub const ADOPT: &str = "nagaya.dev/adopt";
/// Annotation on a pod template: digest of what Nagaya rendered.
pub const RENDER_REVISION: &str = "nagaya.dev/render-revision";
/// Annotation on the Deployment of kube-apiserver: how many members of etcd it connects to, from the first on.
pub const ETCD_MEMBERS: &str = "nagaya.dev/etcd-members";
/// Annotation on the StatefulSet of kube-controller-manager, there while it runs without the controllers that look after
/// nodes: since when.
pub const NODES_CUT_OFF_SINCE: &str = "nagaya.dev/nodes-cut-off-since";
/// Annotation on a control-plane namespace: which manager with which settings its pods may be of.
pub const TEMPLATES: &str = "nagaya.dev/templates";
/// Annotation on a control-plane namespace: the value of [`TEMPLATES`] that it has followed to while it ran.
pub const ROLLED: &str = "nagaya.dev/rolled";
/// Annotation on a control-plane namespace: the exact Kubernetes version that it runs, or is on its way to.
pub const VERSION: &str = "nagaya.dev/version";
/// Annotation on a control-plane namespace, there while an upgrade is under way: the version at which all of it
/// was last, and at which what nodes and kubeadm read still is.
pub const UPGRADING_FROM: &str = "nagaya.dev/upgrading-from";
/// Annotation on a control-plane namespace: the manager's image that its pods wait with. It changes only when
/// they are replaced anyway, so that a new tag alone restarts nothing.
pub const WAIT_IMAGE: &str = "nagaya.dev/wait-image";
/// Annotation on a control-plane namespace: the `TenantCluster`'s spec that was accepted last, as JSON. It
/// stays in force while a later one is refused.
pub const ACCEPTED_SPEC: &str = "nagaya.dev/accepted-spec";
/// Annotation on a control-plane namespace: the storage class of its etcd volumes, if one was asked for by the
/// spec or the configuration when it was made. Volume claims cannot change theirs.
pub const STORAGE_CLASS: &str = "nagaya.dev/storage-class";
/// Annotation on a control-plane namespace: `true` once its etcd has been healthy. From then on missing keys
/// or data are a loss to be reported, never a reason to start anew.
pub const BORN: &str = "nagaya.dev/born";
/// Annotation on a control-plane namespace: how many of the first members of its etcd may have a volume claim; none: one. Written
/// before there are more, and again once those of members that are gone have been let go of.
pub const ETCD_CLAIMS: &str = "nagaya.dev/etcd-claims";
/// Annotation on a control-plane namespace: what the volume of its snapshots holds, as JSON.
pub const SNAPSHOTS: &str = "nagaya.dev/snapshots";
/// Annotation on a control-plane namespace: the `spec.restoreFrom.snapshot` that its etcd was filled with. It is not
/// filled with that again while the spec names it.
pub const RESTORED_FROM: &str = "nagaya.dev/restored-from";
/// Annotation on the Job that takes a snapshot: what the snapshot is for.
pub const SNAPSHOT_REASON: &str = "nagaya.dev/snapshot-reason";
/// Annotation on the Job that takes a snapshot: the folder of the bucket that it goes to; none: the volume.
pub const SNAPSHOT_LOCATION: &str = "nagaya.dev/snapshot-location";
/// Annotation on the Job that restores a snapshot: its name.
pub const RESTORES: &str = "nagaya.dev/restores";

/// Annotation on the pod template of kube-apiserver behind the gateway: a digest of the certificate that the tunnel's server shows.
/// It reads it only when it starts.
pub const TUNNEL_CERTIFICATE: &str = "nagaya.dev/tunnel-certificate";

/// Label on a Service in a control-plane namespace that the gateway leads to; the value is [`GATEWAY_ENABLED`].
pub const GATEWAY: &str = "nagaya.dev/gateway";
/// Value of [`GATEWAY`] that turns it on.
pub const GATEWAY_ENABLED: &str = "true";
/// Annotation on such a Service: the host names by which clients reach it through the gateway, separated by commas.
pub const GATEWAY_HOSTS: &str = "nagaya.dev/gateway-hosts";
/// Annotation on such a Service: how many connections it may have through one replica of the gateway, instead of the
/// gateway's own setting.
pub const GATEWAY_CONNECTIONS: &str = "nagaya.dev/gateway-connections";
/// Annotation on such a Service: how many new connections a second it may get through one replica of the gateway,
/// instead of the gateway's own setting.
pub const GATEWAY_CONNECTION_RATE: &str = "nagaya.dev/gateway-connection-rate";
