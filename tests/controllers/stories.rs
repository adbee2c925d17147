//! Stories: out of one number, a user who creates, changes, deletes and creates again, managers that are killed, stopped
//! and doubled, hands that delete, and an API server that refuses, loses answers, lags behind and cuts watches. However
//! it went, the end is the one that the last spec has without all that (the oracles of Sieve and Acto).
//!
//! `NAGAYA_SEED=7 cargo test -p nagaya --test controllers stories` plays story 7 alone; `NAGAYA_STORIES` is how many are
//! played otherwise, from story `NAGAYA_STORIES_FROM` on. They have `NAGAYA_STORIES_SECONDS`; fewer in that time are a
//! failure.

mod clean;
mod play;
mod plot;

use std::any::Any;
use std::io::Write as _;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::memory_api::Bug;
use clean::Clean;
use play::{Told, play};
use plot::Plot;

/// As many as are told in minutes without optimisation.
const STORIES: u64 = 100;
const SECONDS: u64 = 600;
/// A bug is caught by one of the first so many.
const STORIES_FOR_A_BUG: u64 = 60;
const BUGS: [Bug; 10] = [
    Bug::MakesKeysAnew,
    Bug::BelievesInLostWrites,
    Bug::LetsGoTooEarly,
    Bug::ForgetsWhatItRetains,
    Bug::NeverRemovesFields,
    Bug::WritesInEveryPass,
    Bug::OwnsNothing,
    Bug::IsDeafAfterAWatchEnds,
    Bug::DeletesByNameAlone,
    Bug::LeaksVolumes,
];
/// After so many that end wrongly it is clear that something is wrong.
const ENOUGH: usize = 3;
/// A hundred thousand take two hours: how far they are is said this often.
const SAID_EVERY: u64 = 5_000;

#[test]
fn every_story_ends_as_if_nothing_had_gone_wrong() {
    if let Some(seed) = number("NAGAYA_SEED") {
        let told = tell(&Clean::default(), seed, None).unwrap_or_else(|why| panic!("{why}"));
        return say(&format!("story {seed}: {told}"));
    }
    let stories = number("NAGAYA_STORIES").unwrap_or(STORIES);
    let seconds = Duration::from_secs(number("NAGAYA_STORIES_SECONDS").unwrap_or(SECONDS));
    let from = number("NAGAYA_STORIES_FROM").unwrap_or(0);
    let (clean, next) = (Clean::default(), AtomicU64::new(from));
    let (told, failures) = (Mutex::new(Told::default()), Mutex::new(Vec::new()));
    let begun = Instant::now();
    on_every_core(|| {
        while failures.lock().unwrap().len() < ENOUGH && begun.elapsed() < seconds {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + stories {
                return;
            }
            match tell(&clean, seed, None) {
                Ok(one) => {
                    let mut told = told.lock().unwrap();
                    *told += one;
                    if told.stories % SAID_EVERY == 0 {
                        say(&format!("{} stories in {:?}", told.stories, begun.elapsed()));
                    }
                }
                Err(why) => {
                    say(&format!("story {seed} ended wrongly"));
                    failures.lock().unwrap().push(why);
                }
            }
        }
    });
    let told = told.into_inner().unwrap();
    say(&format!(
        "{} of {stories} stories ended well in {:?}: {told}",
        told.stories,
        begun.elapsed()
    ));
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert_eq!(told.stories, stories, "there was no time for more: {seconds:?}");
}

/// The ring is worth what it finds.
#[test]
fn bugs_that_operators_have_had_are_caught() {
    let (clean, left, missed) =
        (Clean::default(), Mutex::new(BUGS.into_iter()), Mutex::new(Vec::new()));
    let next = || left.lock().unwrap().next();
    on_every_core(|| {
        while let Some(bug) = next() {
            let is_caught = |seed| tell(&clean, seed, Some(bug)).is_err();
            if !(0..STORIES_FOR_A_BUG).any(is_caught) {
                missed.lock().unwrap().push(bug);
            }
        }
    });
    assert_eq!(missed.into_inner().unwrap(), []);
}

fn on_every_core(work: impl Fn() + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(&work);
        }
    });
}

/// The story of a seed, or what was wrong with its end.
fn tell(clean: &Clean, seed: u64, bug: Option<Bug>) -> Result<Told, String> {
    let plot = Plot::of(seed);
    let told = catch_unwind(AssertUnwindSafe(|| {
        let (born, end) = (plot.born.then(|| clean.born()), clean.end(&plot));
        let expected = end.get().unwrap();
        in_virtual_time(play(&plot, born, expected, bug))
    }));
    told.map_err(|why| {
        format!(
            "{}\n{plot:#?}\nagain: NAGAYA_SEED={seed} cargo test -p nagaya --test controllers stories",
            words(why.as_ref())
        )
    })
}

/// Past libtest, which keeps what a test that passes says.
fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "{words}");
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked without words")
}

fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(work)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}
