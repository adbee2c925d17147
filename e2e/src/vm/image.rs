//! A node's disk image of one Kubernetes minor, kept by its content: `~/.cache/nagaya/vm/`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::qemu::Files;
use super::{base, rootfs, store};
use crate::command::{command, run};
use crate::components::{Component, ensure_all, hex};
use crate::error::{Error, IoContext, Result};
use crate::{images, lock, paths, progress};

/// Room for images and logs; the file is sparse.
const DISK_SIZE: &str = "10G";

/// What a machine boots from; shared by all machines of a minor, written by none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeImage {
    /// Where its files are.
    pub folder: PathBuf,
    /// The root disk, raw.
    pub disk: PathBuf,
    /// Debian's kernel.
    pub kernel: PathBuf,
    /// Its initrd.
    pub initrd: PathBuf,
}

impl NodeImage {
    /// The image whose files are in a folder.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            disk: folder.join("disk.raw"),
            kernel: folder.join("vmlinuz"),
            initrd: folder.join("initrd"),
        }
    }
}

/// Where images are kept.
#[must_use]
pub fn cache() -> PathBuf {
    paths::cache().join("vm")
}

/// The image of a minor, made first if the cache does not have it.
///
/// # Errors
/// A component cannot be built, Debian's packages cannot be had, or the disk is full.
pub fn ensure(minor: &str) -> Result<NodeImage> {
    let binaries = binaries(minor)?;
    let archives = images::node(minor)?;
    let folder = cache().join(format!("node-{minor}-{}", key(&binaries, &archives)?));
    paths::make_folder(&cache())?;
    let _held = lock::exclusive(&cache().join(".lock"))?;
    if !folder.exists() {
        let debian = base::ensure(&cache())?;
        let draft = folder.with_extension("draft");
        // A build that was cut off leaves its draft.
        paths::remove_folder(&draft)?;
        paths::make_folder(&draft)?;
        let what = format!("making the disk of a Kubernetes {minor} node");
        let made = progress::step(what, || make(minor, &debian, &binaries, &archives, &draft));
        if let Err(error) = made {
            paths::remove_folder(&draft)?;
            return Err(error);
        }
        fs::rename(&draft, &folder).on("keep", &folder)?;
        remove_outdated(minor, &folder)?;
    }
    Ok(NodeImage::in_folder(&folder))
}

/// Each image is a gigabyte: those of the minor that no machine of this sandbox stands on go.
fn remove_outdated(minor: &str, newest: &Path) -> Result<()> {
    let hosts = paths::state().join("hosts");
    let links = subfolders(&hosts).into_iter().map(|host| Files::new(host).image());
    let used: Vec<_> = links.filter_map(|link| fs::read_link(link).ok()).collect();
    let prefix = format!("node-{minor}-");
    let of_minor = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
    };
    for folder in subfolders(&cache()).into_iter().filter(of_minor) {
        if folder != newest && !used.contains(&folder) {
            paths::remove_folder(&folder)?;
        }
    }
    Ok(())
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn binaries(minor: &str) -> Result<Vec<PathBuf>> {
    let (kubernetes, containerd) = (Component::kubernetes(minor)?, Component::containerd());
    ensure_all(&[
        (kubernetes.clone(), "kubelet"),
        (kubernetes.clone(), "kubeadm"),
        (kubernetes, "kubectl"),
        (containerd.clone(), "containerd"),
        (containerd.clone(), "containerd-shim-runc-v2"),
        (containerd, "ctr"),
    ])
}

/// Paths of the cache stand for their contents; a folder of given binaries is told by size and time.
fn key(binaries: &[PathBuf], archives: &[PathBuf]) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(format!("1 {DISK_SIZE} {} {}", base::key(), rootfs::fingerprint()));
    for path in binaries.iter().chain(archives) {
        let file = fs::metadata(path).on("read", path)?;
        hash.update(path.as_os_str().as_encoded_bytes());
        hash.update(format!(" {} {} {}\n", file.len(), file.mtime(), file.mtime_nsec()));
    }
    Ok(hex(&hash.finalize()[..8]))
}

fn make(
    minor: &str,
    debian: &Path,
    binaries: &[PathBuf],
    archives: &[PathBuf],
    draft: &Path,
) -> Result<()> {
    let (root, work) = (draft.join("root"), draft.join("work"));
    paths::make_folder(&root)?;
    paths::make_folder(&work)?;
    run(command(&["tar", "--extract", "--xattrs", "--xattrs-include=*", "--file"])
        .arg(debian)
        .arg("--directory")
        .arg(&root))?;
    rootfs::lay_out(&root, minor)?;
    for binary in binaries {
        install(binary, &root.join("usr/bin"))?;
    }
    store::fill(&root, &work, archives)?;
    let image = NodeImage::in_folder(draft);
    move_boot_file(&root, "vmlinuz-", &image.kernel)?;
    move_boot_file(&root, "initrd.img-", &image.initrd)?;
    write_disk(&root, &image.disk)?;
    paths::remove_folder(&work)?;
    paths::remove_folder(&root)
}

fn install(program: &Path, folder: &Path) -> Result<()> {
    let Some(name) = program.file_name() else {
        return Err(Error::Refused(format!("{} is no program", program.display())));
    };
    let path = folder.join(name);
    fs::copy(program, &path).on("copy", program)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).on("make executable", &path)
}

/// qemu reads kernel and initrd beside the disk: the machine needs no boot loader.
fn move_boot_file(root: &Path, prefix: &str, target: &Path) -> Result<()> {
    let boot = root.join("boot");
    let entries = fs::read_dir(&boot).on("list", &boot)?.flatten();
    let found = entries.map(|entry| entry.path()).find(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    });
    let Some(source) = found else {
        return Err(Error::Malformed {
            path: boot,
            reason: format!("Debian's kernel package left no {prefix}*"),
        });
    };
    fs::rename(&source, target).on("keep", &source)
}

fn write_disk(root: &Path, disk: &Path) -> Result<()> {
    // Tables written now are tables that the guest's kernel need not write while it boots.
    let words =
        ["mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-d"];
    run(command(&words).arg(root).arg(disk).arg(DISK_SIZE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_binary_or_image_makes_another_disk() {
        let folder = std::env::temp_dir().join(format!("node-key-{}", std::process::id()));
        let [one, two] = ["one", "three"].map(|name| folder.join(name));
        for path in [&one, &two] {
            paths::write_whole(path, path.as_os_str().as_encoded_bytes()).unwrap();
        }
        let [one, two] = [[one], [two]];
        assert_ne!(key(&one, &[]).unwrap(), key(&two, &[]).unwrap());
        assert_ne!(key(&one, &one).unwrap(), key(&one, &two).unwrap());
        assert_eq!(key(&one, &two).unwrap(), key(&one, &two).unwrap());
        paths::remove_folder(&folder).unwrap();
    }

    #[test]
    fn a_debian_without_a_kernel_is_refused_by_name() {
        let root = std::env::temp_dir().join(format!("node-image-{}", std::process::id()));
        paths::make_folder(&root.join("boot")).unwrap();
        let error = move_boot_file(&root, "vmlinuz-", &root.join("vmlinuz")).unwrap_err();
        assert!(error.to_string().contains("vmlinuz-"), "{error}");
        paths::remove_folder(&root).unwrap();
    }
}
