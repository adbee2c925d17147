//! How often tenants are probed. A tenant that stops being joinable has to show it within 15 s: an
//! interval with its jitter and a deadline make 10 s at most.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use nagaya_render::probe::ProbeReport;

/// Intervals, deadline and bounds of a prober.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Pause between probes of a tenant that was never ready.
    pub while_born: Duration,
    /// Pause between probes of a tenant that was ready before and is not now.
    pub while_failing: Duration,
    /// Pause between probes of a joinable tenant, jittered by a fifth so that tenants spread out.
    pub while_joinable: Duration,
    /// A probe is given up then.
    pub deadline: Duration,
    /// Places for probes of tenants that could be reached the last time, and as many again for those
    /// that could not.
    pub probes_at_once: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            while_born: Duration::from_millis(250),
            while_failing: Duration::from_secs(1),
            while_joinable: Duration::from_secs(5),
            deadline: Duration::from_secs(4),
            probes_at_once: 128,
        }
    }
}

impl Pace {
    /// How long to wait after a report.
    pub(super) fn pause(&self, established: bool, report: &ProbeReport) -> Duration {
        if report.joinable() {
            jittered(self.while_joinable)
        } else if established {
            self.while_failing
        } else {
            self.while_born
        }
    }
}

/// Between four and six fifths of the interval. Spreading load needs no better randomness than the
/// hasher's.
fn jittered(interval: Duration) -> Duration {
    let draw = u32::try_from(RandomState::new().hash_one(0_u8) % 401).unwrap_or(0);
    interval * (800 + draw) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_fifth() {
        let interval = Duration::from_secs(5);
        let pauses: Vec<_> = (0..1000).map(|_| jittered(interval)).collect();
        assert!(pauses.iter().all(|pause| (4..=6).contains(&pause.as_secs())));
        assert!(pauses.iter().any(|pause| *pause < interval));
        assert!(pauses.iter().any(|pause| *pause > interval));
    }

    #[test]
    fn the_worst_case_of_noticing_is_within_fifteen_seconds() {
        let pace = Pace::default();
        assert!(pace.while_joinable * 6 / 5 + pace.deadline <= Duration::from_secs(15));
    }
}
