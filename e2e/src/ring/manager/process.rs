//! The manager's process on the management host, to be stopped and to go on.

use crate::command::output;
use crate::progress::say;
use crate::ring::{Failure, Outcome};
use crate::{host, network};

/// A process that goes on when this is dropped, if it was stopped.
pub struct Process {
    id: String,
}

impl Process {
    /// The manager in the pod called `pod`: nothing else is told its name.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn of(pod: &str) -> Outcome<Self> {
        // A process that ends meanwhile is no matter.
        let found =
            on_the_host(&format!("grep -lzxs 'POD_NAME={pod}' /proc/[0-9]*/environ || true"))?;
        let ids: Vec<&str> = found.lines().filter_map(|path| path.split('/').nth(2)).collect();
        match ids.as_slice() {
            [id] => Ok(Self { id: (*id).to_owned() }),
            others => Err(Failure::new(format!("the processes of pod {pod} are {others:?}"))),
        }
    }

    /// SIGSTOP.
    ///
    /// # Errors
    /// It has ended.
    pub fn stop(&self) -> Outcome {
        self.signal("STOP")
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// It has ended.
    pub fn go_on(&self) -> Outcome {
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> Outcome {
        on_the_host(&format!("kill -{name} {}", self.id)).map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Most likely it has gone on and ended.
        if let Err(failure) = self.go_on() {
            say(&format!("process {} is not there any more: {failure}", self.id));
        }
    }
}

fn on_the_host(script: &str) -> Outcome<String> {
    let words = ["sh", "-c", script].map(str::to_owned);
    Ok(output(&mut host::open(network::MANAGEMENT)?.exec(&words)?)?)
}
