//! The verb `snapshot`: what the Jobs that save and restore etcd do beside etcd's own tools.
//!
//! | file | what |
//! |---|---|
//! | `room.rs` | before `etcdctl snapshot save`: room for it |
//! | `finish.rs` | after `etcdctl snapshot save`: check it, note what it is, keep so many |
//! | `upload.rs` | the same, where they are kept in a bucket |
//! | `fetch.rs` | gets one from there |
//! | `bucket.rs` | the bucket, and what may be wrong with it |
//! | `file.rs` | whether a snapshot is whole |
//! | `place.rs` | around `etcdutl snapshot restore`: make room, put the restored data into place |

mod bucket;
mod fetch;
mod file;
mod finish;
mod place;
mod room;
mod upload;

use std::path::{Path, PathBuf};
use std::{fs, io};

pub use bucket::{BucketOptions, Trouble};
pub use fetch::FetchOptions;
pub use finish::FinishOptions;
pub use place::{PlaceOptions, PrepareOptions};
pub use room::RoomOptions;
pub use upload::UploadOptions;

/// Steps of saving and restoring etcd.
#[derive(Debug, clap::Subcommand)]
pub enum SnapshotVerb {
    /// Make room for a snapshot that is to be saved: remove those beyond the number to keep, it counted.
    Room(RoomOptions),
    /// Check a snapshot that was just saved, note what it is, and remove those beyond the number to keep.
    Finish(FinishOptions),
    /// The same for snapshots that are kept in a bucket: put it there.
    Upload(Box<UploadOptions>),
    /// Get a snapshot from a bucket.
    Fetch(FetchOptions),
    /// Check a snapshot that is to be restored, and make room for it.
    Prepare(PrepareOptions),
    /// Put restored data where etcd looks for them.
    Place(PlaceOptions),
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory cannot be used.
    #[error("cannot {verb} {path}: {source}")]
    File {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A snapshot is cut off or damaged.
    #[error("snapshot {path} is damaged: {why}")]
    Damaged {
        /// The file.
        path: String,
        /// How it shows.
        why: &'static str,
    },
    /// What is noted about a snapshot is not as it should be.
    #[error("cannot write or read what is noted about a snapshot: {0}")]
    Note(#[from] serde_json::Error),
    /// See [`Trouble`].
    #[error(transparent)]
    Bucket(#[from] Trouble),
    /// A bucket does not have a snapshot.
    #[error(
        "there is no snapshot {snapshot} in {location}: it was removed; name another one in spec.restoreFrom"
    )]
    NotThere {
        /// Its name.
        snapshot: String,
        /// Where it was looked for.
        location: String,
    },
    /// The kernel gives no event queue.
    #[error("cannot talk to a bucket: {0}")]
    Runtime(#[source] io::Error),
}

/// Does a step.
///
/// # Errors
/// [`Error`].
pub fn execute(verb: &SnapshotVerb) -> Result<(), Error> {
    match verb {
        SnapshotVerb::Room(options) => room::make_room(options),
        SnapshotVerb::Finish(options) => finish::finish(options),
        SnapshotVerb::Upload(options) => runtime()?.block_on(upload::upload(options)),
        SnapshotVerb::Fetch(options) => runtime()?.block_on(fetch::fetch(options)),
        SnapshotVerb::Prepare(options) => place::prepare(options),
        SnapshotVerb::Place(options) => place::place(options),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)
}

fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.display().to_string();
    move |source| Error::File { verb, path, source }
}

/// So that what was written or renamed in `directory` survives a power loss.
fn sync_directory(directory: &Path) -> Result<(), Error> {
    let opened = fs::File::open(directory).map_err(failed("open", directory))?;
    opened.sync_all().map_err(failed("write through", directory))
}

/// Everything directly in `directory`, with its name.
fn entries(directory: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed("list", directory))? {
        let entry = entry.map_err(failed("list", directory))?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    found.sort();
    Ok(found)
}
