//! After `etcdctl snapshot save`: the snapshot is checked, noted in a file beside it, and the oldest goes. What the
//! volume holds then is told as the container's termination message, so that the list heals with every snapshot.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use nagaya_api::Snapshot;

use super::{Error, entries, failed, file, sync_directory};

/// Where a container says how it ended.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// What was saved, and how many are kept.
#[derive(Debug, clap::Args)]
pub struct FinishOptions {
    /// Directory with the snapshots.
    #[arg(long)]
    directory: PathBuf,
    /// Name of the snapshot; its file is NAME.db.
    #[arg(long)]
    name: String,
    /// Kubernetes version of the cluster.
    #[arg(long)]
    kubernetes_version: String,
    /// What the snapshot is for.
    #[arg(long)]
    reason: String,
    /// How many to keep.
    #[arg(long)]
    pub(super) keep: usize,
    /// A snapshot that must not be removed, since it is about to be restored; it has to be whole too.
    #[arg(long)]
    pub(super) protect: Option<String>,
    /// Directory with the keys that belong to the snapshots, copied beside them.
    #[arg(long)]
    pub(super) keys: PathBuf,
    /// File to tell what the directory holds.
    #[arg(long, default_value = TERMINATION_LOG)]
    tell: PathBuf,
}

impl FinishOptions {
    /// The saved file.
    pub(super) fn database(&self) -> PathBuf {
        self.directory.join(format!("{}.db", self.name))
    }

    /// What must stay, however old it is.
    pub(super) fn stay(&self) -> Vec<String> {
        self.protect.iter().chain([&self.name]).cloned().collect()
    }

    /// What was saved, if it is whole.
    pub(super) fn checked(&self) -> Result<Snapshot, Error> {
        let size = file::check(&self.database())?;
        Ok(Snapshot {
            name: self.name.clone(),
            time: Time(Timestamp::now()),
            size_bytes: i64::try_from(size).unwrap_or(i64::MAX),
            version: self.kubernetes_version.clone(),
            reason: self.reason.clone(),
            location: None,
        })
    }
}

/// Makes a saved file a snapshot that counts.
pub(super) fn finish(options: &FinishOptions) -> Result<(), Error> {
    let directory = &options.directory;
    // Found out now, it costs nothing; later, the control plane is stopped for it.
    if let Some(protected) = &options.protect {
        file::check(&directory.join(format!("{protected}.db")))?;
    }
    let snapshot = options.checked()?;
    copy_keys(&options.keys, &directory.join("keys"))?;
    let note = directory.join(format!("{}.json", options.name));
    write_private(&note, &serde_json::to_vec(&snapshot)?)?;
    sync_directory(directory)?;
    let all = read_notes(directory)?;
    let left = remove_old(directory, options.keep.max(1), &options.stay(), all)?;
    remove_unfinished(directory, &left)?;
    tell(options, &left)
}

/// Says what there is now.
pub(super) fn tell(options: &FinishOptions, left: &[Snapshot]) -> Result<(), Error> {
    fs::write(&options.tell, serde_json::to_vec(left)?).map_err(failed("write", &options.tell))
}

/// Secret by Secret. A generation of keys has its own name, so those of older snapshots stay.
fn copy_keys(from: &Path, to: &Path) -> Result<(), Error> {
    for (secret, source) in entries(from)? {
        // Kubernetes keeps what it mounts in directories that begin with two dots.
        if secret.starts_with("..") {
            continue;
        }
        let target = to.join(&secret);
        let mut private = fs::DirBuilder::new();
        private.recursive(true).mode(0o700).create(&target).map_err(failed("make", &target))?;
        for (key, path) in entries(&source)? {
            let content = fs::read(&path).map_err(failed("read", &path))?;
            write_private(&target.join(key), &content)?;
        }
        sync_directory(&target)?;
    }
    Ok(())
}

/// Whole or not at all, for nobody else to read.
fn write_private(path: &Path, content: &[u8]) -> Result<(), Error> {
    let unfinished = path.with_added_extension("part");
    let mut opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(failed("open", &unfinished))?;
    opened.write_all(content).map_err(failed("write", &unfinished))?;
    opened.sync_all().map_err(failed("write through", &unfinished))?;
    fs::rename(&unfinished, path).map_err(failed("rename", &unfinished))
}

/// What is noted, oldest first. A note that cannot be read stands for nothing.
pub(super) fn read_notes(directory: &Path) -> Result<Vec<Snapshot>, Error> {
    let mut snapshots = Vec::new();
    for (_, path) in entries(directory)? {
        if has_extension(&path, "json") {
            let text = fs::read(&path).map_err(failed("read", &path))?;
            snapshots.extend(serde_json::from_slice::<Snapshot>(&text));
        }
    }
    snapshots.sort_by_key(|one| one.time.0);
    Ok(snapshots)
}

/// Removes the oldest beyond the number to keep. The note goes first: a file without one does not count.
pub(super) fn remove_old(
    directory: &Path,
    keep: usize,
    stay: &[String],
    all: Vec<Snapshot>,
) -> Result<Vec<Snapshot>, Error> {
    let (left, surplus) = beyond(keep, stay, all);
    for snapshot in surplus {
        for extension in ["json", "db"] {
            remove(&directory.join(format!("{}.{extension}", snapshot.name)))?;
        }
    }
    Ok(left)
}

/// Those that are left, and the oldest beyond the number to keep, but for those that stay.
pub(super) fn beyond(
    keep: usize,
    stay: &[String],
    all: Vec<Snapshot>,
) -> (Vec<Snapshot>, Vec<Snapshot>) {
    let mut surplus = all.len().saturating_sub(keep);
    all.into_iter().partition(|snapshot| {
        if surplus == 0 || stay.contains(&snapshot.name) {
            return true;
        }
        surplus -= 1;
        false
    })
}

/// Attempts that failed leave files that nobody noted.
pub(super) fn remove_unfinished(directory: &Path, left: &[Snapshot]) -> Result<(), Error> {
    for (_, path) in entries(directory)? {
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned());
        let is_known = left.iter().any(|one| Some(&one.name) == name.as_ref());
        if has_extension(&path, "part") || (has_extension(&path, "db") && !is_known) {
            remove(&path)?;
        }
    }
    Ok(())
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(failed("remove", path)(error))
        }
        _ => Ok(()),
    }
}
