//! What the real-ring tests are made of: tenants, machines and tokens of a running sandbox, seen
//! through kubectl and the machines themselves, as a user sees them.
//!
//! Reading order: [`scenario()`] (what every test is), [`project`], [`tenant`], [`join_token`],
//! [`machine`], [`workload`], [`invariants`] (what holds after every scenario).

mod certificate;
pub mod counter;
pub mod doctor;
mod explain;
pub mod filler;
mod firewall;
mod forward;
mod gateway;
mod haproxy;
pub mod invariants;
pub mod join_token;
pub mod kinds;
pub mod kubectl;
pub mod machine;
pub mod manager;
mod metallb;
pub mod moves;
pub mod nat;
pub mod process;
pub mod project;
mod report;
pub mod s3_server;
mod scenario;
mod snapshots;
pub mod tenant;
pub mod tenant_webhook;
pub mod tunnel;
pub mod versions;
pub mod wait;
pub mod webhook;
pub mod workload;

pub use counter::{Counted, Counter};
pub use doctor::Diagnosis;
pub use forward::Forward;
pub use gateway::Gateway;
pub use haproxy::HaProxy;
pub use join_token::{JoinSecret, JoinToken};
pub use kubectl::Kubectl;
pub use machine::{JoinAttempt, Machine};
pub use metallb::MetalLb;
pub use nat::Nat;
pub use process::Process;
pub use project::Project;
pub use scenario::{alone, is_long, scenario};
pub use tenant::{Condition, Tenant};
pub use wait::{Look, stays, wait_until};
pub use webhook::Webhook;

/// What a test and each of its steps returns.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Why a test fails, in words: a test that returns it prints them as they are.
pub struct Failure(String);

impl Failure {
    /// A failure in words.
    #[must_use]
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The test harness prints this one.
impl std::fmt::Debug for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Fails with `words` unless `holds`.
///
/// # Errors
/// It does not hold.
pub fn ensure(holds: bool, words: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(Failure(words())) }
}

/// Fails unless `text` contains every one of `parts`.
///
/// # Errors
/// One is missing; the text is shown.
pub fn ensure_says(text: &str, parts: &[&str]) -> Outcome {
    parts.iter().try_for_each(|part| {
        ensure(text.contains(part), || format!("{part:?} is not in what was said:\n{text}"))
    })
}
