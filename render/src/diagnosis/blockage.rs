//! Everything that is known to block a control plane, each in words: what it is, and what to do about it.

use std::fmt;

use jiff::Timestamp;

/// What blocks. Variant names are reasons of conditions and Events; numbers that change by themselves (restarts,
/// ages) are in none of the words, so that they cause no write of their own.
#[derive(
    Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr, strum::VariantNames,
)]
#[allow(missing_docs, reason = "the words of a variant say what its fields are")]
pub enum Blockage {
    /// The class that a volume claim names.
    #[error("volume claim {claim} asks for StorageClass {class}, which does not exist")]
    NoStorageClass { claim: String, class: String },
    /// A volume claim names no class, and the cluster has no default one.
    #[error("volume claim {claim} names no StorageClass, and the cluster has no default one")]
    NoDefaultStorageClass { claim: String },
    /// Nobody has made a volume for a claim.
    #[error("volume claim {claim} has no volume yet: {why}")]
    VolumePending { claim: String, why: String },
    /// A volume that was bound is gone.
    #[error("volume claim {claim} has lost its volume {volume}")]
    VolumeLost { claim: String, volume: String },
    /// A `ResourceQuota` of the namespace.
    #[error("{object} cannot be made: {why}")]
    QuotaExceeded { object: String, why: String },
    /// Pod Security admission.
    #[error("{object} cannot be made: {why}")]
    PodSecurityRefused { object: String, why: String },
    /// A `ValidatingAdmissionPolicy`, or a webhook that denies or does not answer.
    #[error("{object} cannot be made, {by} is against it: {why}")]
    AdmissionDenied { object: String, by: String, why: String },
    /// The API server refuses a pod or a claim for another reason.
    #[error("{object} cannot be made: {why}")]
    CreationRefused { object: String, why: String },
    /// The image is not there, or may not be pulled.
    #[error("container {container} of pod {pod} has no image {image}: {why}")]
    ImageUnavailable { pod: String, container: String, image: String, why: String },
    /// kubelet cannot make the container out of what the pod names.
    #[error("container {container} of pod {pod} cannot be made: {why}")]
    ContainerRefused { pod: String, container: String, why: String },
    /// No node takes the pod.
    #[error("pod {pod} cannot be scheduled: {why}")]
    Unschedulable { pod: String, why: String },
    /// The kubelet that answers for the pod has gone silent, or says that it cannot.
    #[error("node {node}, which pod {pod} is on, is not ready, or does not report any more")]
    NodeLost { pod: String, node: String },
    /// A container ends again and again.
    #[error("container {container} of pod {namespace}/{pod} keeps ending ({how}){}", quoted(words.as_ref()))]
    CrashLoop {
        namespace: String,
        pod: String,
        container: String,
        how: String,
        words: Option<String>,
    },
    /// The port that the spec asks for.
    #[error(
        "spec.expose.nodePort.port: node port {port} belongs to another Service of the management cluster"
    )]
    PortTaken { port: String },
    /// Somebody changes what Nagaya has written, again and again.
    #[error("{field} of {object} is changed again after each write of Nagaya, by {by}")]
    FieldContested { object: String, field: String, by: String },
    /// A member has used up its database quota; etcd's alarms know.
    #[error(
        "etcd has used up its quota of {quota} (alarm NOSPACE): the cluster can be read, not written"
    )]
    NoSpace { quota: String },
    /// Fewer etcd members answer than can decide; etcd's members know.
    #[error("{healthy} of {members} etcd members answer, too few to decide anything")]
    QuorumLost { healthy: usize, members: i32 },
    /// A namespace that is to go and does not.
    #[error("namespace {namespace} cannot go: {why}")]
    NamespaceStuck { namespace: String, why: String },
}

impl Blockage {
    /// The reason of a condition: the variant's name.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.into()
    }

    /// Whether etcd's data may be lost: the other blockages leave a volume alone.
    #[must_use]
    pub fn threatens_data(&self) -> bool {
        matches!(
            self,
            Self::NoStorageClass { .. }
                | Self::NoDefaultStorageClass { .. }
                | Self::VolumePending { .. }
                | Self::VolumeLost { .. }
                | Self::CrashLoop { .. }
                | Self::QuorumLost { .. }
        )
    }

    /// What somebody has to do. What then follows happens by itself.
    #[must_use]
    pub fn next_step(&self) -> String {
        match self {
            Self::NoStorageClass { .. } => {
                "create the class; spec.etcd.storage.className cannot be changed, so for another one \
                 delete this object and create it anew"
                    .to_owned()
            }
            Self::NoDefaultStorageClass { .. } => {
                "mark a StorageClass as default (storageclass.kubernetes.io/is-default-class), or delete this \
                 object and create it with spec.etcd.storage.className"
                    .to_owned()
            }
            Self::VolumePending { .. } => {
                "look at the provisioner of its StorageClass, or create a PersistentVolume that fits".to_owned()
            }
            Self::VolumeLost { .. } => {
                "restore the PersistentVolume; nothing is made anew".to_owned()
            }
            Self::QuotaExceeded { .. } => {
                "raise or remove the ResourceQuota; it is tried again with growing pauses".to_owned()
            }
            Self::PodSecurityRefused { .. } => {
                "let the namespace's pod-security labels and the cluster's Pod Security configuration allow \
                 the level restricted"
                    .to_owned()
            }
            Self::AdmissionDenied { by, .. } => {
                format!("except control-plane namespaces (nagaya.dev/control-plane=true) from {by}")
            }
            Self::CreationRefused { .. } => "remove what the API server names".to_owned(),
            Self::ImageUnavailable { .. } => {
                "provide the image there or choose another spec.version; mirrors and pull secrets are \
                 controlPlaneImages in the manager's configuration"
                    .to_owned()
            }
            Self::ContainerRefused { .. } => {
                "Nagaya makes its own objects again by itself; anything else is the node's: see its kubelet"
                    .to_owned()
            }
            Self::Unschedulable { .. } => {
                "add or free a node of the management cluster; nodeSelector and tolerations are in the \
                 manager's configuration"
                    .to_owned()
            }
            Self::NodeLost { node, .. } => {
                format!(
                    "bring the node back; only if its machine is certainly off, and stays so, have its pods start \
                     elsewhere: kubectl taint node {node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"
                )
            }
            Self::CrashLoop { namespace, pod, container, .. } => {
                format!("more: kubectl logs --previous -n {namespace} {pod} -c {container}")
            }
            Self::PortTaken { .. } => {
                "remove the Service that has it, or choose another port while the cluster is new".to_owned()
            }
            Self::FieldContested { .. } => {
                "have control-plane namespaces (nagaya.dev/control-plane=true) excepted; until then Nagaya writes it \
                 with growing pauses"
                    .to_owned()
            }
            Self::NoSpace { .. } => {
                "Nagaya compacts and defragments it, and takes the alarm away once a tenth is free; if this stays, \
                 delete what fills the tenant cluster (deleting works), or raise spec.etcd.quota"
                    .to_owned()
            }
            Self::QuorumLost { .. } => {
                "bring the members' pods and volumes back; nothing is made anew while too few answer".to_owned()
            }
            Self::NamespaceStuck { namespace, .. } => {
                format!("have the finalizer's owner finish, or take the finalizer off the objects in \
                         {namespace} (kubectl edit); the deletion then goes on by itself")
            }
        }
    }
}

/// A blockage, and since when it is there as far as an object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// What it is.
    pub blockage: Blockage,
    /// From the object that it was found on; the time of a change, never that of a repetition.
    pub since: Option<Timestamp>,
}

impl Blocked {
    /// A blockage that began then.
    #[must_use]
    pub fn new(blockage: Blockage, since: Option<Timestamp>) -> Self {
        Self { blockage, since }
    }
}

/// What, since when, and what to do next.
impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.blockage)?;
        if let Some(since) = self.since {
            write!(f, " (since {})", since.strftime("%Y-%m-%dT%H:%M:%SZ"))?;
        }
        write!(f, "; {}", self.blockage.next_step())
    }
}

fn quoted(words: Option<&String>) -> String {
    words.map_or_else(String::new, |words| format!(": {words}"))
}
