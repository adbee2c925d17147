//! Faults at random. What strikes a request follows from the seed, from what is asked for and from how often it was
//! asked for before, and not from the order of requests: a seed that is played again meets nearly the same.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use fastrand::Rng;

use super::faults::Fault;
use super::request::{Request, Verb};

/// What a client of a real cluster waits for, at least.
const LONGEST_WAIT: u64 = 12_000;
/// A cache lags behind by at most so many changes.
const MOST_STALE: u64 = 40;

/// What happens to a watch.
#[allow(clippy::struct_excessive_bools, reason = "each is struck apart from the others")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Answered 410 at once: what it wants to go on from is forgotten.
    pub refused: bool,
    /// Ends after so many events.
    pub ends_after: Option<usize>,
    /// Not just closed: with an event that says 410.
    pub with_gone: bool,
    /// Every event comes so much later.
    pub delay: Duration,
    /// Every event comes twice.
    pub twice: bool,
    /// Nothing comes any more, until its time is over.
    pub mute: bool,
}

/// One request in so many fails.
#[derive(Debug)]
pub struct Storm {
    seed: u64,
    per_mille: u32,
    asked: HashMap<String, u64>,
    /// What has struck, for who reads of a failure.
    pub log: Vec<String>,
}

impl Storm {
    /// Out of `seed`, `per_mille` of a thousand requests fail.
    pub fn new(seed: u64, per_mille: u32) -> Self {
        Self { seed, per_mille, asked: HashMap::new(), log: Vec::new() }
    }

    /// What strikes a request.
    pub fn fault(&mut self, request: &Request) -> Option<Fault> {
        let (what, mut dice) = self.dice(request);
        if dice.u32(..1000) >= self.per_mille {
            return None;
        }
        let fault = strike(request, &mut dice)?;
        self.log.push(format!("{what}: {fault:?}"));
        Some(fault)
    }

    /// What strikes a watch that is opened.
    pub fn trouble(&mut self, request: &Request) -> Trouble {
        let (what, mut dice) = self.dice(request);
        // A watch lives long: one in so many would be hardly any.
        if dice.u32(..1000) >= self.per_mille * 3 {
            return Trouble::default();
        }
        let mut trouble = Trouble {
            refused: dice.u8(..8) == 0,
            ends_after: (dice.u8(..2) == 0).then(|| dice.usize(..20)),
            with_gone: dice.bool(),
            delay: Duration::ZERO,
            twice: dice.u8(..4) == 0,
            mute: dice.u8(..30) == 0,
        };
        if dice.bool() {
            trouble.delay = Duration::from_millis(dice.u64(1..4000));
        }
        self.log.push(format!("{what}: {trouble:?}"));
        trouble
    }

    fn dice(&mut self, request: &Request) -> (String, Rng) {
        let Request { verb, kind, namespace, name, subresource, .. } = request;
        let selector = request.parameter("labelSelector").unwrap_or_default();
        let parts = [namespace.as_deref(), name.as_deref(), subresource.as_deref(), Some(selector)];
        let parts: Vec<&str> =
            parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        let what = format!("{verb:?} {} {}", kind.name, parts.join(" "));
        let times = self.asked.entry(what.clone()).or_insert(0);
        *times += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, &what, *times).hash(&mut hasher);
        (format!("{what} #{times}"), Rng::with_seed(hasher.finish()))
    }
}

fn strike(request: &Request, dice: &mut Rng) -> Option<Fault> {
    let wait = Duration::from_millis(dice.u64(..LONGEST_WAIT));
    let reads = matches!(request.verb, Verb::Get | Verb::List);
    // Who gives no version gets the newest (Kubernetes' API concepts, "Semantics for get and list").
    let is_content_with_any = request.parameter("resourceVersion") == Some("0");
    let faults: &[Fault] = match request.verb {
        Verb::Watch => return None,
        _ if reads && is_content_with_any => {
            &[Fault::Stale(dice.u64(1..MOST_STALE)), Fault::Stale(dice.u64(1..5))]
        }
        _ if reads => &[
            Fault::Refused(404),
            Fault::Refused(429),
            Fault::Refused(500),
            Fault::Lost(Duration::ZERO),
            Fault::Lost(wait),
        ],
        _ => &[
            Fault::Refused(404),
            Fault::Refused(409),
            Fault::Refused(422),
            Fault::Refused(429),
            Fault::Refused(500),
            Fault::Lost(Duration::ZERO),
            Fault::Lost(wait),
            Fault::AnswerLost(Duration::ZERO),
            Fault::AnswerLost(wait),
        ],
    };
    dice.choice(faults).copied()
}
