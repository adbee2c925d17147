//! A new manager in the place of the previous version's: ten tenants follow within the budget, nothing restarts
//! beside that, and nobody's Ready falls for longer than a pod takes.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use e2e::install;
use e2e::interrupt;
use e2e::progress::{say, seconds, step};
use e2e::ring::kubectl::{each, name, text};
use e2e::ring::tenant::{condition, spec_for_namespaces};
use e2e::ring::{Machine, Outcome, Project, Tenant, alone, ensure, invariants, manager, scenario};
use serde_json::Value;

const TENANTS: usize = 10;
/// Two cores start no more at once.
const BUDGET: usize = 4;
const BUDGET_VARIABLE: &str = "NAGAYA_ROLLOUT_BUDGET";
const NODE_READY: Duration = Duration::from_mins(1);
const ALL: Duration = Duration::from_mins(20);
/// A new manager leads when the one before it has let go, and says that somebody waits once it has looked.
const BEGINS: Duration = Duration::from_mins(2);
/// For etcd and for its API server to start again, one after the other, while others do too.
const A_POD: Duration = Duration::from_mins(1);

#[test]
fn ten_tenants_of_the_previous_version_follow_the_new_one_in_turn() -> Outcome {
    scenario("manager-upgrade", |project| {
        alone()?;
        let _this_version_again = ThisVersionAgain;
        step("the previous version, built and installed", install::install_previous)?;
        manager::configure(&[manager::SMALL_REQUESTS])?;
        let tenants: Vec<_> = (0..TENANTS)
            .map(|number| {
                let spec = spec_for_namespaces("1.37");
                Tenant::create(project, &format!("demo-{number}"), &spec)
            })
            .collect::<Outcome<_>>()?;
        tenants.iter().try_for_each(Tenant::await_ready)?;
        let machine = Machine::add("ring-previous", "1.37")?;
        machine.join(&tenants[0].token("nodes", "1h")?.secret()?)?;
        let cluster = tenants[0].admin()?;
        machine.await_ready(&cluster, NODE_READY)?;

        let before = pods(project)?;
        let began = Instant::now();
        step("this version installed", install::install)?;
        manager::configure(&[&format!("{BUDGET_VARIABLE}={BUDGET}")])?;
        let (most_at_once, longest_away) = follow(project, &tenants, &before)?;
        let after = pods(project)?;
        let kept = before.iter().filter(|(uid, _)| after.contains_key(*uid)).count();
        let restarts: u64 = after.values().map(|pod| pod.restarts).sum();
        let restarted = after.values().filter(|pod| pod.restarts > 0);
        let restarted: Vec<String> =
            restarted.map(|pod| format!("{} in {}", pod.name, pod.plane)).collect();
        say(&format!(
            "manager-upgrade tenants={TENANTS} pods={} replaced={} restarts={restarts} \
             most_at_once={most_at_once} longest_not_ready={} took={}",
            before.len(),
            before.len() - kept,
            seconds(longest_away),
            seconds(began.elapsed()),
        ));
        ensure(kept < before.len(), || {
            "that version makes the same pods, so that nothing was rolled: name an older one in \
             e2e/previous-version"
                .to_owned()
        })?;
        ensure(longest_away <= A_POD, || format!("a tenant was not Ready for {longest_away:?}"))?;
        ensure(restarts == 0, || format!("these have restarted: {restarted:?}"))?;
        ensure(most_at_once <= BUDGET, || format!("{most_at_once} followed at once"))?;
        ensure(after.len() == before.len(), || format!("{} pods are there", after.len()))?;
        machine.await_ready(&cluster, NODE_READY)
    })
}

/// Until nobody waits and nothing is left to do; how many were under way at the same time, and how long one was not
/// Ready.
fn follow(
    project: &Project,
    tenants: &[Tenant],
    before: &BTreeMap<String, Pod>,
) -> Outcome<(usize, Duration)> {
    let (began, mut most, mut calm) = (Instant::now(), 0, 0);
    let (mut away, mut longest) = (BTreeMap::<String, Instant>::new(), Duration::ZERO);
    // A tenant that the new manager has not looked at yet looks finished: three looks in a row count, once it has begun.
    while calm < 3 {
        let objects = project.list(&["tenantclusters"])?;
        let reasons: Vec<_> = objects.iter().filter_map(reconciling).collect();
        let now = pods(project)?;
        let is_under_way = |object: &&Value| {
            let plane = text(object, "/status/controlPlaneNamespace");
            let replaced =
                before.iter().any(|(uid, pod)| pod.plane == plane && !now.contains_key(uid));
            replaced && reconciling(object).is_some_and(|reason| reason != "WaitingToRoll")
        };
        most = most.max(objects.iter().filter(is_under_way).count());
        for object in &objects {
            if condition(object, "Ready")?.status == "True" {
                away.remove(name(object));
            } else {
                let since = away.entry(name(object).to_owned()).or_insert_with(Instant::now);
                longest = longest.max(since.elapsed());
            }
        }
        let has_begun = before.keys().any(|uid| !now.contains_key(uid)) || began.elapsed() > BEGINS;
        calm = if has_begun && reasons.is_empty() { calm + 1 } else { 0 };
        ensure(began.elapsed() < ALL, || format!("not all have followed: {reasons:?}"))?;
        interrupt::check()?;
        thread::sleep(Duration::from_secs(2));
    }
    tenants.iter().try_for_each(Tenant::await_ready)?;
    Ok((most, longest))
}

fn reconciling(object: &Value) -> Option<String> {
    let found = each(object, "/status/conditions").find(|one| text(one, "/type") == "Reconciling");
    found.map(|one| text(one, "/reason").to_owned())
}

/// Other tests want this version, with its own settings, whatever became of this one.
struct ThisVersionAgain;

impl Drop for ThisVersionAgain {
    fn drop(&mut self) {
        let own = [&format!("{BUDGET_VARIABLE}-"), manager::OWN_REQUESTS];
        let restored = manager::configure(&own)
            .and_then(|()| install::install().map_err(Into::into))
            .and_then(|()| manager::both_ready());
        if let Err(failure) = restored {
            say(&format!("this version is not installed again: {failure}"));
        }
    }
}

struct Pod {
    plane: String,
    name: String,
    restarts: u64,
}

/// All pods of the tenants' control planes, by UID.
fn pods(project: &Project) -> Outcome<BTreeMap<String, Pod>> {
    let planes = invariants::planes(project)?;
    let all = project.management.list(&["pods", "--all-namespaces"])?;
    let pods = all.iter().map(|pod| {
        let containers = each(pod, "/status/containerStatuses");
        let restarts = containers.filter_map(|one| one["restartCount"].as_u64()).sum();
        let plane = text(pod, "/metadata/namespace").to_owned();
        let found = Pod { plane, name: name(pod).to_owned(), restarts };
        (text(pod, "/metadata/uid").to_owned(), found)
    });
    Ok(pods.filter(|(_, pod)| planes.contains(&pod.plane)).collect())
}
