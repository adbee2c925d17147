//! The figures: targets, the table and `target/bench-gateway.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::figures;
use crate::ring::Outcome;

/// What a figure has to be.
#[derive(Clone, Copy)]
enum Target {
    None,
    AtLeast(f64),
    AtMost(f64),
    AtMostThat(&'static str),
}

use Target::{AtLeast, AtMost, AtMostThat, None as Any};

/// Keys in the order of the table.
const KEYS: [(&str, Target); 29] = [
    ("throughput_vs_haproxy", AtLeast(0.95)),
    ("throughput_vs_direct", Any),
    ("mib_per_s_1", Any),
    ("mib_per_s_1_haproxy", Any),
    ("mib_per_s_1_nginx", Any),
    ("mib_per_s_1_direct", Any),
    ("mib_per_s_100", Any),
    ("mib_per_s_100_haproxy", Any),
    ("mib_per_s_100_nginx", Any),
    ("mib_per_s_100_direct", Any),
    ("mib_per_s_most", Any),
    ("mib_per_s_most_haproxy", Any),
    ("mib_per_s_most_nginx", Any),
    ("mib_per_s_most_direct", Any),
    ("idle_conn_bytes", AtMostThat("haproxy_idle_conn_bytes")),
    ("haproxy_idle_conn_bytes", Any),
    ("nginx_idle_conn_bytes", Any),
    ("added_p50_ms", Any),
    ("added_p99_ms", AtMost(1.0)),
    ("haproxy_added_p50_ms", Any),
    ("haproxy_added_p99_ms", Any),
    ("nginx_added_p50_ms", Any),
    ("nginx_added_p99_ms", Any),
    ("route_update_ms", AtMost(200.0)),
    ("route_update_max_ms", Any),
    ("dropped_on_route_update", AtMost(0.0)),
    ("routes", Any),
    ("connections", Any),
    ("rounds", Any),
];

/// What was measured.
#[derive(Debug, Default)]
pub struct Figures(BTreeMap<&'static str, f64>);

impl Figures {
    /// Notes a figure.
    pub fn set(&mut self, key: &'static str, value: f64) {
        debug_assert!(KEYS.iter().any(|(known, _)| *known == key), "{key} is in no table");
        self.0.insert(key, value);
    }

    /// The table for people.
    #[must_use]
    pub fn told(&self) -> String {
        let mut lines = vec![format!("{:<26} {:>11}  TARGET", "FIGURE", "VALUE")];
        for (key, target) in KEYS {
            let value = self.value(key);
            let line = format!("{key:<26} {value:>11.3}  {}", self.verdict(value, target));
            lines.push(line.trim_end().to_owned());
        }
        lines.join("\n")
    }

    fn verdict(&self, value: f64, target: Target) -> String {
        let (holds, words) = match target {
            _ if value.is_nan() => return "not measured".to_owned(),
            Any => return String::new(),
            AtLeast(target) => (value >= target, format!("≥ {target}")),
            AtMost(target) => (value <= target, format!("≤ {target}")),
            AtMostThat(other) => (value <= self.value(other), format!("≤ {other}")),
        };
        format!("{words} {}", if holds { "met" } else { "MISSED" })
    }

    fn value(&self, key: &str) -> f64 {
        self.0.get(key).copied().unwrap_or(f64::NAN)
    }

    /// Writes `target/bench-gateway.json` in this checkout and returns its path.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self) -> Outcome<PathBuf> {
        let thousandths = |value: f64| json!((value * 1000.0).round() / 1000.0);
        let values = KEYS.map(|(key, _)| (key.to_owned(), thousandths(self.value(key))));
        let values: Map<String, Value> = values.into_iter().collect();
        Ok(figures::write("bench-gateway.json", values)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_target_is_said_also_when_it_is_another_figure() {
        let mut figures = Figures::default();
        figures.set("throughput_vs_haproxy", 0.96);
        figures.set("idle_conn_bytes", 2001.0);
        figures.set("haproxy_idle_conn_bytes", 2000.0);
        let told = figures.told();
        let line = |key: &str| told.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
        assert!(line("throughput_vs_haproxy").ends_with("≥ 0.95 met"), "{told}");
        assert!(line("idle_conn_bytes").ends_with("≤ haproxy_idle_conn_bytes MISSED"), "{told}");
        assert!(line("route_update_ms").ends_with("not measured"), "{told}");
    }
}
