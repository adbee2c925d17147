//! `make bench`: what Nagaya costs in time and memory, beside the bare floor (the same objects without
//! Nagaya) in the same run, both seen by the same outside client.
//!
//! Reading order: [`run`], `round` (what is timed), `candidate` (the outside client), `floor`, `idle`
//! (memory), `figures` (medians, `target/bench.json`).

mod candidate;
mod figures;
mod floor;
mod idle;
mod round;

use std::time::Duration;

use candidate::Identity;
use figures::Figures;
use floor::Floor;
use round::Round;

use crate::progress::{say, step};
use crate::ring::{Machine, Outcome, Project, manager};
use crate::{install, interrupt, sandbox};

/// The project namespace of the benchmark.
const PROJECT: &str = "bench";
/// The minor of both planes and of their nodes.
const MINOR: &str = crate::components::NEWEST_MINOR;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Planes made on each side, one after the other, floor and Nagaya in turn.
    pub rounds: usize,
    /// How long the last plane of each side is left alone, with one node, before its memory is read.
    pub idle: Duration,
}

/// Measures in a sandbox of its own, which goes down afterwards; prints a table and writes
/// `target/bench.json`.
///
/// # Errors
/// Something cannot be measured. A target that is missed is no error: the table says so.
pub fn run(extent: Extent) -> Outcome {
    sandbox::down()?;
    let measured = prepare().and_then(|()| measure(extent));
    let down = interrupt::shielded(sandbox::down);
    let figures = measured?;
    down?;
    let path = figures.write()?;
    println!("{}", figures.told());
    println!("Written to {}", path.display());
    Ok(())
}

fn prepare() -> Outcome {
    sandbox::up()?;
    Ok(install::install()?)
}

fn measure(extent: Extent) -> Outcome<Figures> {
    let mut figures = Figures::default();
    let project = Project::create(PROJECT)?;
    let identity = Identity::make()?;
    let machine = Machine::add("bench-node", MINOR)?;
    let floors_machine = Machine::add("bench-floor", MINOR)?;
    for number in 1..=extent.rounds {
        let is_last = number == extent.rounds;
        let floor = Floor::prepare(number)?;
        step(format!("round {number} of {}: the bare floor", extent.rounds), || {
            figures.floor_joinable.push(floor.birth(&identity)?.as_secs_f64());
            if is_last { floor.join(&floors_machine) } else { floor.remove() }
        })?;
        step(format!("round {number} of {}: Nagaya", extent.rounds), || {
            let round = Round::begin(&project, number, &identity, &mut figures)?;
            round.join(&machine, &mut figures)?;
            round.change_nothing(&mut figures)?;
            if is_last {
                rest(extent.idle, &round, &floor, &mut figures)?;
                floor.remove()?;
            } else {
                machine.reset()?;
            }
            round.end(&mut figures)
        })?;
    }
    project.remove()?;
    Ok(figures)
}

/// Both planes with one node each, side by side, and nobody asks anything of them.
fn rest(time: Duration, round: &Round<'_>, floor: &Floor, figures: &mut Figures) -> Outcome {
    say(&format!(
        "Both planes are left alone for {} s before their memory is read",
        time.as_secs()
    ));
    let sample = time.min(idle::SAMPLE);
    pause(time.saturating_sub(sample))?;
    let before = idle::cpu(&floor.namespace)?;
    pause(sample)?;
    let busy = idle::cpu(&floor.namespace)?.saturating_sub(before);
    figures.floor_idle_millicores.push(busy.as_secs_f64() / sample.as_secs_f64() * 1000.0);
    let (own, floors) = (idle::memory(&round.plane()?)?, idle::memory(&floor.namespace)?);
    figures.tenant_memory.push(own.working_set_mib());
    figures.tenant_anon.push(own.anonymous_mib());
    figures.floor_tenant_anon.push(floors.anonymous_mib());
    figures.manager_rss.push(manager::resident_memory_mib()?);
    Ok(())
}

/// A sleep that Ctrl-C ends.
fn pause(time: Duration) -> Outcome {
    let until = std::time::Instant::now() + time;
    while std::time::Instant::now() < until {
        interrupt::check()?;
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
