//! The `vm` kind of host: Debian 12 in qemu, with systemd, cgroup v2 and a kernel of its own,
//! configured by nothing but its user-data.
//!
//! [`base`] (Debian) and [`rootfs`] (what a node has on top) make an [`image`] per Kubernetes minor;
//! a machine is a [`seed`] and a thin disk over the image, run by [`qemu`], entered by [`ssh`].

mod acceleration;
mod base;
mod image;
mod qemu;
mod rootfs;
mod seed;
mod ssh;
mod store;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use acceleration::Acceleration;
use image::NodeImage;
use qemu::Files;
pub use seed::EMPTY_USER_DATA;

use crate::command::{command, feed, last_lines, output};
use crate::error::{Error, IoContext, Result};
use crate::host::{Host, Service};
use crate::progress::{say, step};
use crate::state::{self, HostRecord, Link};
use crate::{firewall, interrupt, network, paths, preflight};

/// From power-on to the end of cloud-init, the user-data's own commands included: an emulated CPU
/// on a busy machine is slow, and `kubeadm join` by itself tries for 5 minutes.
const BOOT_SECONDS: u64 = 900;
/// How long qemu may take to be seen as a process.
const START: Duration = Duration::from_secs(5);
/// What cloud-init says on the console when everything of the user-data has run.
const BOOTED: [&str; 2] = ["Cloud-init v.", "finished at"];
/// Waits for cloud-init's verdict, which comes right after [`BOOTED`], and prints it.
const VERDICT: &str =
    "until [ -s /run/cloud-init/result.json ]; do sleep 0.1; done; cat /run/cloud-init/result.json";
/// As cloud-init has written it for systemd-networkd.
const NETWORK: &str = "/etc/systemd/network/10-cloud-init-eth0.network";
const OUTPUT: &str = "/var/log/cloud-init-output.log";

/// A virtual machine.
struct VmHost {
    record: HostRecord,
    files: Files,
}

/// The machine that a record describes, whether it runs or not.
#[must_use]
pub fn open(record: HostRecord) -> Box<dyn Host> {
    Box::new(VmHost::new(record))
}

/// Makes a machine, boots it and waits until its user-data has run.
///
/// # Errors
/// This machine cannot run virtual ones (the text lists the packages), the image cannot be made,
/// the machine does not boot, or a command of the user-data failed (the text ends with its words).
pub fn create(record: HostRecord, user_data: &str) -> Result<Box<dyn Host>> {
    preflight::check_virtual_machines()?;
    let image = image::ensure(&record.kubernetes)?;
    let host = VmHost::new(record);
    host.lay_out(&image, user_data)?;
    if let Err(error) = host.boot().and_then(|()| host.check_user_data()) {
        host.keep_logs();
        return Err(error);
    }
    Ok(Box::new(host))
}

/// Switches a machine off, gives it another address, and boots it there.
///
/// # Errors
/// It does not take the address, or does not boot.
pub fn move_to_another_address(name: &str) -> Result<HostRecord> {
    let before = VmHost::new(state::host(name)?);
    let after = VmHost::new(state::move_host(name)?);
    // cloud-init takes the seed's network at the first boot alone, and no DHCP server is here: the next lease, by hand.
    let (left, taken) = (before.record.address, after.record.address);
    let script = format!("sed -i 's|{left}/|{taken}/|' {NETWORK} && sync");
    output(&mut ssh::build_ssh(left, &["sh", "-c", &script]))?;
    before.switch_off()?;
    let folder = paths::host(name);
    let user_data = paths::read_text(&folder.join("seed/user-data"))?;
    seed::build_seed(&after.record, &user_data).write(&folder)?;
    after.boot()?;
    Ok(after.record)
}

impl VmHost {
    fn new(record: HostRecord) -> Self {
        let files = Files::new(paths::host(&record.name));
        Self { record, files }
    }

    fn lay_out(&self, image: &NodeImage, user_data: &str) -> Result<()> {
        let folder = paths::host(&self.record.name);
        paths::make_folder(&folder)?;
        seed::build_seed(&self.record, user_data).write(&folder)?;
        symlink(&image.folder, self.files.image()).on("link", &self.files.image())?;
        qemu::make_disk(image, &self.files)
    }

    fn switch_off(&self) -> Result<()> {
        if let Some(process) = qemu::find(&self.files) {
            process.end()?;
        }
        network::detach_tap(self.record.address)?;
        if self.record.link == Link::OutboundOnly {
            firewall::open(self.record.address)?;
        }
        Ok(())
    }

    fn start(&self, image: &NodeImage, acceleration: Acceleration) -> Result<()> {
        let public_key = ssh::public_key()?;
        if self.record.link == Link::OutboundOnly {
            // Before there is a link: what holds for it holds from its first packet on.
            firewall::shut(self.record.address)?;
        }
        network::attach_tap(self.record.address)?;
        let words = qemu::build_qemu(&self.record, image, &self.files, acceleration, &public_key);
        qemu::start(words, &self.files)
    }

    fn await_boot(&self) -> Result<()> {
        let started = Instant::now();
        let deadline = started + Duration::from_secs(BOOT_SECONDS);
        let mut appeared = false;
        while !is_booted(&self.console()) {
            interrupt::check()?;
            let on = self.is_running();
            appeared |= on;
            if !on && (appeared || started.elapsed() > START) {
                return Err(Error::CommandFailed {
                    command: format!("{} for {}", qemu::PROGRAM, self.record.name),
                    status: "it ended".to_owned(),
                    output: self.last_words(),
                });
            }
            if Instant::now() > deadline {
                return Err(Error::Timeout {
                    what: format!("the boot of virtual machine {}", self.record.name),
                    seconds: BOOT_SECONDS,
                    hint: self.last_words(),
                });
            }
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    fn check_user_data(&self) -> Result<()> {
        let verdict = output(&mut ssh::build_ssh(self.record.address, &["sh", "-c", VERDICT]))?;
        let errors = failures(&verdict).ok_or_else(|| Error::Malformed {
            path: "/run/cloud-init/result.json".into(),
            reason: verdict.clone(),
        })?;
        if errors.is_empty() {
            return Ok(());
        }
        let words = output(&mut ssh::build_ssh(self.record.address, &["tail", "-n30", OUTPUT]))?;
        Err(Error::Refused(format!(
            "the user-data of {} failed ({}); the end of its output:\n{words}",
            self.record.name,
            errors.join("; ")
        )))
    }

    /// Before a machine that failed is removed: why it failed can be read only there.
    fn keep_logs(&self) {
        let folder = paths::state().join("last-failure").join(&self.record.name);
        let logs = [self.files.console(), self.files.log()];
        let kept = paths::make_folder(&folder).and_then(|()| {
            logs.iter().filter(|log| log.exists()).try_for_each(|log| {
                fs::copy(log, folder.join(log.file_name().unwrap_or_default())).on("keep", log)?;
                Ok(())
            })
        });
        match kept {
            Ok(()) => say(&format!("what it said is kept in {}", folder.display())),
            // The failure itself is told by the caller.
            Err(error) => say(&error.to_string()),
        }
    }

    fn console(&self) -> String {
        // The console may hold bytes that are no text.
        let bytes = fs::read(self.files.console()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn last_words(&self) -> String {
        let qemu = paths::read_text(&self.files.log()).unwrap_or_default();
        let (qemu, console) = (last_lines(&qemu, 10), last_lines(&self.console(), 20));
        format!("qemu's words:\n{qemu}\nthe machine's words:\n{console}")
    }
}

impl Host for VmHost {
    fn record(&self) -> &HostRecord {
        &self.record
    }

    fn exec(&self, words: &[String]) -> Result<Command> {
        if !self.is_running() {
            return Err(Error::Refused(format!(
                "the virtual machine {0} is off; `sandbox host rm {0}` removes it",
                self.record.name
            )));
        }
        Ok(ssh::build_ssh(self.record.address, words))
    }

    fn load_image(&self, archive: &Path) -> Result<()> {
        let image = File::open(archive).on("open", archive)?;
        let words = ["ctr", "--namespace", "k8s.io", "images", "import", "-"].map(str::to_owned);
        feed(&mut self.exec(&words)?, image).map(drop)
    }

    fn log(&self, service: Service) -> Command {
        if self.is_running() {
            let words = ["journalctl", "--no-pager", "--output=cat", "--unit", service.name()];
            return ssh::build_ssh(self.record.address, &words);
        }
        // All that a machine that is off has left to say.
        command(&["cat".as_ref(), self.files.console().as_os_str()])
    }

    fn is_running(&self) -> bool {
        qemu::find(&self.files).is_some()
    }

    fn boot(&self) -> Result<()> {
        self.switch_off()?;
        let folder = self.files.image();
        let image = NodeImage::in_folder(&fs::canonicalize(&folder).on("find", &folder)?);
        let acceleration = acceleration::detect(&image)?;
        let name = &self.record.name;
        say(&format!("the console of {name} is {}", self.files.console().display()));
        step(format!("boot virtual machine {name} {}", acceleration.words()), || {
            self.start(&image, acceleration)?;
            self.await_boot()
        })
    }

    fn remove(&self) -> Result<()> {
        self.switch_off()?;
        paths::remove_folder(&paths::host(&self.record.name))?;
        state::forget(&self.record.name)
    }
}

fn is_booted(console: &str) -> bool {
    console.lines().any(|line| BOOTED.iter().all(|words| line.contains(words)))
}

/// The errors in cloud-init's `result.json`; none if it is no such file.
fn failures(verdict: &str) -> Option<Vec<String>> {
    let verdict: serde_json::Value = serde_json::from_str(verdict).ok()?;
    let errors = verdict.get("v1")?.get("errors")?.as_array()?;
    Some(errors.iter().map(|error| error.as_str().unwrap_or_default().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_booted_when_cloud_init_has_run_to_its_end() {
        let start = "[   33.6] cloud-init[254]: Cloud-init v. 22.4.2 running 'init-local' at Sun";
        let end = "[   48.0] cloud-init[295]: Cloud-init v. 22.4.2 finished at Sun, 22 Nov";
        assert!(!is_booted(start));
        assert!(is_booted(&format!("{start}\n{end}\n")));
    }

    #[test]
    fn a_failed_command_of_the_user_data_is_told_from_a_good_end() {
        let good = r#"{"v1": {"datasource": "DataSourceNoCloud", "errors": []}}"#;
        let bad = r#"{"v1": {"errors": ["('scripts-user', RuntimeError('1 of 1 failed'))"]}}"#;
        assert_eq!(failures(good), Some(vec![]));
        assert_eq!(failures(bad).unwrap().len(), 1);
        assert_eq!(failures("not yet"), None);
    }
}
