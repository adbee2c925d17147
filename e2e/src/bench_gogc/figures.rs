//! Medians, the table and `target/bench-gogc.json`.

use std::path::PathBuf;

use serde_json::{Map, json};

use super::Measured;
use crate::figures::{self, median, rounded};
use crate::ring::Outcome;

/// A column: its key, and what it is of one measurement.
type Column = (&'static str, fn(&Measured) -> f64);

const COLUMNS: [Column; 6] = [
    ("ready_s", |one| one.ready),
    ("ready_processor_s", |one| one.ready_processor),
    ("anon_mib", |one| one.anonymous),
    ("idle_millicores", |one| one.idle_millicores),
    ("load_p99_ms", |one| one.load.p99),
    ("load_processor_ms", |one| one.processor_per_request),
];

/// All that was measured, by setting.
pub struct Figures(Vec<(u32, Vec<Measured>)>);

impl Figures {
    /// Nothing of these settings yet.
    pub fn new(settings: &[u32]) -> Self {
        Self(settings.iter().map(|setting| (*setting, Vec::new())).collect())
    }

    /// Adds a measurement.
    pub fn add(&mut self, setting: u32, measured: Measured) {
        if let Some((_, all)) = self.0.iter_mut().find(|(known, _)| *known == setting) {
            all.push(measured);
        }
    }

    /// The table for people.
    pub fn told(&self) -> String {
        let heads = COLUMNS.map(|(key, _)| format!("{key:>18}"));
        let mut lines = vec![format!("{:<14}{}", "GOGC (medians)", heads.concat())];
        for (setting, all) in &self.0 {
            let cells = COLUMNS.map(|(_, of)| format!("{:>18.2}", middle(all, of)));
            lines.push(format!("{setting:<14}{}", cells.concat()));
        }
        lines.join("\n")
    }

    /// Writes `target/bench-gogc.json` in this checkout and returns its path.
    pub fn write(&self) -> Outcome<PathBuf> {
        let mut values = Map::new();
        for (setting, all) in &self.0 {
            let of_one: Map<_, _> = COLUMNS
                .iter()
                .map(|(key, of)| ((*key).to_owned(), json!(rounded(middle(all, *of)))))
                .collect();
            values.insert(setting.to_string(), of_one.into());
        }
        Ok(figures::write("bench-gogc.json", values)?)
    }
}

fn middle(all: &[Measured], of: fn(&Measured) -> f64) -> f64 {
    median(&all.iter().map(of).collect::<Vec<_>>())
}
