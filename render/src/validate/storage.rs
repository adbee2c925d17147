//! The volume of an etcd member, and how much of it the database may take.

use nagaya_api::{Etcd, EtcdStorage};

use super::Refusal;
use super::exposure::check_name;
use crate::quantity::bytes;

/// etcd allocates 64 MiB for each write-ahead log before it writes to it, keeps five of them and makes the next
/// (`SegmentSizeBytes` in `server/storage/wal`, `--max-wals`). Without room for them it ends before its quota is used up.
const LOGS: u64 = 384 << 20;
/// Half of the volume is the database's, and the logs fit into the other.
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

/// etcd's own recommendation for the largest database (`--quota-backend-bytes`).
const LARGEST_QUOTA: u64 = 8 << 30;
/// What kube-apiserver keeps of its own, and room to work.
const LEAST_QUOTA: u64 = 16 << 20;

/// Half of the volume: the write-ahead log, snapshots and the copy that a defragmentation makes need the other half.
pub(super) fn quota(etcd: &Etcd) -> Result<u64, Refusal> {
    let volume = bytes(&etcd.storage.size).unwrap_or(LARGEST_QUOTA);
    let Some(asked) = &etcd.quota else { return Ok((volume / 2).min(LARGEST_QUOTA)) };
    let refused = |why: String| Refusal::new("spec.etcd.quota", why);
    match bytes(asked) {
        Some(quota) if quota < LEAST_QUOTA => {
            Err(refused(format!("{asked} is less than a control plane needs; set 16Mi or more")))
        }
        Some(quota) if quota.saturating_add(LOGS) > volume => Err(refused(format!(
            "{asked} and 384Mi of logs are more than the volume of {}; set {}Mi or less",
            etcd.storage.size,
            volume.saturating_sub(LOGS) >> 20
        ))),
        Some(quota) if quota > LARGEST_QUOTA => {
            Err(refused(format!("{asked} is more than etcd can do; set 8Gi or less")))
        }
        Some(quota) => Ok(quota),
        None => Err(refused(format!("{asked} is no size in bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota_of(size: &str, asked: Option<&str>) -> Result<u64, String> {
        let storage = EtcdStorage { size: size.to_owned(), ..EtcdStorage::default() };
        let etcd = Etcd { storage, quota: asked.map(str::to_owned), ..Etcd::default() };
        quota(&etcd).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_full_database_still_fits_on_the_volume() {
        assert_eq!(quota_of("2Gi", None), Ok(1 << 30));
        assert_eq!(quota_of("1Ti", None), Ok(LARGEST_QUOTA));
        assert_eq!(quota_of("2Gi", Some("1536Mi")), Ok(3 << 29));
    }

    #[test]
    fn a_quota_beyond_the_volume_or_without_room_to_work_is_refused() {
        for (asked, says) in [
            ("3Gi", "volume of 2Gi"),
            ("2Gi", "384Mi of logs"),
            ("1665Mi", "1664Mi or less"),
            ("8Mi", "16Mi or more"),
        ] {
            let refused = quota_of("2Gi", Some(asked)).unwrap_err();
            assert!(
                refused.starts_with("spec.etcd.quota: ") && refused.contains(says),
                "{refused}"
            );
        }
        assert!(quota_of("1Ti", Some("9Gi")).unwrap_err().contains("8Gi or less"));
    }
}
