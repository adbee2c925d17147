//! The bucket for snapshots. The schema says the same: this is for objects that no API server has looked at.

use nagaya_api::SnapshotBucket;

use super::Refusal;
use super::exposure::check_name;

pub(super) fn check(bucket: &SnapshotBucket) -> Result<(), Refusal> {
    let field = |name: &str| format!("spec.snapshots.s3.{name}");
    let host = bucket.endpoint.strip_prefix("https://").unwrap_or_default();
    let (host, port) = host.split_once(':').unwrap_or((host, "443"));
    if !port.parse::<u16>().is_ok_and(|port| port > 0) || check_name("", host).is_err() {
        let message = format!(
            "{:?} is neither https://HOST nor https://HOST:PORT; CA keys are sent there, so that it has to be HTTPS",
            bucket.endpoint
        );
        return Err(Refusal::new(field("endpoint"), message));
    }
    check_name(&field("bucket"), &bucket.bucket)?;
    check_name(&field("secretName"), &bucket.secret_name)?;
    if !bucket.region.bytes().all(|one| one.is_ascii_alphanumeric() || one == b'-') {
        let message = format!("{:?} is no region such as eu-central-1", bucket.region);
        return Err(Refusal::new(field("region"), message));
    }
    let is_word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_alphanumeric())
            && word.bytes().all(|one| one.is_ascii_alphanumeric() || b"-_.".contains(&one))
    };
    match &bucket.prefix {
        Some(prefix) if !prefix.split('/').all(is_word) => {
            let message = format!(
                "{prefix:?} is not made of words of letters, digits, hyphens, underscores and dots with slashes \
                 between them"
            );
            Err(Refusal::new(field("prefix"), message))
        }
        _ => Ok(()),
    }
}
