//! The figures: targets, the table and `target/bench-scale.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::figures::{self, float, rounded};
use crate::ring::Outcome;

/// What one control plane is made of, on the management side.
#[derive(Debug, Default)]
pub struct Objects {
    pub pods: usize,
    pub services: usize,
    pub secrets: usize,
    pub volumes: usize,
}

/// What was measured. NaN: not.
#[derive(Debug)]
pub struct Figures {
    tenants: usize,
    values: BTreeMap<&'static str, f64>,
    /// Seconds of processor time of each program while all tenants were made.
    pub processor: BTreeMap<&'static str, f64>,
    /// MiB of the manager, by how many tenants there were.
    pub memory: BTreeMap<usize, f64>,
    /// What one control plane is made of.
    pub objects: Objects,
}

/// Keys in the order of the table, and the most that each may be.
const KEYS: [(&str, Option<f64>); 19] = [
    ("all_ready_s", Some(60.0)),
    ("last_hundred_ratio", Some(1.2)),
    ("writes_per_tenant", Some(35.0)),
    ("all_clients_writes_per_tenant", None),
    ("idle_millicores", Some(30.0)),
    ("idle_writes_per_min", Some(0.0)),
    ("idle_lists_per_min", Some(0.0)),
    ("dead_detected_s", Some(15.0)),
    ("edit_p99_ms", Some(100.0)),
    ("edit_p99_ms_flapping", Some(100.0)),
    ("flaps_per_s", None),
    ("restart_verify_s", Some(5.0)),
    ("restart_writes", Some(0.0)),
    ("followed_at_once", Some(BUDGET)),
    ("followed", None),
    ("followed_after_stop", Some(0.0)),
    ("following_millicores", None),
    ("delete_all_s", Some(120.0)),
    ("create_rate_per_s", None),
];
/// How many tenants at a time may follow a manager with other settings.
pub const BUDGET: f64 = 20.0;
/// The most that the manager may have resident, in MiB, with so many tenants.
const MEMORY: [(usize, f64); 2] = [(100, 40.0), (1000, 80.0)];

struct Row {
    key: String,
    value: f64,
    target: Option<f64>,
}

impl Figures {
    /// Nothing measured yet.
    #[must_use]
    pub fn new(tenants: usize) -> Self {
        Self {
            tenants,
            values: BTreeMap::new(),
            processor: BTreeMap::new(),
            memory: BTreeMap::new(),
            objects: Objects::default(),
        }
    }

    /// Notes a figure.
    pub fn set(&mut self, key: &'static str, value: f64) {
        debug_assert!(KEYS.iter().any(|(known, _)| *known == key), "{key} is in no table");
        self.values.insert(key, value);
    }

    /// The table for people.
    #[must_use]
    pub fn told(&self) -> String {
        let mut lines = vec![format!("{:<34} {:>9}  TARGET", "FIGURE", "VALUE")];
        for Row { key, value, target } in self.rows() {
            let verdict = match target {
                _ if value.is_nan() => "not measured".to_owned(),
                Some(target) if value <= target => format!("≤ {target} met"),
                Some(target) => format!("≤ {target} MISSED"),
                None => String::new(),
            };
            lines.push(format!("{key:<34} {value:>9.2}  {verdict}").trim_end().to_owned());
        }
        let processor = self.processor.iter().map(|(name, used)| format!("{name} {used:.1}"));
        let processor: Vec<String> = processor.collect();
        lines.push(format!("Processor seconds while all were made: {}", processor.join(", ")));
        lines.join("\n")
    }

    /// Writes `target/bench-scale.json` in this checkout and returns its path.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self) -> Outcome<PathBuf> {
        let mut values: Map<String, Value> = Map::new();
        for row in self.rows() {
            values.insert(row.key, json!(rounded(row.value)));
        }
        let processor = self.processor.iter().map(|(name, used)| (*name, rounded(*used)));
        values.insert("processor_s".to_owned(), json!(processor.collect::<BTreeMap<_, _>>()));
        Ok(figures::write("bench-scale.json", values)?)
    }

    fn rows(&self) -> Vec<Row> {
        let row = |key: &str, value, target| Row { key: key.to_owned(), value, target };
        let mut rows = vec![row("tenants", float(self.tenants), None)];
        for (key, target) in KEYS {
            rows.push(row(key, self.values.get(key).copied().unwrap_or(f64::NAN), target));
        }
        for (tenants, mib) in &self.memory {
            let target = MEMORY.iter().find(|(of, _)| of == tenants).map(|(_, target)| *target);
            rows.push(row(&format!("manager_rss_mib_{tenants}"), *mib, target));
        }
        let Objects { pods, services, secrets, volumes } = &self.objects;
        let counts =
            [("pods", pods), ("services", services), ("secrets", secrets), ("volumes", volumes)];
        rows.extend(
            counts.map(|(what, count)| row(&format!("{what}_per_tenant"), float(*count), None)),
        );
        rows
    }
}

/// The value that 99 of 100 do not exceed; NaN of nothing.
#[must_use]
pub fn p99(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    // The rank is rounded up: of few values it is the last.
    let rank = (sorted.len() * 99).div_ceil(100);
    rank.checked_sub(1).map_or(f64::NAN, |last| sorted[last])
}

/// How much longer the last tenth took to get ready than the first; `times` are sorted.
#[must_use]
pub fn last_to_first_tenth(times: &[f64]) -> f64 {
    let (count, tenth) = (times.len(), (times.len() / 10).max(1));
    let (Some(first), Some(last)) = (times.get(tenth - 1), times.last()) else { return f64::NAN };
    let before = count.checked_sub(tenth + 1).and_then(|index| times.get(index)).unwrap_or(&0.0);
    (last - before) / first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(value: f64, wanted: f64) -> bool {
        (value - wanted).abs() < 1e-9
    }

    #[test]
    fn of_few_values_the_worst_is_the_99th_of_100() {
        assert!(is(p99(&[3.0, 9.0, 1.0]), 9.0));
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert!(is(p99(&hundred), 99.0));
        assert!(p99(&[]).is_nan());
    }

    #[test]
    fn the_last_tenth_is_compared_with_the_first() {
        let evenly: Vec<f64> = (1..=20).map(f64::from).collect();
        assert!(is(last_to_first_tenth(&evenly), 1.0));
        let mut slower = evenly;
        slower[19] = 22.0;
        assert!(is(last_to_first_tenth(&slower), 2.0));
    }

    #[test]
    fn a_missed_target_is_said() {
        let mut figures = Figures::new(100);
        figures.set("all_ready_s", 61.0);
        figures.memory.insert(100, 39.0);
        let told = figures.told();
        let line = |key: &str| told.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
        assert!(line("all_ready_s").contains("MISSED"), "{told}");
        assert!(line("manager_rss_mib_100").contains("met"), "{told}");
        assert!(line("delete_all_s").contains("not measured"), "{told}");
    }
}
