//! Plays a story, and looks whether it ends as it has to.

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::plot::{Plot, Step};
use crate::ending::{End, Expected};
use crate::foreign;
use crate::history;
use crate::memory_api::{Bug, Fault, Id, Kind, Storm};
use crate::running::Running;
use crate::stage::{PROJECT, Picture, Stage, TENANT, tenant_id};

const SECOND: &str = "second";
const TICK: Duration = Duration::from_millis(250);
/// The Lease's 15 s, and what is in flight.
const TAKEN_OVER: Duration = Duration::from_secs(20);
/// A watch that hears nothing lasts 5 minutes, and a failed pass comes again after 2 at the latest.
const PATIENCE: Duration = Duration::from_mins(20);
/// Longer than any pause after which a plane that is settled writes, if it does.
const QUIET: Duration = Duration::from_secs(6);

/// What stories that ended well consisted of.
#[derive(Clone, Copy, Default)]
pub struct Told {
    pub stories: u64,
    steps: usize,
    requests: usize,
    /// Of the requests, those at which something went wrong.
    struck: usize,
}

impl AddAssign for Told {
    fn add_assign(&mut self, other: Self) {
        self.stories += other.stories;
        self.steps += other.steps;
        self.requests += other.requests;
        self.struck += other.struck;
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stories: _, steps, requests, struck } = self;
        write!(f, "{steps} steps, {requests} requests, {struck} of them struck by the storm")
    }
}

/// Plays `plot`, out of `born` if it begins so, with a manager that has `bug`. Panics if it does not end as `expected`.
pub async fn play(
    plot: &Plot,
    born: Option<&Picture>,
    expected: &Expected,
    bug: Option<Bug>,
) -> Told {
    let stage = born.map_or_else(Stage::with_nodes, Stage::out_of);
    if let Some(bug) = bug {
        stage.planes.set_bug(bug);
    }
    foreign::put(&stage);
    let untouched = foreign::all(&stage);
    let mut story = Story { stage, second: None, struck: 0 };
    let keys = history::keys(&story.stage);
    story.storm(plot);
    for step in &plot.steps {
        story.happens(step).await;
    }
    story.calm().await;
    story.ends_as(expected, plot.last.is_some()).await;
    story.rests().await;
    assert_eq!(foreign::all(&story.stage), untouched, "what is not Nagaya's was touched");
    history::check(&story.stage, keys);
    Told {
        stories: 1,
        steps: plot.steps.len(),
        requests: story.stage.planes.count_asked() + story.stage.inside.count_asked(),
        struck: story.struck,
    }
}

struct Story {
    stage: Stage,
    second: Option<Running>,
    struck: usize,
}

impl Story {
    fn storm(&self, plot: &Plot) {
        if plot.per_mille > 0 {
            self.stage.planes.set_storm(Some(Storm::new(plot.seed, plot.per_mille)));
            self.stage.inside.set_storm(Some(Storm::new(!plot.seed, plot.per_mille)));
        }
    }

    /// The storm is over, the clocks are right, and the managers work as ever.
    async fn calm(&mut self) {
        self.stage.clock.set_ahead(SignedDuration::ZERO);
        self.struck = self.stage.planes.count_struck() + self.stage.inside.count_struck();
        self.stage.planes.set_storm(None);
        self.stage.inside.set_storm(None);
        self.passes(TICK).await;
    }

    async fn happens(&mut self, step: &Step) {
        match step {
            Step::Create(wish) => {
                self.is_gone().await;
                self.stage.create_tenant(&wish.spec());
            }
            Step::Ask(wish) => {
                self.stage.projects.patch(&tenant_id(), &json!({"spec": wish.spec()}));
            }
            Step::Delete(waits) => {
                self.stage.projects.delete(&tenant_id());
                if *waits {
                    self.is_gone().await;
                }
            }
            Step::Seen => self.is_seen().await,
            Step::Restart => self.restart(),
            Step::RestartAfterWrite(number) => {
                self.stage.planes.plan_fault(*number, Fault::Silence);
                self.passes(Duration::from_secs(3)).await;
                self.stage.planes.forget_planned_faults();
                // Whoever leads.
                self.second = None;
                self.restart();
            }
            Step::TakeOver => {
                self.second_stands_by().await;
                self.stage.kill_manager();
                self.passes_without_first(TAKEN_OVER).await;
                self.stage.start_manager();
            }
            Step::Freeze => self.freeze().await,
            Step::Hand(kind, name) => {
                self.stage.planes.delete(&Id::new(Kind::named(kind), &Stage::plane(), name));
            }
            Step::Outage(length) => {
                self.stage.planes.set_outage(true);
                self.passes(*length).await;
                self.stage.planes.set_outage(false);
            }
            Step::Clock(ahead) => self.stage.clock.set_ahead(*ahead),
            Step::Wait(length) => self.passes(*length).await,
        }
    }

    async fn second_stands_by(&mut self) {
        if self.second.as_ref().is_some_and(|second| second.leadership.is_held()) {
            self.second = None;
            self.passes(TAKEN_OVER).await;
        }
        if self.second.is_none() {
            self.second = Some(self.stage.start(SECOND));
            self.passes(Duration::from_secs(2)).await;
        }
    }

    async fn freeze(&mut self) {
        self.second_stands_by().await;
        let first = self.stage.take_manager();
        first.process.stop_at_next_write();
        self.passes_without_first(TAKEN_OVER).await;
        first.process.go_on();
        self.passes_without_first(Duration::from_secs(2)).await;
        drop(first);
        self.stage.start_manager();
    }

    fn restart(&mut self) {
        self.stage.kill_manager();
        self.stage.start_manager();
    }

    /// Time passes; a manager that ended by itself is started again, as a container would be.
    async fn passes(&mut self, length: Duration) {
        let until = Instant::now() + length;
        loop {
            if self.stage.manager_is_over() {
                self.restart();
            }
            self.tend_second();
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            sleep(TICK.min(left)).await;
        }
    }

    async fn passes_without_first(&mut self, length: Duration) {
        let until = Instant::now() + length;
        while Instant::now() < until {
            self.tend_second();
            sleep(TICK).await;
        }
    }

    fn tend_second(&mut self) {
        if self.second.as_ref().is_some_and(Running::is_over) {
            self.second = Some(self.stage.start(SECOND));
        }
    }

    /// Deletion ends, and meanwhile the storm goes on.
    async fn is_gone(&mut self) {
        let begun = Instant::now();
        while self.stage.tenant().is_some() {
            assert!(begun.elapsed() < PATIENCE, "never gone: {}", self.told());
            self.passes(TICK).await;
        }
    }

    /// It holds the tenant by its finalizer, which it writes before anything else.
    async fn is_seen(&mut self) {
        let begun = Instant::now();
        let is_held = |tenant: &Value| tenant["metadata"]["finalizers"].is_array();
        while !self.stage.tenant().is_some_and(|tenant| is_held(&tenant)) {
            assert!(begun.elapsed() < PATIENCE, "never seen: {}", self.told());
            self.passes(TICK).await;
        }
    }

    async fn ends_as(&mut self, expected: &Expected, exists: bool) {
        let begun = Instant::now();
        let mut pause = TICK;
        loop {
            self.passes(pause).await;
            let there = self.stage.tenant().is_some();
            let over = if exists { self.stage.is_settled() } else { !there };
            let differences = if over {
                expected.differences(&End::of(&self.stage))
            } else {
                vec!["it is not settled".to_owned()]
            };
            if differences.is_empty() {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "the end is another one than without faults:\n{}\n{}",
                differences.join("\n"),
                self.told()
            );
            pause = (pause * 2).min(Duration::from_secs(10));
        }
    }

    /// One more pass writes nothing.
    async fn rests(&mut self) {
        let begun = Instant::now();
        loop {
            let writes = self.stage.count_writes();
            self.passes(QUIET).await;
            if writes == self.stage.count_writes() {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "it never stops to write: {}", self.told());
        }
        if self.stage.tenant().is_none() {
            return;
        }
        loop {
            let writes = self.stage.count_writes();
            self.stage.touch();
            self.passes(QUIET).await;
            if writes == self.stage.count_writes() {
                return;
            }
            let more = self.stage.writes().split_off(writes);
            // What a watch that is late has not told yet may be written once more.
            assert!(begun.elapsed() < PATIENCE, "each pass writes: {more:#?}");
            self.passes(QUIET * 10).await;
        }
    }

    /// For who reads of a failure.
    fn told(&self) -> String {
        let writes = self.stage.writes();
        let last = writes.len().saturating_sub(40);
        let mut tenant = self.stage.tenant().unwrap_or_default().as_ref().clone();
        tenant["metadata"]["managedFields"].take();
        format!("{PROJECT}/{TENANT} is {tenant:#}\nlast writes: {:#?}", &writes[last..])
    }
}
