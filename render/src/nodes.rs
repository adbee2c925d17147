//! A tenant's nodes: how many there are, and what keeps some of them from being Ready.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::NodeCondition;

/// Nodes that are named with what is wrong; of others the number is enough.
pub const NAMED_AT_MOST: usize = 16;
/// Characters of what a kubelet says of itself: it goes from the tenant into the management cluster.
const LONGEST_WORDS: usize = 256;
/// How kubelet says that its container runtime has no network configured (`runtimeState.runtimeErrors` and `networkErrors`
/// in `pkg/kubelet/runtime.go`, the reason in containerd's `internal/cri/server/status.go`).
const NO_NETWORK: [&str; 2] = ["NetworkPluginNotReady", "cni plugin not initialized"];

/// What was seen of all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes {
    /// How many there are.
    pub total: usize,
    /// How many of them are not Ready.
    pub not_ready: usize,
    /// Of these some, by name: [`NAMED_AT_MOST`].
    pub named: BTreeMap<String, Trouble>,
}

/// Why a node is not Ready.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// No network plugin is installed yet.
    NoNetwork,
    /// Its kubelet has not been heard of since about then.
    Silent(Option<Timestamp>),
    /// What its kubelet says.
    Said(String),
}

impl Trouble {
    /// Of a node with these conditions (`status.conditions`); `None`: it is Ready.
    #[must_use]
    pub fn of(conditions: &[NodeCondition]) -> Option<Self> {
        let Some(ready) = conditions.iter().find(|one| one.type_ == "Ready") else {
            return Some(Self::Said("its kubelet has not said yet whether it is ready".to_owned()));
        };
        let words = ready.message.as_deref().unwrap_or_default();
        match ready.status.as_str() {
            "True" => None,
            // Set by kube-controller-manager's node-lifecycle-controller.
            "Unknown" => Some(Self::Silent(ready.last_transition_time.as_ref().map(|time| time.0))),
            _ if NO_NETWORK.iter().any(|known| words.contains(known)) => Some(Self::NoNetwork),
            _ => Some(Self::Said(words.chars().take(LONGEST_WORDS).collect())),
        }
    }

    /// What the tenant's owner can do about it.
    const fn remedy(&self) -> &'static str {
        match self {
            Self::NoNetwork => {
                ": install one in the cluster, for example Cilium, Calico or Flannel"
            }
            Self::Silent(_) => {
                ": the machine or its kubelet is down, or has lost the way to the API server"
            }
            Self::Said(_) => "",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNetwork => write!(f, "no CNI")?,
            Self::Silent(None) => write!(f, "not heard of")?,
            Self::Silent(Some(since)) => write!(f, "not heard of since {since}")?,
            Self::Said(words) => write!(f, "{words}")?,
        }
        f.write_str(self.remedy())
    }
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { total, not_ready, named } = self;
        if *not_ready == 0 {
            return write!(f, "{total} of {total} nodes are ready");
        }
        write!(f, "{not_ready} of {total} nodes are not ready")?;
        let mut by_trouble: BTreeMap<&Trouble, Vec<&str>> = BTreeMap::new();
        for (name, trouble) in named {
            by_trouble.entry(trouble).or_default().push(name);
        }
        for (trouble, names) in by_trouble {
            write!(f, "; {}: {trouble}", names.join(", "))?;
        }
        match not_ready - named.len() {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn ready(status: &str, message: &str) -> Vec<NodeCondition> {
        let of = |type_: &str, status: &str| NodeCondition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            message: Some(message.to_owned()),
            last_transition_time: Some(Time(Timestamp::UNIX_EPOCH)),
            ..NodeCondition::default()
        };
        vec![of("MemoryPressure", "False"), of("Ready", status)]
    }

    fn nodes(troubled: &[(&str, Trouble)], total: usize, not_ready: usize) -> String {
        let named = troubled.iter().map(|(name, trouble)| ((*name).to_owned(), trouble.clone()));
        Nodes { total, not_ready, named: named.collect() }.to_string()
    }

    #[test]
    fn a_node_without_a_network_plugin_is_told_from_others() {
        let kubelet = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady \
                       message:Network plugin returns error: cni plugin not initialized";
        assert_eq!(Trouble::of(&ready("False", kubelet)), Some(Trouble::NoNetwork));
        let other = "container runtime is down";
        assert_eq!(Trouble::of(&ready("False", other)), Some(Trouble::Said(other.to_owned())));
        assert_eq!(
            Trouble::of(&ready("Unknown", "Kubelet stopped posting node status.")),
            Some(Trouble::Silent(Some(Timestamp::UNIX_EPOCH)))
        );
        assert_eq!(Trouble::of(&ready("True", "kubelet is posting ready status")), None);
        assert!(matches!(Trouble::of(&[]), Some(Trouble::Said(_))));
    }

    #[test]
    fn what_a_kubelet_says_is_cut() {
        let Some(Trouble::Said(words)) = Trouble::of(&ready("False", &"é".repeat(9999))) else {
            panic!("nothing is said");
        };
        assert_eq!(words.chars().count(), LONGEST_WORDS);
    }

    #[test]
    fn nodes_with_the_same_trouble_are_told_together_with_what_to_do() {
        assert_eq!(nodes(&[], 3, 0), "3 of 3 nodes are ready");
        assert_eq!(
            nodes(&[("vm-2", Trouble::NoNetwork)], 3, 1),
            "1 of 3 nodes are not ready; vm-2: no CNI: install one in the cluster, for example Cilium, Calico or Flannel"
        );
        let silent = Trouble::Silent(Some(Timestamp::UNIX_EPOCH));
        let troubled = [
            ("vm-1", Trouble::NoNetwork),
            ("vm-2", silent),
            ("vm-3", Trouble::NoNetwork),
            ("vm-4", Trouble::Said("PLEG is not healthy".to_owned())),
        ];
        assert_eq!(
            nodes(&troubled, 30, 20),
            "20 of 30 nodes are not ready; vm-1, vm-3: no CNI: install one in the cluster, for example Cilium, Calico or \
             Flannel; vm-2: not heard of since 1970-01-01T00:00:00Z: the machine or its kubelet is down, or has lost the \
             way to the API server; vm-4: PLEG is not healthy; and 16 more"
        );
    }
}
