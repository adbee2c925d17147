//! Versions of Kubernetes' programs, as far as skew looks at them.

use std::fmt;
use std::str::FromStr;

/// `v1.37.1` of major 1, whatever follows the three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub minor: u16,
    pub patch: u16,
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "v1.{}.{}", self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = ();

    /// Also `Kubernetes v1.37.1`, and what distributions append: `v1.37.1+k3s1`, `v1.38.0-alpha.1`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let number = text.split_whitespace().last().ok_or(())?;
        let mut parts = number.strip_prefix('v').ok_or(())?.splitn(3, '.');
        if parts.next() != Some("1") {
            return Err(());
        }
        let minor = parts.next().and_then(|part| part.parse().ok()).ok_or(())?;
        let patch = parts.next().ok_or(())?;
        let digits = patch.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(patch.len());
        Ok(Self { minor, patch: patch[..digits].parse().map_err(|_| ())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_print_is_read() {
        let read = |text: &str| text.parse::<Version>().map(|version| version.to_string());
        assert_eq!(read("Kubernetes v1.37.1\n").as_deref(), Ok("v1.37.1"));
        assert_eq!(read("v1.35.4").as_deref(), Ok("v1.35.4"));
        assert_eq!(read("v1.38.0-alpha.1").as_deref(), Ok("v1.38.0"));
        assert_eq!(read("v1.36.3+k3s1").as_deref(), Ok("v1.36.3"));
        for text in ["", "v2.0.0", "1.37.1", "v1.37", "v1.x.1"] {
            assert_eq!(read(text), Err(()), "{text}");
        }
    }
}
