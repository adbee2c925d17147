//! What is measured: memory first, while nobody keeps anything from before; then changes of routes; then, in rounds in
//! which all take their turn, time and throughput.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Extent;
use super::figures::Figures;
use super::rivals::{Rival, Rivals};
use super::services;
use crate::bench_scale::wait::pause;
use crate::figures::{float, median};
use crate::progress::{say, step};
use crate::ring::Outcome;

/// Changes of routes that are waited for, of each kind.
const UPDATES: usize = 20;
/// Connections that are busy meanwhile, and how often each asks, in milliseconds.
const BUSY: usize = 200;
const EVERY: u64 = 20;
/// Questions for one measurement of time.
const REQUESTS: usize = 10_000;
/// Memory settles: what was needed to open connections is given back.
const SETTLED: Duration = Duration::from_secs(1);

/// All of it.
pub fn measure(extent: &Extent, rivals: &Rivals, figures: &mut Figures) -> Outcome {
    step("memory of idle connections", || memory(extent, rivals, figures))?;
    step("changes of routes", || updates(extent, rivals, figures))?;
    let mut samples = Samples::default();
    for round in 1..=extent.rounds {
        step(format!("round {round} of {}", extent.rounds), || {
            one_round(extent, rivals, round, &mut samples)
        })?;
    }
    samples.tell(figures);
    let extents =
        [("routes", extent.routes), ("connections", extent.connections), ("rounds", extent.rounds)];
    for (key, value) in extents {
        figures.set(key, float(value));
    }
    Ok(())
}

fn memory(extent: &Extent, rivals: &Rivals, figures: &mut Figures) -> Outcome {
    let proxies = [
        (Rival::Gateway, "idle_conn_bytes"),
        (Rival::Haproxy, "haproxy_idle_conn_bytes"),
        (Rival::Nginx, "nginx_idle_conn_bytes"),
    ];
    for (rival, key) in proxies {
        let before = rivals.memory(rival)?;
        let held = rivals.load.hold(rival, extent.connections, 0)?;
        pause(SETTLED)?;
        let after = rivals.memory(rival)?;
        figures.set(key, (after - before) / float(extent.connections));
        held.release()?;
        say(&format!("  {rival:?}: {:.1} MiB with, {:.1} without", after / MIB, before / MIB));
    }
    Ok(())
}

const MIB: f64 = 1024.0 * 1024.0;

/// A new Service, and one that gets another name, while others are busy.
fn updates(extent: &Extent, rivals: &Rivals, figures: &mut Figures) -> Outcome {
    let held = rivals.load.hold(Rival::Gateway, BUSY, EVERY)?;
    let mut poll = rivals.load.poll(Rival::Gateway)?;
    let mut times = Vec::new();
    for number in extent.routes..extent.routes + UPDATES {
        let (made, renamed) = (number, number + UPDATES);
        for name in [made, renamed] {
            poll.wait_for(name)?;
            // It asks already, and is refused.
            pause(Duration::from_millis(50))?;
            let started = services::now()?;
            if name == made {
                services::create(made)?;
            } else {
                services::rename(made, renamed)?;
            }
            times.push((poll.served_at()? - started) / 1e6);
        }
    }
    drop(poll);
    let slowest = times.iter().copied().fold(f64::NAN, f64::max);
    figures.set("route_update_ms", median(&times));
    figures.set("route_update_max_ms", slowest);
    figures.set("dropped_on_route_update", held.release()?);
    Ok(())
}

/// What was measured of each, by what it is.
#[derive(Default)]
struct Samples {
    throughput: BTreeMap<(usize, Rival), Vec<f64>>,
    latency: BTreeMap<Rival, [Vec<f64>; 2]>,
}

/// How many connections there are, and how many of them are busy.
fn sizes(extent: &Extent) -> [(&'static str, usize, usize); 3] {
    let most = extent.connections;
    [("1", 1, 1), ("100", 100, 100), ("most", most, most / 100)]
}

fn one_round(extent: &Extent, rivals: &Rivals, round: usize, samples: &mut Samples) -> Outcome {
    let mut order = Rival::ALL;
    order.rotate_left(round % Rival::ALL.len());
    for (index, (name, connections, active)) in sizes(extent).into_iter().enumerate() {
        let mut said = Vec::new();
        for rival in order {
            let mib = rivals.load.throughput(rival, connections, active, extent.seconds)?;
            samples.throughput.entry((index, rival)).or_default().push(mib);
            said.push(format!("{rival:?} {mib:.0}"));
        }
        say(&format!("  {name} connections, MiB/s: {}", said.join(", ")));
    }
    let mut said = Vec::new();
    for rival in order {
        let [p50, p99] = rivals.load.latency(rival, REQUESTS)?;
        let [of_p50, of_p99] = samples.latency.entry(rival).or_default();
        of_p50.push(p50);
        of_p99.push(p99);
        said.push(format!("{rival:?} {p50:.0}/{p99:.0}"));
    }
    say(&format!("  one question, p50/p99 in µs: {}", said.join(", ")));
    Ok(())
}

impl Samples {
    fn tell(mut self, figures: &mut Figures) {
        let mut of_haproxy = f64::INFINITY;
        let mut of_direct = f64::INFINITY;
        for (index, keys) in THROUGHPUT.iter().enumerate() {
            let mut of =
                |rival| self.throughput.get(&(index, rival)).map_or(f64::NAN, |all| median(all));
            let all = Rival::ALL.map(&mut of);
            for (key, value) in keys.iter().zip(all) {
                figures.set(key, value);
            }
            let [direct, gateway, haproxy, _] = all;
            of_haproxy = of_haproxy.min(gateway / haproxy);
            of_direct = of_direct.min(gateway / direct);
        }
        figures.set("throughput_vs_haproxy", of_haproxy);
        figures.set("throughput_vs_direct", of_direct);
        let mut times = |rival| {
            let both = self.latency.entry(rival).or_default();
            [median(&both[0]), median(&both[1])]
        };
        let [direct, gateway, haproxy, nginx] = Rival::ALL.map(&mut times);
        for (keys, [p50, p99]) in LATENCY.iter().zip([gateway, haproxy, nginx]) {
            figures.set(keys[0], (p50 - direct[0]) / 1e3);
            figures.set(keys[1], (p99 - direct[1]) / 1e3);
        }
    }
}

/// Of each number of connections, for each of [`Rival::ALL`].
const THROUGHPUT: [[&str; 4]; 3] = [
    ["mib_per_s_1_direct", "mib_per_s_1", "mib_per_s_1_haproxy", "mib_per_s_1_nginx"],
    ["mib_per_s_100_direct", "mib_per_s_100", "mib_per_s_100_haproxy", "mib_per_s_100_nginx"],
    ["mib_per_s_most_direct", "mib_per_s_most", "mib_per_s_most_haproxy", "mib_per_s_most_nginx"],
];
/// Of each of them but the first.
const LATENCY: [[&str; 2]; 3] = [
    ["added_p50_ms", "added_p99_ms"],
    ["haproxy_added_p50_ms", "haproxy_added_p99_ms"],
    ["nginx_added_p50_ms", "nginx_added_p99_ms"],
];
