//! Pod and Service networks: the limits are those of kube-apiserver and kube-controller-manager.

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

fn is_v4(net: &IpNet) -> bool {
    matches!(net, IpNet::V4(_))
}

fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}
