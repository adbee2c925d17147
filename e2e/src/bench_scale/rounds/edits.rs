//! How soon the manager acts on a change: alone, and while some tenants are changed all the time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::settle;
use crate::bench_scale::audit::{Audit, Request};
use crate::bench_scale::figures::{Figures, p99};
use crate::bench_scale::tenants::{edit, plane_prefix};
use crate::bench_scale::wait;
use crate::figures::float;
use crate::ring::{Look, Outcome};

/// Changes whose answer is timed, and the time from one to the next.
const EDITS: usize = 200;
const APART: Duration = Duration::from_millis(50);
/// Tenants that are changed all the time, and how often each.
const FLAPPING: usize = 10;
const FLAP: Duration = Duration::from_millis(20);
/// The last change has been acted on by then.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_secs(1);
/// Half a day: what seems to be that late came before.
const LATE: f64 = 43_200.0;

/// Changes that mean nothing: another value each time. One that comes again may be the one that is there already, and then
/// nothing is written.
struct Values(AtomicUsize);

impl Values {
    fn next(&self) -> usize {
        // A kubelet takes any number of pods.
        50 + self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// Measures with `tenants`, which have to be Ready.
pub fn measure(tenants: &[String], figures: &mut Figures) -> Outcome {
    let flapping = FLAPPING.min(tenants.len() / 2);
    let (flapping, others) = tenants.split_at(flapping);
    let values = Values(AtomicUsize::new(0));
    figures.set("edit_p99_ms", p99(&timed(others, &values)?));
    settle()?;
    let over = AtomicBool::new(false);
    let (times, flaps) = thread::scope(|scope| {
        let flap = |tenant: &String| {
            let (tenant, over, values) = (tenant.clone(), &over, &values);
            scope.spawn(move || flap(&tenant, values, over))
        };
        let started = Instant::now();
        let threads: Vec<_> = flapping.iter().map(flap).collect();
        let times = timed(others, &values);
        over.store(true, Ordering::Relaxed);
        let took = started.elapsed().as_secs_f64();
        let flaps: usize = threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum();
        (times, float(flaps) / took)
    });
    figures.set("edit_p99_ms_flapping", p99(&times?));
    figures.set("flaps_per_s", flaps);
    settle()
}

/// Changes one tenant for as long as it is not over; how often that was.
fn flap(tenant: &str, values: &Values, over: &AtomicBool) -> usize {
    let mut done = 0;
    while !over.load(Ordering::Relaxed) {
        let next = Instant::now() + FLAP;
        // One that is refused is not counted.
        done += usize::from(edit(tenant, values.next()).is_ok());
        sleep(next.saturating_duration_since(Instant::now()));
    }
    done
}

/// Milliseconds from each of the changes to the first write that the manager makes for that tenant.
fn timed(tenants: &[String], values: &Values) -> Outcome<Vec<f64>> {
    let audit = Audit::begin()?;
    for tenant in tenants.iter().cycle().take(EDITS) {
        edit(tenant, values.next())?;
        sleep(APART);
    }
    wait::until("the manager has acted on every change", PATIENCE, PAUSE, || {
        let requests = audit.requests()?;
        let is_edit = |request: &&Request| {
            let object = &request.object_ref;
            !request.is_managers() && request.is_write() && tenants.contains(&object.name)
        };
        let edits = requests.iter().filter(is_edit);
        let times: Vec<Option<f64>> = edits.map(|edit| first_write(edit, &requests)).collect();
        let missing = times.iter().filter(|time| time.is_none()).count();
        let done = times.into_iter().collect::<Option<Vec<f64>>>();
        Ok(Look::some(done, || format!("{missing} of {EDITS} were followed by no write")))
    })
}

fn first_write(edit: &Request, requests: &[Request]) -> Option<f64> {
    let name = &edit.object_ref.name;
    let plane = plane_prefix(name);
    let is_of_it = |request: &&Request| {
        let object = &request.object_ref;
        let own = object.resource == "tenantclusters" && object.name == *name;
        request.is_managers()
            && request.is_write()
            && (own || object.namespace.starts_with(&plane) || object.name.starts_with(&plane))
    };
    let after = requests.iter().filter(is_of_it).map(|write| write.since(edit));
    let first = after.filter(|seconds| *seconds < LATE).min_by(f64::total_cmp)?;
    Some(first * 1000.0)
}
