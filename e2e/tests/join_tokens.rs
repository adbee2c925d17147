//! What stock kubeadm does with tokens and hashes that a tenant did not hand out, or no longer.

use std::time::Duration;

use e2e::ring::{
    JoinAttempt, JoinSecret, JoinToken, Kubectl, Look, Machine, Outcome, Tenant, ensure,
    ensure_says, manager, scenario, stays, wait_until,
};
use serde_json::json;

/// A token of one minute, and what the manager and the tenant take to notice.
const EXPIRY: Duration = Duration::from_secs(75);
const SOON: Duration = Duration::from_secs(10);
const NODE_READY: Duration = Duration::from_mins(1);
/// From the certificate of a machine until its node is missed.
const GRACE: Duration = Duration::from_secs(75);
/// Until the manager has looked again.
const LOOKED: Duration = Duration::from_secs(30);
/// What kubeadm says of a token that expired, was deleted, or never was.
const UNKNOWN: &str = "could not find a JWS signature in the cluster-info ConfigMap for token ID";
/// A node that there will never be.
const STRANGE: &str = "denied";
const STAYS: Duration = Duration::from_secs(10);

#[test]
fn only_a_live_token_with_the_right_hash_lets_a_machine_in() -> Outcome {
    scenario("tokens", |project| {
        let tenant = Tenant::ready(project, "demo", "1.37")?;
        nothing_is_in_the_way_but_what_is(&tenant)?;
        let short = tenant.token("short", "1m")?;
        let expiring = short.secret()?;
        let machine = Machine::add("ring-tokens", "1.37")?;
        wrong_secrets_are_refused(&tenant, &machine)?;
        deletion_revokes(&tenant, &machine)?;
        expires_for_ever(&tenant, &short, &expiring)?;
        is_refused(&machine, &JoinAttempt::from(&expiring), UNKNOWN)
    })
}

/// `nagaya doctor`, of what is neither a token's nor a machine's.
fn nothing_is_in_the_way_but_what_is(tenant: &Tenant) -> Outcome {
    tenant.diagnose(&[])?.says("join-token", "failed", "no JoinToken in")?;
    let token = tenant.token("first", "1h")?;
    token.secret()?;
    let diagnosis = tenant.diagnose(&[])?;
    diagnosis.is_well()?;
    diagnosis.says("last-attempt", "passed", "no machine has shown the token")?;
    diagnosis.says("pin", "passed", "is the pinned one")?;
    diagnosis.says("versions", "passed", "kubeadm up to 1.38 joins it")?;
    let nobody = Tenant { name: "nobody".to_owned(), project: tenant.project };
    nobody.diagnose(&[])?.says("tenant-cluster", "failed", "there is no TenantCluster")?;
    tenant.patch(&json!({"spec": {"kubelet": {"authentication": {}}}}))?;
    tenant.await_condition("Accepted", "False", SOON)?;
    tenant.diagnose(&[])?.says("spec", "failed", "spec.kubelet.authentication")?;
    tenant.patch(&json!({"spec": {"kubelet": {"authentication": null}}}))?;
    tenant.await_condition("Accepted", "True", SOON)?;
    tenant.await_ready()?;
    without_an_api_server(tenant)?;
    token.delete()
}

fn without_an_api_server(tenant: &Tenant) -> Outcome {
    tenant.pause()?;
    let (plane, management) = (tenant.plane()?, &tenant.project.management);
    let scale = |replicas: &str| {
        let replicas = format!("--replicas={replicas}");
        management.run(&["scale", "deployment", "kube-apiserver", "-n", &plane, &replicas])
    };
    scale("0")?;
    tenant.await_condition("EndpointReachable", "False", LOOKED)?;
    tenant.await_condition("Ready", "False", LOOKED)?;
    let diagnosis = tenant.diagnose(&[])?;
    diagnosis.says("ready", "failed", "")?;
    diagnosis.says("public-endpoint", "failed", "EndpointUnreachable")?;
    diagnosis.says("tcp", "failed", "")?;
    diagnosis.says("requests", "notChecked", "")?;
    scale("1")?;
    tenant.patch(&json!({"spec": {"paused": false}}))?;
    tenant.await_ready()
}

fn wrong_secrets_are_refused(tenant: &Tenant, machine: &Machine) -> Outcome {
    let token = tenant.token("good", "1h")?;
    let secret = token.secret()?;
    let good = JoinAttempt::from(&secret);
    let unknown = JoinAttempt { token: "abcdef.0123456789abcdef".to_owned(), ..good.clone() };
    let forged =
        JoinAttempt { token: format!("{}.0123456789abcdef", secret.token_id()), ..good.clone() };
    let hash = format!("sha256:{}", "0".repeat(64));
    let misled = JoinAttempt { ca_cert_hash: hash, ..good.clone() };
    for (attempt, words) in [
        (unknown, UNKNOWN),
        (forged, "failed to verify JWS signature of received cluster info object"),
        (misled, "none of the public keys"),
    ] {
        is_refused(machine, &attempt, words)?;
    }
    // The machine itself is not what was refused.
    let joined = machine.try_join(&good)?;
    ensure(joined.is_ok(), || format!("the right token was refused: {joined:?}"))?;
    await_last_attempt(&token, machine.name(), "Issued")?;
    without_its_node(tenant, machine)?;
    ask_for_what_nobody_approves(machine, &good)?;
    await_last_attempt(&token, STRANGE, "Pending")?;
    let waits = tenant.diagnose(&["--token=good"])?;
    waits.says("last-attempt", "failed", "denied has waited for its certificate")?;
    waits.says("requests", "failed", "has waited for approval")?;
    tenant.admin()?.run(&["certificate", "deny", STRANGE])?;
    await_last_attempt(&token, STRANGE, "Denied")?;
    let denied = tenant.diagnose(&["--token=good"])?;
    denied.says("last-attempt", "failed", "denied was denied a certificate")?;
    denied.says("requests", "warning", "was denied")?;
    machine.reset()
}

/// A machine that has its certificate, and is no node.
fn without_its_node(tenant: &Tenant, machine: &Machine) -> Outcome {
    let name = machine.name();
    let cluster = tenant.admin()?;
    machine.await_ready(&cluster, NODE_READY)?;
    tenant.diagnose(&["--token=good"])?.says("last-attempt", "passed", "got its certificate")?;
    cluster.run(&["delete", "node", name])?;
    let gone = format!("{name} got its certificate, and there is no node of that name, since");
    // For a minute after the certificate nothing is wrong with that.
    wait_until("the node is missed", GRACE, || {
        let said = tenant.diagnose(&["--token=good"])?.says("nodes", "failed", &gone);
        Ok(Look::done_if(said.is_ok(), || format!("{said:?}")))
    })
}

/// kube-controller-manager approves by itself what may be used as a kubelet uses it, and nothing else.
fn ask_for_what_nobody_approves(machine: &Machine, attempt: &JoinAttempt) -> Outcome {
    let openssl = "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj";
    let subject = format!("/O=system:nodes/CN=system:node:{STRANGE}");
    let script = format!("{openssl} {subject} 2> /dev/null | base64 --wrap 0");
    let request = json!({
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": STRANGE},
        "spec": {
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["client auth"],
            "request": machine.run(&["sh", "-c", &script])?,
        },
    });
    let bearer = format!("Authorization: Bearer {}", attempt.token);
    let path = "apis/certificates.k8s.io/v1/certificatesigningrequests";
    let url = format!("https://{}/{path}", attempt.endpoint);
    let curl = ["curl", "--silent", "--show-error", "--fail", "--insecure", "--max-time", "10"];
    let said = ["--header", &bearer, "--json", &request.to_string(), &url];
    machine.run(&[&curl[..], &said[..]].concat()).map(drop)
}

fn await_last_attempt(token: &JoinToken, node: &str, outcome: &str) -> Outcome {
    wait_until("the last attempt is told", SOON, || {
        let last = token.object()?.unwrap_or_default()["status"]["lastAttempt"].take();
        let told = last["node"] == node && last["outcome"] == outcome;
        Ok(Look::done_if(told, || last.to_string()))
    })
}

fn deletion_revokes(tenant: &Tenant, machine: &Machine) -> Outcome {
    let token = tenant.token("revoked", "1h")?;
    let secret = token.secret()?;
    let cluster = tenant.admin()?;
    ensure(in_tenant(&cluster, &secret)?, || "the token never reached the tenant".to_owned())?;
    token.delete()?;
    ensure(!in_tenant(&cluster, &secret)?, || "the token is still in the tenant".to_owned())?;
    let revoked = tenant.diagnose(&["--token=revoked"])?;
    revoked.says("join-token", "failed", "it was deleted, which revokes the token")?;
    wait_until("the Secret of the deleted token is gone", SOON, || {
        Ok(Look::done_if(!token.has_secret()?, || "it is there".to_owned()))
    })?;
    is_refused(machine, &JoinAttempt::from(&secret), UNKNOWN)
}

fn expires_for_ever(tenant: &Tenant, token: &JoinToken, secret: &JoinSecret) -> Outcome {
    let cluster = tenant.admin()?;
    token.await_state("Expired", EXPIRY)?;
    tenant.diagnose(&["--token=short"])?.says("join-token", "failed", "has expired at")?;
    wait_until("nothing of the expired token is left", SOON, || {
        let left = (token.has_secret()?, in_tenant(&cluster, secret)?);
        Ok(Look::done_if(left == (false, false), || format!("Secrets here and there: {left:?}")))
    })?;
    // What a GitOps tool would do, and what a manager does that has just started.
    tenant.token("short", "1m")?;
    manager::restart()?;
    stays("the expired token is not issued again", STAYS, || {
        let object = token.object()?.unwrap_or_default();
        ensure(object["status"]["state"] == "Expired", || object["status"].to_string())?;
        ensure(!token.has_secret()?, || "its Secret is back".to_owned())?;
        ensure(!in_tenant(&cluster, secret)?, || "its bootstrap token is back".to_owned())
    })
}

/// kubeadm gives up before it writes anything to the machine, for the reason that `docs/how-to/join-fails.md` explains.
fn is_refused(machine: &Machine, attempt: &JoinAttempt, reason: &str) -> Outcome {
    match machine.try_join(attempt)? {
        Ok(()) => ensure(false, || format!("{attempt:?} let {} in", machine.name())),
        Err(words) => {
            ensure_says(&words, &["couldn't validate the identity of the API Server", reason])
        }
    }
}

fn in_tenant(cluster: &Kubectl, secret: &JoinSecret) -> Outcome<bool> {
    let name = format!("bootstrap-token-{}", secret.token_id());
    Ok(cluster.find(&["secret", "-n", "kube-system", &name])?.is_some())
}
