//! Progress of long steps on standard error: what, how far, how long so far; plain lines without a
//! terminal.

use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often a step that goes on says so.
const ON_TERMINAL: Duration = Duration::from_millis(200);
const IN_LOG: Duration = Duration::from_secs(15);

/// How many steps are under way, each inside the one before; only the innermost one ticks.
static DEPTH: AtomicUsize = AtomicUsize::new(0);

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
    let depth = DEPTH.fetch_add(1, Ordering::Relaxed);
    let ticker = Ticker::start(what.clone(), started, depth);
    let result = work();
    ticker.stop();
    DEPTH.fetch_sub(1, Ordering::Relaxed);
    let mark = if result.is_ok() { '✓' } else { '✗' };
    say(&line(depth, mark, &what, &seconds(started.elapsed())));
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

/// A step inside another is indented.
fn line(depth: usize, mark: char, what: &str, time: &str) -> String {
    format!("{:indent$}{mark} {what} ({time})", "", indent = depth * 2)
}

struct Ticker {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Ticker {
    fn start(what: String, started: Instant, depth: usize) -> Self {
        let (stop, stopped) = channel();
        let terminal = stderr().is_terminal();
        let pause = if terminal { ON_TERMINAL } else { IN_LOG };
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                if DEPTH.load(Ordering::Relaxed) != depth + 1 {
                    continue;
                }
                let time = format!("{} so far", seconds(started.elapsed()));
                let line = line(depth, '…', &what, &time);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_inside_another_is_indented() {
        assert_eq!(line(1, '✓', "build", "2.0 s"), "  ✓ build (2.0 s)");
    }

    #[test]
    fn a_step_hands_its_result_on() {
        assert_eq!(step("a test", || Err::<(), _>("no")), Err("no"));
        assert_eq!(step("a test", || Ok::<_, ()>(7)), Ok(7));
    }
}
