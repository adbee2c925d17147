//! The API server, asked in the order in which kubeadm asks it. The token is shown only to whom the pinned CA vouches for.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use serde_json::json;

use super::http::Request;
use super::line::{Line, unconnected};
use super::mtu;
use crate::cluster_info::ClusterInfo;
use crate::facts::{Clock, Exchange, Failure, Unconnected, Way, WithToken};
use crate::judge::node_name;
use crate::{Arguments, Endpoint, Ground};

const CLUSTER_INFO: &str = "/api/v1/namespaces/kube-public/configmaps/cluster-info";
const CONFIG_MAPS: &str = "/api/v1/namespaces/kube-system/configmaps";
const CSR_REVIEW: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
/// A resolver asks each of its nameservers twice, 5 s each.
const RESOLVE: Duration = Duration::from_secs(20);

pub fn way(join: &Arguments, ground: &Ground, host_name: &str) -> Way {
    let mut way = Way {
        addresses: resolve(&join.endpoint),
        connected: None,
        exchange: None,
        cluster_info: None,
        verified: None,
        endpoint: None,
        with_token: None,
    };
    let Ok(addresses) = &way.addresses else { return way };
    let line = match connect(addresses, &join.endpoint.host, ground) {
        Ok(line) => line,
        Err(why) => {
            way.connected = Some(Err(why));
            return way;
        }
    };
    way.connected = Some(Ok(line.address));
    let exchange = first_exchange(&line, &ground.root);
    let segment = exchange.as_ref().ok().and_then(|exchange| exchange.clamped.as_ref());
    let segment = segment.map(|clamped| mtu::segment(clamped.mtu, line.address));
    let line = Line { segment, ..line };
    if let Ok(Exchange { status: 200, body, .. }) = &exchange {
        way.cluster_info = Some(ClusterInfo::read(body, &join.token));
    }
    way.exchange = Some(exchange);
    let Some(Ok(first)) = &way.cluster_info else { return way };
    let cas = first.believed(join);
    if cas.is_empty() {
        return way;
    }
    match again(join, &line, &cas, first) {
        Ok(info) => {
            let (named, asked) = after_discovery(join, ground, &line, &cas, &info, host_name);
            (way.endpoint, way.with_token) = (Some(named), asked);
            (way.verified, way.cluster_info) = (Some(Ok(())), Some(Ok(info)));
        }
        Err(why) => way.verified = Some(Err(why)),
    }
    way
}

/// Cluster-info by a connection that a believed CA vouches for: the first may have come from anybody, with another server in it.
fn again(
    join: &Arguments,
    line: &Line,
    cas: &[CertificateDer<'static>],
    first: &ClusterInfo,
) -> Result<ClusterInfo, Failure> {
    let (status, body) = line.ask_trusted(cas, &Request::get(CLUSTER_INFO))?;
    if status != 200 {
        return Err(Failure::Other(format!("asked for cluster-info once more, it says {status}")));
    }
    let info = ClusterInfo::read(&body, &join.token).map_err(Failure::Other)?;
    if info.kubeconfig == first.kubeconfig { Ok(info) } else { Err(Failure::OtherClusterInfo) }
}

/// In a thread: the resolver has no time limit of its own that one could set.
fn resolve(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, String> {
    let (sender, receiver) = mpsc::channel();
    let place = (endpoint.host.clone(), endpoint.port);
    thread::spawn(move || {
        let addresses = (place.0.as_str(), place.1).to_socket_addrs();
        // Nobody waits any more: so be it.
        drop(sender.send(addresses.map(Iterator::collect::<Vec<_>>)));
    });
    match receiver.recv_timeout(RESOLVE) {
        Ok(Ok(addresses)) if addresses.is_empty() => Err("its name has none".to_owned()),
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no nameserver answers within {} s", RESOLVE.as_secs())),
    }
}

/// The first address that accepts a connection.
fn connect(addresses: &[SocketAddr], host: &str, ground: &Ground) -> Result<Line, Unconnected> {
    let mut why = Unconnected::Other("no address".to_owned());
    for address in addresses {
        let line = Line {
            address: *address,
            host: host.to_owned(),
            segment: None,
            patience: ground.patience,
            clock_ahead: ground.clock_ahead,
        };
        match line.connect() {
            Ok(_) => return Ok(line),
            Err(error) => why = unconnected(&error),
        }
    }
    Err(why)
}

fn first_exchange(line: &Line, root: &Path) -> Result<Exchange, Failure> {
    let (answer, certificate, clamped) = mtu::ask(line, CLUSTER_INFO, root)?;
    let clock = answer.date.map(|server| Clock { here: line.now(), server });
    Ok(Exchange { status: answer.status, body: answer.body, clock, clamped, certificate })
}

/// By the endpoint that cluster-info names: whether it answers, and what it says to the token.
fn after_discovery(
    join: &Arguments,
    ground: &Ground,
    line: &Line,
    cas: &[CertificateDer<'static>],
    info: &ClusterInfo,
    host_name: &str,
) -> (Result<(), Failure>, Option<WithToken>) {
    let named = match named_line(join, ground, line, info) {
        Ok(named) => named,
        Err(failure) => return (Err(failure), None),
    };
    let greeting = named.ask_trusted(cas, &Request::get(CLUSTER_INFO)).map(drop);
    if greeting.is_err() {
        return (greeting, None);
    }
    let token = join.token.to_string();
    let ask = |path: &str, body: Option<String>| {
        let request = Request { path, token: Some(&token), body, padding: 0 };
        named.ask_trusted(cas, &request)
    };
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {
            "group": "certificates.k8s.io", "resource": "certificatesigningrequests", "verb": "create",
        }},
    });
    let with_token = WithToken {
        kubeadm_config: ask(&format!("{CONFIG_MAPS}/kubeadm-config"), None),
        kubelet_config: ask(&format!("{CONFIG_MAPS}/kubelet-config"), None),
        node: ask(&format!("/api/v1/nodes/{}", node_name(join, host_name)), None),
        version: ask("/version", None),
        csr_review: ask(CSR_REVIEW, Some(review.to_string())),
    };
    (Ok(()), Some(with_token))
}

fn named_line(
    join: &Arguments,
    ground: &Ground,
    line: &Line,
    info: &ClusterInfo,
) -> Result<Line, Failure> {
    let no_url = || Failure::Other(format!("{:?} is no https URL", info.server));
    let named = Endpoint::of_url(&info.server).ok_or_else(no_url)?;
    if named == join.endpoint {
        return Ok(line.clone());
    }
    let no_address = |why| Failure::Other(format!("{} has no address here: {why}", named.host));
    let addresses = resolve(&named).map_err(no_address)?;
    let found = connect(&addresses, &named.host, ground).map_err(|why| match why {
        Unconnected::Refused => Failure::Other("nobody listens there".to_owned()),
        Unconnected::Unreachable => Failure::Other("it is out of reach".to_owned()),
        Unconnected::TimedOut => Failure::TimedOut(ground.patience.as_secs()),
        Unconnected::Other(why) => Failure::Other(why),
    })?;
    Ok(Line { segment: line.segment, ..found })
}
