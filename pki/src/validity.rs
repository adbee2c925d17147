//! When a certificate starts and ends.

use jiff::{SignedDuration, Timestamp};
use time::OffsetDateTime;

use crate::Error;

/// How far certificates start in the past, so that a verifier whose clock is a little behind
/// accepts them at once (kubeadm: `kubeadmconstants.CertificateBackdate`).
pub(crate) const BACKDATE: SignedDuration = SignedDuration::from_mins(5);

/// The span in which a certificate is valid, in whole seconds as X.509 stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl Validity {
    /// From five minutes before `now` until `lifetime` after it.
    pub(crate) fn starting(
        common_name: &str,
        now: Timestamp,
        lifetime: SignedDuration,
    ) -> Result<Self, Error> {
        let invalid = || Error::InvalidValidity {
            common_name: common_name.to_owned(),
            seconds: lifetime.as_secs(),
        };
        if lifetime.as_secs() < 1 {
            return Err(invalid());
        }
        let now = Timestamp::from_second(now.as_second()).map_err(|_| invalid())?;
        Ok(Self {
            not_before: now.checked_sub(BACKDATE).map_err(|_| invalid())?,
            not_after: now.checked_add(lifetime).map_err(|_| invalid())?,
        })
    }

    /// The part of this span in which `outer` is valid as well.
    pub(crate) fn within(self, outer: Self) -> Self {
        Self {
            not_before: self.not_before.max(outer.not_before),
            not_after: self.not_after.min(outer.not_after),
        }
    }
}

/// The same second in the type that rcgen takes.
pub(crate) fn to_offset_date_time(timestamp: Timestamp) -> Result<OffsetDateTime, rcgen::Error> {
    OffsetDateTime::from_unix_timestamp(timestamp.as_second()).map_err(|_| rcgen::Error::Time)
}
