//! What is said of what blocks a plane, or of who undoes what is written.

use super::*;

#[test]
fn what_blocks_a_part_is_the_reason_of_the_part_and_of_all_that_waits_for_it() {
    let unreachable = Finding::failed(Reason::EndpointUnreachable, "connection refused");
    let probed = Some(ProbeReport { endpoint: unreachable, ..ProbeReport::default() });
    let mut pass = Pass { probed, born: false, ..valid() };
    pass.workloads.etcd =
        Some(Workload { desired: 1, problem: Some(unschedulable()), ..Workload::default() });
    let status = pass.status();
    for (kind, state) in [("Ready", "False"), ("EtcdReady", "False"), ("Reconciling", "True")] {
        assert_eq!(says(&status, kind), format!("{state} Unschedulable"));
        let message = &condition(&status, kind).unwrap().message;
        assert!(message.contains("pod etcd-0 cannot be scheduled"), "{kind}: {message}");
        assert!(message.contains("add or free a node"), "{kind}: {message}");
    }
    assert_eq!(says(&status, "EndpointReachable"), "False EndpointUnreachable");
    pass.born = true;
    assert_eq!(says(&pass.status(), "Stalled"), "absent", "its data is where it was");
}

#[test]
fn a_new_tenant_whose_port_is_taken_says_so_and_not_who_answers_there() {
    let stranger = Finding::failed(Reason::CertificateUntrusted, "of another tenant");
    let probed = Some(ProbeReport { endpoint: stranger, ..ProbeReport::default() });
    let message = "spec.expose.nodePort.port: taken".to_owned();
    let failure = Some(Failure { reason: "PortTaken", message });
    let status = Pass { probed, failure, born: false, ..valid() }.status();
    assert_eq!(says(&status, "Ready"), "False PortTaken");
    assert_eq!(says(&status, "Reconciling"), "True PortTaken");
}

#[test]
fn who_undoes_what_is_written_is_named_and_takes_nothing_from_a_tenant_that_works() {
    let contested = Some(Blocked::new(
        Blockage::FieldContested {
            object: "StatefulSet plane/etcd".into(),
            field: "spec.replicas".into(),
            by: "field manager scaler".into(),
        },
        None,
    ));
    let status = Pass { contested, ..valid() }.status();
    assert_eq!(says(&status, "Reconciling"), "True FieldContested");
    assert!(condition(&status, "Reconciling").unwrap().message.contains("field manager scaler"));
    assert_eq!(says(&status, "Ready"), "True Joinable");
}
