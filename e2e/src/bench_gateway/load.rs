//! What comes to one of them: runs of `gateway_load`.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{ChildStdin, ChildStdout};

use serde_json::Value;

use super::rivals::Rival;
use super::services;
use crate::bench_scale::daemon::Daemon;
use crate::command::{command, output};
use crate::ring::{Failure, Outcome};

/// `gateway_load` towards one of them.
#[derive(Clone)]
pub struct Load {
    pub program: String,
    pub routes: usize,
}

/// One that goes on until its input is closed.
pub struct Running {
    daemon: Daemon,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Load {
    /// MiB a second over `active` of so many connections.
    pub fn throughput(
        &self,
        to: Rival,
        connections: usize,
        active: usize,
        seconds: f64,
    ) -> Outcome<f64> {
        let more = [
            format!("--connections={connections}"),
            format!("--active={active}"),
            format!("--seconds={seconds}"),
        ];
        let said = self.ask("throughput", to, &more)?;
        number(&said, "mib_per_s")
    }

    /// Microseconds that half and 99 of 100 questions did not exceed.
    pub fn latency(&self, to: Rival, requests: usize) -> Outcome<[f64; 2]> {
        let said = self.ask("latency", to, &[format!("--requests={requests}")])?;
        Ok([number(&said, "p50_us")?, number(&said, "p99_us")?])
    }

    /// Holds connections, with a question on each `every` so many milliseconds; 0: none.
    pub fn hold(&self, to: Rival, connections: usize, every: u64) -> Outcome<Running> {
        let more = [format!("--connections={connections}"), format!("--every={every}")];
        let mut running = Running::start("gateway_load-hold", &self.words("hold", to, &more))?;
        number(&running.line()?, "held")?;
        Ok(running)
    }

    /// Waits for names.
    pub fn poll(&self, to: Rival) -> Outcome<Running> {
        Running::start("gateway_load-poll", &self.words("poll", to, &[]))
    }

    fn ask(&self, verb: &str, to: Rival, more: &[String]) -> Outcome<Value> {
        let said = output(&mut command(&self.words(verb, to, more)))?;
        Ok(serde_json::from_str(&said)?)
    }

    fn words(&self, verb: &str, to: Rival, more: &[String]) -> Vec<String> {
        let mut words = vec![self.program.clone(), verb.to_owned()];
        words.extend(to.target().map(|target| format!("--target={target}")));
        words.push(format!("--names={}", self.routes));
        words.extend_from_slice(more);
        words
    }
}

impl Running {
    fn start(name: &'static str, words: &[String]) -> Outcome<Self> {
        let (daemon, input, output) = Daemon::start_with_pipes(name, words, &[])?;
        Ok(Self { daemon, input, output: BufReader::new(output).lines() })
    }

    /// Has it wait for a route by its number.
    pub fn wait_for(&mut self, route: usize) -> Outcome {
        Ok(writeln!(self.input, "{route}")?)
    }

    /// When that was served, in nanoseconds since 1970.
    pub fn served_at(&mut self) -> Outcome<f64> {
        number(&self.line()?, "served_at_ns")
    }

    /// Ends it; how many of its connections had ended before.
    pub fn release(self) -> Outcome<f64> {
        let Self { daemon, input, mut output } = self;
        drop(input);
        let said = next(&mut output)?;
        drop(daemon);
        number(&said, "dropped")
    }

    fn line(&mut self) -> Outcome<Value> {
        next(&mut self.output)
    }
}

fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Outcome<Value> {
    let line = lines.next().transpose()?;
    let line = line.ok_or_else(|| Failure::new("gateway_load has ended without a word"))?;
    Ok(serde_json::from_str(&line)?)
}

fn number(said: &Value, key: &str) -> Outcome<f64> {
    let number = said[key].as_f64();
    number.ok_or_else(|| Failure::new(format!("gateway_load said {said}, without {key}")))
}

/// The server behind all of them.
pub fn serve(program: &str) -> Outcome<Daemon> {
    let words = [program.to_owned(), "serve".to_owned(), "0.0.0.0:443".to_owned()];
    Daemon::start("gateway_load-serve", &words, &[])
}

/// What a route's server is called, in the configuration of rivals: its name and its address.
pub fn backends(routes: usize) -> impl Iterator<Item = (String, String)> {
    (0..routes).map(|number| (services::host(number), format!("{}:443", services::address(number))))
}
