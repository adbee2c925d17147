//! Tells what is wanted now from what was wanted in an earlier pass, without keeping either.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZero;

use serde::Serialize;

/// Of something that has a JSON form. Two that differ have the same one once in 2^64 times, in no way that can be sought
/// out: the keys are this process's own.
pub type Fingerprint = NonZero<u64>;

/// Takes fingerprints, which are good for as long as this lives.
#[derive(Debug, Default)]
pub struct Fingerprints(RandomState);

impl Fingerprints {
    /// `None`: it has no JSON form, and whoever needs that says so.
    #[must_use]
    pub fn of(&self, wanted: &impl Serialize) -> Option<Fingerprint> {
        let text = serde_json::to_vec(wanted).ok()?;
        Some(NonZero::new(self.0.hash_one(text)).unwrap_or(NonZero::<u64>::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_has_the_same_and_what_differs_another_one() {
        let fingerprints = Fingerprints::default();
        assert_eq!(fingerprints.of(&[1, 2]), fingerprints.of(&[1, 2]));
        assert_ne!(fingerprints.of(&[1, 2]), fingerprints.of(&[2, 1]));
    }
}
