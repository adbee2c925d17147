//! `make bench-check`: the last `make bench` beside the committed one ([`BASELINE`]).
//!
//! Machines differ, and one machine from hour to hour: what has a floor is compared as a ratio to the floor of the same
//! run.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::error::IoContext;
use crate::paths;
use crate::ring::{Failure, Outcome, ensure};

/// Made by copying `target/bench.json` of a run that nothing disturbed.
const BASELINE: &str = "e2e/bench-baseline.json";
/// A figure may be so much worse than the committed one.
const SLACK: f64 = 1.2;
/// Each figure, and what it is compared as a ratio to.
const COMPARED: [(&str, Option<&str>); 9] = [
    ("joinable_s", Some("floor_joinable_s")),
    ("join_to_ready_s", Some("floor_joinable_s")),
    ("delete_s", Some("floor_joinable_s")),
    ("ten_at_once_s", Some("floor_joinable_s")),
    ("tenant_anon_mib", Some("floor_tenant_anon_mib")),
    ("idle_cpu_ratio", None),
    ("manager_rss_mib", None),
    ("manager_api_calls_create", None),
    ("manager_api_calls_noop", None),
];

/// Prints both, line by line.
///
/// # Errors
/// A figure is over 20 % worse, or there is none; a file cannot be read.
pub fn run() -> Outcome {
    let checkout = paths::checkout();
    let now = read(&checkout.join("target/bench.json"), "run `make bench` first")?;
    let before = read(&checkout.join(BASELINE), "it is committed")?;
    println!("{:<48} {:>9} {:>9} {:>7}", "FIGURE", "COMMITTED", "NOW", "RATIO");
    let mut worse = Vec::new();
    for line in compare(&before, &now)? {
        println!("{line}");
        if line.is_worse() {
            worse.push(line.name);
        }
    }
    ensure(worse.is_empty(), || format!("over 20 % worse: {}", worse.join(", ")))
}

fn read(path: &Path, otherwise: &str) -> Outcome<Value> {
    if !path.exists() {
        return Err(Failure::new(format!("there is no {}: {otherwise}", path.display())));
    }
    Ok(serde_json::from_str(&fs::read_to_string(path).on("read", path)?)?)
}

struct Line {
    name: String,
    before: f64,
    now: f64,
}

impl Line {
    fn is_worse(&self) -> bool {
        self.now > self.before * SLACK
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, before, now } = self;
        let verdict = if self.is_worse() { " WORSE" } else { "" };
        write!(f, "{name:<48} {before:>9.2} {now:>9.2} {:>7.2}{verdict}", now / before)
    }
}

fn compare(before: &Value, now: &Value) -> Outcome<Vec<Line>> {
    let line = |(key, floor): (&str, Option<&str>)| {
        let name = floor.map_or(key.to_owned(), |floor| format!("{key} / {floor}"));
        Ok(Line { name, before: figure(before, key, floor)?, now: figure(now, key, floor)? })
    };
    COMPARED.into_iter().map(line).collect()
}

fn figure(of: &Value, key: &str, floor: Option<&str>) -> Outcome<f64> {
    let number = |key: &str| {
        of[key].as_f64().ok_or_else(|| Failure::new(format!("there is no number {key} in {of}")))
    };
    Ok(number(key)? / floor.map_or(Ok(1.0), number)?)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    /// Each figure is `value`, and each floor is 10.
    fn all(value: f64) -> Value {
        let mut figures = Map::new();
        for (key, floor) in COMPARED {
            figures.insert(key.to_owned(), json!(value));
            floor.map(|floor| figures.insert(floor.to_owned(), json!(10.0)));
        }
        Value::Object(figures)
    }

    fn worse(before: &Value, now: &Value) -> Vec<String> {
        let lines = compare(before, now).unwrap().into_iter();
        lines.filter(Line::is_worse).map(|line| line.name).collect()
    }

    #[test]
    fn a_fifth_more_is_allowed_and_no_more() {
        assert!(worse(&all(10.0), &all(12.0)).is_empty());
        assert_eq!(worse(&all(10.0), &all(12.1)).len(), COMPARED.len());
    }

    #[test]
    fn a_slower_machine_is_not_worse_where_there_is_a_floor() {
        let mut now = all(10.0);
        now["joinable_s"] = json!(20.0);
        assert_eq!(worse(&all(10.0), &now), ["joinable_s / floor_joinable_s"]);
        for key in
            ["joinable_s", "join_to_ready_s", "delete_s", "ten_at_once_s", "floor_joinable_s"]
        {
            now[key] = json!(20.0);
        }
        assert!(worse(&all(10.0), &now).is_empty());
    }

    #[test]
    fn what_is_committed_has_every_figure() {
        let committed = read(&paths::checkout().join(BASELINE), "it is committed").unwrap();
        assert!(worse(&committed, &committed).is_empty());
    }

    #[test]
    fn a_figure_that_is_missing_is_an_error() {
        let failure = compare(&all(1.0), &json!({})).err().unwrap();
        assert!(failure.to_string().contains("there is no number joinable_s"), "{failure}");
    }
}
