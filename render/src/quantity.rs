//! Kubernetes quantities (`apimachinery/pkg/api/resource`).

/// Bytes of a whole quantity. `None` for the other forms (`1.5Gi`, `1e9`, `500m`), which nobody writes for
/// memory, and for more than an u64 holds.
pub(crate) fn bytes(quantity: &str) -> Option<u64> {
    let (number, suffix) = split(quantity);
    let unit: u64 = match suffix {
        "" => 1,
        "k" => 1000,
        "M" => 1000_u64.pow(2),
        "G" => 1000_u64.pow(3),
        "T" => 1000_u64.pow(4),
        "Ki" => 1024,
        "Mi" => 1024_u64.pow(2),
        "Gi" => 1024_u64.pow(3),
        "Ti" => 1024_u64.pow(4),
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

const SUFFIXES: [&str; 16] =
    ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// Whether Kubernetes reads `text` as a quantity (`ParseQuantity`).
pub(crate) fn is_quantity(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (number, suffix) = split(unsigned);
    let is_number =
        number.bytes().any(|byte| byte.is_ascii_digit()) && number.matches('.').count() <= 1;
    let is_exponent =
        suffix.strip_prefix(['e', 'E']).is_some_and(|power| power.parse::<i32>().is_ok());
    is_number && (is_exponent || SUFFIXES.contains(&suffix))
}

/// Whether both are the same quantity, however written.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    one == other || nanos(one).is_some_and(|value| nanos(other) == Some(value))
}

/// Whether `one` is a larger quantity than `other`. What is no quantity is not.
pub(crate) fn is_more(one: &str, other: &str) -> bool {
    nanos(one).zip(nanos(other)).is_some_and(|(one, other)| one > other)
}

/// In billionths, the smallest part that Kubernetes keeps. `None`: no quantity, or beyond 128 bits.
fn nanos(text: &str) -> Option<i128> {
    if !is_quantity(text) {
        return None;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (number, suffix) = split(unsigned);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let decimals = i32::try_from(fraction.len()).ok()?;
    let position = |tag: &str, tags: &[&str]| tags.iter().position(|one| *one == tag);
    let (binary, power) = match position(suffix, &["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]) {
        Some(index) => (1024_i128.checked_pow(u32::try_from(index).ok()? + 1)?, 0),
        None => match position(suffix, &["n", "u", "m", "", "k", "M", "G", "T", "P", "E"]) {
            Some(index) => (1, 3 * i32::try_from(index).ok()? - 9),
            None => (1, suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
        },
    };
    let digits = digits.checked_mul(binary)?;
    let exponent = 9 + power - decimals;
    let scale = 10_i128.checked_pow(exponent.unsigned_abs())?;
    let value = if exponent < 0 { digits / scale } else { digits.checked_mul(scale)? };
    Some(if text.starts_with('-') { -value } else { value })
}

fn split(quantity: &str) -> (&str, &str) {
    let is_of_number = |c: char| c.is_ascii_digit() || c == '.';
    quantity.split_at(quantity.find(|c| !is_of_number(c)).unwrap_or(quantity.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_of_memory_are_read_as_kubernetes_reads_them() {
        assert_eq!(bytes("2Gi"), Some(2_147_483_648));
        assert_eq!(bytes("512M"), Some(512_000_000));
        assert_eq!(bytes("1024"), Some(1024));
        for other in ["1.5Gi", "1e9", "500m", "Gi", "", "99999999999999Ti"] {
            assert_eq!(bytes(other), None, "{other}");
        }
    }

    #[test]
    fn a_quantity_is_the_same_however_it_is_written() {
        for (one, other) in [("1024Mi", "1Gi"), ("0.05", "50m"), ("1e3", "1k"), ("-1.0", "-1")] {
            assert!(is_same(one, other), "{one} {other}");
        }
        for (one, other) in [("1G", "1Gi"), ("50m", "51m"), ("v1", "v2"), ("1", "-1")] {
            assert!(!is_same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn what_kubernetes_reads_as_a_quantity_is_one() {
        for good in ["0", "100Mi", "1.5Gi", "-1", "+.5", "1e3", "1E-3", "500m", "2E", "5."] {
            assert!(is_quantity(good), "{good}");
        }
        for bad in ["", "Mi", "100MiB", "1 Gi", "ten", "1e", "1.2.3", "10%", "--1"] {
            assert!(!is_quantity(bad), "{bad}");
        }
    }
}
