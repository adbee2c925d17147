//! The order in which the parts of a tenant move from one version to the next.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests: a failure is a panic")]
#![allow(clippy::unnecessary_wraps, reason = "fields of Workloads are options")]

mod fixture;

use nagaya_render::minors::KubernetesVersion;
use nagaya_render::tenant::Tenant;
use nagaya_render::upgrade::Versions;
use nagaya_render::workloads::{Workload, Workloads};

const OLD: KubernetesVersion = KubernetesVersion { minor: 36, patch: 3 };
const NEW: KubernetesVersion = KubernetesVersion { minor: 37, patch: 1 };

fn tenant() -> Tenant {
    Tenant { version: NEW, upgrading_from: Some(OLD), ..fixture::newest_tenant() }
}

fn settled(version: KubernetesVersion) -> Option<Workload> {
    let version = Some(version);
    Some(Workload { desired: 2, ready: 2, rolled_out: true, version, ..Workload::default() })
}

fn rolling(version: KubernetesVersion) -> Option<Workload> {
    Some(Workload { rolled_out: false, ..settled(version).unwrap() })
}

fn all_at(version: KubernetesVersion) -> Workloads {
    Workloads {
        etcd: Some(Workload { version: None, ..settled(version).unwrap() }),
        api_server: settled(version),
        controller_manager: settled(version),
        scheduler: settled(version),
    }
}

fn versions(workloads: &Workloads) -> [KubernetesVersion; 3] {
    let Versions { api_server, controller_manager, scheduler, content } =
        Versions::next(&tenant(), workloads, None);
    [api_server, controller_manager.min(scheduler), content]
}

#[test]
fn each_part_follows_when_the_one_before_it_is_settled_at_the_new_version() {
    let mut now = all_at(OLD);
    assert_eq!(versions(&now), [NEW, OLD, OLD]);
    now.api_server = rolling(NEW);
    assert_eq!(versions(&now), [NEW, OLD, OLD], "old API servers still serve");
    now.api_server = settled(NEW);
    assert_eq!(versions(&now), [NEW, NEW, OLD]);
    now.controller_manager = settled(NEW);
    assert_eq!(versions(&now), [NEW, NEW, OLD], "the scheduler is not there yet");
    now.scheduler = settled(NEW);
    assert_eq!(versions(&now), [NEW, NEW, NEW]);
}

#[test]
fn nothing_begins_while_etcd_is_not_well() {
    let now = Workloads { etcd: rolling(OLD), ..all_at(OLD) };
    assert_eq!(versions(&now), [OLD, OLD, OLD]);
    assert_eq!(Versions::next(&tenant(), &now, None).waits_for(NEW), Some("etcd"));
}

#[test]
fn a_part_that_has_moved_does_not_go_back_when_the_one_before_it_falls_ill() {
    let now = Workloads { api_server: rolling(NEW), ..all_at(NEW) };
    assert_eq!(versions(&now)[..2], [NEW, NEW]);
    let now = Workloads { etcd: rolling(OLD), ..all_at(NEW) };
    assert_eq!(versions(&now)[..2], [NEW, NEW]);
    let now = Workloads { api_server: rolling(NEW), scheduler: settled(OLD), ..all_at(NEW) };
    let versions = Versions::next(&tenant(), &now, None);
    assert_eq!((versions.controller_manager, versions.scheduler), (NEW, OLD));
    let now = Workloads { scheduler: rolling(NEW), ..all_at(NEW) };
    assert_eq!(Versions::next(&tenant(), &now, Some(NEW)).content, NEW);
    assert_eq!(Versions::next(&tenant(), &now, Some(OLD)).content, OLD);
}

#[test]
fn without_an_upgrade_everything_is_at_the_tenants_version_whatever_runs() {
    let tenant = Tenant { upgrading_from: None, ..tenant() };
    assert_eq!(Versions::next(&tenant, &Workloads::default(), None), Versions::done(&tenant));
    assert_eq!(Versions::next(&tenant, &all_at(OLD), None), Versions::done(&tenant));
}
