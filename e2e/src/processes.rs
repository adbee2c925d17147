//! Finds processes by what the kernel says about them, never by a number written down earlier: such
//! a number may belong to somebody else by now.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::error::{Error, Result};

/// How long an ended process may take to be gone.
const PATIENCE: Duration = Duration::from_secs(15);

/// A process of this machine, as seen in /proc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(Pid);

impl Process {
    /// Its number in this machine's pid namespace.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0.as_raw_nonzero().get()
    }

    /// Its command line, words separated by blanks.
    #[must_use]
    pub fn command_line(self) -> String {
        self.words().join(" ")
    }

    /// Ends it at once and waits until it is gone.
    ///
    /// # Errors
    /// It is still there after 15 s.
    pub fn end(self) -> Result<()> {
        // Already gone is as good.
        let _ = kill_process(self.0, Signal::KILL);
        let deadline = Instant::now() + PATIENCE;
        while test_kill_process(self.0).is_ok() && !self.is_zombie() {
            if Instant::now() > deadline {
                return Err(Error::Timeout {
                    what: format!("the end of process {} ({})", self.number(), self.command_line()),
                    seconds: PATIENCE.as_secs(),
                    hint: "see `ps` for what it waits for".to_owned(),
                });
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn words(self) -> Vec<String> {
        let bytes = fs::read(format!("/proc/{}/cmdline", self.number())).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    fn status(self) -> String {
        fs::read_to_string(format!("/proc/{}/status", self.number())).unwrap_or_default()
    }

    fn is_zombie(self) -> bool {
        self.status().lines().any(|line| line.starts_with("State:\tZ"))
    }

    fn is_first_of_its_namespace(self) -> bool {
        let status = self.status();
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        let numbers: Vec<_> = numbers.unwrap_or_default().split_whitespace().collect();
        numbers.len() > 1 && numbers.last() == Some(&"1")
    }
}

/// The process that is pid 1 of a pid namespace and runs this very program file.
#[must_use]
pub fn init_of(program: &Path) -> Option<Process> {
    let program = program.to_string_lossy();
    all().into_iter().find(|process| {
        process.words().first().is_some_and(|word| *word == program)
            && process.is_first_of_its_namespace()
    })
}

/// The processes whose network is this namespace (a file below /run/netns).
#[must_use]
pub fn in_network(namespace: &Path) -> Vec<Process> {
    let Ok(file) = fs::metadata(namespace) else { return Vec::new() };
    let wanted = Some((file.dev(), file.ino()));
    let same = |process: &Process| network_of(&process.number().to_string()) == wanted;
    all().into_iter().filter(same).collect()
}

/// The processes of the hosts whose files are below a folder: their program is there, or they run
/// in another network than this process and have a file from there in their command line.
#[must_use]
pub fn of_hosts_below(folder: &Path) -> Vec<Process> {
    let text = folder.to_string_lossy();
    let own_network = network_of("self");
    let is_of_a_host = |process: &Process| {
        let words = process.words();
        words.first().is_some_and(|program| Path::new(program).starts_with(folder))
            || (words.iter().any(|word| word.contains(&*text))
                && network_of(&process.number().to_string()) != own_network)
    };
    all().into_iter().filter(is_of_a_host).collect()
}

/// What tells the network namespace of a process from others.
fn network_of(process: &str) -> Option<(u64, u64)> {
    let file = fs::metadata(format!("/proc/{process}/ns/net")).ok()?;
    Some((file.dev(), file.ino()))
}

fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    entries.filter_map(number).filter_map(Pid::from_raw).map(Process).collect()
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// Started, and become its program: for a moment the kernel shows no words of it. It holds none of the
    /// test's outputs open, should it outlive a failure.
    fn start(command: &mut Command) -> (Child, Process) {
        let silent = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = loop {
            match silent.spawn() {
                // Another test forked while this one's copy of a program was open for writing.
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                    thread::sleep(Duration::from_millis(1));
                }
                spawned => break spawned.unwrap(),
            }
        };
        let process = Process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap());
        while process.words().is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        (child, process)
    }

    #[test]
    fn a_process_is_found_in_its_network_and_ended() {
        let (mut child, process) = start(Command::new("sleep").arg("60"));
        let same = in_network(Path::new("/proc/self/ns/net"));
        let found = same.into_iter().find(|found| *found == process).unwrap();
        assert_eq!(found.command_line(), "sleep 60");
        found.end().unwrap();
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn a_program_below_a_folder_belongs_to_it_and_one_that_only_names_it_does_not() {
        let folder = std::env::temp_dir().join(format!("processes-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::copy("/bin/sleep", folder.join("init")).unwrap();
        let script = format!("read line; : {}", folder.display());
        let (mut own, process) = start(Command::new(folder.join("init")).arg("60"));
        let (mut other, _) = start(Command::new("sh").args(["-c", &script]));
        assert_eq!(of_hosts_below(&folder), [process]);
        for child in [&mut own, &mut other] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn this_process_is_no_first_of_a_namespace_named_by_a_missing_program() {
        assert!(init_of(Path::new("/no/such/init")).is_none());
    }
}
