//! The volume of an etcd member.

use nagaya_api::EtcdStorage;

use super::Refusal;
use super::exposure::check_name;
use crate::quantity::bytes;

/// Half of the volume is the database's. etcd allocates 64 MiB for each write-ahead log before it writes to it, keeps
/// five of them and makes the next (`SegmentSizeBytes` in `server/storage/wal`, `--max-wals`): 384 MiB of the other.
const LEAST: (&str, u64) = ("1Gi", 1 << 30);

/// For a cluster that is to be made.
pub(super) fn check(storage: &EtcdStorage) -> Result<(), Refusal> {
    if let Some(name) = &storage.class_name {
        check_name("spec.etcd.storage.className", name)?;
    }
    let field = "spec.etcd.storage.size";
    match bytes(&storage.size) {
        Some(size) if size >= LEAST.1 => Ok(()),
        Some(_) => Err(Refusal::new(
            field,
            format!(
                "{} is too small for etcd's logs; delete this object and create it with {} or more",
                storage.size, LEAST.0
            ),
        )),
        None => Err(Refusal::new(field, format!("{} is no size in bytes", storage.size))),
    }
}
