//! Pod and Service networks: the limits are those of kube-apiserver and kube-controller-manager.

use std::net::IpAddr;

use ipnet::IpNet;
use nagaya_api::Networking;

use super::Refusal;

pub(super) struct Networks {
    pub pods: Vec<IpNet>,
    pub services: Vec<IpNet>,
}

/// Prefix lengths that a component accepts, by IP family.
struct Limits {
    v4: (u8, u8),
    v6: (u8, u8),
    reason: &'static str,
}

/// `pkg/controller/nodeipam/ipam/cidrset`: at most 16 bits between the cluster's and a node's mask,
/// which is 24 (IPv4) and 64 (IPv6) by default.
const PODS: Limits = Limits {
    v4: (8, 24),
    v6: (48, 64),
    reason: "every node gets a /24 (IPv4) or /64 (IPv6) of it",
};

/// `cmd/kube-apiserver/app/options/validation.go`: at most 20 bits; the DNS Service is the tenth address.
const SERVICES: Limits = Limits {
    v4: (12, 28),
    v6: (108, 124),
    reason: "kube-apiserver takes at most 20 bits, and cluster DNS is the tenth address",
};

pub(super) fn parse(networking: &Networking) -> Result<Networks, Refusal> {
    let pods = parse_list("spec.networking.podCIDRs", &networking.pod_cidrs, &PODS)?;
    let services =
        parse_list("spec.networking.serviceCIDRs", &networking.service_cidrs, &SERVICES)?;
    for pod in &pods {
        if let Some(service) = services.iter().find(|service| overlap(pod, service)) {
            return Err(Refusal::new(
                "spec.networking.serviceCIDRs",
                format!("{service} overlaps with the pod network {pod}; choose another"),
            ));
        }
    }
    Ok(Networks { pods, services })
}

/// What would not work, for a cluster that is to be made. `addresses`: where nodes reach its API server.
pub(super) fn check(networks: &Networks, addresses: &[IpAddr]) -> Result<(), Refusal> {
    let Networks { pods, services } = networks;
    let lists = [("spec.networking.podCIDRs", pods), ("spec.networking.serviceCIDRs", services)];
    for (field, nets) in lists {
        for (index, net) in nets.iter().enumerate() {
            if let Some(why) = why_useless(net, addresses) {
                let words = format!("{net} {why}; delete this object and create it with another");
                return Err(Refusal::new(format!("{field}[{index}]"), words));
            }
        }
    }
    if pods.first().map(is_v4) == services.first().map(is_v4) {
        return Ok(());
    }
    Err(Refusal::new(
        "spec.networking.serviceCIDRs[0]",
        "must be of the same IP family as podCIDRs[0], since the first of each is what pods and Services use; \
         delete this object and create it so",
    ))
}

fn why_useless(net: &IpNet, addresses: &[IpAddr]) -> Option<String> {
    if let Some(address) = addresses.iter().find(|address| net.contains(*address)) {
        return Some(format!("contains {address}, where nodes reach the API server"));
    }
    let (special, purpose) = special_network(net)?;
    Some(format!("overlaps with {special}, {purpose}"))
}

fn parse_list(field: &str, texts: &[String], limits: &Limits) -> Result<Vec<IpNet>, Refusal> {
    let nets = texts
        .iter()
        .enumerate()
        .map(|(index, text)| parse_one(&format!("{field}[{index}]"), text, limits))
        .collect::<Result<Vec<_>, _>>()?;
    match nets.as_slice() {
        [_] => Ok(nets),
        [first, second] if is_v4(first) != is_v4(second) => Ok(nets),
        [_, _] => Err(Refusal::new(field, "two networks must be of different IP families")),
        _ => Err(Refusal::new(field, format!("has {} networks; give one or two", nets.len()))),
    }
}

fn parse_one(field: &str, text: &str, limits: &Limits) -> Result<IpNet, Refusal> {
    let net: IpNet = text.parse().map_err(|_| {
        Refusal::new(field, format!("{text:?} is not a CIDR; write it like 10.244.0.0/16"))
    })?;
    if net.trunc() != net {
        return Err(Refusal::new(
            field,
            format!("{net} has bits set after its prefix; did you mean {}?", net.trunc()),
        ));
    }
    let (shortest, longest) = if is_v4(&net) { limits.v4 } else { limits.v6 };
    if (shortest..=longest).contains(&net.prefix_len()) {
        return Ok(net);
    }
    Err(Refusal::new(
        field,
        format!("{net} must have a prefix from /{shortest} to /{longest}: {}", limits.reason),
    ))
}

/// Networks that no packet is routed to (the IANA registries of special-purpose addresses, RFC 6890).
const SPECIAL: [(&str, &str); 8] = [
    ("0.0.0.0/8", "which stands for no host"),
    ("127.0.0.0/8", "the loopback network"),
    ("169.254.0.0/16", "the link-local network"),
    ("224.0.0.0/3", "multicast and reserved"),
    ("::/127", "unspecified and loopback"),
    ("::ffff:0:0/96", "IPv4 addresses written as IPv6"),
    ("fe80::/10", "the link-local network"),
    ("ff00::/8", "multicast"),
];

fn special_network(net: &IpNet) -> Option<(&'static str, &'static str)> {
    let overlaps = |text: &str| text.parse().is_ok_and(|special: IpNet| overlap(net, &special));
    SPECIAL.into_iter().find(|(text, _)| overlaps(text))
}

fn is_v4(net: &IpNet) -> bool {
    matches!(net, IpNet::V4(_))
}

fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}
