//! Lists of networks as flags take them.

use ipnet::IpNet;

/// `10.244.0.0/16` or, with two IP families, `10.244.0.0/16,fd00::/48`; the first one is the primary.
pub(super) fn joined(networks: &[IpNet]) -> String {
    networks.iter().map(IpNet::to_string).collect::<Vec<_>>().join(",")
}
