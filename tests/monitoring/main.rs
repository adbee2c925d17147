//! `manifests/monitoring/`: alerts, dashboard and scrape configuration, by the programs that read them
//! (Debian's `prometheus` and `promtool`) and against the metrics that the manager really has.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails the test")]

mod alerts;
mod dashboard;
mod exporter;
mod expression;
mod prometheus;
mod scraping;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A path of the checkout.
fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    let path = checkout(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read_yaml(path: &str) -> Value {
    serde_yaml_ng::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The list at `key`; empty if there is none.
fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

/// Runs promtool, and fails with its words if it is not content.
fn promtool(words: &[&str]) {
    let mut promtool = Command::new("promtool");
    let output = promtool.args(words).current_dir(checkout("")).output().unwrap_or_else(|error| {
        panic!("promtool: {error}; install Debian's package: apt-get install prometheus")
    });
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
}
