//! Replicas of a component go to different zones and hosts, as long as there are such.
//!
//! Never more than a preference, and of two kinds: `docs/adr/0026-spread-is-a-preference.md`.

use k8s_openapi::api::core::v1::{
    Affinity, PodAffinityTerm, PodAntiAffinity, TopologySpreadConstraint, WeightedPodAffinityTerm,
};

use super::pod::label_selector;

const ZONE: &str = "topology.kubernetes.io/zone";
const HOST: &str = "kubernetes.io/hostname";

/// Replicas of before a change are on their way out. Pods of a StatefulSet have no such label: all of them count.
fn of_one_template() -> Vec<String> {
    vec!["pod-template-hash".to_owned()]
}

pub(super) fn over_hosts(component: &str) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: HOST.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(label_selector(component)),
        match_label_keys: Some(of_one_template()),
        ..TopologySpreadConstraint::default()
    }
}

/// Not a second constraint: of a pod with several, the scheduler rates no node that lacks one of the keys.
pub(super) fn over_zones(component: &str) -> Affinity {
    let term = PodAffinityTerm {
        topology_key: ZONE.to_owned(),
        label_selector: Some(label_selector(component)),
        match_label_keys: Some(of_one_template()),
        ..PodAffinityTerm::default()
    };
    let preferred = WeightedPodAffinityTerm { weight: 100, pod_affinity_term: term };
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![preferred]),
            ..PodAntiAffinity::default()
        }),
        ..Affinity::default()
    }
}
