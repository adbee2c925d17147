//! The space on the file systems of the kubelet and of containerd.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::facts::Disk;

const KUBELET: &str = "var/lib/kubelet";
const CONTAINERD: &str = "var/lib/containerd";

/// One, or two where images have one of their own.
pub fn disks(root: &Path) -> Vec<Disk> {
    let at = |path: &str| nearest(root, &root.join(path));
    let (kubelet, containerd) = (at(KUBELET), at(CONTAINERD));
    let device = |path: &Path| path.metadata().ok().map(|folder| folder.dev());
    let is_shared = device(&kubelet) == device(&containerd);
    let mut disks: Vec<Disk> = look(&kubelet, KUBELET, is_shared).into_iter().collect();
    if !is_shared {
        disks.extend(look(&containerd, CONTAINERD, true));
    }
    disks
}

/// What a join would make a folder in, where it is not there yet.
fn nearest(root: &Path, path: &Path) -> PathBuf {
    let found = path.ancestors().take_while(|folder| folder.starts_with(root));
    found.into_iter().find(|folder| folder.is_dir()).unwrap_or(root).to_owned()
}

fn look(folder: &Path, path: &str, has_images: bool) -> Option<Disk> {
    let seen = rustix::fs::statvfs(folder).ok()?;
    // Some file systems have no number of files (btrfs), or no size.
    (seen.f_blocks > 0).then(|| Disk {
        path: format!("/{path}"),
        size: seen.f_blocks * seen.f_frsize,
        available: seen.f_bavail * seen.f_frsize,
        free: seen.f_bfree * seen.f_frsize,
        files: seen.f_files,
        files_free: seen.f_ffree,
        has_images,
    })
}
