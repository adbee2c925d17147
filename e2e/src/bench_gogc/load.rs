//! A load that is the same for every setting: so many requests a second, however long they take.

use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::bench_scale::api;
use crate::bench_scale::figures::p99;
use crate::bench_scale::tenants::{THREADS, in_parallel};
use crate::figures::float;
use crate::ring::Outcome;

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const OBJECTS: usize = 200;
/// Bytes in each.
const SIZE: usize = 2000;
/// Of each thread, from the begin of one request to that of the next.
const PACE: Duration = Duration::from_millis(40);

/// What was asked, and how long the slowest of a hundred took.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How many requests.
    pub requests: f64,
    /// Milliseconds that 99 of 100 took at most.
    pub p99: f64,
}

/// Makes what is asked for.
pub fn prepare() -> Outcome {
    in_parallel(OBJECTS, |number| {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name(number)}, "data": {"text": "x".repeat(SIZE)},
        });
        api::create(CONFIG_MAPS, &object)
    })
}

/// Asks for as long: of ten requests one lists all, three write and six read one.
pub fn put(time: Duration) -> Outcome<Load> {
    let each = usize::try_from(time.as_millis() / PACE.as_millis())?;
    let took = Mutex::new(Vec::new());
    in_parallel(THREADS, |thread| {
        let mut own = Vec::with_capacity(each);
        let mut next = Instant::now();
        for number in 0..each {
            sleep(next.saturating_duration_since(Instant::now()));
            next += PACE;
            let begun = Instant::now();
            ask(thread * each + number)?;
            own.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        took.lock().unwrap_or_else(PoisonError::into_inner).extend(own);
        Ok(())
    })?;
    let took = took.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Load { requests: float(took.len()), p99: p99(&took) })
}

fn ask(number: usize) -> Outcome {
    let one = format!("{CONFIG_MAPS}/{}", name(number * 7 % OBJECTS));
    match number % 10 {
        0 => api::get(CONFIG_MAPS).map(drop),
        1..=3 => api::merge(&one, &json!({"data": {"number": number.to_string()}})),
        _ => api::get(&one).map(drop),
    }
}

fn name(number: usize) -> String {
    format!("load-{number}")
}
