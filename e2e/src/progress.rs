//! Progress of long steps on standard error: what, how far, how long so far; plain lines without a terminal.

use std::io::{IsTerminal, Write, stderr};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often a step that goes on says so.
const ON_TERMINAL: Duration = Duration::from_millis(200);
const IN_LOG: Duration = Duration::from_secs(15);

/// Runs one named step and reports how long it took, and whether it failed.
///
/// # Errors
/// Whatever the step returns.
pub fn step<T, E>(
    what: impl Into<String>,
    work: impl FnOnce() -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let what = what.into();
    let started = Instant::now();
    let ticker = Ticker::start(what.clone(), started);
    let result = work();
    ticker.stop();
    let mark = if result.is_ok() { '✓' } else { '✗' };
    say(&format!("{mark} {what} ({})", seconds(started.elapsed())));
    result
}

/// One plain line.
pub fn say(line: &str) {
    let clear = if stderr().is_terminal() { "\r\x1b[K" } else { "" };
    // Nobody to tell is no reason to stop.
    let _ = writeln!(stderr(), "{clear}{line}");
}

/// A duration as people read it.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

struct Ticker {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Ticker {
    fn start(what: String, started: Instant) -> Self {
        let (stop, stopped) = channel();
        let terminal = stderr().is_terminal();
        let pause = if terminal { ON_TERMINAL } else { IN_LOG };
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let line = format!("… {what} ({} so far)", seconds(started.elapsed()));
                if terminal {
                    let _ = write!(stderr(), "\r\x1b[K{line}");
                    let _ = stderr().flush();
                } else {
                    say(&line);
                }
            }
        });
        Self { stop, thread }
    }

    fn stop(self) {
        // The thread may have ended by itself; both ways it is over.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}
