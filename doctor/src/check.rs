//! The checks, in the order in which they are told, and what each needs of others.

use strum::{IntoStaticStr, VariantArray};

/// One thing that a join needs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantArray, serde::Serialize,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "`reference/rows.rs` says what each is")]
pub enum Check {
    Privileges,
    Programs,
    KubeletService,
    Leftovers,
    Port,
    HostName,
    DiskSpace,
    Swap,
    IpForward,
    BridgeNetfilter,
    Cgroups,
    Runtime,
    CgroupDriver,
    Proxy,
    Dns,
    Tcp,
    Tls,
    Mtu,
    Clock,
    ClusterInfo,
    Token,
    Pin,
    Certificate,
    Endpoint,
    Rights,
    Versions,
    NodeName,
}

impl Check {
    /// All of them, in their order.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// What another host can see too without a token.
    pub(crate) const FROM_ELSEWHERE: &'static [Self] =
        &[Self::Dns, Self::Tcp, Self::Tls, Self::Mtu, Self::Clock, Self::ClusterInfo];

    /// The rest of what another host can see too.
    pub(crate) const WITH_TOKEN: &'static [Self] =
        &[Self::Token, Self::Pin, Self::Certificate, Self::Endpoint, Self::Rights, Self::Versions];

    /// `kubelet-service`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Those without which this one cannot be made. They come before it.
    #[must_use]
    pub fn needs(self) -> &'static [Self] {
        match self {
            Self::CgroupDriver => &[Self::Runtime],
            Self::Tcp => &[Self::Dns],
            Self::Tls => &[Self::Tcp],
            Self::Mtu | Self::Clock | Self::ClusterInfo => &[Self::Tls],
            Self::Token | Self::Pin => &[Self::ClusterInfo],
            Self::Certificate => &[Self::Pin],
            Self::Endpoint => &[Self::Certificate],
            Self::Rights => &[Self::Token, Self::Endpoint],
            Self::Versions => &[Self::Programs, Self::Rights],
            Self::NodeName => &[Self::HostName, Self::Rights],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_comes_after_what_it_needs() {
        let place = |check| Check::ALL.iter().position(|other| *other == check);
        for check in Check::ALL {
            let earlier = |need: &&Check| place(**need) < place(*check);
            assert!(check.needs().iter().all(|need| earlier(&need)), "{check:?}");
        }
    }
}
