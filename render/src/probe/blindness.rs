//! When many tenants vanish at once, the likelier cause is the prober's own network: then nothing is
//! known about any tenant, and `Ready` is `Unknown` with reason `ProberBlind`.

use super::ProbeReport;

/// Fewer tenants than this failing at once say nothing about the prober.
const FEWEST: usize = 3;

/// What the prober last saw of one tenant.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    /// The last report.
    pub report: &'a ProbeReport,
    /// Whether the tenant could ever be reached. A tenant that is being born fails without anything
    /// being wrong with the prober.
    pub established: bool,
}

/// Whether the prober has to distrust its own eyes: at least 3 established tenants, and more than half
/// of them, cannot be reached at transport level at the same time.
#[must_use]
pub fn blind<'a>(sightings: impl IntoIterator<Item = Sighting<'a>>) -> bool {
    let (mut established, mut unreachable) = (0_usize, 0_usize);
    for sighting in sightings {
        if sighting.established {
            established += 1;
            unreachable += usize::from(sighting.report.unreachable());
        }
    }
    unreachable >= FEWEST && unreachable * 2 > established
}

#[cfg(test)]
mod tests {
    use super::super::{Finding, Reason};
    use super::*;

    fn report(endpoint: Finding) -> ProbeReport {
        ProbeReport { endpoint, ..ProbeReport::default() }
    }

    fn blind_with(dead: usize, wrong_name: usize, alive: usize, unborn: usize) -> bool {
        let (gone, misnamed, fine) = (
            report(Finding::failed(Reason::EndpointTimeout, "no answer")),
            report(Finding::failed(Reason::CertificateNameMismatch, "wrong name")),
            report(Finding::Ok),
        );
        let many = |report, established, count| {
            std::iter::repeat_n(Sighting { report, established }, count)
        };
        blind(
            many(&gone, true, dead)
                .chain(many(&misnamed, true, wrong_name))
                .chain(many(&fine, true, alive))
                .chain(many(&gone, false, unborn)),
        )
    }

    #[test]
    fn the_prober_is_blind_when_three_and_more_than_half_are_unreachable() {
        assert!(blind_with(3, 0, 2, 0));
        assert!(blind_with(3, 0, 0, 0));
    }

    #[test]
    fn two_dead_tenants_are_two_dead_tenants() {
        assert!(!blind_with(2, 0, 0, 0));
    }

    #[test]
    fn half_of_the_tenants_is_not_more_than_half() {
        assert!(!blind_with(3, 0, 3, 0));
    }

    #[test]
    fn a_wrong_certificate_was_seen_with_open_eyes() {
        assert!(!blind_with(0, 5, 0, 0));
    }

    #[test]
    fn tenants_being_born_say_nothing_about_the_prober() {
        assert!(!blind_with(0, 0, 1, 10));
        assert!(blind_with(3, 0, 2, 10));
    }
}
