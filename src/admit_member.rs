//! The verb `admit-member`: init container of etcd's pods.
//!
//! etcd started on an empty volume under the name of a member that has voted before forgets what it voted for, and
//! may lose what was acknowledged (<https://etcd.io/docs/v3.6/faq/>, "should I add a member before removing an
//! unhealthy member"). So an empty volume is let in only for the member that joins now, and what a member that
//! was removed has left is wiped for its successor. Both are known by etcd's own member ID, kept in a file beside
//! the data.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use nagaya_render::plane::names;

/// Name of the file with the ID of the member that joined on this volume.
const JOINED_AS: &str = "joined-as";

/// Who starts, and on what.
#[derive(Debug, clap::Args)]
pub struct AdmitOptions {
    /// etcd's `--data-dir`; the volume is its parent.
    #[arg(long)]
    data_dir: PathBuf,
    /// Name of the member.
    #[arg(long, env = "POD_NAME")]
    member: String,
    /// etcd's `--initial-cluster-state`: `new` before etcd was healthy for the first time, then `existing`.
    #[arg(long, env = names::INITIAL_CLUSTER_STATE)]
    state: String,
    /// Who joins now: `etcd-2=8e9e05c52164694d`; empty: nobody.
    #[arg(long, env = names::JOINING, default_value = "")]
    joining: String,
}

/// Why a member may not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing on the volume, and there should be.
    #[error(
        "the volume of {0} is empty, though it has been a member; it does not start, so that nothing acknowledged is \
         forgotten"
    )]
    EmptyVolume(String),
    /// The volume cannot be read or written.
    #[error("cannot {what} {path}: {source}")]
    Volume {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Lets the member start, on a wiped volume if it is a new one.
///
/// # Errors
/// [`Error`].
pub fn admit(options: &AdmitOptions) -> Result<(), Error> {
    let volume = options.data_dir.parent().unwrap_or(&options.data_dir);
    let marker = volume.join(JOINED_AS);
    let joins_as = options
        .joining
        .split_once('=')
        .filter(|(name, _)| *name == options.member)
        .map(|(_, id)| id);
    match joins_as {
        Some(id) if is_marked(&marker, id) => Ok(()),
        Some(id) => {
            wipe(&options.data_dir)?;
            mark(volume, &marker, id)
        }
        None if options.state == "existing" && !has_data(&options.data_dir)? => {
            Err(Error::EmptyVolume(options.member.clone()))
        }
        None => Ok(()),
    }
}

fn is_marked(marker: &Path, id: &str) -> bool {
    fs::read_to_string(marker).is_ok_and(|found| found.trim() == id)
}

/// etcd makes the directory of its write-ahead log whole under another name, and renames it.
fn has_data(data_dir: &Path) -> Result<bool, Error> {
    let log = data_dir.join("member/wal");
    log.try_exists().map_err(of("look for", &log))
}

fn wipe(data_dir: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(data_dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(of("wipe", data_dir)(error)),
        _ => Ok(()),
    }
}

/// Whole or not at all, also when the machine dies.
fn mark(volume: &Path, marker: &Path, id: &str) -> Result<(), Error> {
    let draft = marker.with_extension("new");
    let write = || {
        let mut file = File::create(&draft)?;
        file.write_all(id.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, marker)?;
        File::open(volume)?.sync_all()
    };
    write().map_err(of("write", marker))
}

fn of(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.display().to_string();
    move |source| Error::Volume { what, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Volume(tempfile::TempDir);

    impl Volume {
        fn empty() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn with_data(self) -> Self {
            fs::create_dir_all(self.data_dir().join("member/wal")).unwrap();
            self
        }

        fn data_dir(&self) -> PathBuf {
            self.0.path().join("member")
        }

        fn has_data(&self) -> bool {
            has_data(&self.data_dir()).unwrap()
        }

        fn admit(&self, state: &str, joining: &str) -> Result<(), Error> {
            admit(&AdmitOptions {
                data_dir: self.data_dir(),
                member: "etcd-1".to_owned(),
                state: state.to_owned(),
                joining: joining.to_owned(),
            })
        }
    }

    #[test]
    fn a_newborn_starts_on_an_empty_volume_and_an_old_member_does_not() {
        Volume::empty().admit("new", "").unwrap();
        let volume = Volume::empty();
        for joining in ["", "etcd-2=aa"] {
            let refused = volume.admit("existing", joining).unwrap_err();
            assert!(matches!(refused, Error::EmptyVolume(name) if name == "etcd-1"));
        }
        Volume::empty().with_data().admit("existing", "").unwrap();
    }

    #[test]
    fn a_member_that_joins_finds_its_volume_wiped_once() {
        let volume = Volume::empty().with_data();
        volume.admit("existing", "etcd-1=aa").unwrap();
        assert!(!volume.has_data(), "what a predecessor left is of no use");
        let volume = volume.with_data();
        volume.admit("existing", "etcd-1=aa").unwrap();
        assert!(volume.has_data(), "a restart while it catches up loses nothing");
        volume.admit("existing", "etcd-1=bb").unwrap();
        assert!(!volume.has_data(), "it was removed and joins anew");
    }

    #[test]
    fn others_that_join_are_nothing_to_a_member() {
        let volume = Volume::empty().with_data();
        volume.admit("existing", "etcd-11=aa").unwrap();
        assert!(volume.has_data());
    }

    #[test]
    fn a_volume_that_cannot_be_written_is_named() {
        let volume = Volume::empty();
        fs::create_dir_all(volume.0.path().join("joined-as.new")).unwrap();
        let refused = volume.admit("existing", "etcd-1=aa").unwrap_err().to_string();
        assert!(refused.starts_with("cannot write"), "{refused}");
        assert!(refused.contains("joined-as"), "{refused}");
    }
}
