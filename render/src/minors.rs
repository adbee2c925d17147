//! What is known about each Kubernetes minor, as data: a new minor is a new row.

use std::fmt;
use std::str::FromStr;

/// An exact Kubernetes version of major 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KubernetesVersion {
    /// The `37` of `v1.37.1`.
    pub minor: u16,
    /// The last number of `v1.37.1`.
    pub patch: u16,
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1.{}.{}", self.minor, self.patch)
    }
}

impl FromStr for KubernetesVersion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut numbers = text.strip_prefix("v1.").ok_or(())?.split('.');
        let (Some(minor), Some(patch), None) = (numbers.next(), numbers.next(), numbers.next())
        else {
            return Err(());
        };
        Ok(Self { minor: canonical(minor)?, patch: canonical(patch)? })
    }
}

/// A number without sign or leading zero, so that parsing and printing agree.
fn canonical(text: &str) -> Result<u16, ()> {
    let number: u16 = text.parse().map_err(|_| ())?;
    if number.to_string() == text { Ok(number) } else { Err(()) }
}

/// Facts about one minor. Source: that minor's `cmd/kubeadm/app/constants/constants.go`.
#[derive(Debug, PartialEq, Eq)]
pub struct Minor {
    /// The `37` of `1.37`.
    pub minor: u16,
    /// Newest patch known to this build: what `1.37` resolves to.
    pub newest_patch: u16,
    /// `CoreDNSVersion`.
    pub core_dns: &'static str,
    /// Tag of `kas-network-proxy` whose protocol that minor's kube-apiserver speaks
    /// (`sigs.k8s.io/apiserver-network-proxy/konnectivity-client` in its go.mod is no newer).
    pub konnectivity: &'static str,
    /// End of upstream support, an ISO 8601 date.
    pub supported_until: &'static str,
}

/// Every minor that Nagaya runs, oldest first.
pub const MINORS: &[Minor] = &[
    Minor {
        minor: 35,
        newest_patch: 4,
        core_dns: "v1.13.1",
        konnectivity: "v0.34.0",
        supported_until: "2027-02-28",
    },
    Minor {
        minor: 36,
        newest_patch: 3,
        core_dns: "v1.14.2",
        konnectivity: "v0.36.0",
        supported_until: "2027-06-28",
    },
    Minor {
        minor: 37,
        newest_patch: 1,
        core_dns: "v1.14.6",
        konnectivity: "v0.36.0",
        supported_until: "2027-10-28",
    },
];

/// etcd that every tenant runs. From 3.6.14 on, see the etcd project's advisories.
pub const ETCD_IMAGE: &str = "gcr.io/etcd-development/etcd:v3.6.16";

impl Minor {
    /// The row of a minor, if Nagaya runs it.
    #[must_use]
    pub fn find(minor: u16) -> Option<&'static Minor> {
        MINORS.iter().find(|row| row.minor == minor)
    }

    /// The exact version that the bare minor resolves to today.
    #[must_use]
    pub fn newest(&self) -> KubernetesVersion {
        KubernetesVersion { minor: self.minor, patch: self.newest_patch }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_print_as_they_are_read() {
        for text in ["v1.37.1", "v1.35.0", "v1.36.12"] {
            assert_eq!(text.parse::<KubernetesVersion>().unwrap().to_string(), text);
        }
        for text in ["1.37.1", "v1.37", "v1.37.01", "v1.37.1.2", "v2.0.0", "v1.37.+1", "v1.37.x"] {
            assert!(text.parse::<KubernetesVersion>().is_err(), "{text}");
        }
    }
}
