//! Meltdown protection, as Gardener calls it: when the Leases of all nodes go stale at once while the API server answers,
//! what is cut is the way between them. kube-controller-manager then runs without the controllers that would mark the
//! nodes, empty the endpoints of their pods, and evict them.
//!
//! Time is short. kube-controller-manager marks a node that it has not seen renew for 50 s
//! (`--node-monitor-grace-period`), and kubelets renew every 10 s, so that the first may be marked 40 s after the last one
//! has renewed. Here it takes at most 26 s: a look every 5 s, [`PATIENCE`], and a look every second at the end of it.
//!
//! Nothing reads a clock of a node, or `renewTime`, which is of one. A Lease that was written after a look has a larger
//! resourceVersion than everything had at that look: Kubernetes has them comparable within a resource (KEP-5504).

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

/// Nodes that have to be lost at the same time. Of a single one it cannot be told what is wrong, and Kubernetes is right
/// about it: its pods are as lost as it is.
pub const FEWEST: usize = 2;
/// How long no Lease may change until all are stale: two renewals of each kubelet with its defaults.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same for kubelets that are configured to renew less often. Beyond it kube-controller-manager is faster anyway.
const LONGEST_PATIENCE: Duration = Duration::from_secs(40);
/// Nodes that have come back have to stay for so long: a kube-controller-manager that starts gives each node its 50 s anew,
/// and one that comes and goes must not restart it each time.
const CALM: Duration = Duration::from_secs(30);
/// A look that comes later than so long after the one before says nothing of the time between: the manager stood still, and
/// maybe the API server beside it.
const LONGEST_GAP: Duration = Duration::from_secs(15);
/// Between two looks.
const PAUSE: Duration = Duration::from_secs(5);
/// The same once it matters.
const SHORT_PAUSE: Duration = Duration::from_secs(1);

/// What the Leases of a tenant's nodes show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Heartbeats {
    /// Nothing yet, or the API server does not answer: then nodes cannot renew through no fault of theirs.
    #[default]
    Unknown,
    /// There are fewer nodes than [`FEWEST`].
    TooFew,
    /// No node renews.
    Silent {
        /// Nodes that were Ready when it began, of which no more than [`FEWEST`] are counted; `None`: not counted yet. One
        /// that was lost before, or said goodbye, is none.
        ready: Option<usize>,
    },
    /// At least one renews, but not for long.
    Returning,
    /// At least one renews: whatever the others do is for Kubernetes to judge.
    Steady,
}

/// Since when the nodes are taken for cut off, or that they are not. `since`: what kube-controller-manager runs with, which
/// outlives the manager.
#[must_use]
pub fn cut_off(
    since: Option<Timestamp>,
    heartbeats: Heartbeats,
    now: Timestamp,
) -> Option<Timestamp> {
    match heartbeats {
        Heartbeats::Unknown | Heartbeats::Returning => since,
        Heartbeats::TooFew | Heartbeats::Steady => None,
        Heartbeats::Silent { ready } => {
            since.or_else(|| (ready >= Some(FEWEST)).then(|| whole(now)))
        }
    }
}

/// It is written down and read again.
fn whole(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// How long no Lease may change until all are stale, given the `leaseDurationSeconds` of one: kubelet renews four times in
/// it (`nodeLeaseRenewIntervalFraction`).
#[must_use]
pub fn patience(lease_duration: Duration) -> Duration {
    (lease_duration / 2).clamp(PATIENCE, LONGEST_PATIENCE)
}

/// One look at the Leases.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// When, by the manager's own steady clock.
    pub at: Duration,
    /// resourceVersion of the list.
    pub version: u64,
    /// Largest resourceVersion of a Lease; `None`: there is none.
    pub newest: Option<u64>,
    /// [`patience`] with the slowest kubelet.
    pub patience: Duration,
}

/// What is remembered of earlier looks: how far everything was, not who.
#[derive(Debug, Default)]
pub struct Pulse {
    looks: VecDeque<(Duration, u64)>,
    renewed_at: Option<Duration>,
    renewing_since: Option<Duration>,
    last: Heartbeats,
}

impl Pulse {
    /// The Lease of a node that renews has a larger resourceVersion than this; `None`: nobody has looked yet.
    #[must_use]
    pub fn expects(&self, at: Duration, patience: Duration) -> Option<u64> {
        let is_old = |look: &&(Duration, u64)| look.0 + patience <= at;
        let old = self.looks.iter().rev().find(is_old);
        old.or_else(|| self.looks.front()).map(|(_, version)| *version)
    }

    /// What follows from a look. When a silence begins, somebody has to count: [`Self::counted`].
    pub fn take(&mut self, look: Look) -> Heartbeats {
        // An older version is of another history: etcd was brought back to a snapshot.
        let follows = |before: &(Duration, u64)| {
            look.version >= before.1 && look.at <= before.0 + LONGEST_GAP
        };
        if !self.looks.back().is_none_or(follows) {
            self.forget();
        }
        let Some(newest) = look.newest else { return self.forget() };
        let renewed = self.expects(look.at, look.patience).map(|version| newest > version);
        let long_enough = self.looks.front().is_some_and(|(at, _)| *at + look.patience <= look.at);
        if self.looks.back().is_none_or(|(_, version)| newest > *version) {
            self.renewed_at = Some(look.at);
        }
        self.looks.push_back((look.at, look.version));
        while self.looks.get(1).is_some_and(|(at, _)| *at + look.patience <= look.at) {
            self.looks.pop_front();
        }
        self.last = match renewed {
            Some(true) => {
                let since = *self.renewing_since.get_or_insert(look.at);
                if look.at >= since + CALM { Heartbeats::Steady } else { Heartbeats::Returning }
            }
            Some(false) if long_enough => {
                self.renewing_since = None;
                match self.last {
                    Heartbeats::Silent { ready } => Heartbeats::Silent { ready },
                    _ => Heartbeats::Silent { ready: None },
                }
            }
            _ => Heartbeats::Unknown,
        };
        self.last
    }

    /// So many nodes were Ready when the silence began.
    pub fn counted(&mut self, ready: usize) -> Heartbeats {
        if let Heartbeats::Silent { ready: known } = &mut self.last {
            *known = Some(ready);
        }
        self.last
    }

    /// The API server did not answer, or there is nothing to look at: from now on nodes are given all their time again.
    pub fn forget(&mut self) -> Heartbeats {
        *self = Self::default();
        self.last
    }

    /// How long to wait before the next look.
    #[must_use]
    pub fn pause(&self, now: Duration) -> Duration {
        let is_late = self.renewed_at.is_some_and(|at| at + PATIENCE * 3 / 4 <= now);
        let is_settled = matches!(self.last, Heartbeats::Silent { ready: Some(_) });
        if is_late && !is_settled { SHORT_PAUSE } else { PAUSE }
    }
}

#[cfg(test)]
mod tests;
