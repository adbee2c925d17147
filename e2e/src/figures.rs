//! Figures of the benchmarks in a file of `target/`, for programs.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::error::Result;
use crate::paths;

/// Writes `target/NAME` in this checkout and returns its path.
///
/// # Errors
/// It cannot be written.
pub fn write(name: &str, values: Map<String, Value>) -> Result<PathBuf> {
    let folder = paths::checkout().join("target");
    paths::make_folder(&folder)?;
    let path = folder.join(name);
    paths::write_whole(&path, format!("{:#}\n", Value::Object(values)).as_bytes())?;
    Ok(path)
}

/// To hundredths.
#[must_use]
pub fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// A count as a figure.
#[allow(
    clippy::cast_precision_loss,
    reason = "what is counted is far from where a float gets inexact"
)]
#[must_use]
pub fn float(count: impl TryInto<u64>) -> f64 {
    count.try_into().map_or(f64::NAN, |count| count as f64)
}
