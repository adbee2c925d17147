//! `make bench`: what Nagaya costs in time and memory, beside the bare floor (the same objects without
//! Nagaya) in the same run, both seen by the same outside client.
//!
//! Reading order: [`run`], `round` (what is timed), `candidate` (the outside client), `floor`, `idle`
//! (memory), `used` (memory of one with nodes and kinds), `together` (ten at once), `figures` (medians,
//! `target/bench.json`), `check` (against what was committed).

mod candidate;
pub mod check;
mod figures;
mod floor;
pub mod idle;
mod round;
mod together;
mod used;

use std::time::Duration;

use candidate::Identity;
use figures::Figures;
use floor::Floor;
use round::Round;
use used::Used;

use crate::progress::{say, step};
use crate::ring::{Failure, Machine, Outcome, Project, manager};
use crate::{install, interrupt, sandbox};

/// The project namespace of the benchmark.
const PROJECT: &str = "bench";
/// Another one: a round ends when no control plane of its own is left.
const PROJECT_OF_USED: &str = "bench-used";
/// The minor of both planes and of their nodes.
const MINOR: &str = crate::components::NEWEST_MINOR;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Planes made and removed on each side, floor and Nagaya by turns the first.
    pub rounds: usize,
    /// How long one more plane of each side is left alone, with one node, before its memory is read.
    pub idle: Duration,
    /// How long one that is in use is left alone before its memory is read.
    pub used: Duration,
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
    let machine = Machine::add("bench-node", MINOR)?;
    let in_use = Project::create(PROJECT_OF_USED)?;
    let used = step("a tenant that is in use", || Used::begin(&in_use))?;
    let bench = Bench { identity: Identity::make()?, project: &project, machine: &machine };
    for number in 1..=extent.rounds {
        let here = format!("round {number} of {}", extent.rounds);
        let floor = |figures: &mut _| {
            step(format!("{here}: the bare floor"), || bench.floor_round(number, figures))
        };
        let own =
            |figures: &mut _| step(format!("{here}: Nagaya"), || bench.own_round(number, figures));
        // Whoever comes second may meet what the first has left to be cleaned away.
        if number % 2 == 1 {
            floor(&mut figures)?;
            own(&mut figures)?;
        } else {
            own(&mut figures)?;
            floor(&mut figures)?;
        }
    }
    bench.rest(extent.rounds + 1, extent.idle, &mut figures)?;
    used.end(extent.used, &mut figures)?;
    in_use.remove()?;
    manager::configure(&[manager::SMALL_REQUESTS])?;
    step("ten tenants at once", || together::measure(&project, &bench.identity, &mut figures))?;
    project.remove()?;
    Ok(figures)
}

struct Bench<'p> {
    identity: Identity,
    project: &'p Project,
    /// Joins what Nagaya has made, again and again.
    machine: &'p Machine,
}

impl Bench<'_> {
    fn floor_round(&self, number: usize, figures: &mut Figures) -> Outcome {
        let floor = Floor::prepare(number)?;
        figures.floor_joinable.push(floor.birth(&self.identity)?.as_secs_f64());
        floor.remove()
    }

    fn own_round(&self, number: usize, figures: &mut Figures) -> Outcome {
        let round = Round::begin(self.project, number, &self.identity)?;
        figures.joinable.push(round.joinable.as_secs_f64());
        figures.manager_api_calls_create.push(round.api_calls);
        round.join(self.machine, figures)?;
        round.change_nothing(figures)?;
        self.machine.reset()?;
        round.end(figures)
    }

    /// Both planes with one node each, side by side, and nobody asks anything of them.
    fn rest(&self, number: usize, time: Duration, figures: &mut Figures) -> Outcome {
        let floors_machine = Machine::add("bench-floor", MINOR)?;
        let floor = Floor::prepare(number)?;
        step("a plane of the bare floor with a node", || {
            floor.birth(&self.identity)?;
            floor.join(&floors_machine)
        })?;
        let round = step("one of Nagaya's with a node", || {
            let round = Round::begin(self.project, number, &self.identity)?;
            round.join(self.machine, figures).map(|()| round)
        })?;
        say(&format!(
            "Both planes are left alone for {} s before their memory is read",
            time.as_secs()
        ));
        compare_idle(time, &round, &floor, figures)?;
        floor.remove()?;
        round.end(figures)
    }
}

fn compare_idle(
    time: Duration,
    round: &Round<'_>,
    floor: &Floor,
    figures: &mut Figures,
) -> Outcome {
    let sample = time.min(idle::SAMPLE);
    pause(time.saturating_sub(sample))?;
    let plane = round.plane()?;
    let both = || Ok::<_, Failure>((idle::cpu(&plane)?, idle::cpu(&floor.namespace)?));
    let (own_before, floors_before) = both()?;
    pause(sample)?;
    let (own, floors) = both()?;
    let (own, floors) = (own.saturating_sub(own_before), floors.saturating_sub(floors_before));
    figures.floor_idle_millicores.push(floors.as_secs_f64() / sample.as_secs_f64() * 1000.0);
    figures.idle_cpu_ratio.push(own.as_secs_f64() / floors.as_secs_f64());
    let (own, floors) = (idle::memory(&plane)?, idle::memory(&floor.namespace)?);
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
