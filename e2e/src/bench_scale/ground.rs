//! Where it all runs: namespaces of its own for network, mounts and processes, which end with the process that made
//! them. So nothing is left behind however this ends, and nothing has a way out.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process_group, setrlimit};

use crate::command::{command, run};
use crate::error::{Error, IoContext as _};
use crate::interrupt;
use crate::ring::{Failure, Outcome};

/// A tmpfs of the mount namespace: no disk is measured, and nothing stays on one.
pub const FOLDER: &str = "/mnt";
/// The management API server and its etcd.
pub const MANAGEMENT: &str = "10.255.0.1";
/// Where a tenant's NodePort is served.
pub const NODE: &str = "10.255.0.2";
/// All etcd members of all tenants, and the DNS server that says so.
pub const ETCD: &str = "10.255.0.3";
/// Services' addresses: all of them are this namespace's own.
pub const SERVICES: &str = "10.96.0.0/12";
/// The word that tells this program that it is inside.
pub const INSIDE: &str = "--inside";

/// Runs this program once more, inside, with these words behind [`INSIDE`].
pub fn enter(words: &[OsString]) -> Outcome {
    let own = env::current_exe()?;
    let mut inside =
        command(&["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--net"]);
    inside.args(["--fork", "--kill-child", "--mount-proc", "--propagation", "private", "--"]);
    inside.arg(own).arg(INSIDE).args(words);
    // A group of its own: Ctrl-C reaches only us, and the kernel ends all that is inside.
    let mut child = inside.stdin(Stdio::null()).process_group(0).spawn()?;
    loop {
        if let Some(status) = child.try_wait()? {
            let failed = || Failure::new("it could not be measured; the reason is above");
            return if status.success() { Ok(()) } else { Err(failed()) };
        }
        if interrupt::requested() {
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                // Already gone is as good.
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.wait()?;
            return Err(Error::Interrupted.into());
        }
        sleep(Duration::from_millis(100));
    }
}

/// Makes the namespaces a place to run in.
pub fn prepare() -> Outcome {
    run(&mut command(&["mount", "-t", "tmpfs", "-o", "size=6g,mode=700", "tmpfs", FOLDER]))?;
    run(&mut command(&["ip", "link", "set", "lo", "up"]))?;
    for address in [MANAGEMENT, NODE, ETCD] {
        run(&mut command(&["ip", "address", "add", &format!("{address}/32"), "dev", "lo"]))?;
    }
    let all = ["ip", "route", "add", "local", SERVICES, "dev", "lo", "src", MANAGEMENT];
    run(&mut command(&all))?;
    let resolver = Path::new(FOLDER).join("resolv.conf");
    fs::write(&resolver, format!("nameserver {ETCD}\n")).on("write", &resolver)?;
    run(&mut command(&["mount", "--bind", &resolver.to_string_lossy(), "/etc/resolv.conf"]))?;
    // Files and connections that a process may have open: as many as the machine allows.
    let most = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit { current: most, maximum: most };
    Ok(setrlimit(Resource::Nofile, limit).doing(|| "allow many open files".to_owned())?)
}
