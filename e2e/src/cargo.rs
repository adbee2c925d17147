//! cargo, run by us: the same one that runs this program, with its progress as lines of ours when
//! there is no terminal.

use std::env;
use std::io::{IsTerminal, Read, stderr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::command::{command_line, last_lines};
use crate::error::{Error, IoContext, Result};
use crate::progress::{say, seconds};
use crate::{interrupt, paths};

/// How often a build that goes on says so in a log.
const PAUSE: Duration = Duration::from_secs(15);
const KEPT_LINES: usize = 60;

/// A cargo command in this checkout.
#[must_use]
pub fn cargo(words: &[&str]) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(words).current_dir(paths::checkout()).stdin(Stdio::null());
    cargo
}

/// Builds a program in silence, and returns where it is: `path` is below cargo's target folder.
///
/// # Errors
/// It does not compile.
pub fn built(words: &[&str], path: &str) -> Result<PathBuf> {
    crate::command::run(cargo(&["build", "--locked", "--quiet"]).args(words))?;
    let own = env::current_exe().doing(|| "find this program".to_owned())?;
    // A test is `target/debug/deps/NAME-HASH`.
    Ok(own.ancestors().nth(3).unwrap_or(&own).join(path))
}

/// Runs a cargo command that compiles, and says how far it is.
///
/// # Errors
/// It fails (the text ends with the compiler's words), or the user interrupts.
pub fn run(what: &str, mut cargo: Command) -> Result<()> {
    let (started, line) = (Instant::now(), command_line(&cargo));
    let terminal = stderr().is_terminal();
    if terminal {
        say(&format!("… {what}"));
    } else {
        // Without a terminal cargo does not count; told to, it does.
        cargo.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "120");
        cargo.stdout(Stdio::null()).stderr(Stdio::piped());
    }
    let missing = |source| Error::CommandMissing { command: line.clone(), source };
    let mut child = cargo.spawn().map_err(missing)?;
    let text = Mutex::new(String::new());
    let from = child.stderr.take();
    let status = thread::scope(|scope| {
        scope.spawn(|| collect(from, &text));
        wait(&mut child, what, started, &text)
    })?;
    let mark = if status.success() { '✓' } else { '✗' };
    say(&format!("{mark} {what} ({})", seconds(started.elapsed())));
    if status.success() {
        return Ok(());
    }
    let text = text.into_inner().unwrap_or_default();
    let output = last_lines(&without_progress(&text), KEPT_LINES);
    Err(Error::CommandFailed { command: line, status: status.to_string(), output })
}

fn collect(from: Option<impl Read>, text: &Mutex<String>) {
    let (Some(mut from), mut chunk) = (from, [0; 4096]) else { return };
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        if let Ok(mut text) = text.lock() {
            text.push_str(&String::from_utf8_lossy(&chunk[..count]));
        }
    }
}

fn wait(
    child: &mut Child,
    what: &str,
    started: Instant,
    text: &Mutex<String>,
) -> Result<std::process::ExitStatus> {
    let mut said = Instant::now();
    loop {
        if let Some(status) = child.try_wait().doing(|| "wait for cargo".to_owned())? {
            return Ok(status);
        }
        if interrupt::requested() {
            // Already gone is as good.
            let _ = child.kill();
            let _ = child.wait();
            return Err(Error::Interrupted);
        }
        if said.elapsed() > PAUSE && !stderr().is_terminal() {
            let far = text.lock().map(|text| how_far(&text)).unwrap_or_default();
            say(&format!("… {what}{far} ({} so far)", seconds(started.elapsed())));
            said = Instant::now();
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// `, 120 of 310` out of cargo's last `Building [==>  ] 120/310: …`.
fn how_far(text: &str) -> String {
    let counts = text.rsplit("] ").filter_map(|rest| rest.split(':').next()?.split_once('/'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    counts
        .into_iter()
        .find(|(done, all)| is_number(done) && is_number(all))
        .map(|(done, all)| format!(", {done} of {all}"))
        .unwrap_or_default()
}

/// What a terminal would show in the end: of a line that was written over, the last version.
fn without_progress(text: &str) -> String {
    let lines = text.lines().map(|line| line.rsplit(['\r', '\u{7}']).next().unwrap_or_default());
    let shown = lines.map(|line| line.replace("\u{1b}[K", ""));
    shown.filter(|line| !line.trim_start().starts_with("Building [")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "   Compiling a v1\r\n    Building [=>   ] 3/10: a, b\r   Compiling b v1\n    \
                        Building [==>  ] 7/10: c\r";

    #[test]
    fn the_last_count_says_how_far_it_is() {
        assert_eq!(how_far(TEXT), ", 7 of 10");
        assert_eq!(how_far("error: [E0433] 1: nothing"), "");
    }

    #[test]
    fn an_error_text_has_no_progress_in_it() {
        assert!(!without_progress(TEXT).contains("Building"));
        assert!(without_progress("error[E0433]: no\n  --> a.rs:1\n").contains("--> a.rs:1"));
    }
}
