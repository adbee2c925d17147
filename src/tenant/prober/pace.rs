//! How often tenants are probed. A tenant that stops being joinable has to show it within 15 s: an interval with its
//! jitter and a deadline make less than 14 s. One that is not joinable for long is looked at less and less often: that
//! it has come up may take a fortieth of that time longer to be seen.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use nagaya_render::probe::ProbeReport;

/// How many pauses long a tenant has been ill, once that makes the pause longer.
const ILL_PER_PAUSE: u32 = 40;

/// Intervals, deadline and bounds of a prober.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Pause between probes of a tenant that was never ready, at first.
    pub while_born: Duration,
    /// Pause between probes of a tenant that was ready before and is not now, at first.
    pub while_failing: Duration,
    /// Pause between probes of a joinable tenant, jittered by a fifth so that tenants spread out; and the longest for any.
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
            while_joinable: Duration::from_secs(8),
            deadline: Duration::from_secs(4),
            probes_at_once: 128,
        }
    }
}

impl Pace {
    /// How long to wait after a report. `ill_for`: how long the tenant has not been joinable.
    pub(super) fn pause(
        &self,
        established: bool,
        report: &ProbeReport,
        ill_for: Duration,
    ) -> Duration {
        if report.joinable() {
            return jittered(self.while_joinable);
        }
        let least = if established { self.while_failing } else { self.while_born };
        (ill_for / ILL_PER_PAUSE).min(jittered(self.while_joinable)).max(least)
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
    fn who_is_ill_for_long_is_looked_at_less_often_and_never_more_seldom_than_who_is_well() {
        let (pace, ill) = (Pace::default(), ProbeReport::default());
        let pause = |established, seconds| {
            pace.pause(established, &ill, Duration::from_secs(seconds)).as_millis()
        };
        assert_eq!([pause(false, 0), pause(false, 10), pause(false, 60)], [250, 250, 1500]);
        assert_eq!([pause(true, 0), pause(true, 40), pause(true, 60)], [1000, 1000, 1500]);
        assert!((6400..=9600).contains(&pause(false, 100_000)));
    }

    #[test]
    fn the_worst_case_of_noticing_is_within_fifteen_seconds() {
        let pace = Pace::default();
        // What is seen has to be written too.
        let written = Duration::from_secs(1);
        assert!(pace.while_joinable * 6 / 5 + pace.deadline + written <= Duration::from_secs(15));
    }
}
