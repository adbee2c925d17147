//! Before `etcdctl snapshot save`: the oldest goes first, so that a full volume heals by itself. Never the newest.

use std::path::PathBuf;

use super::Error;
use super::finish::{read_notes, remove_old, remove_unfinished};

/// How many are to be there when the next one is.
#[derive(Debug, clap::Args)]
pub struct RoomOptions {
    /// Directory with the snapshots.
    #[arg(long)]
    directory: PathBuf,
    /// How many to keep, the next one counted.
    #[arg(long)]
    keep: usize,
    /// A snapshot that must not be removed.
    #[arg(long)]
    protect: Option<String>,
}

/// Removes those that the next one takes the place of, and what attempts that failed have left.
pub(super) fn make_room(options: &RoomOptions) -> Result<(), Error> {
    let directory = &options.directory;
    let all = read_notes(directory)?;
    let newest = all.last().map(|newest| newest.name.clone());
    let stays: Vec<String> = newest.into_iter().chain(options.protect.clone()).collect();
    let left = remove_old(directory, options.keep.saturating_sub(1), &stays, all)?;
    remove_unfinished(directory, &left)
}
