//! Whether a snapshot is whole: etcd appends the SHA-256 of everything before (`Maintenance.Snapshot`).

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{Error, failed};

/// Bytes of a SHA-256.
const DIGEST: u64 = 32;
/// Databases are whole pages, so that a digest at the end shows in the length (etcdutl's `hasChecksum`).
const PAGE: u64 = 512;

/// The size of a snapshot that is whole.
pub(super) fn check(path: &Path) -> Result<u64, Error> {
    let damaged = |why| Error::Damaged { path: path.display().to_string(), why };
    let file = File::open(path).map_err(failed("open", path))?;
    let size = file.metadata().map_err(failed("look at", path))?.len();
    if size <= DIGEST || size % PAGE != DIGEST {
        return Err(damaged("its end is missing"));
    }
    let mut reader = BufReader::new(file);
    let mut digest = Sha256::new();
    let mut content = reader.by_ref().take(size - DIGEST);
    let mut piece = vec![0; 1 << 16];
    loop {
        let read = content.read(&mut piece).map_err(failed("read", path))?;
        if read == 0 {
            break;
        }
        digest.update(&piece[..read]);
    }
    let mut told = [0; 32];
    reader.read_exact(&mut told).map_err(failed("read", path))?;
    if digest.finalize()[..] != told {
        return Err(damaged("its content is not what etcd has sent"));
    }
    Ok(size)
}
