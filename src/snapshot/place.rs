//! Around `etcdutl snapshot restore`: nothing that is there is touched before the restored data are complete.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Error, entries, failed, file, sync_directory};

/// Where etcd looks for its data, below its volume.
const MEMBER: &str = "member";
/// Where etcdutl puts what it restores.
const RESTORED: &str = "restored";
/// What earlier restores have put aside begins with this.
const ASIDE: &str = "member.before-";

/// The snapshot, and where it goes.
#[derive(Debug, clap::Args)]
pub struct PrepareOptions {
    /// The snapshot.
    #[arg(long)]
    file: PathBuf,
    /// etcd's volume.
    #[arg(long)]
    data: PathBuf,
}

/// What was restored, and what becomes of the data of before.
#[derive(Debug, clap::Args)]
pub struct PlaceOptions {
    /// etcd's volume.
    #[arg(long)]
    data: PathBuf,
    /// Name that the data of before get, the same for each attempt.
    #[arg(long)]
    aside: String,
    /// Keep the data of before: no snapshot holds them.
    #[arg(long)]
    keep_old: bool,
}

/// Refuses a snapshot that is damaged, and removes what an attempt before has left.
pub(super) fn prepare(options: &PrepareOptions) -> Result<(), Error> {
    file::check(&options.file)?;
    remove_all(&options.data.join(RESTORED))
}

/// Puts the restored data where etcd looks for them.
pub(super) fn place(options: &PlaceOptions) -> Result<(), Error> {
    let data = &options.data;
    let (member, restored) = (data.join(MEMBER), data.join(RESTORED));
    let aside = data.join(&options.aside);
    fs::metadata(&restored).map_err(failed("find", &restored))?;
    let is_first = !aside.exists();
    match is_first {
        true if member.exists() => {
            fs::rename(&member, &aside).map_err(failed("put aside", &member))?;
        }
        true => {}
        // An attempt before this one has put the old data aside already.
        false => remove_all(&member)?,
    }
    if let Err(error) = fs::rename(&restored, &member) {
        if is_first && aside.exists() {
            fs::rename(&aside, &member).map_err(failed("put back", &aside))?;
        }
        return Err(failed("put into place", &restored)(error));
    }
    sync_directory(data)?;
    // What a snapshot holds too goes. Of what none holds the newest stays: names end with the time.
    let is_saved = |name: &str| !options.keep_old && name == options.aside;
    let mut aside = entries(data)?;
    aside.retain(|(name, _)| name.starts_with(ASIDE));
    let newest = aside.iter().rposition(|(name, _)| !is_saved(name));
    for (index, (_, path)) in aside.iter().enumerate() {
        if Some(index) != newest {
            // The restored data are in place: what is left over is no failure of that.
            if let Err(error) = remove_all(path) {
                eprintln!("{error}");
            }
        }
    }
    Ok(())
}

fn remove_all(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}
