//! A disk whose power can be cut: ext4 in a file, on a loop device. Cut off, the file system stops at once and
//! writes nothing back, as xfstests' `godown` has it: what was not synced is gone.
//!
//! What is lost is what the kernel held in memory. What it had handed to the device is there, synced or not: the
//! file below has no cache of its own that could lose it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::ioctl::{Setter, ioctl, opcode};
use rustix::mount::{UnmountFlags, unmount};

use crate::command::{command, run};
use crate::error::{Error, IoContext, Result};
use crate::paths;

/// Nothing is written to a hole: the file takes what is on the disk.
const SIZE: u64 = 16 << 30;
/// The journal is committed by who syncs, and not every five seconds by itself; the loop device goes with the mount.
const OPTIONS: &str = "loop,noatime,commit=600";
/// `EXT4_IOC_SHUTDOWN` of fs/ext4/ext4.h, which is `_IOR('X', 125, __u32)`.
const SHUTDOWN: rustix::ioctl::Opcode = opcode::read::<u32>(b'X', 125);
/// `EXT4_GOING_FLAGS_NOLOGFLUSH`: the journal's running transaction is not written either.
const NO_LOG_FLUSH: u32 = 2;
/// How long the kernel may keep a file system that nobody has mounted any more.
const LET_GO: Duration = Duration::from_secs(15);

/// A disk, mounted or not: the file is `NAME.img`, where it is mounted `NAME`.
#[derive(Debug, Clone)]
pub struct Disk {
    file: PathBuf,
    mounted: PathBuf,
}

impl Disk {
    /// The disk of a name in a folder, whether there is one or not.
    #[must_use]
    pub fn at(folder: &Path, name: &str) -> Self {
        Self { file: folder.join(format!("{name}.img")), mounted: folder.join(name) }
    }

    /// Whether there is one.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.file.exists()
    }

    /// Where its files are while it is mounted.
    #[must_use]
    pub fn files(&self) -> &Path {
        &self.mounted
    }

    /// Makes one and has it filled, at the folder where it is mounted meanwhile. There is one when all is on it.
    ///
    /// # Errors
    /// There is no `mke2fs`, or the kernel or who fills it fails.
    pub fn make(&self, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        paths::make_folder(&self.mounted)?;
        let draft = Self { file: self.file.with_extension("draft"), mounted: self.mounted.clone() };
        // Of one that did not get to its end.
        draft.unmount()?;
        File::create(&draft.file).and_then(|file| file.set_len(SIZE)).on("make", &draft.file)?;
        run(command(&["mke2fs", "-q", "-F", "-t", "ext4"]).arg(&draft.file))?;
        draft.mount()?;
        let filled = fill(&draft.mounted);
        draft.unmount()?;
        filled?;
        fs::rename(&draft.file, &self.file).on("name", &self.file)
    }

    /// Mounts it, which replays its journal after a cut.
    ///
    /// # Errors
    /// The kernel refuses it, or still has it from before.
    pub fn mount(&self) -> Result<()> {
        self.await_let_go()?;
        run(command(&["mount", "-t", "ext4", "-o", OPTIONS]).arg(&self.file).arg(&self.mounted))
    }

    /// Cuts its power: from now on every read and write of it fails. It stays mounted.
    ///
    /// # Errors
    /// It is not mounted, or the kernel does not do it.
    pub fn cut_power(&self) -> Result<()> {
        let root = File::open(&self.mounted).on("open", &self.mounted)?;
        shut_down(&root).on("cut the power of", &self.mounted)
    }

    /// Unmounts it, in this mount namespace; not mounted is as good. Returns when nobody else has it any more either:
    /// mounted once more, it would be what is in memory.
    ///
    /// # Errors
    /// Somebody still uses it.
    pub fn unmount(&self) -> Result<()> {
        if self.is_mounted() {
            unmount(&self.mounted, UnmountFlags::empty()).on("unmount", &self.mounted)?;
        }
        self.await_let_go()
    }

    /// Removes it, when it is not mounted.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self) -> Result<()> {
        fs::remove_file(&self.file).on("remove", &self.file)?;
        paths::remove_folder(&self.mounted)
    }

    fn is_mounted(&self) -> bool {
        let table = paths::read_text(Path::new("/proc/self/mounts")).unwrap_or_default();
        let mut points = table.lines().filter_map(|line| line.split(' ').nth(1));
        points.any(|point| Path::new(point) == self.mounted)
    }

    fn await_let_go(&self) -> Result<()> {
        let deadline = Instant::now() + LET_GO;
        while let Some(device) = loop_devices_below(&self.file).first() {
            if Instant::now() > deadline {
                return Err(Error::Timeout {
                    what: format!("the end of {device} of {}", self.file.display()),
                    seconds: LET_GO.as_secs(),
                    hint: "a process in another mount namespace still has it mounted".to_owned(),
                });
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

#[expect(unsafe_code, reason = "rustix has no safe function for this request")]
fn shut_down(root: &File) -> rustix::io::Result<()> {
    // SAFETY: EXT4_IOC_SHUTDOWN takes a pointer to a __u32, which it only reads (ext4_ioctl_shutdown in
    // fs/ext4/ioctl.c), and the kernel refuses it where the file is not on ext4.
    unsafe { ioctl(root, Setter::<SHUTDOWN, u32>::new(NO_LOG_FLUSH)) }
}

/// The loop devices whose file is this one or below this folder, removed files included.
#[must_use]
pub fn loop_devices_below(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_below = |name: &String| {
        let file = PathBuf::from(format!("/sys/block/{name}/loop/backing_file"));
        paths::read_text(&file).is_ok_and(|backing| is_file_below(&backing, folder))
    };
    names.filter(is_below).map(|name| format!("/dev/{name}")).collect()
}

/// What the kernel says of a loop device's file: its path, and whether it was removed.
fn is_file_below(backing: &str, folder: &Path) -> bool {
    let path = backing.trim_end_matches('\n');
    Path::new(path.strip_suffix(" (deleted)").unwrap_or(path)).starts_with(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_the_one_of_the_kernels_header() {
        assert_eq!(SHUTDOWN, 0x8004_587d);
    }

    #[test]
    fn a_loop_device_is_found_by_its_file_also_when_that_is_gone() {
        let folder = Path::new("/state");
        assert!(is_file_below("/state/hosts/mgmt/disk.img\n", folder));
        assert!(is_file_below("/state/hosts/mgmt/disk.img (deleted)\n", folder));
        assert!(is_file_below("/state/disk.img\n", Path::new("/state/disk.img")));
        assert!(!is_file_below("/stateful/disk.img\n", folder));
    }
}
