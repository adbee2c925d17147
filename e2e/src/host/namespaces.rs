//! The `namespaces` kind of host: net, mount, pid, uts and ipc namespaces of this machine's kernel,
//! with containerd and a supervised kubelet inside.
//!
//! Everything in it descends from one process, pid 1 of its pid namespace (`init`): when that one
//! ends, the kernel ends all the others and undoes every mount.

mod cgroups;
mod cni;
mod disk;
mod init;
mod rootfs;
mod routes;
mod service;
mod supervisor;

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub use cgroups::{name as cgroup_name, remaining as remaining_cgroups, remove as remove_cgroups};
pub use cni::{CONFIG as CNI_CONFIG, configure as configure_network};

use super::{Host, Service};
use crate::command::{command, feed, last_lines};
use crate::error::{Error, IoContext, Result};
use crate::processes::{self, Process};
use crate::state::HostRecord;
use crate::{interrupt, network, paths, state};

/// The hidden verb that becomes a host's pid 1.
pub const INIT_VERB: &str = "host-init";
/// The hidden verb that waits for a node's podCIDR and configures its network.
pub const NETWORK_VERB: &str = "host-network";

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// `--local` takes a third of the time; a pinned image is never collected as garbage by a kubelet,
/// which could not pull it again.
const IMPORT: [&str; 9] = [
    "ctr",
    "--namespace",
    "k8s.io",
    "images",
    "import",
    "--local",
    "--label",
    "io.cri-containerd.pinned=pinned",
    "-",
];
const BOOT_SECONDS: u64 = 60;

/// A machine made of namespaces.
pub struct NamespacesHost {
    record: HostRecord,
    folder: PathBuf,
}

impl NamespacesHost {
    /// The host that a record describes, whether it runs or not.
    #[must_use]
    pub fn new(record: HostRecord) -> Self {
        let folder = paths::host(&record.name);
        Self { record, folder }
    }

    /// Lays out a new host's files and boots it.
    ///
    /// # Errors
    /// A component cannot be built, or the kernel refuses something.
    pub fn create(record: HostRecord) -> Result<Self> {
        let host = Self::new(record);
        rootfs::lay_out(&host.folder, &host.record)?;
        rootfs::copy(&init_program()?, &host.init())?;
        host.boot()?;
        Ok(host)
    }

    /// Runs inside the new namespaces and never returns while the host is on.
    ///
    /// # Errors
    /// The kernel refuses something.
    pub fn run_init(&self) -> Result<()> {
        init::boot(&self.folder, &self.record)
    }

    /// Switches the host off: no process, mount, network or cgroup of it is left; its files are.
    ///
    /// # Errors
    /// Something stays busy.
    pub fn switch_off(&self) -> Result<()> {
        if let Some(init) = self.pid_one() {
            init.end()?;
        }
        let namespace = network::namespace(&self.record.name);
        // What was started with `exec` from outside, and its parents.
        for process in processes::in_network(&network::namespace_path(&namespace)) {
            process.end()?;
        }
        disk::of(&self.folder).unmount()?;
        network::remove_namespace(&namespace)?;
        cgroups::remove(&self.record.name)
    }

    fn start_init(&self) -> Result<()> {
        let ready = self.folder.join("root").join(rootfs::READY);
        if ready.exists() {
            fs::remove_file(&ready).on("remove", &ready)?;
        }
        let log_path = self.folder.join("init.log");
        let log = File::create(&log_path).on("create", &log_path)?;
        let errors = log.try_clone().on("share", &log_path)?;
        let mut words = network::enter(&network::namespace(&self.record.name));
        words.extend(
            ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]
                .map(str::to_owned),
        );
        command(&words)
            .arg(self.init())
            .args([INIT_VERB, &self.record.name])
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", "/root")
            .env("NAGAYA_STATE", paths::state())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // Ctrl-C at our terminal is not for the machine.
            .process_group(0)
            .spawn()
            .map(drop)
            .doing(|| format!("start the host {}", self.record.name))
    }

    fn await_ready(&self) -> Result<()> {
        let ready = self.folder.join("root").join(rootfs::READY);
        let deadline = Instant::now() + Duration::from_secs(BOOT_SECONDS);
        while !ready.exists() {
            interrupt::check()?;
            if Instant::now() > deadline {
                return Err(Error::Timeout {
                    what: format!("the boot of host {}", self.record.name),
                    seconds: BOOT_SECONDS,
                    hint: format!("its own words:\n{}", self.last_words()),
                });
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        let logs = [self.folder.join("init.log"), self.log_path(Service::Containerd)];
        let texts = logs.map(|path| last_lines(&paths::read_text(&path).unwrap_or_default(), 10));
        texts.join("\n")
    }

    /// Where a service of the host logs to, as a file of this machine.
    #[must_use]
    pub fn log_path(&self, service: Service) -> PathBuf {
        self.folder.join("root/var/log").join(format!("{}.log", service.name()))
    }

    fn init(&self) -> PathBuf {
        self.folder.join("init")
    }

    fn pid_one(&self) -> Option<Process> {
        processes::init_of(&self.init())
    }
}

impl Host for NamespacesHost {
    fn record(&self) -> &HostRecord {
        &self.record
    }

    fn exec(&self, words: &[String]) -> Result<Command> {
        let Some(init) = self.pid_one() else {
            return Err(Error::Refused(format!(
                "the host {0} does not run; `sandbox status` tells more, `sandbox up` repairs the \
                 management host, `sandbox host rm {0}` removes another",
                self.record.name
            )));
        };
        let mut enter = command(&["nsenter", "--target", &init.number().to_string()]);
        enter.args(["--mount", "--uts", "--ipc", "--net", "--pid", "--"]).args(words);
        enter.env_clear().env("PATH", PATH).env("HOME", "/root").current_dir("/");
        if let Some(terminal) = std::env::var_os("TERM") {
            enter.env("TERM", terminal);
        }
        if self.record.name == network::MANAGEMENT {
            enter.env("KUBECONFIG", "/etc/kubernetes/admin.conf");
        }
        Ok(enter)
    }

    fn load_image(&self, archive: &Path) -> Result<()> {
        let image = File::open(archive).on("open", archive)?;
        feed(&mut self.exec(&IMPORT.map(str::to_owned))?, image).map(drop)
    }

    fn log(&self, service: Service) -> Command {
        let mut tail = command(&["tail", "--lines=+1"]);
        tail.arg(self.log_path(service));
        tail
    }

    fn is_running(&self) -> bool {
        self.pid_one().is_some()
    }

    fn boot(&self) -> Result<()> {
        self.switch_off()?;
        network::attach_namespace(&self.record.name, self.record.address)?;
        paths::make_folder(&routes::outside())?;
        cgroups::make(&self.record.name)?;
        disk::mount(&self.folder)?;
        self.start_init()?;
        self.await_ready()
    }

    fn remove(&self) -> Result<()> {
        self.switch_off()?;
        routes::withdraw(&routes::outside(), &self.record.name);
        paths::remove_folder(&self.folder)?;
        state::forget(&self.record.name)
    }
}

/// The `sandbox` program: this one, or the one beside this test.
fn init_program() -> Result<PathBuf> {
    let own = std::env::current_exe().doing(|| "find this program".to_owned())?;
    // A test runs as target/debug/deps/NAME-HASH, the sandbox is target/debug/sandbox.
    let candidates = own.ancestors().skip(1).take(2).map(|folder| folder.join("sandbox"));
    candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        Error::Refused(
            "the program `sandbox` is not built; run `cargo build -p e2e --bin sandbox`".to_owned(),
        )
    })
}
