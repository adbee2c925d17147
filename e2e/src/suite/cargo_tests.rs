//! `cargo test`, shown as it goes and counted from what libtest says.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use super::report::Counts;
use crate::command::command_line;
use crate::error::{Error, IoContext, Result};
use crate::interrupt;
use crate::progress::say;

/// Runs the tests and counts them.
///
/// # Errors
/// They cannot be compiled or started, or the user interrupts.
pub fn run_tests(cargo_test: &mut Command) -> Result<Counts> {
    let line = command_line(cargo_test);
    say(&format!("  {line}"));
    let missing = |source| Error::CommandMissing { command: line.clone(), source };
    let mut child = cargo_test.stdout(Stdio::piped()).spawn().map_err(missing)?;
    let mut heard = Heard::default();
    for said in child.stdout.take().into_iter().flat_map(|from| BufReader::new(from).lines()) {
        let said = said.doing(|| "read what the tests say".to_owned())?;
        println!("{said}");
        heard.line(said);
    }
    verdict(&line, child.wait().doing(|| "wait for the tests".to_owned())?, heard.counts)
}

fn verdict(line: &str, status: ExitStatus, counts: Counts) -> Result<Counts> {
    interrupt::check()?;
    if counts.failed > 0 || (status.success() && counts.passed > 0) {
        return Ok(counts);
    }
    // It did not compile, or a test ended its whole program, or there was none.
    let output = format!("its words are above; {} tests passed", counts.passed);
    Err(Error::CommandFailed { command: line.to_owned(), status: status.to_string(), output })
}

/// [`run_tests`] beside others: each line begins with whose it is.
///
/// # Errors
/// As [`run_tests`].
pub fn run_tests_beside_others(name: &str, cargo_test: &mut Command) -> Result<Counts> {
    let line = command_line(cargo_test);
    let missing = |source| Error::CommandMissing { command: line.clone(), source };
    let both = cargo_test.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = both.spawn().map_err(missing)?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let counts = thread::scope(|scope| {
        scope.spawn(|| {
            let lines = err.into_iter().flat_map(|from| BufReader::new(from).lines());
            lines
                .map_while(std::result::Result::ok)
                .for_each(|line| say(&format!("{name} │ {line}")));
        });
        let lines = out.into_iter().flat_map(|from| BufReader::new(from).lines());
        let mut heard = Heard::default();
        for line in lines.map_while(std::result::Result::ok) {
            println!("{name} │ {line}");
            heard.line(line);
        }
        heard.counts
    });
    verdict(&line, child.wait().doing(|| "wait for the tests".to_owned())?, counts)
}

/// What libtest has said so far.
#[derive(Default)]
struct Heard {
    counts: Counts,
    /// Between `failures:` and the result.
    in_failures: bool,
}

impl Heard {
    /// `test result: ok. 3 passed; 1 failed; 0 ignored; …`, or one of the lines before it.
    fn line(&mut self, line: String) {
        let Some(result) = line.strip_prefix("test result: ") else {
            self.in_failures |= line == "failures:";
            if self.in_failures {
                self.counts.last_words.push(line);
            }
            return;
        };
        let number = |what: &str| -> usize {
            let found = result.split(['.', ';']).find_map(|part| part.trim().strip_suffix(what));
            found.and_then(|number| number.trim().parse().ok()).unwrap_or_default()
        };
        self.counts.passed += number(" passed");
        self.counts.failed += number(" failed");
        self.in_failures = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtests_results_are_added_up() {
        let all = "running 2 tests\n\
            test a ... ok\n\
            test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s\n\
            failures:\n\
            ---- b stdout ----\n\
            too late\n\
            test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n\
            running 0 tests";
        let mut heard = Heard::default();
        all.lines().for_each(|line| heard.line(line.to_owned()));
        let counts = heard.counts;
        assert_eq!((counts.passed, counts.failed), (15, 2));
        assert_eq!(counts.last_words, ["failures:", "---- b stdout ----", "too late"]);
    }

    #[test]
    fn tests_that_do_not_compile_are_an_error_and_failed_ones_are_counted() {
        let shell = |script: &str| run_tests(Command::new("sh").args(["-c", script]));
        assert!(shell("exit 101").is_err());
        let failed = shell("echo 'test result: FAILED. 3 passed; 2 failed; 0 ignored'; exit 101");
        let failed = failed.unwrap();
        assert_eq!((failed.passed, failed.failed), (3, 2));
    }
}
