//! Differences, told field by field.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::operation::Operation;
use crate::side::Answer;

/// More than these do not help who reads of them.
const MOST: usize = 10;
const MOST_FIELDS: usize = 20;

/// One of each sort: that most others follow from.
#[derive(Default)]
pub struct Differences {
    sorts: BTreeSet<String>,
    told: Vec<String>,
}

impl Differences {
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    pub fn are_few(&self) -> bool {
        self.told.len() < MOST
    }

    pub fn note(&mut self, operation: &Operation, expected: &Answer, answer: &Answer) {
        let mut fields = Vec::new();
        if expected.code != answer.code {
            fields.push(format!("code: real {}, in memory {}", expected.code, answer.code));
        }
        compare("", Some(&expected.body), Some(&answer.body), &mut fields);
        let first = fields[0].split(':').next().unwrap_or_default();
        if !self.sorts.insert(format!("{} {} {first}", operation.method(), operation.kind.name)) {
            return;
        }
        fields.truncate(MOST_FIELDS);
        let answers = if self.is_empty() {
            format!("\n  real: {}\n  in memory: {}", expected.body, answer.body)
        } else {
            String::new()
        };
        self.told.push(format!("{operation}\n    {}{answers}", fields.join("\n    ")));
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.told.join("\n\n"))
    }
}

/// A line for each field that differs.
fn compare(at: &str, expected: Option<&Value>, answer: Option<&Value>, lines: &mut Vec<String>) {
    match (expected, answer) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let names: BTreeSet<_> = one.keys().chain(other.keys()).collect();
            for name in names {
                compare(&format!("{at}/{name}"), one.get(name), other.get(name), lines);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                compare(&format!("{at}/{index}"), Some(one), Some(other), lines);
            }
        }
        _ if expected != answer => {
            let text = |value: Option<&Value>| value.map_or("-".to_owned(), Value::to_string);
            lines.push(format!("{at}: real {}, in memory {}", text(expected), text(answer)));
        }
        _ => {}
    }
}

#[test]
fn what_differs_is_told_by_its_path() {
    let mut lines = Vec::new();
    let one = serde_json::json!({"a": {"b": [1, {"c": null}]}, "same": 1});
    let other = serde_json::json!({"a": {"b": [1, {}], "d": 2}, "same": 1});
    compare("", Some(&one), Some(&other), &mut lines);
    assert_eq!(lines, ["/a/b/1/c: real null, in memory -", "/a/d: real -, in memory 2"]);
}
