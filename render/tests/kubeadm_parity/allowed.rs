//! The differences that were reviewed, from `differences.yaml`.

use serde::Deserialize;
use serde_json::Value;

use crate::compare::Difference;

/// A difference, or several of one kind, and why it is right.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// `Kind/namespace/name`; `*` stands for any text.
    object: String,
    /// Path in the object, `*` likewise; empty: the whole object.
    path: String,
    /// What kubeadm writes there; left out: nothing; `"*"`: anything.
    kubeadm: Option<Value>,
    /// What Nagaya writes there, likewise.
    nagaya: Option<Value>,
    /// Minors in which it is so; left out: all.
    minors: Option<Vec<u16>>,
    /// Why.
    #[serde(rename = "why")]
    _why: String,
}

pub fn read() -> Vec<Allowed> {
    serde_yaml_ng::from_str(include_str!("differences.yaml")).unwrap()
}

impl Allowed {
    pub fn applies_to(&self, minor: u16) -> bool {
        self.minors.as_ref().is_none_or(|minors| minors.contains(&minor))
    }

    pub fn explains(&self, difference: &Difference) -> bool {
        fits(&self.object, &difference.object)
            && fits(&self.path, &difference.path)
            && value_fits(self.kubeadm.as_ref(), difference.kubeadm.as_ref())
            && value_fits(self.nagaya.as_ref(), difference.nagaya.as_ref())
    }
}

fn value_fits(pattern: Option<&Value>, value: Option<&Value>) -> bool {
    match (pattern, value) {
        (Some(pattern), Some(value)) => pattern == "*" || pattern == value,
        (pattern, value) => pattern.is_none() && value.is_none(),
    }
}

/// Whether `text` is `pattern`, whose only `*`, if any, stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => {
            text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
        }
        None => pattern == text,
    }
}
