//! A process that runs until it is ended, what it says in a file, and what the kernel says of it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::ground::FOLDER;
use crate::command::{command, last_lines};
use crate::error::IoContext as _;
use crate::paths;
use crate::ring::{Failure, Outcome, ensure};

/// What /proc/PID/stat counts in: `USER_HZ`, the same on all of Linux' architectures that Kubernetes runs on.
const TICKS: f64 = 100.0;
const KIB_PER_MIB: f64 = 1024.0;
const LAST_WORDS: usize = 15;
/// Within this a program ends that was asked to.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running program; ended with its last handle.
pub struct Daemon {
    name: &'static str,
    child: Child,
}

impl Daemon {
    /// Starts `words` in the common folder. It gets nothing of our environment, which has keys of ours, but `variables`.
    pub fn start(
        name: &'static str,
        words: &[String],
        variables: &[(&str, String)],
    ) -> Outcome<Self> {
        Self::spawn(name, command(words), variables, Stdio::null(), None)
    }

    /// [`Daemon::start`] with its standard input and output as pipes.
    pub fn start_with_pipes(
        name: &'static str,
        words: &[String],
        variables: &[(&str, String)],
    ) -> Outcome<(Self, ChildStdin, ChildStdout)> {
        let pipes = (Stdio::piped(), Some(Stdio::piped()));
        let mut daemon = Self::spawn(name, command(words), variables, pipes.0, pipes.1)?;
        let missing = || Failure::new(format!("{name} has no pipes"));
        let input = daemon.child.stdin.take().ok_or_else(missing)?;
        let output = daemon.child.stdout.take().ok_or_else(missing)?;
        Ok((daemon, input, output))
    }

    fn spawn(
        name: &'static str,
        mut command: Command,
        variables: &[(&str, String)],
        input: Stdio,
        output: Option<Stdio>,
    ) -> Outcome<Self> {
        let log = log(name);
        paths::make_folder(&logs())?;
        let file = File::options().create(true).append(true).open(&log).on("open", &log)?;
        command.env_clear().envs(variables.iter().map(|(key, value)| (key, value)));
        command.env("PATH", "/usr/bin:/bin").current_dir(FOLDER).stdin(input);
        command.stdout(output.unwrap_or(file.try_clone()?.into())).stderr(file);
        let child = command.spawn().doing(|| format!("start {name}"))?;
        running().insert(child.id(), name);
        Ok(Self { name, child })
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in MiB.
    pub fn memory(&self) -> Outcome<f64> {
        self.mib("VmRSS:")
    }

    /// Resident memory in MiB that no file backs.
    pub fn anonymous(&self) -> Outcome<f64> {
        self.mib("RssAnon:")
    }

    fn mib(&self, kind: &str) -> Outcome<f64> {
        let status = paths::read_text(&self.proc("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(kind));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        let kib = number.ok_or_else(|| Failure::new(format!("{} has no {kind}", self.name)))?;
        Ok(kib / KIB_PER_MIB)
    }

    /// Seconds of processor time since it was started.
    pub fn processor(&self) -> Outcome<f64> {
        let stat = paths::read_text(&self.proc("stat"))?;
        // The name, in brackets, may have blanks in it. After it the times are the fields 14 and 15 (proc(5)).
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let times: Vec<f64> =
            fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
        ensure(times.len() == 2, || format!("what the kernel says of {} is: {stat}", self.name))?;
        Ok(times.iter().sum::<f64>() / TICKS)
    }

    /// SIGTERM, until it is gone.
    pub fn stop(mut self) -> Outcome {
        running().remove(&self.child.id());
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(id) = id {
            kill_process(id, Signal::TERM)?;
        }
        let started = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure(started.elapsed() < PATIENCE, || format!("{} does not end", self.name))?;
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn proc(&self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(file)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        running().remove(&self.child.id());
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Those that should run, by their process id.
static RUNNING: Mutex<BTreeMap<u32, &'static str>> = Mutex::new(BTreeMap::new());

fn running() -> MutexGuard<'static, BTreeMap<u32, &'static str>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fails with the last words of one that has ended by itself.
pub fn all_run() -> Outcome {
    let has_ended = |id: &u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // Its state comes after its name. Z: nobody has asked yet how it ended.
        stat.rsplit(") ").next().is_none_or(|state| state.is_empty() || state.starts_with('Z'))
    };
    let ended = running().iter().find(|(id, _)| has_ended(id)).map(|(_, name)| *name);
    let Some(name) = ended else { return Ok(()) };
    let said = fs::read_to_string(log(name)).unwrap_or_default();
    Err(Failure::new(format!("{name} has ended by itself:\n{}", last_lines(&said, LAST_WORDS))))
}

/// Copies what all of them said to where it stays: a folder of `target/`.
pub fn keep_logs(folder: &str) -> Outcome<PathBuf> {
    let kept = paths::checkout().join("target").join(folder);
    paths::remove_folder(&kept)?;
    paths::make_folder(&kept)?;
    for entry in fs::read_dir(logs())? {
        let from = entry?.path();
        if let Some(name) = from.file_name() {
            fs::copy(&from, kept.join(name)).on("copy", &from)?;
        }
    }
    Ok(kept)
}

fn logs() -> PathBuf {
    Path::new(FOLDER).join("logs")
}

fn log(name: &str) -> PathBuf {
    logs().join(format!("{name}.log"))
}
