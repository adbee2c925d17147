//! The verb `snapshot`: what the Jobs that save and restore etcd do beside etcd's own tools.
//!
//! | file | what |
//! |---|---|
//! | `room.rs` | before `etcdctl snapshot save`: room for it |
//! | `finish.rs` | after `etcdctl snapshot save`: check it, note what it is, keep so many |
//! | `file.rs` | whether a snapshot is whole |
//! | `place.rs` | around `etcdutl snapshot restore`: make room, put the restored data into place |

mod file;
mod finish;
mod place;
mod room;

use std::path::{Path, PathBuf};
use std::{fs, io};

pub use finish::FinishOptions;
pub use place::{PlaceOptions, PrepareOptions};
pub use room::RoomOptions;

/// Steps of saving and restoring etcd.
#[derive(Debug, clap::Subcommand)]
pub enum SnapshotVerb {
    /// Make room for a snapshot that is to be saved: remove those beyond the number to keep, it counted.
    Room(RoomOptions),
    /// Check a snapshot that was just saved, note what it is, and remove those beyond the number to keep.
    Finish(FinishOptions),
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
    /// What is noted about a snapshot cannot be written as JSON.
    #[error("cannot note what the snapshot is: {0}")]
    Note(#[from] serde_json::Error),
}

/// Does a step.
///
/// # Errors
/// [`Error`].
pub fn execute(verb: &SnapshotVerb) -> Result<(), Error> {
    match verb {
        SnapshotVerb::Room(options) => room::make_room(options),
        SnapshotVerb::Finish(options) => finish::finish(options),
        SnapshotVerb::Prepare(options) => place::prepare(options),
        SnapshotVerb::Place(options) => place::place(options),
    }
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
