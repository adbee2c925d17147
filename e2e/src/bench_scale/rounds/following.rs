//! A manager with other settings, which all tenants follow: in turns, and no further when one of them is not well.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{LONG_PATIENCE, PATIENCE, SHORT_PAUSE};
use crate::bench_scale::Programs;
use crate::bench_scale::audit::{Audit, Request};
use crate::bench_scale::cluster::start_manager;
use crate::bench_scale::daemon::Daemon;
use crate::bench_scale::figures::{BUDGET, Figures};
use crate::bench_scale::tenants::{Stub, await_not_ready, plane_prefix};
use crate::bench_scale::wait::{self, pause};
use crate::figures::float;
use crate::ring::{Failure, Look, Outcome};

/// Something that every pod's template has.
const OTHERS: (&str, &str) = ("NAGAYA_TOLERATIONS", "[{key: scale, operator: Exists}]");
/// Who has arrived keeps its place for 30 s: until then nobody else may have begun.
const ONE_TURN: Duration = Duration::from_secs(25);
/// Time for another one or two.
const MORE_TURNS: Duration = Duration::from_mins(1);
/// Of those that follow none was taken for ill at this time, and nobody begins after it.
const STOPPED_FOR: Duration = Duration::from_mins(1);

/// Starts a manager that `tenants`, and all others, follow; returns it.
pub fn measure(
    programs: &Programs,
    tenants: &[String],
    stub: &mut Stub,
    figures: &mut Figures,
) -> Outcome<Daemon> {
    let audit = Audit::begin()?;
    let settings = [("NAGAYA_ROLLOUT_BUDGET", BUDGET.to_string()), (OTHERS.0, OTHERS.1.to_owned())];
    let manager = start_manager(programs, &settings)?;
    wait::until("the first tenant follows", LONG_PATIENCE, SHORT_PAUSE, || {
        let begun = begun(&audit)?.len();
        Ok(Look::done_if(begun > 0, || "none has begun".to_owned()))
    })?;
    pause(ONE_TURN)?;
    figures.set("followed_at_once", float(begun(&audit)?.len()));
    let (used, started) = (manager.processor()?, Instant::now());
    pause(MORE_TURNS)?;
    let (used, took) = (manager.processor()? - used, started.elapsed());
    figures.set("following_millicores", used / took.as_secs_f64() * 1000.0);
    let before = begun(&audit)?;
    figures.set("followed", float(before.len()));
    let ill = tenants.iter().find(|name| {
        let prefix = plane_prefix(name);
        before.iter().any(|plane| plane.starts_with(&prefix))
    });
    let ill = ill.ok_or_else(|| Failure::new("none of those that answer has followed"))?;
    stub.end(ill)?;
    await_not_ready(ill, PATIENCE)?;
    let before = begun(&audit)?;
    pause(STOPPED_FOR)?;
    figures.set("followed_after_stop", float(begun(&audit)?.difference(&before).count()));
    Ok(manager)
}

/// The planes whose workloads have been written since.
fn begun(audit: &Audit) -> Outcome<BTreeSet<String>> {
    let is_template = |request: &Request| {
        matches!(request.object_ref.resource.as_str(), "statefulsets" | "deployments")
            && request.is_managers()
            && request.is_write()
    };
    let requests = audit.requests()?.into_iter().filter(is_template);
    Ok(requests.map(|request| request.object_ref.namespace).collect())
}
