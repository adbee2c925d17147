//! A pod's process on the management host: to be killed, or to be stopped and to go on.

use std::cell::Cell;

use super::{Failure, Outcome};
use crate::command::output;
use crate::progress::say;
use crate::{host, network};

/// A process; one that was stopped goes on at the latest when this is dropped.
pub struct Process {
    id: String,
    is_stopped: Cell<bool>,
}

impl Process {
    /// The manager in the pod called `pod`: nothing else is told its name.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn of_manager(pod: &str) -> Outcome<Self> {
        // A process that ends meanwhile is no matter.
        let found =
            on_the_host(&format!("grep -lzxs 'POD_NAME={pod}' /proc/[0-9]*/environ || true"))?;
        Self::only(&found, &format!("the manager {pod}"))
    }

    /// `program` in the pod of that UID: its cgroup has the UID, and so have the pause container's and others'.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn of_pod(uid: &str, program: &str) -> Outcome<Self> {
        let found = on_the_host(&format!(
            "for process in $(grep -ls 'pod{uid}' /proc/[0-9]*/cgroup); do \
             tr '\\0' '\\n' < ${{process%cgroup}}cmdline 2>/dev/null | head -n 1 | grep -qx '{program}' \
             && echo $process; done; true"
        ))?;
        Self::only(&found, &format!("{program} of pod {uid}"))
    }

    fn only(paths: &str, what: &str) -> Outcome<Self> {
        let ids: Vec<&str> = paths.lines().filter_map(|path| path.split('/').nth(2)).collect();
        match ids.as_slice() {
            [id] => Ok(Self { id: (*id).to_owned(), is_stopped: Cell::new(false) }),
            others => Err(Failure::new(format!("the processes of {what} are {others:?}"))),
        }
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// It has ended.
    pub fn kill(&self) -> Outcome {
        self.signal("KILL")
    }

    /// SIGSTOP.
    ///
    /// # Errors
    /// It has ended.
    pub fn stop(&self) -> Outcome {
        self.is_stopped.set(true);
        self.signal("STOP")
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// It has ended.
    pub fn go_on(&self) -> Outcome {
        self.is_stopped.set(false);
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> Outcome {
        on_the_host(&format!("kill -{name} {}", self.id)).map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.is_stopped.get() {
            return;
        }
        // Most likely it has ended meanwhile.
        if let Err(failure) = self.go_on() {
            say(&format!("process {} is not there any more: {failure}", self.id));
        }
    }
}

/// Runs a script on the management host.
///
/// # Errors
/// It fails.
pub fn on_the_host(script: &str) -> Outcome<String> {
    let words = ["sh", "-c", script].map(str::to_owned);
    Ok(output(&mut host::open(network::MANAGEMENT)?.exec(&words)?)?)
}
