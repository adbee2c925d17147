//! Reasons of conditions, and of the Events that tell of them: what programs may compare with.
//!
//! What each means to people, and what to do about it, is in `docs/reference/conditions.md`. Two more sets of reasons are the
//! names of variants, in `nagaya-render`: what blocks a control plane (`diagnosis::Blockage`), and what kubeadm would trip over
//! (`probe::Reason`).

/// `Ready`: a stock `kubeadm join` would succeed now.
pub const JOINABLE: &str = "Joinable";
/// `Ready`: a new control plane is on its way.
pub const PROVISIONING: &str = "Provisioning";
/// `Ready`, `Stalled`, `Accepted`: the spec cannot be served.
pub const REFUSED: &str = "Refused";
/// `Ready`, `Reconciling`: on the way back to a snapshot.
pub const RESTORING: &str = "Restoring";
/// `Ready`, `Reconciling`: the object is being deleted.
pub const DELETING: &str = "Deleting";
/// `Ready`, `EndpointReachable`: so many tenants vanished at once that the manager's own network is suspect.
pub const PROBER_BLIND: &str = "ProberBlind";
/// `Ready`: the last probe ran out of time before it had seen everything.
pub const PROBE_INCOMPLETE: &str = "ProbeIncomplete";
/// `Ready`, `EndpointReachable`: this manager has not looked yet.
pub const NOT_PROBED_YET: &str = "NotProbedYet";

/// `Reconciling`: on the way to what the spec says.
pub const PROGRESSING: &str = "Progressing";
/// `Reconciling`: the pods are those of another manager or of other settings.
pub const WAITING_TO_ROLL: &str = "WaitingToRoll";
/// `Reconciling`: on the way from one Kubernetes version to the next.
pub const UPGRADING: &str = "Upgrading";
/// `Reconciling`: members of etcd come or go.
pub const SCALING: &str = "Scaling";

/// `Stalled`: etcd was healthy once and does not come up, and its data may be lost.
pub const ETCD_DOWN: &str = "EtcdDown";

/// `Accepted`: the spec can be served.
pub const VALID: &str = "Valid";
/// `Accepted`, `ContentReady`: nothing is applied while `spec.paused` is true.
pub const PAUSED: &str = "Paused";

/// `CertificatesReady`: every key and certificate is in its life. `Issued`: the token is in the tenant cluster.
pub const ISSUED: &str = "Issued";
/// `CertificatesReady`, `ContentReady`: not all of it is there yet.
pub const PENDING: &str = "Pending";

/// Of a component: enough replicas of it are ready. `NodesReady`: every node is.
pub const READY: &str = "Ready";
/// Of a component: it has not been created yet.
pub const MISSING: &str = "Missing";
/// Of a component: it is there and not ready yet, and nothing is known to block it. `NodesReady`: the message names nodes
/// that are not, and says why.
pub const NOT_READY: &str = "NotReady";

/// `ContentReady`: everything that kubeadm and nodes read is in place.
pub const APPLIED: &str = "Applied";
/// `ContentReady`: the last attempt to write it failed.
pub const APPLY_FAILED: &str = "ApplyFailed";

/// `EndpointReachable`: the public endpoint answers as it should.
pub const REACHABLE: &str = "Reachable";

/// `Ready`, `Reconciling`, `EndpointReachable`: no load balancer has given an address that can be used.
pub const LOAD_BALANCER_PENDING: &str = "LoadBalancerPending";
/// `Ready`, `EndpointReachable`: the load balancer has given another address than the one that nodes have.
pub const ADDRESS_CHANGED: &str = "AddressChanged";

/// `SnapshotsReady`: the last attempt succeeded.
pub const TAKEN: &str = "Taken";
/// `SnapshotsReady`: the last attempt failed.
pub const SNAPSHOT_FAILED: &str = "SnapshotFailed";
/// `SnapshotsReady`: the pod of an attempt does not start.
pub const SNAPSHOT_STUCK: &str = "SnapshotStuck";

/// `NodesCutOff`: no node renews its Lease.
pub const LEASES_STALE: &str = "LeasesStale";
/// `NodesCutOff`: no node can renew its Lease, because nothing can be written.
pub const ETCD_IS_FULL: &str = "EtcdIsFull";
/// `NodesCutOff`: all is as usual again.
pub const NODES_LOOKED_AFTER: &str = "NodesLookedAfter";

/// `NodesMoved`: every node is known to use the endpoint.
pub const MOVED: &str = "Moved";
/// `NodesMoved`: some nodes are not known to use the endpoint, and may still use the former one.
pub const NODES_LEFT: &str = "NodesLeft";
/// `NodesMoved`: the nodes were not listed since the endpoint changed. `NodesReady`: they cannot be seen.
pub const NODES_NOT_SEEN: &str = "NodesNotSeen";

/// `ConnectionsLimited`: as many are open as may be.
pub const TOO_MANY_CONNECTIONS: &str = "TooManyConnections";
/// `ConnectionsLimited`: new ones came faster than they may.
pub const CONNECTIONS_TOO_FAST: &str = "ConnectionsTooFast";

/// A failed pass: the API server of the management cluster refused, or could not be reached.
pub const API_CALL: &str = "ApiCall";
/// A failed pass: an object that Nagaya needs exists and is not Nagaya's.
pub const FOREIGN_OBJECT: &str = "ForeignObject";
/// A failed pass: another writer came first. The next one follows at once: no cause of anything.
pub const OBJECT_CHANGED: &str = "ObjectChanged";
/// A failed pass: an object has no JSON form or no name.
pub const RENDER_OBJECT: &str = "RenderObject";
/// A failed pass, of a `JoinToken` too: the object lacks what every object has, such as a name.
pub const OBJECT_INCOMPLETE: &str = "ObjectIncomplete";
/// A failed pass: the CA Secrets of a cluster that was healthy are gone.
pub const KEYS_LOST: &str = "KeysLost";
/// A failed pass: a key or certificate cannot be read or made.
pub const CERTIFICATES_FAILED: &str = "CertificatesFailed";
/// A failed pass: what goes into the tenant cluster cannot be rendered.
pub const CONTENT_FAILED: &str = "ContentFailed";
/// A failed pass: the connection to the tenant cannot be set up.
pub const CONNECTION_FAILED: &str = "ConnectionFailed";
/// A failed pass: the Secret of the administrator's kubeconfig exists and is not Nagaya's.
pub const KUBECONFIG_FOREIGN: &str = "KubeconfigForeign";
/// A failed pass: the Service that the endpoint is to have is to be made again, and the one of before is not gone yet.
pub const SERVICE_HELD: &str = "ServiceHeld";

/// `Issued`: the cluster's API server, or the operator's leave, is waited for.
pub const WAITING: &str = "Waiting";
/// `Issued`: there is no such cluster.
pub const NO_CLUSTER: &str = "NoCluster";
/// `Issued`: the token's life is over.
pub const EXPIRED: &str = "Expired";
/// `Issued`: the object is being deleted, and the token is still in the tenant cluster.
pub const REVOKING: &str = "Revoking";

/// `Issued`: a call failed.
pub const CALL: &str = "Call";
/// `Issued`: the token cannot be rendered.
pub const RENDER: &str = "Render";
/// `Issued`: there is no randomness to make a token of.
pub const RANDOM: &str = "Random";
/// `Issued`: the Secret of the token is there and holds none.
pub const TOKEN_UNREADABLE: &str = "TokenUnreadable";

/// Of an Event alone: a member of etcd was defragmented.
pub const DEFRAGMENTED: &str = "Defragmented";
