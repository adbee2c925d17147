//! In what order the parts of a running control plane get new pods: etcd, then kube-apiserver, then the other two, each
//! once the one before has new ones and most of them are ready. (Versions have an order of their own: [`crate::upgrade`].)
//!
//! Most, not all: a member or replica that is lost for good must not hold up the change that does without it.

use crate::plane::PlaneObjects;
use crate::turns::differing;
use crate::workloads::{Workload, Workloads};

/// Who would get other pods, and has to wait for those before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// kube-apiserver waits for etcd.
    pub api_server: bool,
    /// kube-controller-manager waits for kube-apiserver.
    pub controller_manager: bool,
    /// kube-scheduler waits for kube-apiserver.
    pub scheduler: bool,
}

/// Who has to wait now.
#[must_use]
pub fn held(live: &Workloads, rendered: &PlaneObjects) -> Held {
    let [etcd, api_server, controller_manager, scheduler] = differing(live, rendered);
    let etcd_is_under_way = etcd || is_under_way(live.etcd.as_ref());
    let served = !etcd_is_under_way && !api_server && !is_under_way(live.api_server.as_ref());
    Held {
        api_server: api_server && etcd_is_under_way,
        controller_manager: controller_manager && !served,
        scheduler: scheduler && !served,
    }
}

fn is_under_way(workload: Option<&Workload>) -> bool {
    workload.is_some_and(|one| !one.rolled_out || one.ready * 2 <= one.desired)
}
