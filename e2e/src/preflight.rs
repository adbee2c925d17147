//! What this machine must have, checked before anything is started: each missing need with what to
//! do about it.

use std::env;
use std::path::{Path, PathBuf};

use crate::command::{command, output, run};
use crate::error::{Error, Result};
use crate::paths;

const GIBIBYTE: u64 = 1 << 30;
const FREE_GIBIBYTES: u64 = 10;
/// The compiler that the pinned modules' `go` lines ask for.
const GO: (u32, u32) = (1, 26);
/// `OVERLAYFS_SUPER_MAGIC` of linux/magic.h.
const OVERLAYFS: i64 = 0x794c_7630;
const FOLDERS: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Programs (by name, or files by path) and the Debian package that has them.
const PROGRAMS: [(&str, &str); 16] = [
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("unshare", "util-linux"),
    ("runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("iptables", "iptables"),
    ("xtables-nft-multi", "iptables"),
    ("conntrack", "conntrack"),
    ("ipset", "ipset"),
    ("ethtool", "ethtool"),
    ("socat", "socat"),
    ("busybox", "busybox-static"),
    ("nginx", "nginx-light"),
    ("cc", "gcc"),
    ("/usr/include/stdio.h", "libc6-dev"),
    ("ldd", "libc-bin"),
];

/// What virtual machines need beside that.
const VIRTUAL_MACHINE_PROGRAMS: [(&str, &str); 9] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("qemu-img", "qemu-utils"),
    ("mmdebstrap", "mmdebstrap"),
    ("mke2fs", "e2fsprogs"),
    ("genisoimage", "genisoimage"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("setpriv", "util-linux"),
    ("tar", "tar"),
];

/// Checks all needs and names every one that is not met.
///
/// # Errors
/// [`Error::NotReady`] with a line for each missing need.
pub fn check() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        // Nothing else can be told without it.
        return Err(Error::NotReady("- run it as root: namespaces and mounts need it".into()));
    }
    let needs = [programs(&PROGRAMS), namespaces(), overlay(), bridge_filter(), disk(), go()];
    let missing: Vec<_> = needs.into_iter().flatten().map(|need| format!("- {need}")).collect();
    if missing.is_empty() { Ok(()) } else { Err(Error::NotReady(missing.join("\n"))) }
}

/// Checks what a virtual machine needs, which a sandbox without one can do without.
///
/// # Errors
/// [`Error::NotReady`] with the packages to install, or that this processor is not supported.
pub fn check_virtual_machines() -> Result<()> {
    if env::consts::ARCH != "x86_64" {
        return Err(Error::NotReady(format!(
            "- virtual machines are made for x86_64 only, this machine is {}; leave out `--vm`",
            env::consts::ARCH
        )));
    }
    match programs(&VIRTUAL_MACHINE_PROGRAMS) {
        Some(need) => Err(Error::NotReady(format!("- {need}"))),
        None => Ok(()),
    }
}

/// The Debian packages that this machine lacks for a sandbox with virtual machines.
#[must_use]
pub fn packages_to_install() -> Vec<&'static str> {
    let wanted = [&PROGRAMS[..], &VIRTUAL_MACHINE_PROGRAMS].concat();
    missing_packages(&wanted, is_installed)
}

fn programs(wanted: &[(&str, &'static str)]) -> Option<String> {
    let missing = missing_packages(wanted, is_installed);
    (!missing.is_empty()).then(|| {
        format!("Debian packages are missing; run: apt-get install --yes {}", missing.join(" "))
    })
}

fn is_installed(program: &str) -> bool {
    FOLDERS.iter().any(|folder| Path::new(folder).join(program).exists())
}

fn missing_packages(
    wanted: &[(&str, &'static str)],
    is_there: impl Fn(&str) -> bool,
) -> Vec<&'static str> {
    let mut missing: Vec<_> =
        wanted.iter().filter(|(program, _)| !is_there(program)).map(|(_, name)| *name).collect();
    missing.dedup();
    missing
}

fn namespaces() -> Option<String> {
    let words = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--fork", "true"];
    let error = run(&mut command(&words)).err()?;
    Some(format!(
        "this machine gives no namespaces of our own (in a container, run it privileged): {error}"
    ))
}

fn overlay() -> Option<String> {
    let filesystems = paths::read_text(Path::new("/proc/filesystems")).unwrap_or_default();
    if !filesystems.contains("overlay") && run(&mut command(&["modprobe", "overlay"])).is_err() {
        return Some("the kernel has no overlayfs; use a kernel that has it".to_owned());
    }
    let folder = existing(&paths::state());
    let kind = rustix::fs::statfs(&folder).ok()?.f_type;
    (kind == OVERLAYFS).then(|| {
        format!(
            "{} is on an overlay filesystem, on which containerd cannot work; set NAGAYA_STATE to \
             a folder on a real one",
            folder.display()
        )
    })
}

/// kube-proxy must see what crosses a bridge; a kernel with modules loads that part on demand.
fn bridge_filter() -> Option<String> {
    let is_there = Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables").exists();
    if is_there || run(&mut command(&["modprobe", "br_netfilter"])).is_ok() {
        return None;
    }
    Some("the kernel has no br_netfilter; use a kernel that has it".to_owned())
}

fn disk() -> Option<String> {
    [paths::state(), paths::cache()].into_iter().find_map(|folder| {
        let space = rustix::fs::statvfs(existing(&folder)).ok()?;
        let free = space.f_bavail.saturating_mul(space.f_frsize) / GIBIBYTE;
        (free < FREE_GIBIBYTES).then(|| {
            format!(
                "{} has {free} GiB free, {FREE_GIBIBYTES} are needed; free some, or set \
                 NAGAYA_STATE and NAGAYA_CACHE to folders elsewhere",
                folder.display()
            )
        })
    })
}

fn go() -> Option<String> {
    if env::var_os("NAGAYA_BINARIES").is_some() {
        return None;
    }
    let wanted = format!(
        "Go {}.{} or newer is needed to build Kubernetes: https://go.dev/dl (or set \
         NAGAYA_BINARIES to a folder with ready binaries)",
        GO.0, GO.1
    );
    match output(&mut command(&["go", "env", "GOVERSION"])) {
        Err(_) => Some(format!("there is no `go`; {wanted}")),
        Ok(version) if parse_go(&version).is_none_or(|found| found < GO) => {
            Some(format!("`go` is {}; {wanted}", version.trim()))
        }
        Ok(_) => None,
    }
}

/// Major and minor of what `go env GOVERSION` prints.
fn parse_go(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim().strip_prefix("go")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The nearest folder above that is there.
fn existing(folder: &Path) -> PathBuf {
    folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_names_its_package_once() {
        let missing =
            missing_packages(&PROGRAMS, |program| !matches!(program, "nsenter" | "unshare"));
        assert_eq!(missing, ["util-linux"]);
    }

    #[test]
    fn an_old_compiler_is_told_from_a_new_one() {
        assert!(parse_go("go1.19.8").unwrap() < GO);
        assert!(parse_go("go1.26.0\n").unwrap() >= GO);
        assert_eq!(parse_go("nonsense"), None);
    }
}
