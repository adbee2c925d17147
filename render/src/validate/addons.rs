//! kube-proxy and CoreDNS as asked for. What of it could be seen on nodes only is looked at here: sizes that the tenant's API server
//! would refuse, and a Corefile whose braces do not match.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use nagaya_api::{AddonResources, Management, TenantClusterSpec};

use super::Refusal;
use crate::content::core_dns_resources;
use crate::quantity::is_more;
use crate::tenant::{CoreDns, KubeProxy};

const KUBE_PROXY_RESOURCES: &str = "spec.addons.kubeProxy.resources";
const CORE_DNS_RESOURCES: &str = "spec.addons.coreDNS.resources";
const COREFILE: &str = "spec.addons.coreDNS.corefile";

/// `None`: it is not managed.
pub(super) fn kube_proxy(spec: &TenantClusterSpec) -> Option<KubeProxy> {
    let asked = &spec.addons.kube_proxy;
    (asked.management == Management::Managed).then(|| KubeProxy {
        config_patch: asked.config.clone(),
        resources: asked.resources.clone(),
    })
}

/// `None`: it is not managed.
pub(super) fn core_dns(spec: &TenantClusterSpec) -> Option<CoreDns> {
    let asked = &spec.addons.core_dns;
    (asked.management == Management::Managed).then(|| CoreDns {
        replicas: asked.replicas,
        resources: asked.resources.as_ref().map(over_kubeadms),
        corefile: asked.corefile.clone(),
    })
}

fn over_kubeadms(asked: &AddonResources) -> AddonResources {
    let mut all = core_dns_resources();
    all.requests.extend(asked.requests.clone());
    all.limits.extend(asked.limits.clone());
    all
}

pub(super) fn check(spec: &TenantClusterSpec) -> Result<(), Refusal> {
    let addons = &spec.addons;
    if let Some(asked) = &addons.kube_proxy.resources {
        check_resources(KUBE_PROXY_RESOURCES, asked, asked)?;
    }
    if let Some(asked) = &addons.core_dns.resources {
        check_resources(CORE_DNS_RESOURCES, asked, &over_kubeadms(asked))?;
    }
    let corefile = &addons.core_dns.corefile;
    for (name, text) in [("plugins", &corefile.plugins), ("servers", &corefile.servers)] {
        check_braces(text).map_err(|why| Refusal::new(format!("{COREFILE}.{name}"), why))?;
    }
    Ok(())
}

/// What a container on any node may ask for; of an extended resource the API server wants a limit, too, and no addon has a use for it.
fn check_names(field: &str, quantities: &BTreeMap<String, Quantity>) -> Result<(), Refusal> {
    for (name, Quantity(quantity)) in quantities {
        let is_known = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage");
        let why = if !is_known {
            format!("{name} is not cpu, memory or ephemeral-storage; remove it")
        } else if quantity.starts_with('-') {
            format!("{quantity} is less than nothing; set 0 or more")
        } else {
            continue;
        };
        return Err(Refusal::new(format!("{field}.{name}"), why));
    }
    Ok(())
}

/// The API server takes no request beyond its limit. Named is the one that was given.
fn check_resources(
    field: &str,
    asked: &AddonResources,
    all: &AddonResources,
) -> Result<(), Refusal> {
    check_names(&format!("{field}.requests"), &asked.requests)?;
    check_names(&format!("{field}.limits"), &asked.limits)?;
    let of = |quantities: &BTreeMap<String, Quantity>, name: &str| {
        quantities.get(name).map(|quantity| quantity.0.clone())
    };
    for (name, request) in &all.requests {
        let Some(limit) = of(&all.limits, name).filter(|limit| is_more(&request.0, limit)) else {
            continue;
        };
        let Quantity(request) = request;
        return Err(if asked.requests.contains_key(name) {
            let message = format!("{request} is more than the limit, {limit}; set a higher limit");
            Refusal::new(format!("{field}.requests.{name}"), message)
        } else {
            let message = format!(
                "{limit} is less than what kubeadm has CoreDNS ask for, {request}; set {field}.requests.{name} too"
            );
            Refusal::new(format!("{field}.limits.{name}"), message)
        });
    }
    Ok(())
}

/// Text with more or fewer braces would change what the Corefile around it means.
fn check_braces(text: &str) -> Result<(), String> {
    let mut open: Vec<usize> = Vec::new();
    for (line, token) in tokens(text)? {
        match token.as_str() {
            "{" => open.push(line),
            "}" if open.pop().is_none() => {
                return Err(format!("line {line} has a `}}` that closes nothing"));
            }
            _ => {}
        }
    }
    open.last().map_or(Ok(()), |line| Err(format!("line {line} has a `{{` that nothing closes")))
}

/// With their lines, as CoreDNS's parser takes them apart (`lexer.next` in `caddyfile/lexer.go` of coredns/caddy): a word ends at a space,
/// `#` hides the rest of its line wherever it stands, and what is in quotes is a word like any other.
fn tokens(text: &str) -> Result<Vec<(usize, String)>, String> {
    let (mut tokens, mut line) = (Vec::new(), 1);
    let mut rest = text.chars().peekable();
    while let Some(first) = rest.next() {
        let began = line;
        match first {
            '\n' => line += 1,
            _ if first.is_whitespace() => {}
            '#' => while rest.next_if(|next| *next != '\n').is_some() {},
            '"' => {
                let (mut token, mut escaped) = (String::new(), false);
                loop {
                    match rest.next() {
                        None => {
                            return Err(format!("line {began} has a quote that nothing closes"));
                        }
                        Some('"') if !escaped => break,
                        Some(next) => {
                            line += usize::from(next == '\n');
                            escaped = next == '\\' && !escaped;
                            token.push(next);
                        }
                    }
                }
                tokens.push((began, token));
            }
            _ => {
                let mut token = String::from(first);
                let is_inner = |next: &char| !next.is_whitespace() && *next != '#';
                while let Some(next) = rest.next_if(is_inner) {
                    token.push(next);
                }
                tokens.push((began, token));
            }
        }
    }
    Ok(tokens)
}
