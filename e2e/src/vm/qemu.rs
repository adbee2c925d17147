//! The process that is the machine: qemu's words, its start, and how it is found again.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::acceleration::Acceleration;
use super::image::NodeImage;
use crate::command::{command, run};
use crate::error::{IoContext, Result};
use crate::network;
use crate::processes::{self, Process};
use crate::state::HostRecord;

/// qemu's program, by Debian's package qemu-system-x86.
pub const PROGRAM: &str = "qemu-system-x86_64";

const CPUS: &str = "2";
const MEMORY_MIB: &str = "2048";

/// Where one machine keeps its files.
#[derive(Debug, Clone)]
pub struct Files {
    folder: PathBuf,
}

impl Files {
    /// The files of a machine in its folder.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// A link to the image that the machine was made from: a newer one has another kernel.
    #[must_use]
    pub fn image(&self) -> PathBuf {
        self.folder.join("image")
    }

    /// What the machine wrote to its disk, over the image it shares.
    #[must_use]
    pub fn disk(&self) -> PathBuf {
        self.folder.join("disk.qcow2")
    }

    /// The `NoCloud` seed.
    #[must_use]
    pub fn seed(&self) -> PathBuf {
        self.folder.join("seed.iso")
    }

    /// What the machine says on its serial line.
    #[must_use]
    pub fn console(&self) -> PathBuf {
        self.folder.join("console.log")
    }

    /// What qemu itself says.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("qemu.log")
    }
}

/// Makes the machine's own disk: empty, and what it does not hold is read from the image.
///
/// # Errors
/// qemu-img fails.
pub fn make_disk(image: &NodeImage, files: &Files) -> Result<()> {
    let words = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b"];
    run(command(&words).arg(&image.disk).arg(files.disk()))
}

/// Starts the machine; it runs on when this program ends.
///
/// # Errors
/// qemu cannot be started.
pub fn start(mut qemu: Command, files: &Files) -> Result<()> {
    let log = File::create(files.log()).on("create", &files.log())?;
    let errors = log.try_clone().on("share", &files.log())?;
    qemu.stdin(Stdio::null()).stdout(log).stderr(errors);
    // Ctrl-C at our terminal is not for the machine.
    qemu.process_group(0).current_dir("/");
    qemu.spawn().map(drop).doing(|| format!("start {PROGRAM}"))
}

/// The machine's process, told by the disk that only it has.
#[must_use]
pub fn find(files: &Files) -> Option<Process> {
    let disk = files.disk().to_string_lossy().into_owned();
    let switch = network::namespace_path(network::SWITCH);
    processes::in_network(&switch).into_iter().find(|process| {
        let line = process.command_line();
        line.contains(PROGRAM) && line.contains(&disk)
    })
}

/// qemu's command line. Reset starts the same kernel again, so a reboot from inside works.
#[must_use]
pub fn build_qemu(
    record: &HostRecord,
    image: &NodeImage,
    files: &Files,
    acceleration: Acceleration,
    public_key: &str,
) -> Command {
    let mut qemu = command(&network::enter(network::SWITCH));
    if acceleration == Acceleration::Emulated {
        // Emulation takes every core that it gets: the control planes that the machine talks to come first.
        qemu.args(["nice", "-n", "5"]);
    }
    qemu.args([PROGRAM, "-name", &record.name, "-nodefaults", "-display", "none"]);
    qemu.args(["-machine", "q35", "-accel", acceleration.accel(), "-cpu", acceleration.cpu()]);
    qemu.args(["-smp", CPUS, "-m", MEMORY_MIB, "-device", "virtio-rng-pci"]);
    qemu.arg("-kernel").arg(&image.kernel).arg("-initrd").arg(&image.initrd);
    qemu.args(["-append", &build_kernel_line(acceleration)]);
    qemu.args(["-serial", &format!("file:{}", escape(&files.console()))]);
    // Nobody needs this disk after this machine went down hard.
    qemu.args(["-drive", &drive(&files.disk(), "qcow2,cache=unsafe,discard=unmap")]);
    qemu.args(["-drive", &drive(&files.seed(), "raw,readonly=on")]);
    let tap = network::interface("tap", record.address);
    qemu.args(["-netdev", &format!("tap,id=n0,ifname={tap},script=no,downscript=no")]);
    qemu.args(["-device", &format!("virtio-net-pci,netdev=n0,mac={}", build_mac(record))]);
    qemu.args(["-smbios", &build_credential(public_key)]);
    qemu
}

/// A MAC address in qemu's range, from the address: no two machines have the same.
fn build_mac(record: &HostRecord) -> String {
    let [_, b, c, d] = record.address.octets();
    format!("52:54:00:{b:02x}:{c:02x}:{d:02x}")
}

/// Root's key as a systemd credential (systemd.system-credentials(7)), which leaves the user-data
/// to the tenant alone.
fn build_credential(public_key: &str) -> String {
    let key = public_key.trim().replace(',', ",,");
    format!("type=11,value=io.systemd.credential:ssh.authorized_keys.root={key}")
}

fn build_kernel_line(acceleration: Acceleration) -> String {
    let mut words = vec!["root=/dev/vda", "rw", "console=ttyS0", "quiet", "net.ifnames=0"];
    words.extend(acceleration.kernel_words());
    words.join(" ")
}

fn drive(path: &Path, format: &str) -> String {
    format!("if=virtio,file={},format={format}", escape(path))
}

/// qemu doubles the commas of a value.
fn escape(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::state::{HostKind, Link};

    fn line(acceleration: Acceleration) -> String {
        let record = HostRecord {
            name: "vm1".to_owned(),
            kind: HostKind::Vm,
            address: Ipv4Addr::new(172, 30, 0, 50),
            kubernetes: "1.37".to_owned(),
            link: Link::Open,
        };
        let image = NodeImage::in_folder(Path::new("/cache"));
        let files = Files::new("/hosts/vm1".into());
        let qemu = build_qemu(&record, &image, &files, acceleration, "ssh-ed25519 AAAA sandbox\n");
        crate::command::command_line(&qemu)
    }

    #[test]
    fn a_machine_is_plugged_into_the_switch() {
        let line = line(Acceleration::Emulated);
        assert!(
            line.starts_with("nsenter --net=/run/netns/nagaya-switch -- nice -n 5 qemu-system"),
            "{line}"
        );
        assert!(line.contains("ifname=tap50,script=no"), "{line}");
        assert!(line.contains("mac=52:54:00:1e:00:32"), "{line}");
    }

    #[test]
    fn a_reset_boots_again() {
        assert!(!line(Acceleration::Emulated).contains("-no-reboot"));
    }

    #[test]
    fn the_shared_image_is_no_disk_of_the_machine() {
        assert!(!line(Acceleration::Emulated).contains("/cache/disk.raw"));
    }

    #[test]
    fn what_only_an_emulated_cpu_needs_is_left_out_on_a_real_one() {
        assert!(line(Acceleration::Emulated).contains("tsc=reliable"));
        assert!(!line(Acceleration::Kvm).contains("tsc=reliable"));
    }

    #[test]
    fn the_key_is_one_line_of_a_credential() {
        assert_eq!(
            build_credential("ssh-ed25519 AA,AA sandbox\n"),
            "type=11,value=io.systemd.credential:ssh.authorized_keys.root=ssh-ed25519 AA,,AA sandbox"
        );
    }
}
