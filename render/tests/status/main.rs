//! What a pass says about what it found.

#![allow(clippy::unwrap_used, reason = "tests: a failure is a panic")]
#![allow(clippy::needless_pass_by_value, reason = "reads better with json! at the call")]

mod blocked;
mod etcd;
mod limited;
mod load_balancer;
mod moved;
mod snapshots;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use nagaya_api::{TenantCluster, TenantClusterStatus, conditions};
use nagaya_render::diagnosis::{Blockage, Blocked};
use nagaya_render::load_balancer::{BalancerView, with_given_address};
use nagaya_render::membership::EtcdFindings;
use nagaya_render::moves::{Awaited, Former, NodesLeft};
use nagaya_render::nodes::{Nodes, Trouble};
use nagaya_render::plane_record::PlaneRecord;
use nagaya_render::probe::{Finding, ProbeReport, Reason};
use nagaya_render::settings::{GatewaySettings, Settings};
use nagaya_render::snapshots::PlaneJobs;
use nagaya_render::status::{
    ContentState, Failure, Findings, Probed, State, Verdict, compute_status, deleting_status,
    is_step,
};
use nagaya_render::tenant::Tenant;
use nagaya_render::validate::{OldestKubelet, Refusal, Surroundings, validate};
use nagaya_render::workloads::{Workload, Workloads};
use serde_json::json;

fn raw(spec: serde_json::Value) -> TenantCluster {
    serde_json::from_value(json!({
        "apiVersion": "nagaya.dev/v1alpha1", "kind": "TenantCluster",
        "metadata": {"name": "demo", "namespace": "shop", "uid": "u", "generation": 3},
        "spec": spec,
    }))
    .unwrap()
}

fn resolved(raw: &TenantCluster) -> Result<Tenant, Refusal> {
    let gateway = GatewaySettings {
        domain: Some("k8s.example".into()),
        addresses: vec!["198.51.100.7".parse().unwrap()],
        ..GatewaySettings::default()
    };
    let host = Some("192.0.2.1".into());
    let settings = Settings { node_port_host: host, gateway, ..Settings::default() };
    let planes = [PlaneRecord {
        namespace: "plane".into(),
        owner_uid: Some("u".into()),
        endpoint_port: Some(31000),
        ..PlaneRecord::default()
    }];
    validate(
        raw,
        Surroundings {
            settings: &settings,
            project_enabled: true,
            planes: &planes,
            oldest_kubelet: &OldestKubelet::NoNode,
        },
    )
}

fn joinable() -> ProbeReport {
    ProbeReport {
        endpoint: Finding::Ok,
        cluster_info: Finding::Ok,
        signature: Finding::Ok,
        kubeadm_config: Finding::Ok,
        kubelet_config: Finding::Ok,
        kube_proxy_config: Finding::Ok,
        permissions: Finding::Ok,
        authentication: Finding::Ok,
        signer: Finding::Ok,
        stalled: false,
    }
}

fn running() -> Workloads {
    let one = Some(Workload { desired: 1, ready: 1, rolled_out: true, ..Workload::default() });
    Workloads {
        etcd: one.clone(),
        api_server: one.clone(),
        controller_manager: one.clone(),
        scheduler: one,
    }
}

/// What a pass found; everything is well unless a test changes it.
struct Pass {
    raw: TenantCluster,
    now: Timestamp,
    probed: Option<ProbeReport>,
    blind: bool,
    elsewhere: bool,
    workloads: Workloads,
    etcd: Option<EtcdFindings>,
    jobs: PlaneJobs,
    balancer: BalancerView,
    content: ContentState,
    failure: Option<Failure>,
    contested: Option<Blocked>,
    cut_off_since: Option<Timestamp>,
    /// By which it was born, if a load balancer leads to it.
    given: BalancerView,
    nodes: Nodes,
    former: Option<Former>,
    nodes_left: Option<NodesLeft>,
    limited: Option<Verdict>,
    born: bool,
}

impl Pass {
    fn over(spec: serde_json::Value) -> Self {
        Self {
            raw: raw(spec),
            now: Timestamp::UNIX_EPOCH,
            probed: Some(joinable()),
            blind: false,
            elsewhere: false,
            workloads: running(),
            etcd: None,
            jobs: PlaneJobs::default(),
            balancer: BalancerView::default(),
            content: ContentState::Applied,
            failure: None,
            contested: None,
            cut_off_since: None,
            given: BalancerView::default(),
            nodes: Nodes { total: 2, ..Nodes::default() },
            former: None,
            nodes_left: None,
            limited: None,
            born: true,
        }
    }

    fn status(&self) -> TenantClusterStatus {
        let cut_off_since = self.cut_off_since;
        let tenant = resolved(&self.raw).map(|mut tenant| {
            tenant.exposure.moves.former.clone_from(&self.former);
            Tenant { cut_off_since, ..tenant }
        });
        self.status_of(tenant.map(|tenant| with_given_address(tenant, &self.given, false)))
    }

    fn status_of(&self, tenant: Result<Tenant, Refusal>) -> TenantClusterStatus {
        compute_status(&Findings {
            raw: &self.raw,
            now: self.now,
            tenant: tenant.as_ref().ok(),
            refusal: tenant.as_ref().err(),
            plane_exists: true,
            failure: self.failure.as_ref(),
            contested: self.contested.as_ref(),
            certificates_ready: true,
            workloads: &self.workloads,
            etcd: self.etcd.as_ref(),
            jobs: &self.jobs,
            balancer: &self.balancer,
            content: &self.content,
            probed: match &self.probed {
                _ if self.blind => Probed::Blind,
                _ if self.elsewhere => Probed::Elsewhere,
                Some(report) => Probed::Report(report),
                None => Probed::NotYet,
            },
            nodes: Some(&self.nodes),
            nodes_left: self.nodes_left.as_ref(),
            limited: self.limited.as_ref(),
            born: self.born,
        })
    }
}

fn valid() -> Pass {
    Pass::over(json!({"version": "1.37"}))
}

fn condition<'a>(status: &'a TenantClusterStatus, kind: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == kind)
}

fn says(status: &TenantClusterStatus, kind: &str) -> String {
    condition(status, kind).map_or("absent".into(), |one| format!("{} {}", one.status, one.reason))
}

#[test]
fn a_joinable_tenant_is_ready_and_nothing_else_is_said() {
    let status = valid().status();
    assert_eq!(says(&status, "Ready"), "True Joinable");
    assert_eq!(says(&status, "Reconciling"), "absent");
    assert_eq!(says(&status, "Stalled"), "absent");
    assert_eq!(status.endpoint.as_deref(), Some("192.0.2.1:31000"));
    assert_eq!(status.version.as_deref(), Some("v1.37.1"));
    assert_eq!(status.resolved_from.as_deref(), Some("1.37"));
    assert_eq!(status.nodes, Some(2));
    assert!(status.conditions.iter().all(|one| one.observed_generation == Some(3)));
}

#[test]
fn a_node_that_is_not_ready_is_named_and_does_not_keep_others_from_joining() {
    assert_eq!(says(&valid().status(), "NodesReady"), "True Ready");
    assert_eq!(says(&Pass { nodes: Nodes::default(), ..valid() }.status(), "NodesReady"), "absent");
    let named = [("vm-2".to_owned(), Trouble::NoNetwork)].into();
    let status = Pass { nodes: Nodes { total: 2, not_ready: 1, named }, ..valid() }.status();
    assert_eq!(says(&status, "NodesReady"), "False NotReady");
    assert!(condition(&status, "NodesReady").unwrap().message.contains("vm-2: no CNI"));
    assert_eq!(says(&status, "Ready"), "True Joinable");
    let cut_off = Pass { cut_off_since: Some(Timestamp::UNIX_EPOCH), ..valid() }.status();
    assert_eq!(says(&cut_off, "NodesReady"), "Unknown NodesNotSeen");
    let probed = Some(ProbeReport::default()).filter(ProbeReport::unreachable);
    assert!(probed.is_none(), "nothing was seen of it yet");
    let endpoint = Finding::failed(Reason::EndpointUnreachable, "refused");
    let away = Pass { probed: Some(ProbeReport { endpoint, ..joinable() }), ..valid() }.status();
    assert_eq!(says(&away, "NodesReady"), "Unknown NodesNotSeen");
}

#[test]
fn running_pods_alone_do_not_make_a_tenant_ready() {
    let kubelet_config = Finding::failed(Reason::ObjectMissing, "kubelet-config is gone");
    let broken = ProbeReport { kubelet_config, ..joinable() };
    let status = Pass { probed: Some(broken), ..valid() }.status();
    assert_eq!(says(&status, "Ready"), "False ObjectMissing");
    assert!(condition(&status, "Ready").unwrap().message.contains("kubelet-config is gone"));
}

#[test]
fn a_refused_spec_stalls_while_what_runs_stays_ready() {
    let status = Pass::over(json!({"version": "9.9"})).status();
    assert_eq!(says(&status, "Ready"), "True Joinable");
    assert_eq!(says(&status, "Accepted"), "False Refused");
    assert_eq!(says(&status, "Stalled"), "True Refused");
    assert_eq!(says(&status, "Reconciling"), "absent");
}

#[test]
fn a_blind_prober_says_unknown() {
    let status = Pass { blind: true, ..valid() }.status();
    assert_eq!(says(&status, "Ready"), "Unknown ProberBlind");
}

#[test]
fn a_blind_prober_suspects_what_all_of_them_are_behind() {
    for (expose, words) in [
        (json!({"type": "NodePort"}), "look at the management cluster first"),
        (json!({"type": "Gateway"}), "look whether the gateway's pods are ready first"),
    ] {
        let pass = Pass::over(json!({"version": "1.37", "expose": expose}));
        let status = Pass { blind: true, ..pass }.status();
        let ready = condition(&status, "Ready").unwrap();
        assert!(ready.message.contains(words), "{}", ready.message);
    }
}

#[test]
fn a_manager_that_has_just_started_keeps_what_its_predecessor_saw_until_it_has_looked() {
    let mut restarted = valid();
    restarted.raw.status = Some(restarted.status());
    restarted.probed = None;
    assert_eq!(says(&restarted.status(), "Ready"), "True Joinable");
    let reason = "KeysLost";
    let failed = Failure { reason, message: "the keys are gone".to_owned() };
    restarted.failure = Some(failed);
    assert_eq!(says(&restarted.status(), "Ready"), "Unknown NotProbedYet");
    restarted.failure = None;
    for unwell in [Finding::failed(Reason::ObjectMissing, "cluster-info is gone"), Finding::Unknown]
    {
        restarted.probed = Some(ProbeReport { kubelet_config: unwell, ..joinable() });
        restarted.raw.status = Some(restarted.status());
        restarted.probed = None;
        assert_eq!(Some(restarted.status()), restarted.raw.status);
    }
    let newborn = Pass { probed: None, born: false, ..valid() };
    assert_eq!(says(&newborn.status(), "Ready"), "False Provisioning");
}

#[test]
fn a_tenant_that_is_paused_no_more_does_not_go_on_to_say_so() {
    let mut pass = Pass { content: ContentState::Pending, ..valid() };
    pass.raw.spec.paused = true;
    pass.raw.status = Some(pass.status());
    assert_eq!(says(&pass.status(), "ContentReady"), "Unknown Paused");
    pass.raw.spec.paused = false;
    assert_eq!(says(&pass.status(), "ContentReady"), "False Pending");
}

#[test]
fn etcd_that_was_healthy_and_does_not_come_back_is_a_loss_in_words() {
    let mut pass = Pass { probed: Some(ProbeReport::default()), ..valid() };
    pass.workloads.etcd = Some(Workload {
        desired: 1,
        ready: 0,
        rolled_out: true,
        version: None,
        problem: Some(crash_loop()),
        ..Workload::default()
    });
    let status = pass.status();
    assert_eq!(says(&status, "Stalled"), "True EtcdDown");
    assert!(condition(&status, "Stalled").unwrap().message.contains("member not found"));
    assert_eq!(says(&status, "Ready"), "Unknown ProbeIncomplete");
}

#[test]
fn a_failed_pass_says_why_and_takes_nothing_from_a_tenant_that_works() {
    let failure = Failure { reason: "ForeignObject", message: "Secret is not ours".into() };
    let status = Pass { failure: Some(failure), ..valid() }.status();
    assert_eq!(says(&status, "Reconciling"), "True ForeignObject");
    assert_eq!(says(&status, "Ready"), "True Joinable");
}

#[test]
fn a_time_moves_only_when_a_state_flips() {
    let mut pass = valid();
    let first = pass.status();
    pass.raw.status = Some(first.clone());
    pass.now = Timestamp::from_second(3600).unwrap();
    assert_eq!(pass.status(), first);
    pass.blind = true;
    let flipped = pass.status();
    assert_eq!(condition(&flipped, "Ready").unwrap().last_transition_time.0, pass.now);
    let untouched = condition(&flipped, "EtcdReady").unwrap();
    assert_eq!(untouched.last_transition_time.0, Timestamp::UNIX_EPOCH);
}

#[test]
fn what_is_deleted_says_what_it_waits_for_and_nothing_of_its_parts() {
    let mut raw = valid().raw;
    raw.status = Some(valid().status());
    let waiting = deleting_status(&raw, Ok("waiting for pods etcd-0"), Timestamp::UNIX_EPOCH);
    let told: Vec<_> = waiting.conditions.iter().map(|one| (&*one.type_, &*one.reason)).collect();
    assert_eq!(told, [("Ready", "Deleting"), ("Reconciling", "Deleting")]);
    assert_eq!(condition(&waiting, "Ready").unwrap().message, "waiting for pods etcd-0");
    assert!(waiting.version.is_some(), "what it was stays to be seen");
    let failure = Failure { reason: "ApiCall", message: "cannot list pods".to_owned() };
    let failed = deleting_status(&raw, Err(&failure), Timestamp::UNIX_EPOCH);
    assert_eq!(says(&failed, "Ready"), "False Deleting");
    assert_eq!(says(&failed, "Reconciling"), "True ApiCall");
    assert_eq!(condition(&failed, "Reconciling").unwrap().message, "cannot list pods");
}

fn crash_loop() -> Blocked {
    let blockage = Blockage::CrashLoop {
        namespace: "plane".into(),
        pod: "etcd-0".into(),
        container: "etcd".into(),
        how: "exit code 1".into(),
        words: Some("member not found".into()),
    };
    Blocked::new(blockage, Some("2026-11-26T04:10:00Z".parse().unwrap()))
}

fn unschedulable() -> Blocked {
    let why = "0/1 nodes are available: 1 node(s) were unschedulable.".into();
    Blocked::new(Blockage::Unschedulable { pod: "etcd-0".into(), why }, None)
}

#[test]
fn a_step_is_what_says_only_how_far_a_tenant_is_on_its_way() {
    let with = |workloads: Workloads| {
        let content = ContentState::Pending;
        Pass { workloads, probed: None, content, born: false, ..valid() }.status()
    };
    let (first, further) = (with(Workloads::default()), with(running()));
    assert_ne!(further.conditions, first.conditions);
    assert!(is_step(&first, &further));
    let unsigned = Finding::failed(Reason::SignatureMissing, "not signed yet");
    let probed = Some(ProbeReport { signature: unsigned, ..joinable() });
    assert!(is_step(&further, &Pass { probed, ..valid() }.status()));
    assert!(!is_step(&further, &valid().status()), "it is Ready");
    let problem = Some(unschedulable());
    let etcd = Some(Workload { desired: 1, problem, ..Workload::default() });
    let blocked = with(Workloads { etcd, ..running() });
    assert!(!is_step(&first, &blocked) && !is_step(&blocked, &further), "something is in the way");
    let moved = TenantClusterStatus { endpoint: None, ..further.clone() };
    assert!(!is_step(&first, &moved), "people wait for the endpoint");
}
