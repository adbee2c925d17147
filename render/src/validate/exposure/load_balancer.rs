//! A Service of type `LoadBalancer`. Which address it has is known only when it is there ([`crate::load_balancer`]).

use std::net::IpAddr;

use ipnet::IpNet;
use nagaya_api::{Expose, LoadBalancerExpose, TenantCluster};

use super::super::Refusal;
use super::{HOSTNAME, Recorded, check_host, ip_address, is_fixed, port_number};
use crate::load_balancer::Class;
use crate::moves::Moves;
use crate::tenant::{BalancerRequest, Exposure, IpFamily, Way};

const CLASS: &str = "spec.expose.loadBalancer.class";
const ADDRESS: &str = "spec.expose.loadBalancer.address";
pub(super) const PORT: &str = "spec.expose.loadBalancer.port";
const ANNOTATIONS: &str = "spec.expose.loadBalancer.annotations";
const SOURCE_RANGES: &str = "spec.expose.loadBalancer.sourceRanges";

pub(super) fn resolve(raw: &TenantCluster, recorded: &Recorded<'_>) -> Result<Exposure, Refusal> {
    let expose = &raw.spec.expose;
    let asked = expose.load_balancer.clone().unwrap_or_default();
    let port = port_number(PORT, asked.port)?;
    let address = asked.address.as_deref().map(|text| ip_address(ADDRESS, text)).transpose()?;
    if let Some(class) = &asked.class {
        check_qualified_name(CLASS, class)?;
    }
    for key in asked.annotations.keys() {
        check_annotation(key)?;
    }
    if recorded.born {
        keep(&asked, address, port, recorded)?;
    }
    // That of another load balancer is nothing that this one could give.
    let of_another = recorded.class.is_some_and(|class| class != Class(asked.class.as_deref()));
    let recorded_address = recorded.address.filter(|_| !of_another);
    let request = BalancerRequest {
        class: asked.class,
        address: address.or(recorded_address),
        family: address.as_ref().map(IpFamily::of),
        annotations: asked.annotations,
        source_ranges: source_ranges(&asked.source_ranges)?,
    };
    // Until it is born, what was asked for may be another one by now.
    let given = recorded_address.filter(|given| address.is_none_or(|asked| asked == *given));
    Ok(Exposure {
        host: host(expose, given, recorded)?,
        addresses: given.into_iter().collect(),
        port: Some(port),
        way: Way::LoadBalancer(request),
        extra_names: expose.extra_names.clone(),
        moves: Moves::default(),
    })
}

fn host(
    expose: &Expose,
    given: Option<IpAddr>,
    recorded: &Recorded<'_>,
) -> Result<Option<String>, Refusal> {
    match (&expose.hostname, recorded.host) {
        (Some(asked), Some(host)) if recorded.born && asked != host => {
            Err(is_fixed(HOSTNAME, "host", host, asked))
        }
        (Some(asked), _) => {
            check_host(HOSTNAME, asked)?;
            Ok(Some(asked.clone()))
        }
        (None, host) => Ok(host.filter(|_| given.is_some()).map(str::to_owned)),
    }
}

/// What every kubelet has, or follows from what it has.
fn keep(
    asked: &LoadBalancerExpose,
    address: Option<IpAddr>,
    port: u16,
    recorded: &Recorded<'_>,
) -> Result<(), Refusal> {
    let class = Class(asked.class.as_deref());
    if let Some(made) = recorded.class.filter(|made| *made != class) {
        let [made, class] = [made, class].map(|Class(class)| class.unwrap_or("the default"));
        return Err(is_fixed(CLASS, "load balancer", made, class));
    }
    match (recorded.address, address, recorded.port) {
        (Some(given), Some(asked), _) if given != asked => {
            Err(is_fixed(ADDRESS, "address", &given.to_string(), &asked.to_string()))
        }
        (_, _, Some(made)) if made != port => {
            Err(is_fixed(PORT, "port", &made.to_string(), &port.to_string()))
        }
        _ => Ok(()),
    }
}

fn source_ranges(texts: &[String]) -> Result<Vec<String>, Refusal> {
    let parse = |(index, text): (usize, &String)| {
        let refusal = || {
            let field = format!("{SOURCE_RANGES}[{index}]");
            Refusal::new(field, format!("{text:?} is no network such as 192.0.2.0/24"))
        };
        text.parse::<IpNet>().map(|net| net.to_string()).map_err(|_| refusal())
    };
    texts.iter().enumerate().map(parse).collect()
}

fn check_annotation(key: &str) -> Result<(), Refusal> {
    let prefix = key.split_once('/').map(|(prefix, _)| prefix).unwrap_or_default();
    if prefix == "nagaya.dev" || prefix.ends_with(".nagaya.dev") {
        return Err(Refusal::new(ANNOTATIONS, format!("{key} is Nagaya's own; remove it")));
    }
    check_qualified_name(ANNOTATIONS, key)
}

/// `IsQualifiedName` of `k8s.io/apimachinery/pkg/util/validation`, which Kubernetes checks classes and the keys of
/// annotations with: letters, digits and `-_.`, and a DNS name and `/` before them.
fn check_qualified_name(field: &str, text: &str) -> Result<(), Refusal> {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let bytes = name.as_bytes();
    let is_name = name.len() <= LONGEST_PART
        && name.bytes().all(is_inner)
        && is_end(bytes.first())
        && is_end(bytes.last());
    let is_prefix = prefix
        .is_none_or(|prefix| super::check_name(field, prefix).is_ok() && !prefix.starts_with("*."));
    if is_name && is_prefix {
        return Ok(());
    }
    let words = format!("Kubernetes does not take {text:?}; it has to be like example.com/name");
    Err(Refusal::new(field, words))
}

/// Characters of a qualified name, without its prefix.
const LONGEST_PART: usize = 63;
