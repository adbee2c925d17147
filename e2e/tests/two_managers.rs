//! Two managers: one works, the other takes over, and who was taken over from harms nothing.

use std::time::Duration;

use e2e::ring::versions::{differences, versions};
use e2e::ring::{
    Look, Outcome, Process, Tenant, alone, ensure, manager, scenario, stays, wait_until,
};
use serde_json::json;

const TAKEN_OVER: Duration = Duration::from_secs(20);
const SERVED: Duration = Duration::from_secs(10);
/// More than a term of the Lease.
const WATCHED: Duration = Duration::from_secs(20);

#[test]
fn a_leader_that_is_stopped_is_taken_over_from_and_writes_nothing_when_it_goes_on() -> Outcome {
    scenario("managers", |project| {
        let tenant = Tenant::ready(project, "demo", "1.37")?;
        alone()?;
        manager::settled_requests()?;
        let first = manager::leader()?;
        let process = Process::of_manager(&first)?;
        process.stop()?;
        // No pod starts for it, so that nothing changes by itself afterwards.
        tenant.patch(&json!({"spec": {"expose": {"extraNames": ["managers.example.com"]}}}))?;
        wait_until("the other manager leads", TAKEN_OVER, || {
            let now = manager::leader()?;
            Ok(Look::done_if(now != first, || format!("{now} leads")))
        })?;
        let second = manager::leader()?;
        wait_until("it serves the new spec", SERVED, || {
            let object = tenant.object()?.unwrap_or_default();
            let seen = object["status"]["observedGeneration"] == object["metadata"]["generation"];
            Ok(Look::done_if(seen, || object["status"].to_string()))
        })?;
        tenant.await_ready()?;
        manager::settled_requests()?;
        let before = versions([&tenant])?;
        process.go_on()?;
        stays("the one that was stopped changes nothing", WATCHED, || {
            let now = manager::leader()?;
            ensure(now == second, || format!("{now} leads"))?;
            let after = versions([&tenant])?;
            ensure(before == after, || differences(&before, &after))
        })?;
        manager::both_ready()
    })
}

#[test]
fn a_leader_that_is_deleted_hands_over_within_seconds() -> Outcome {
    scenario("handover", |project| {
        let tenant = Tenant::ready(project, "demo", "1.37")?;
        manager::restart()?;
        let before = versions([&tenant])?;
        manager::writes_nothing(Duration::from_secs(10))?;
        let after = versions([&tenant])?;
        ensure(before == after, || differences(&before, &after))
    })
}
