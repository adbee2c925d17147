//! One supervised process: started when wanted, ended when not, started again when it dies.

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{IoContext, Result};

/// Between an unwanted end and the next start.
const RESTART_AFTER: Duration = Duration::from_secs(1);
/// Between asking a process to end and ending it.
const GRACE: Duration = Duration::from_secs(10);

/// A process by name, with a log `/var/log/NAME.log` and, while it runs, `/run/nagaya/NAME.pid`.
pub struct Service {
    name: &'static str,
    pid: Option<Pid>,
    started: Option<Instant>,
    asked_to_end: Option<Instant>,
}

impl Service {
    /// A service that does not run yet.
    pub fn new(name: &'static str) -> Self {
        Self { name, pid: None, started: None, asked_to_end: None }
    }

    /// Whether its process is there.
    pub fn is_running(&self) -> bool {
        self.pid.is_some()
    }

    /// Starts or ends it, one step at a time: to be called again and again.
    ///
    /// # Errors
    /// It cannot be started or its log not be written.
    pub fn keep(&mut self, wanted: bool, build: impl FnOnce() -> Command) -> Result<()> {
        match (wanted, self.pid) {
            (true, None) if self.may_start() => self.start(build()),
            (false, Some(pid)) => {
                self.end(pid);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Notes that a process has ended, if it is this one's.
    pub fn ended(&mut self, pid: Pid) {
        if self.pid == Some(pid) {
            self.pid = None;
            // A wanted end has no need to wait before the next start.
            if self.asked_to_end.take().is_some() {
                self.started = None;
            }
            let _ = fs::remove_file(self.pid_file());
        }
    }

    fn may_start(&self) -> bool {
        self.started.is_none_or(|started| started.elapsed() > RESTART_AFTER)
    }

    fn start(&mut self, mut command: Command) -> Result<()> {
        self.started = Some(Instant::now());
        let log = self.log()?;
        let errors = log.try_clone().doing(|| format!("log {}", self.name))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .doing(|| format!("start {}", self.name))?;
        self.pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        fs::write(self.pid_file(), child.id().to_string()).on("write", &self.pid_file())
    }

    fn end(&mut self, pid: Pid) {
        let asked = *self.asked_to_end.get_or_insert_with(|| {
            // It may have ended in this very moment.
            let _ = kill_process(pid, Signal::TERM);
            Instant::now()
        });
        if asked.elapsed() > GRACE {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    fn log(&self) -> Result<File> {
        let path = PathBuf::from(format!("/var/log/{}.log", self.name));
        OpenOptions::new().create(true).append(true).open(&path).on("open", &path)
    }

    fn pid_file(&self) -> PathBuf {
        PathBuf::from(format!("/run/nagaya/{}.pid", self.name))
    }
}
