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

/// The middle value, or the mean of the two in the middle; NaN of nothing.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (count, middle) if count % 2 == 1 => sorted[middle],
        (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_value_whatever_the_order() {
        assert!((median(&[9.0, 1.0, 5.0]) - 5.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 2.0, 9.0]) - 3.0).abs() < f64::EPSILON);
    }
}
