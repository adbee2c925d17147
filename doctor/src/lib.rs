//! `nagaya-doctor`: takes the arguments of `kubeadm join`, and says why that would fail on this machine and which command mends it.
//!
//! What is looked at is apart from what is made of it: [`examine`] observes (files below a root, programs, sockets, the API
//! server) and then judges, and judging is pure.
//!
//! | what | file |
//! |---|---|
//! | the arguments, which are those of `kubeadm join` | `arguments.rs` |
//! | the checks, in their order, with what each needs | `check.rs` |
//! | what is seen | `facts.rs`; `observe.rs` and `observe/` see it |
//! | what `cluster-info` says, and whether it is to be believed | `cluster_info.rs` |
//! | what is made of it: a finding for each check | `judge.rs` and `judge/` |
//! | what the operator looks at besides, without the machine (`nagaya doctor`, in `src/doctor/` of the manager) | `operator.rs` |
//! | how it is told | `report.rs`; `reference.rs` makes the page in `docs/reference/` |

mod arguments;
mod check;
mod cluster_info;
mod facts;
mod judge;
mod observe;
mod operator;
pub mod reference;
mod report;
mod version;

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

pub use arguments::{Arguments, Endpoint};
pub use check::Check;
pub use operator::OperatorCheck;
pub use report::{Finding, Report, Side, Verdict};

/// Where the doctor looks: `/` and the machine's clock, unless it is a test.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Files and programs are looked for below it.
    pub root: PathBuf,
    /// How far the clock that is looked at is ahead of the machine's.
    pub clock_ahead: SignedDuration,
    /// How long the API server may take to accept a connection, and for each piece of an answer. Less than the 10 s after which
    /// it ends a handshake that stands still (Go's `tlsHandshakeTimeout`): that would look as if it refused.
    pub patience: Duration,
}

impl Ground {
    /// This machine, with files and programs from below `root`.
    #[must_use]
    pub fn below(root: PathBuf) -> Self {
        Self { root, clock_ahead: SignedDuration::ZERO, patience: Duration::from_secs(8) }
    }
}

/// Looks at everything, and judges it. Nothing is changed, neither here nor in the cluster.
#[must_use]
pub fn examine(join: &Arguments, ground: &Ground) -> Report {
    judge::report(join, &observe::facts(join, ground))
}

/// What can be seen of the same join from another host: name, connection, TLS, cluster-info; and with the token, whether it is taken,
/// whether the pin is right, what the token may read, and which machines the API server takes.
#[must_use]
pub fn examine_from_elsewhere(join: &Arguments, ground: &Ground) -> Vec<Finding> {
    let checks = [Check::FROM_ELSEWHERE, Check::WITH_TOKEN].concat();
    judge::from_elsewhere(&checks, join, &observe::way(join, ground))
}

/// The part of it for which no token is needed: that of `join` is not shown to anybody. The rest is not checked.
#[must_use]
pub fn examine_without_token(join: &Arguments, ground: &Ground) -> Vec<Finding> {
    let join = Arguments { pins: Vec::new(), any_ca: false, ..join.clone() };
    let way = observe::way(&join, ground);
    let mut findings = judge::from_elsewhere(Check::FROM_ELSEWHERE, &join, &way);
    findings.extend(judge::unexamined(Check::WITH_TOKEN, "there is no join command to look at"));
    findings
}

/// The same where none of it can be looked at.
#[must_use]
pub fn unexamined(because: &str) -> Vec<Finding> {
    judge::unexamined(&[Check::FROM_ELSEWHERE, Check::WITH_TOKEN].concat(), because)
}
