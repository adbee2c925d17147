//! Before `etcdutl snapshot restore`: gets a snapshot from a bucket, and is sure that it is the one that was written.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use super::bucket::{Bucket, BucketOptions};
use super::{Error, failed};

/// What to get, and where to put it.
#[derive(Debug, clap::Args)]
pub struct FetchOptions {
    /// Name of the snapshot.
    #[arg(long)]
    name: String,
    /// The file to write.
    #[arg(long)]
    file: PathBuf,
    #[command(flatten)]
    bucket: BucketOptions,
}

/// Whether it is whole is known at its end: one that fails leaves a file that is nobody's.
pub(super) async fn fetch(options: &FetchOptions) -> Result<(), Error> {
    let path = &options.file;
    let mut file = File::create(path).map_err(failed("open", path))?;
    let bucket = Bucket::open(&options.bucket)?;
    let write = |piece: &[u8]| file.write_all(piece).map_err(failed("write", path));
    bucket.read_database(&options.name, write).await
}
