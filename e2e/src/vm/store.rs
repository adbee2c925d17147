//! Fills the containerd store of a node image on this machine, so that a booting node need not
//! import (and an emulated CPU need not unpack) anything.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::command::{command, last_lines, run};
use crate::error::{Error, IoContext, Result};
use crate::{interrupt, paths};

const CONFIG: &str = include_str!("store/containerd.toml");
const START_SECONDS: u64 = 30;

/// Imports archives into the store below `root`, with `root`'s own containerd and ctr.
///
/// # Errors
/// containerd does not start, or refuses an archive.
pub fn fill(root: &Path, work: &Path, archives: &[PathBuf]) -> Result<()> {
    let store = Store::start(root, work)?;
    for archive in archives {
        interrupt::check()?;
        store.import(archive)?;
    }
    store.stop()
}

/// A containerd that ends with this value.
struct Store {
    process: Child,
    ctr: PathBuf,
    socket: PathBuf,
}

impl Store {
    fn start(root: &Path, work: &Path) -> Result<Self> {
        let (socket, log) = (work.join("containerd.sock"), work.join("containerd.log"));
        let config = work.join("containerd.toml");
        let state = work.join("containerd");
        let text = build_config(&root.join("var/lib/containerd"), &state, &socket);
        paths::write_whole(&config, text.as_bytes())?;
        let output = File::create(&log).on("create", &log)?;
        let errors = output.try_clone().on("share", &log)?;
        // The mounts of an unpack stay in a namespace that ends with it; should this program be
        // killed, the kernel kills containerd too.
        let process = command(&["setpriv", "--pdeathsig=KILL", "unshare", "--mount"])
            .arg(root.join("usr/bin/containerd"))
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .doing(|| "start containerd to fill the image's store".to_owned())?;
        let mut store = Self { process, ctr: root.join("usr/bin/ctr"), socket };
        store.await_start(&log)?;
        Ok(store)
    }

    fn await_start(&mut self, log: &Path) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(START_SECONDS);
        while !self.socket.exists() || self.ctr(&["version"]).is_err() {
            interrupt::check()?;
            let ended = self.process.try_wait().doing(|| "look at containerd".to_owned())?;
            if ended.is_some() || Instant::now() > deadline {
                let log = paths::read_text(log).unwrap_or_default();
                return Err(Error::Timeout {
                    what: "the start of containerd to fill the image's store".to_owned(),
                    seconds: START_SECONDS,
                    hint: format!("its own words:\n{}", last_lines(&log, 10)),
                });
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn import(&self, archive: &Path) -> Result<()> {
        let archive = archive.to_string_lossy();
        self.ctr(&["--namespace", "k8s.io", "images", "import", &archive])
    }

    fn ctr(&self, words: &[&str]) -> Result<()> {
        run(command(&[&self.ctr]).arg("--address").arg(&self.socket).args(words))
    }

    /// Ends it in good order, so that its database is whole on the disk.
    fn stop(mut self) -> Result<()> {
        if let Some(process) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
            kill_process(process, Signal::TERM).doing(|| "end containerd".to_owned())?;
        }
        self.process.wait().doing(|| "wait for containerd".to_owned())?;
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // After `stop` there is nothing left to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn build_config(root: &Path, state: &Path, socket: &Path) -> String {
    CONFIG
        .replace("@ROOT@", &root.to_string_lossy())
        .replace("@STATE@", &state.to_string_lossy())
        .replace("@SOCKET@", &socket.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_the_images_and_the_rest_is_not() {
        let text = build_config(Path::new("/i/var"), Path::new("/w/s"), Path::new("/w/c.sock"));
        assert!(text.contains(r#"root = "/i/var""#), "{text}");
        assert!(text.contains(r#"state = "/w/s""#), "{text}");
        assert!(text.contains(r#"address = "/w/c.sock""#), "{text}");
        assert!(!text.contains('@'), "{text}");
    }
}
