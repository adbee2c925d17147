//! A tenant with a single API server is away for seconds when that one is replaced, and loses nothing.

use std::time::Duration;

use e2e::ring::{Counter, Machine, Outcome, Tenant, ensure, scenario};
use serde_json::json;

const NODE_READY: Duration = Duration::from_mins(1);
const UPGRADE: Duration = Duration::from_mins(5);
/// What a tenant with a single API server is promised (issue 4), in seconds.
const GAP: u32 = 3;

#[test]
fn a_single_api_server_that_is_upgraded_is_away_for_three_seconds_at_most() -> Outcome {
    scenario("one-api-server", |project| {
        let tenant = Tenant::ready(project, "demo", "1.36")?;
        let machine = Machine::add("ring-single", "1.36")?;
        machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
        let cluster = tenant.admin()?;
        machine.await_ready(&cluster, NODE_READY)?;
        let since = machine.ready_since(&cluster)?;
        tenant.settles(UPGRADE)?;

        for (name, change) in [
            ("upgrade-one-api-server", json!({"version": "v1.37.1"})),
            ("scale-etcd-1-3-one-api-server", json!({"etcd": {"replicas": 3}})),
            ("scale-etcd-3-1-one-api-server", json!({"etcd": {"replicas": 1}})),
        ] {
            let counter = Counter::start(&tenant, machine.name())?;
            tenant.patch(&json!({"spec": change}))?;
            tenant.settles(UPGRADE)?;
            let result = counter.end(name)?;
            result.ensure_nothing_lost()?;
            let (gap, failed) = (result.longest_gap_s, result.failed);
            ensure(gap <= f64::from(GAP), || format!("no answer for {gap} s"))?;
            let within = u64::from(Counter::rate() * GAP);
            ensure(failed <= within, || format!("{failed} failed, more than in {GAP} s"))?;
        }
        machine.stayed_ready(&cluster, &since)
    })
}
