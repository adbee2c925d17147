//! Conditions as a list to be merged: a time moves only when a state flips.

use std::borrow::Cow;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use strum::IntoStaticStr;

/// State of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
pub enum State {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows.
    Unknown,
}

/// What was found about one condition type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub(super) state: State,
    pub(super) reason: Cow<'static, str>,
    pub(super) message: String,
}

impl Verdict {
    /// A finding with its reason (`CamelCase`) and words.
    #[must_use]
    pub fn new(state: State, reason: &'static str, message: impl Into<String>) -> Self {
        Self { state, reason: Cow::Borrowed(reason), message: message.into() }
    }

    /// What a condition says.
    #[must_use]
    pub fn of(condition: &Condition) -> Self {
        let state = match condition.status.as_str() {
            "True" => State::True,
            "False" => State::False,
            _ => State::Unknown,
        };
        let reason = Cow::Owned(condition.reason.clone());
        Self { state, reason, message: condition.message.clone() }
    }

    /// Its words.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same reason and words, of a condition that is in this state.
    #[must_use]
    pub fn as_if(&self, state: State) -> Self {
        Self { state, ..self.clone() }
    }
}

/// Merges `found` into `previous`. `None` removes a type (kstatus: `Reconciling` and `Stalled` are there only
/// while True); a type that is not mentioned stays as it was.
#[must_use]
pub fn merge(
    previous: &[Condition],
    found: Vec<(&'static str, Option<Verdict>)>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let mut merged: Vec<Condition> = previous.to_vec();
    for (kind, finding) in found {
        let position = merged.iter().position(|condition| condition.type_ == kind);
        match (position, finding) {
            (Some(index), None) => {
                merged.remove(index);
            }
            (None, None) => {}
            (position, Some(finding)) => {
                let status: &'static str = finding.state.into();
                let old = position.map(|index| &merged[index]);
                let since = match old {
                    Some(old) if old.status == status => old.last_transition_time.clone(),
                    _ => Time(now),
                };
                let condition = Condition {
                    type_: kind.to_owned(),
                    status: status.to_owned(),
                    reason: finding.reason.into_owned(),
                    message: finding.message,
                    observed_generation: generation,
                    last_transition_time: since,
                };
                match position {
                    Some(index) => merged[index] = condition,
                    None => merged.push(condition),
                }
            }
        }
    }
    merged
}
