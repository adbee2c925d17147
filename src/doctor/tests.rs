use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use k8s_openapi::api::core::v1::Node;
use nagaya_api::{JoinToken, TenantCluster};
use serde_json::{Value, from_value, json};

use super::see::{Handed, Inside};
use super::*;

mod distrust;

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
    attempt_at(A_MINUTE_AGO, outcome)
}

fn attempt_at(time: &str, outcome: &str) -> Value {
    json!({
        "state": "Issued", "tokenID": "abcdef",
        "lastAttempt": {"time": time, "node": "vm-1", "outcome": outcome, "message": "why"},
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

fn with_request(request: CertificateSigningRequest, seen: Seen) -> Seen {
    Seen { inside: Ok(Inside { requests: vec![request], node: None }), ..seen }
}

fn blind(seen: Seen) -> Seen {
    Seen { inside: Err("there was no answer".to_owned()), ..seen }
}

/// That a check comes out so, with these words and with this in what mends it.
#[track_caller]
fn is(seen: &Seen, check: OperatorCheck, verdict: Verdict, says: &str, mend: &str) {
    let mut found = cluster::findings(&of(), seen);
    found.push(token::token(&of(), seen, NOW));
    found.push(token::last_attempt(&of(), seen, NOW));
    found.extend([machines::requests(&of(), seen, NOW), machines::nodes(&of(), seen, NOW)]);
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
    let words = "connections were refused: no more than 5 may be open at gateway pod a; end those, or have the operator \
                 allow more: kubectl -n plane annotate service s --overwrite nagaya.dev/gateway-connections=NUMBER";
    let seen = with_condition(condition("ConnectionsLimited", "True", "TooManyConnections", words));
    let mend = "kubectl -n plane annotate service s";
    is(&seen, OperatorCheck::Connections, Verdict::Failed, "no more than 5", mend);
    is(&well(), OperatorCheck::Connections, Verdict::Passed, "is not behind the gateway", "");
    let mut behind = well();
    if let Ok(Some(cluster)) = &mut behind.cluster {
        cluster.spec.expose.type_ = nagaya_api::ExposeType::Gateway;
    }
    is(&behind, OperatorCheck::Connections, Verdict::Passed, "has heard of no refusal", "");
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
    let pin = report.findings.iter().find(|one| one.check == "pin").unwrap();
    assert_eq!(pin.message, "not checked, because there is no join command to look at");
    assert_eq!(pin.verdict, Verdict::NotChecked);
}

#[test]
fn what_mends_it_is_not_this_hosts_network_and_names_the_cluster() {
    let mended = |check: Check, mend: &str| {
        let finding = Finding {
            check: check.name(),
            verdict: Verdict::Failed,
            message: String::new(),
            mend: Some(mend.to_owned()),
        };
        on_this_side(&of(), &well(), finding).mend.unwrap()
    };
    assert!(mended(Check::Tcp, "iptables").starts_with("nagaya-doctor HOST:PORT --token …"));
    assert_eq!(mended(Check::Tls, "get tnc NAME -n NAMESPACE"), "get tnc demo -n acme");
    let get = "get secret TOKEN-join -n NAMESPACE";
    assert_eq!(mended(Check::Pin, get), "get secret nodes-join -n acme");
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
        let recent = blind(with_token(&attempt(outcome)));
        is(&recent, check, Verdict::Failed, says, mend);
        let old = blind(with_token(&attempt_at("2026-11-16T11:05:40Z", outcome)));
        is(&old, check, Verdict::Warning, "2026-11-16T11:05:40Z: why", mend);
        let gone = with_token(&attempt(outcome));
        is(&gone, check, Verdict::Passed, "nothing is left of it", "");
    }
    let waits = with_request(request(&json!({})), with_token(&attempt("Pending")));
    is(&waits, check, Verdict::Failed, "vm-1 has waited", "certificate approve");
    let mut of_another = request(&json!({}));
    of_another.spec.username = Some("system:bootstrap:zzzzzz".to_owned());
    let gone = with_request(of_another, with_token(&attempt("Pending")));
    is(&gone, check, Verdict::Passed, "nothing is left of it", "");
}

#[test]
fn of_several_tokens_the_newest_that_is_not_over_is_looked_at() {
    let at = |name: &str, time: &str, status: Value| {
        let mut token = token(&status);
        token.metadata.name = Some(name.to_owned());
        token.metadata.creation_timestamp = from_value(json!(time)).unwrap();
        token
    };
    let usable = || at("usable", "2026-11-10T00:00:00Z", json!({"state": "Issued"}));
    let expired = at("expired", "2026-11-12T00:00:00Z", json!({"state": "Expired"}));
    let mut deleted = at("deleted", "2026-11-13T00:00:00Z", json!({"state": "Issued"}));
    deleted.metadata.deletion_timestamp = deleted.metadata.creation_timestamp.clone();
    let newest = |all| see::newest(all, "demo", NOW).map(|one| one.name_any());
    let over = || vec![expired.clone(), deleted.clone()];
    assert_eq!(newest([vec![usable()], over()].concat()).as_deref(), Some("usable"));
    assert_eq!(newest(over()).as_deref(), Some("deleted"));
}

#[test]
fn requests_that_wait_fail_and_those_that_were_denied_are_a_warning() {
    let check = OperatorCheck::Requests;
    let with = |status: Value| with_request(request(&status), well());
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
    let joined = |time: &str, node: Option<Node>| {
        let inside = Inside { node, ..Inside::default() };
        Seen { inside: Ok(inside), ..with_token(&attempt_at(time, "Issued")) }
    };
    let (ready, ill) = (|| Some(node("True")), || Some(node("False")));
    let (gone, kubelet) = ("there is no node of that name", "kubelet is ill");
    is(&joined(A_MINUTE_AGO, None), check, Verdict::Failed, gone, "journalctl");
    is(&joined(A_MINUTE_AGO, ill()), check, Verdict::Failed, kubelet, "describe node vm-1");
    is(&joined(A_MINUTE_AGO, ready()), check, Verdict::Passed, "", "");
    let just = "2026-11-18T11:06:10Z";
    is(
        &joined(just, None),
        check,
        Verdict::Warning,
        "of that name; its certificate is not a minute old",
        "sleep 60",
    );
    is(
        &joined(just, ill()),
        check,
        Verdict::Warning,
        "kubelet is ill; its certificate is",
        "sleep 60",
    );
    let days_ago = "2026-11-16T11:05:40Z";
    let since = "there is no node of that name, since 2026-11-16T11:05:40Z";
    is(&joined(days_ago, None), check, Verdict::Warning, since, "journalctl");
}

#[test]
fn a_command_with_the_tenants_kubeconfig_is_told_only_where_that_is_nagayas() {
    let ill = condition("NodesReady", "False", "NotReady", "old: no CNI");
    let found = machines::nodes(&of(), &blind(with_condition(ill)), NOW);
    assert_eq!(found.mend.unwrap(), "kubectl describe tnc demo -n acme");
}
