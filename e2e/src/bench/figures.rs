//! The figures: medians, targets, the table and `target/bench.json`.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::figures::{self, float, median, rounded};
use crate::ring::Outcome;

/// What was measured, one value per round (or one, where only the plane that was left alone is looked at).
#[derive(Debug, Default)]
pub struct Figures {
    /// Seconds from the first object to an issued certificate, without Nagaya.
    pub floor_joinable: Vec<f64>,
    /// The same with Nagaya.
    pub joinable: Vec<f64>,
    /// Seconds from the start of `kubeadm join` to a Ready node.
    pub join_to_ready: Vec<f64>,
    /// Seconds from the request to the end of object and control-plane namespace.
    pub delete: Vec<f64>,
    /// MiB, see `idle`.
    pub tenant_memory: Vec<f64>,
    /// MiB of anonymous pages.
    pub tenant_anon: Vec<f64>,
    /// MiB of anonymous pages of one that is in use, see `used`.
    pub tenant_anon_used: Vec<f64>,
    /// MiB of anonymous pages of an idle one, without Nagaya.
    pub floor_tenant_anon: Vec<f64>,
    /// Thousandths of a processor, without Nagaya.
    pub floor_idle_millicores: Vec<f64>,
    /// Processor time with Nagaya, over that without.
    pub idle_cpu_ratio: Vec<f64>,
    /// Seconds from the objects of ten tenants to the last issued certificate.
    pub ten_at_once: Vec<f64>,
    /// MiB.
    pub manager_rss: Vec<f64>,
    /// Requests to the management side from the object to Ready, token included.
    pub manager_api_calls_create: Vec<u64>,
    /// Requests to the management side for a change that asks for nothing.
    pub manager_api_calls_noop: Vec<u64>,
    /// Container restarts of all planes together.
    pub restarts: u64,
}

/// A figure of the table: its key in `target/bench.json`, its value, the most that it may be.
struct Row {
    key: &'static str,
    value: f64,
    target: Option<f64>,
    rounds: Vec<f64>,
}

impl Figures {
    /// The table for people.
    #[must_use]
    pub fn told(&self) -> String {
        let mut lines =
            vec![format!("{:<34} {:>9}  {:<14} ROUNDS", "FIGURE (median)", "VALUE", "TARGET")];
        for Row { key, value, target, rounds } in self.rows() {
            let verdict = target.map_or(String::new(), |target| {
                format!("≤ {target} {}", if value <= target { "met" } else { "MISSED" })
            });
            let rounds: Vec<_> = rounds.iter().map(|one| format!("{}", rounded(*one))).collect();
            let line = format!("{key:<34} {value:>9.2}  {verdict:<14} {}", rounds.join(" "));
            lines.push(line.trim_end().to_owned());
        }
        lines.join("\n")
    }

    /// Writes `target/bench.json` in this checkout and returns its path.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self) -> Outcome<PathBuf> {
        let mut values: Map<String, Value> = Map::new();
        let mut rounds: Map<String, Value> = Map::new();
        for row in self.rows() {
            values.insert(row.key.to_owned(), json!(rounded(row.value)));
            rounds.insert(row.key.to_owned(), json!(row.rounds));
        }
        values.insert("rounds".to_owned(), Value::Object(rounds));
        Ok(figures::write("bench.json", values)?)
    }

    fn rows(&self) -> Vec<Row> {
        let row = |key, rounds: &[f64], target| Row {
            key,
            value: median(rounds),
            target,
            rounds: rounds.to_vec(),
        };
        let ratio = median(&self.joinable) / median(&self.floor_joinable);
        let calls = |counts: &[u64]| counts.iter().map(|count| float(*count)).collect::<Vec<_>>();
        vec![
            row("floor_joinable_s", &self.floor_joinable, None),
            row("joinable_s", &self.joinable, None),
            Row { key: "joinable_ratio", value: ratio, target: Some(1.1), rounds: Vec::new() },
            row("join_to_ready_s", &self.join_to_ready, Some(5.0)),
            row("delete_s", &self.delete, Some(10.0)),
            row("tenant_memory_mib", &self.tenant_memory, None),
            row("tenant_anon_mib", &self.tenant_anon, Some(240.0)),
            row("tenant_anon_used_mib", &self.tenant_anon_used, Some(200.0)),
            row("floor_tenant_anon_mib", &self.floor_tenant_anon, None),
            row("floor_idle_millicores", &self.floor_idle_millicores, None),
            row("idle_cpu_ratio", &self.idle_cpu_ratio, Some(0.5)),
            row("ten_at_once_s", &self.ten_at_once, Some(45.0)),
            row("manager_rss_mib", &self.manager_rss, Some(30.0)),
            row("manager_api_calls_create", &calls(&self.manager_api_calls_create), None),
            row("manager_api_calls_noop", &calls(&self.manager_api_calls_noop), None),
            row("restarts", &[float(self.restarts)], Some(0.0)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_target_is_said() {
        let figures = Figures {
            floor_joinable: vec![10.0],
            joinable: vec![12.0],
            restarts: 1,
            ..Figures::default()
        };
        let told = figures.told();
        let line = |key: &str| told.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
        assert!(line("joinable_ratio").contains("1.20  ≤ 1.1 MISSED"), "{told}");
        assert!(line("restarts").contains("MISSED"), "{told}");
    }
}
