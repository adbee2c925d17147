//! Where replicas go, and how many of them a drain may take at once.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod fixture;

use k8s_openapi::api::core::v1::{Affinity, PodSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use nagaya_render::membership::EtcdShape;
use nagaya_render::plane::{PlaneObjects, build_plane};
use nagaya_render::settings::Settings;
use nagaya_render::upgrade::Versions;

fn plane(api_servers: i32, members: u8) -> PlaneObjects {
    let mut tenant = fixture::newest_tenant();
    tenant.api_server_replicas = api_servers;
    tenant.etcd.replicas = i32::from(members);
    let shape =
        EtcdShape { members: (0..members).collect(), replicas: members, ..EtcdShape::newborn() };
    build_plane(&tenant, &Versions::done(&tenant), &shape, &Settings::default())
}

fn pods(plane: PlaneObjects) -> [PodSpec; 2] {
    let etcd = plane.etcd.spec.expect("a spec").template;
    let api_server = plane.api_server.spec.expect("a spec").template;
    [etcd, api_server].map(|template| template.spec.expect("a pod spec"))
}

fn key_of_zones(affinity: Affinity) -> String {
    let preferred = affinity
        .pod_anti_affinity
        .and_then(|anti| anti.preferred_during_scheduling_ignored_during_execution)
        .expect("a preference");
    preferred[0].pod_affinity_term.topology_key.clone()
}

#[test]
fn replicas_go_to_other_hosts_also_where_nodes_have_no_zone() {
    for pod in pods(plane(2, 3)) {
        let constraints = pod.topology_spread_constraints.expect("a constraint");
        // A second one with the key of zones would let nodes without a zone out of this one too.
        assert_eq!(constraints.len(), 1);
        assert_eq!(constraints[0].topology_key, "kubernetes.io/hostname");
        let zones = key_of_zones(pod.affinity.expect("an affinity"));
        assert_eq!(zones, "topology.kubernetes.io/zone");
    }
}

#[test]
fn a_member_starts_again_where_its_volume_is_however_many_hosts_were_added() {
    for pod in pods(plane(2, 3)) {
        let constraints = pod.topology_spread_constraints.expect("a constraint");
        assert_eq!(constraints[0].when_unsatisfiable, "ScheduleAnyway");
        let anti = pod.affinity.and_then(|affinity| affinity.pod_anti_affinity);
        assert!(
            anti.expect("a preference")
                .required_during_scheduling_ignored_during_execution
                .is_none()
        );
    }
}

#[test]
fn a_single_replica_is_not_restarted_because_others_come() {
    assert_eq!(pods(plane(1, 1)), pods(plane(2, 3)));
}

#[test]
fn a_drain_takes_no_member_that_the_quorum_needs_and_waits_for_no_single_one() {
    let at_once = |members: u8| {
        let budget = plane(1, members).etcd_budget?.spec?;
        assert_eq!(budget.unhealthy_pod_eviction_policy.as_deref(), Some("AlwaysAllow"));
        budget.max_unavailable
    };
    let expected = [(1, None), (2, Some(0)), (3, Some(1)), (4, Some(1)), (5, Some(1))];
    for (members, most) in expected {
        assert_eq!(at_once(members), most.map(IntOrString::Int), "{members} members");
    }
}
