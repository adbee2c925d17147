//! Ctrl-C, SIGTERM and SIGHUP: noticed between and during steps, so that what was started is undone.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::{Error, IoContext, Result};

static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
static SHIELDS: AtomicUsize = AtomicUsize::new(0);

/// From now on the ending signals set a flag instead of ending the process.
///
/// # Errors
/// The kernel refuses the handler.
pub fn watch() -> Result<()> {
    let flag = FLAG.get_or_init(|| Arc::new(AtomicBool::new(false)));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(flag))
            .doing(|| format!("watch signal {signal}"))?;
    }
    Ok(())
}

/// Whether the user wants this to end, and nothing is being cleaned up.
#[must_use]
pub fn requested() -> bool {
    SHIELDS.load(Ordering::Relaxed) == 0
        && FLAG.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// Stops a long piece of work between two steps.
///
/// # Errors
/// [`Error::Interrupted`] once the user asked for it.
pub fn check() -> Result<()> {
    if requested() { Err(Error::Interrupted) } else { Ok(()) }
}

/// Runs a clean-up that must not itself be interrupted.
pub fn shielded<T>(work: impl FnOnce() -> T) -> T {
    SHIELDS.fetch_add(1, Ordering::Relaxed);
    let result = work();
    SHIELDS.fetch_sub(1, Ordering::Relaxed);
    result
}
