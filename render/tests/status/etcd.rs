//! What is said of etcd: members that come or go, a lost quorum, a full database, and what follows from that.

use nagaya_render::membership::{Circumstances, EtcdView, Step, next_step};

use super::*;

fn etcd(step: Step) -> EtcdFindings {
    EtcdFindings { step, quorum: true, answering: 3, failure: None, no_space: None }
}

#[test]
fn members_that_come_or_go_are_told_while_the_tenant_stays_ready() {
    let rests = Pass { etcd: Some(etcd(Step::Rest)), ..valid() }.status();
    assert_eq!(says(&rests, "Reconciling"), "absent");
    let joins = Some(etcd(Step::Promote { id: 7, ordinal: 1 }));
    let status = Pass { etcd: joins, ..valid() }.status();
    assert_eq!(says(&status, "Reconciling"), "True Scaling");
    assert_eq!(condition(&status, "Reconciling").unwrap().message, "etcd-1 is catching up");
    assert_eq!(says(&status, "Ready"), "True Joinable");
    let asked = Pass::over(json!({"version": "1.37", "etcd": {"replicas": 3}})).status();
    assert_eq!(says(&asked, "Reconciling"), "True Progressing", "before anybody has looked");
}

#[test]
fn a_lost_quorum_and_a_full_database_are_named() {
    let mut pass = valid();
    pass.workloads.etcd = Some(Workload { desired: 3, ready: 1, ..Workload::default() });
    let view = EtcdView::NoQuorum { answering: vec![0] };
    let step = next_step(&view, &Circumstances { target: 3, ..Circumstances::default() });
    pass.etcd = Some(EtcdFindings { quorum: false, answering: 1, ..etcd(step) });
    let status = pass.status();
    assert_eq!(says(&status, "EtcdReady"), "False QuorumLost");
    assert_eq!(says(&status, "Reconciling"), "True Scaling");
    let mut lone = Pass { etcd: pass.etcd.clone(), ..valid() };
    lone.workloads.etcd = Some(Workload { desired: 1, ..Workload::default() });
    assert_eq!(says(&lone.status(), "Reconciling"), "True Progressing");
    assert!(
        condition(&status, "EtcdReady").unwrap().message.contains("1 of 3 etcd members answer")
    );
    assert_says_since_when(pass, "EtcdReady");
}

/// Also in a later pass, which has nothing else to say.
fn assert_says_since_when(mut pass: Pass, kind: &str) {
    let first = pass.status();
    let told = &condition(&first, kind).unwrap().message;
    assert!(told.contains("(since 1970-01-01T00:00:00Z)"), "{told}");
    pass.raw.status = Some(first.clone());
    pass.now = Timestamp::from_second(3600).unwrap();
    assert_eq!(pass.status(), first);
}

#[test]
fn a_full_etcd_lets_nobody_join_and_says_what_to_do() {
    let full = EtcdFindings { no_space: Some(32 << 20), ..etcd(Step::Full) };
    let pass = Pass { etcd: Some(full), ..valid() };
    let status = pass.status();
    assert_eq!(says(&status, "EtcdReady"), "False NoSpace");
    assert_eq!(says(&status, "Ready"), "False NoSpace");
    assert_eq!(says(&status, "Reconciling"), "absent");
    let told = &condition(&status, "Ready").unwrap().message;
    assert!(told.contains("32 MiB") && told.contains("raise spec.etcd.quota"), "{told}");
    assert_says_since_when(pass, "Ready");
}

#[test]
fn nodes_that_cannot_renew_because_etcd_is_full_are_not_sent_to_look_at_the_network() {
    let mut pass = Pass { cut_off_since: Some(Timestamp::UNIX_EPOCH), ..valid() };
    assert_eq!(says(&pass.status(), "NodesCutOff"), "True LeasesStale");
    pass.etcd = Some(EtcdFindings { no_space: Some(32 << 20), ..etcd(Step::Full) });
    let status = pass.status();
    assert_eq!(says(&status, "NodesCutOff"), "True EtcdIsFull");
    let told = &condition(&status, "NodesCutOff").unwrap().message;
    assert!(told.contains("NoSpace") && !told.contains("between the nodes"), "{told}");
}
