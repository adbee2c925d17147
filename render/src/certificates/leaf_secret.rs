//! Which Secret holds which leaf certificates: one for each component, whose pods mount it file by file.

use strum::IntoEnumIterator;

use super::leaf::Leaf;
use super::secret_data::{OPAQUE, TLS};
use crate::plane::mounts::{CLIENT, SERVING};
use crate::tenant::Tenant;

/// A Secret with leaf certificates and their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafSecret {
    /// Of the members of etcd.
    Etcd,
    /// Of kube-apiserver.
    ApiServer,
    /// Of kube-controller-manager.
    ControllerManager,
    /// Of kube-scheduler.
    Scheduler,
    /// Of the operator's Prometheus.
    Metrics,
    /// Of the tunnel's server.
    Tunnel,
    /// Of one leaf, as planes were born with until a component had one for all. Not made any more; renewed until
    /// its plane's pods have rolled, since they mount it, and removed then.
    Former(Leaf),
}

impl LeafSecret {
    /// Every one that any control plane has.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Etcd, Self::ApiServer, Self::ControllerManager, Self::Scheduler, Self::Metrics]
            .into_iter()
    }

    /// [`LeafSecret::all`], and what only some have.
    pub fn of(tenant: &Tenant) -> impl Iterator<Item = Self> {
        Self::all().chain(tenant.tunnel_host().map(|_| Self::Tunnel))
    }

    /// Every one that a control plane had before.
    pub fn former() -> impl Iterator<Item = Self> {
        let had = |leaf: &Leaf| *leaf != Leaf::Metrics && !leaf.is_of_the_tunnel();
        Leaf::iter().filter(had).map(Self::Former)
    }

    /// The last of [`LeafSecret::former`]. They are removed in that order: where it is not, none is.
    pub const LAST_FORMER: Self = Self::Former(Leaf::SchedulerServing);

    /// Its name.
    #[must_use]
    pub const fn secret_name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd-certs",
            Self::ApiServer => "kube-apiserver-certs",
            Self::ControllerManager => "kube-controller-manager-certs",
            Self::Scheduler => "kube-scheduler-certs",
            Self::Metrics => "metrics-client",
            Self::Tunnel => "konnectivity-server-certs",
            Self::Former(leaf) => former_name(leaf),
        }
    }

    /// The leaves in it, and what the pair of each is called there: `NAME.crt` and `NAME.key`.
    pub(super) fn pairs(self) -> Vec<(Leaf, &'static str)> {
        if let Self::Former(leaf) = self {
            return vec![(leaf, ALONE)];
        }
        let pairs = Leaf::iter().map(|leaf| (leaf, leaf.place()));
        let own = pairs.filter(|(_, (secret, _))| *secret == self);
        own.map(|(leaf, (_, pair))| (leaf, pair)).collect()
    }

    /// kubernetes.io/tls is for one pair, and demands its keys.
    pub(super) const fn type_(self) -> &'static str {
        match self {
            Self::Metrics | Self::Former(_) => TLS,
            _ => OPAQUE,
        }
    }
}

/// What the only pair of a Secret is called.
const ALONE: &str = "tls";

impl Leaf {
    /// The Secret that holds it, and what its pair is called there and in the pods that mount it.
    pub(crate) const fn place(self) -> (LeafSecret, &'static str) {
        match self {
            Self::ApiServer => (LeafSecret::ApiServer, "apiserver"),
            Self::KubeletClient => (LeafSecret::ApiServer, "apiserver-kubelet-client"),
            Self::FrontProxyClient => (LeafSecret::ApiServer, "front-proxy-client"),
            Self::EtcdClient => (LeafSecret::ApiServer, "apiserver-etcd-client"),
            Self::EtcdServer => (LeafSecret::Etcd, "server"),
            Self::EtcdPeer => (LeafSecret::Etcd, "peer"),
            Self::ControllerManager => (LeafSecret::ControllerManager, CLIENT),
            Self::ControllerManagerServing => (LeafSecret::ControllerManager, SERVING),
            Self::Scheduler => (LeafSecret::Scheduler, CLIENT),
            Self::SchedulerServing => (LeafSecret::Scheduler, SERVING),
            Self::Metrics => (LeafSecret::Metrics, ALONE),
            Self::TunnelServing => (LeafSecret::Tunnel, SERVING),
            Self::TunnelClient => (LeafSecret::Tunnel, CLIENT),
        }
    }
}

const fn former_name(leaf: Leaf) -> &'static str {
    match leaf {
        Leaf::ApiServer => "kube-apiserver-tls",
        Leaf::KubeletClient => "kube-apiserver-kubelet-client",
        Leaf::FrontProxyClient => "front-proxy-client",
        Leaf::EtcdClient => "kube-apiserver-etcd-client",
        Leaf::EtcdServer => "etcd-server",
        Leaf::EtcdPeer => "etcd-peer",
        Leaf::ControllerManager => "kube-controller-manager-kubeconfig",
        Leaf::ControllerManagerServing => "kube-controller-manager-tls",
        Leaf::Scheduler => "kube-scheduler-kubeconfig",
        Leaf::SchedulerServing => "kube-scheduler-tls",
        Leaf::Metrics => "metrics-client",
        // There was no tunnel then.
        Leaf::TunnelServing | Leaf::TunnelClient => LeafSecret::Tunnel.secret_name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_former_secret_is_the_last_and_none_is_still_made() {
        let made: Vec<&str> = LeafSecret::all().map(LeafSecret::secret_name).collect();
        assert_eq!(LeafSecret::former().last(), Some(LeafSecret::LAST_FORMER));
        assert!(LeafSecret::former().all(|former| !made.contains(&former.secret_name())));
    }

    #[test]
    fn every_leaf_is_in_one_secret() {
        for leaf in Leaf::iter() {
            let holds = |secret: &LeafSecret| secret.pairs().iter().any(|(one, _)| *one == leaf);
            let made = LeafSecret::all().chain([LeafSecret::Tunnel]);
            assert_eq!(made.filter(holds).count(), 1, "{leaf:?}");
        }
    }
}
