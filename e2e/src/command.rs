//! Runs other programs: output kept for the error text, interruptible, never a shell in between.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use crate::error::{Error, IoContext, Result};
use crate::interrupt;

/// Lines of a failed command's output that an error text keeps.
const KEPT_LINES: usize = 30;

/// Builds a command out of words.
#[must_use]
pub fn command<S: AsRef<std::ffi::OsStr>>(words: &[S]) -> Command {
    let mut words = words.iter();
    let mut command = Command::new(words.next().map_or("false".as_ref(), AsRef::as_ref));
    command.args(words);
    command
}

/// Runs a command to its end.
///
/// # Errors
/// It cannot be started, fails, or the user interrupts.
pub fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Runs a command and returns what it wrote to standard output.
///
/// # Errors
/// It cannot be started, fails, or the user interrupts.
pub fn output(command: &mut Command) -> Result<String> {
    finish(command, command_line(command), None::<std::io::Empty>)
}

/// Runs a command that reads `input` from its standard input.
///
/// # Errors
/// It cannot be started, fails, or the user interrupts.
pub fn feed(command: &mut Command, input: impl Read + Send) -> Result<String> {
    finish(command, command_line(command), Some(input))
}

/// The words of a command, for messages.
#[must_use]
pub fn command_line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

fn finish(command: &mut Command, line: String, input: Option<impl Read + Send>) -> Result<String> {
    // A group of its own: Ctrl-C reaches only us, and we end the whole group.
    let mut child = command
        .process_group(0)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| Error::CommandMissing { command: line.clone(), source })?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (status, out, err) = thread::scope(|scope| {
        if let (Some(mut from), Some(mut to)) = (input, stdin) {
            // A reader that ends early shows in its exit status, not here.
            scope.spawn(move || std::io::copy(&mut from, &mut to).and_then(|_| to.flush()));
        }
        let out = scope.spawn(move || slurp(stdout));
        let err = scope.spawn(move || slurp(stderr));
        let status = wait(&mut child);
        (status, out.join().unwrap_or_default(), err.join().unwrap_or_default())
    });
    let status = status?;
    if status.success() {
        return Ok(out);
    }
    let output = last_lines(if err.trim().is_empty() { &out } else { &err }, KEPT_LINES);
    Err(Error::CommandFailed { command: line, status: status.to_string(), output })
}

fn slurp(from: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        // What could be read so far is still worth showing.
        let _ = from.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn wait(child: &mut Child) -> Result<ExitStatus> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait().doing(|| "wait for a command".to_owned())? {
            return Ok(status);
        }
        if interrupt::requested() {
            end_group(child);
            return Err(Error::Interrupted);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn end_group(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // Already gone is as good.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.wait();
}

/// The last lines of a long text.
#[must_use]
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_shows_its_words_status_and_output() {
        let error = run(&mut command(&["sh", "-c", "echo bad >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("sh -c") && text.contains('3') && text.contains("bad"), "{text}");
    }

    #[test]
    fn a_command_reads_what_it_is_fed() {
        assert_eq!(feed(&mut command(&["cat"]), "hello".as_bytes()).unwrap(), "hello");
    }

    #[test]
    fn a_missing_command_is_named() {
        let error = run(&mut command(&["no-such-command-here"])).unwrap_err();
        assert!(error.to_string().contains("no-such-command-here"));
    }

    #[test]
    fn only_the_last_lines_of_a_long_output_are_kept() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
    }
}
