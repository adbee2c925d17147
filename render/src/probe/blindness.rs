//! When many tenants vanish at once, the likelier cause is the prober's own network: then nothing is
//! known about any tenant, and `Ready` is `Unknown` with reason `ProberBlind`.

use super::ProbeReport;

/// Fewer tenants than this failing at once say nothing about the prober.
const FEWEST: usize = 3;

/// How many tenants the prober knows, and how many of them it cannot reach. Only established ones count:
/// one that is being born fails without anything being wrong with the prober.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Eyesight {
    established: usize,
    unreachable: usize,
}

impl Eyesight {
    /// Counts the newest report of a tenant.
    pub fn count(&mut self, report: &ProbeReport, established: bool) {
        self.established += usize::from(established);
        self.unreachable += usize::from(established && report.unreachable());
    }

    /// Takes back what [`Self::count`] was told: the report is outdated, or the tenant is gone.
    pub fn discount(&mut self, report: &ProbeReport, established: bool) {
        self.established = self.established.saturating_sub(usize::from(established));
        let unreachable = usize::from(established && report.unreachable());
        self.unreachable = self.unreachable.saturating_sub(unreachable);
    }

    /// Whether the prober has to distrust its own eyes: at least 3 established tenants, and more than
    /// half of them, cannot be reached at transport level at the same time.
    #[must_use]
    pub fn blind(self) -> bool {
        self.unreachable >= FEWEST && self.unreachable * 2 > self.established
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Finding, Reason};
    use super::*;

    fn report(endpoint: Finding) -> ProbeReport {
        ProbeReport { endpoint, ..ProbeReport::default() }
    }

    fn blind_with(dead: usize, wrong_name: usize, alive: usize, unborn: usize) -> bool {
        let gone = report(Finding::failed(Reason::EndpointTimeout, "no answer"));
        let misnamed = report(Finding::failed(Reason::CertificateNameMismatch, "wrong name"));
        let mut eyesight = Eyesight::default();
        let mut many = |report: &ProbeReport, established, number| {
            (0..number).for_each(|_| eyesight.count(report, established));
        };
        many(&gone, true, dead);
        many(&misnamed, true, wrong_name);
        many(&report(Finding::Ok), true, alive);
        many(&gone, false, unborn);
        eyesight.blind()
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

    #[test]
    fn a_tenant_that_is_seen_again_no_longer_counts() {
        let gone = report(Finding::failed(Reason::EndpointUnreachable, "refused"));
        let mut eyesight = Eyesight::default();
        (0..3).for_each(|_| eyesight.count(&gone, true));
        assert!(eyesight.blind());
        eyesight.discount(&gone, true);
        eyesight.count(&report(Finding::Ok), true);
        assert!(!eyesight.blind());
    }
}
