//! Ten tenants at once: when the last of them is joinable.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::MINOR;
use super::candidate::{Candidate, Identity};
use super::figures::Figures;
use super::round::restarts;
use crate::ring::tenant::spec_for_namespaces;
use crate::ring::{Failure, JoinToken, Outcome, Project, Tenant};

const TENANTS: usize = 10;
/// All that one waits for: a client for each would take from them what they need to start.
const ISSUED: [&str; 4] = ["wait", "jointokens", "--all", "--for=jsonpath={.status.state}=Issued"];
const NO_DEADLINE: [&str; 2] = ["--timeout=300s", "--request-timeout=0"];
const GONE: Duration = Duration::from_mins(3);

/// Creates them in one go, and becomes a node of each.
///
/// # Errors
/// One of them never gets joinable, or does not go.
pub fn measure(project: &Project, identity: &Identity, figures: &mut Figures) -> Outcome {
    let names = (1..=TENANTS).map(|number| format!("together{number}"));
    let all: Vec<_> = names
        .map(|name| (Tenant { project, name: name.clone() }, JoinToken { project, name }))
        .collect();
    let objects = all.iter().flat_map(|(tenant, token)| {
        [tenant.manifest(&spec_for_namespaces(MINOR)), token.manifest(&tenant.name, "1h")]
    });
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects.collect::<Value>()});
    let started = Instant::now();
    project.management.apply(&list)?;
    let here = ["-n", &project.name];
    project.management.run(&[&ISSUED[..], &NO_DEADLINE, &here].concat())?;
    thread::scope(|scope| {
        let joins: Vec<_> =
            all.iter().map(|(_, token)| scope.spawn(|| join(token, identity))).collect();
        joins
            .into_iter()
            .try_for_each(|one| one.join().map_err(|_| Failure::new("a candidate panicked"))?)
    })?;
    figures.ten_at_once.push(started.elapsed().as_secs_f64());
    for (tenant, _) in &all {
        figures.restarts += restarts(tenant)?;
        tenant.delete()?;
    }
    all.iter().try_for_each(|(tenant, _)| tenant.await_gone(GONE))
}

fn join(token: &JoinToken<'_>, identity: &Identity) -> Outcome {
    let secret = token.secret()?;
    Candidate { endpoint: &secret.endpoint, token: &secret.token, identity }.become_a_node()
}
