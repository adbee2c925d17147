//! A disk of its own for what a management host keeps in etcd, its own and the tenants': one whose power can be cut.
//!
//! As long as there is `<state>/hosts/NAME/disk.img`, the host has it: mounted while it is on, whoever switches it on.

use std::path::Path;

use rustix::mount::mount_bind;

use super::NamespacesHost;
use crate::command::{command, run};
use crate::disk::Disk;
use crate::error::{IoContext, Result};
use crate::paths;

/// What is on the disk, in the host's root and on the disk itself: the volumes of the default StorageClass, and the data
/// of kubeadm's etcd.
const ON_IT: [&str; 2] = ["opt/local-path-provisioner", "var/lib/etcd"];

/// The disk of a host whose files are in `folder`, whether it has one or not.
pub(super) fn of(folder: &Path) -> Disk {
    Disk::at(folder, "disk")
}

/// Before the host is switched on: mounts its disk, if it has one.
pub(super) fn mount(folder: &Path) -> Result<()> {
    let disk = of(folder);
    if disk.exists() { disk.mount() } else { Ok(()) }
}

/// In the host's own mount namespace: has its root show what is on the disk.
pub(super) fn show(folder: &Path) -> Result<()> {
    let disk = of(folder);
    if !disk.exists() {
        return Ok(());
    }
    ON_IT.iter().try_for_each(|place| {
        let from = disk.files().join(place);
        mount_bind(&from, folder.join("root").join(place)).on("bind", &from)
    })
}

impl NamespacesHost {
    /// Whether the host has a disk of its own.
    #[must_use]
    pub fn has_disk(&self) -> bool {
        of(&self.folder).exists()
    }

    /// Switches the host off and moves what it keeps in etcd onto a disk of its own.
    ///
    /// # Errors
    /// The disk cannot be made; the host is as before then, but off.
    pub fn give_disk(&self) -> Result<()> {
        self.switch_off()?;
        let (disk, root) = (of(&self.folder), self.folder.join("root"));
        disk.make(|files| {
            ON_IT.iter().try_for_each(|place| {
                paths::make_folder(&root.join(place))?;
                copy(&root.join(place), &files.join(place))
            })
        })
    }

    /// Switches the host off and moves everything from its disk to where it was before.
    ///
    /// # Errors
    /// It cannot be moved; the host still has the disk then.
    pub fn take_disk(&self) -> Result<()> {
        self.switch_off()?;
        let (disk, root) = (of(&self.folder), self.folder.join("root"));
        disk.mount()?;
        let copied = ON_IT.iter().try_for_each(|place| {
            paths::remove_folder(&root.join(place))?;
            copy(&disk.files().join(place), &root.join(place))
        });
        disk.unmount()?;
        copied?;
        disk.remove()
    }

    /// Switches the host off as a power cut does: the disk first, at once and with nothing written back, then all
    /// processes.
    ///
    /// # Errors
    /// It has no disk of its own or is off already, or something stays busy.
    pub fn lose_power(&self) -> Result<()> {
        of(&self.folder).cut_power()?;
        self.switch_off()
    }
}

/// A folder with all in it, as it is.
fn copy(from: &Path, to: &Path) -> Result<()> {
    paths::make_folder(to)?;
    // Holes stay holes: etcd takes 64 MB for a log that it has yet to write.
    run(command(&["cp", "--archive", "--sparse=always", "--no-target-directory"]).arg(from).arg(to))
}
