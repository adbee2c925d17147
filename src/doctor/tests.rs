use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use k8s_openapi::api::core::v1::Node;
use nagaya_api::{JoinToken, TenantCluster};
use serde_json::{Value, from_value, json};

use super::see::Inside;
use super::*;

const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);
const A_MINUTE_AGO: &str = "2026-11-18T11:05:40Z";

fn of() -> Place {
    Place { namespace: "acme".to_owned(), name: "demo".to_owned() }
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": A_MINUTE_AGO,
    })
}

fn cluster(conditions: &[Value]) -> TenantCluster {
    from_value(json!({
        "metadata": {"name": "demo", "namespace": "acme", "generation": 2},
        "spec": {"version": "1.37"},
        "status": {
            "observedGeneration": 2, "version": "v1.37.1", "endpoint": "127.0.0.1:1",
            "conditions": conditions,
        },
    }))
    .unwrap()
}

fn token(status: &Value) -> JoinToken {
    from_value(json!({
        "metadata": {"name": "nodes", "namespace": "acme"},
        "spec": {"clusterName": "demo", "ttl": "1h"},
        "status": status,
    }))
    .unwrap()
}

fn attempt(outcome: &str) -> Value {
    json!({
        "state": "Issued", "tokenID": "abcdef",
        "lastAttempt": {"time": A_MINUTE_AGO, "node": "vm-1", "outcome": outcome, "message": "why"},
    })
}

fn request(status: &Value) -> CertificateSigningRequest {
    from_value(json!({
        "metadata": {"name": "csr-1", "creationTimestamp": A_MINUTE_AGO},
        "spec": {
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet", "request": "",
            "username": "system:bootstrap:abcdef", "usages": ["client auth"],
        },
        "status": status,
    }))
    .unwrap()
}

fn node(ready: &str) -> Node {
    let conditions = [json!({"type": "Ready", "status": ready, "message": "kubelet is ill"})];
    from_value(json!({"metadata": {"name": "vm-1"}, "status": {"conditions": conditions}})).unwrap()
}

/// All is well, of a cluster that nobody has joined.
fn well() -> Seen {
    let conditions = [
        condition("Ready", "True", "Joinable", "a stock kubeadm join would succeed now"),
        condition("Accepted", "True", "Valid", ""),
        condition("EndpointReachable", "True", "Reachable", "it answers"),
    ];
    let status = json!({
        "state": "Issued", "tokenID": "abcdef", "expirationTime": "2026-12-18T11:05:40Z",
    });
    let handed = Handed {
        endpoint: "127.0.0.1:1".to_owned(),
        token: "abcdef.0123456789abcdef".to_owned(),
        pin: format!("sha256:{}", "0".repeat(64)),
    };
    Seen {
        cluster: Ok(Some(cluster(&conditions))),
        token: Ok(Some(token(&status))),
        wanted: None,
        handed: Ok(Some(handed)),
        inside: Ok(Inside::default()),
    }
}

fn with_condition(new: Value) -> Seen {
    let seen = well();
    let mut changed = cluster(&[]);
    let before = seen.cluster.unwrap().unwrap().status.unwrap().conditions;
    let mut all: Vec<Value> = before.iter().map(|one| json!(one)).collect();
    all.retain(|one| one["type"] != new["type"]);
    all.push(new);
    changed.status.as_mut().unwrap().conditions = from_value(json!(all)).unwrap();
    Seen { cluster: Ok(Some(changed)), ..well() }
}

fn with_token(status: &Value) -> Seen {
    Seen { token: Ok(Some(token(status))), ..well() }
}

/// That a check comes out so, with these words and with this in what mends it.
#[track_caller]
fn is(seen: &Seen, check: OperatorCheck, verdict: Verdict, says: &str, mend: &str) {
    let mut found = cluster::findings(&of(), seen);
    found.push(token::token(&of(), seen, NOW));
    found.push(token::last_attempt(&of(), seen));
    found.extend([machines::requests(&of(), seen, NOW), machines::nodes(&of(), seen)]);
    let one = found.iter().find(|one| one.check == check.name()).unwrap();
    assert_eq!(one.verdict, verdict, "{one:?}");
    assert!(one.message.contains(says), "{says:?} is not in {one:?}");
    let mends = one.mend.as_deref().unwrap_or_default();
    assert!(mends.contains(mend) && (mends.is_empty() == mend.is_empty()), "{one:?}");
}

#[test]
fn where_all_is_well_each_check_passes_in_the_order_of_the_reference() {
    let seen = well();
    let report = report(&of(), &seen, NOW);
    let own: Vec<&str> = OperatorCheck::ALL.iter().map(|check| check.name()).collect();
    let told: Vec<&Finding> =
        report.findings.iter().filter(|one| own.contains(&one.check)).collect();
    assert!(told.iter().all(|one| one.verdict == Verdict::Passed), "{told:#?}");
    assert_eq!(told.iter().map(|one| one.check).collect::<Vec<_>>(), own);
    // Nobody listens where its endpoint is.
    let tcp = report.findings.iter().find(|one| one.check == "tcp").unwrap();
    assert_eq!((tcp.verdict, report.would_join), (Verdict::Failed, false));
    assert!(report.text().contains("something on this side may be in the way of a join: failed 1"));
}

#[test]
fn a_cluster_that_is_not_there_or_cannot_be_read_is_said_and_nothing_guessed() {
    let check = OperatorCheck::TenantCluster;
    let seen = Seen { cluster: Ok(None), ..well() };
    is(&seen, check, Verdict::Failed, "there is no TenantCluster acme/demo", "get tnc -A");
    is(&seen, OperatorCheck::Ready, Verdict::NotChecked, "tenant-cluster failed", "");
    let seen = Seen { cluster: Err("forbidden".to_owned()), ..well() };
    is(&seen, check, Verdict::Failed, "forbidden", "can-i get tenantclusters.nagaya.dev -n acme");
}

#[test]
fn what_its_conditions_say_is_said_with_what_to_do() {
    for (kind, status, reason, check, mend) in [
        ("Stalled", "True", "Refused", OperatorCheck::Spec, "kubectl edit tnc demo -n acme"),
        ("Ready", "False", "SignerNotReady", OperatorCheck::Ready, "nagaya explain demo -n acme"),
        ("EndpointReachable", "False", "GatewayRefuses", OperatorCheck::PublicEndpoint, "/routes"),
        (
            "EndpointReachable",
            "False",
            "EndpointTimeout",
            OperatorCheck::PublicEndpoint,
            "get pods",
        ),
    ] {
        let seen = with_condition(condition(kind, status, reason, "words"));
        is(&seen, check, Verdict::Failed, &format!("{reason}: words"), mend);
    }
    let words = "connections are refused: 5 of 5 connections are open at gateway pod a; end those, or have the operator \
                 allow more: kubectl -n plane annotate service s --overwrite nagaya.dev/gateway-connections=NUMBER";
    let seen = with_condition(condition("ConnectionsLimited", "True", "TooManyConnections", words));
    let mend = "kubectl -n plane annotate service s";
    is(&seen, OperatorCheck::Connections, Verdict::Failed, "5 of 5", mend);
}

#[test]
fn a_token_that_is_unknown_revoked_expired_or_of_another_cluster_is_told_apart() {
    let check = OperatorCheck::JoinToken;
    let fails = |seen: &Seen, says: &str| is(seen, check, Verdict::Failed, says, "kind: JoinToken");
    let wanted = Some("gone".to_owned());
    fails(&Seen { token: Ok(None), wanted, ..well() }, "acme/gone: it was deleted, which revokes");
    fails(&Seen { token: Ok(None), ..well() }, "no JoinToken in acme is for demo");
    fails(&with_token(&json!({"state": "Expired"})), "has expired");
    let over = json!({"state": "Issued", "expirationTime": A_MINUTE_AGO});
    fails(&with_token(&over), "has expired at 2026-11-18T11:05:40Z");
    let mut other = well();
    if let Ok(Some(token)) = &mut other.token {
        token.spec.cluster_name = "another".to_owned();
    }
    fails(&other, "is for the cluster another");
    let issued = condition("Issued", "False", "Waiting", "the cluster's API server is not there");
    let waiting = json!({"state": "Pending", "conditions": [issued]});
    let describe = "kubectl describe jointoken nodes -n acme";
    is(&with_token(&waiting), check, Verdict::Failed, "API server is not there", describe);
}

#[test]
fn without_the_right_to_read_a_secret_what_needs_it_is_not_checked() {
    let forbidden = || "secrets \"x\" is forbidden".to_owned();
    let seen = Seen { handed: Err(forbidden()), inside: Err(forbidden()), ..well() };
    is(&seen, OperatorCheck::JoinToken, Verdict::NotChecked, "nodes-join cannot be read", "");
    is(&seen, OperatorCheck::Requests, Verdict::NotChecked, "is forbidden", "");
    let report = report(&of(), &seen, NOW);
    let made: Vec<&str> = report.findings.iter().map(|one| one.check).collect();
    assert!(made.contains(&"tls") && !made.contains(&"pin"), "{made:?}");
}

#[test]
fn what_a_machine_got_that_showed_the_token_is_said() {
    let check = OperatorCheck::LastAttempt;
    is(&well(), check, Verdict::Passed, "no machine has shown the token", "");
    is(&with_token(&attempt("Issued")), check, Verdict::Passed, "vm-1 got its certificate", "");
    for (outcome, says, mend) in [
        ("Pending", "vm-1 has waited", "certificate approve"),
        ("Denied", "vm-1 was denied a certificate, at 2026-11-18T11:05:40Z: why", "delete csr"),
        ("Failed", "could not be signed", "nagaya explain demo -n acme"),
    ] {
        is(&with_token(&attempt(outcome)), check, Verdict::Failed, says, mend);
    }
}

#[test]
fn requests_that_wait_fail_and_those_that_were_denied_are_a_warning() {
    let check = OperatorCheck::Requests;
    let with = |status: Value| {
        let inside = Inside { requests: vec![request(&status)], ..Inside::default() };
        Seen { inside: Ok(inside), ..well() }
    };
    let of =
        |kind: &str| json!({"conditions": [{"type": kind, "status": "True", "message": "no"}]});
    is(
        &with(json!({})),
        check,
        Verdict::Failed,
        "waited for approval",
        "certificate approve csr-1",
    );
    is(&with(of("Approved")), check, Verdict::Failed, "not signed", "nagaya explain");
    is(
        &with(of("Failed")),
        check,
        Verdict::Failed,
        "could not be signed: no",
        "describe csr csr-1",
    );
    is(&with(of("Denied")), check, Verdict::Warning, "was denied: no", "describe csr csr-1");
    let signed = json!({"certificate": "eA==", "conditions": of("Approved")["conditions"]});
    is(&with(signed), check, Verdict::Passed, "1 requests, none waits", "");
}

#[test]
fn the_machine_that_joined_last_has_to_be_a_node_that_is_ready_and_others_are_a_warning() {
    let check = OperatorCheck::Nodes;
    is(&well(), check, Verdict::Passed, "no machine has joined yet", "");
    let ill =
        condition("NodesReady", "False", "NotReady", "1 of 2 nodes are not ready; old: no CNI");
    is(&with_condition(ill), check, Verdict::Warning, "old: no CNI", "get nodes");
    let joined = |nodes: Vec<Node>| {
        let inside = Inside { nodes, ..Inside::default() };
        Seen { inside: Ok(inside), ..with_token(&attempt("Issued")) }
    };
    is(&joined(vec![]), check, Verdict::Failed, "there is no node of that name", "journalctl");
    is(
        &joined(vec![node("False")]),
        check,
        Verdict::Failed,
        "kubelet is ill",
        "describe node vm-1",
    );
    is(&joined(vec![node("True")]), check, Verdict::Passed, "", "");
}
