//! The way to the API server: proxy, name, connection, handshake, size of packets.

use super::{Judgement, failed, not_checked, passed, warning};
use crate::Arguments;
use crate::facts::{Failure, Machine, Unconnected, Way};

pub fn proxy(join: &Arguments, machine: &Machine) -> Judgement {
    let Some(proxy) = &machine.proxy else {
        return passed("kubeadm would connect directly");
    };
    let host = &join.endpoint.host;
    warning(
        format!(
            "kubeadm would reach {host} through the proxy {proxy}; what follows was looked at without it"
        ),
        format!("export NO_PROXY=\"$NO_PROXY,{host}\" no_proxy=\"$no_proxy,{host}\""),
    )
}

pub fn dns(join: &Arguments, way: &Way) -> Judgement {
    let host = &join.endpoint.host;
    match &way.addresses {
        Ok(addresses) => {
            let all: Vec<String> = addresses.iter().map(|one| one.ip().to_string()).collect();
            passed(if all == [host.clone()] {
                format!("{host} is an address")
            } else {
                format!("{host} is {}", all.join(", "))
            })
        }
        Err(why) => failed(
            format!("{host} has no address here: {why}"),
            format!(
                "echo 'ADDRESS {host}' >> /etc/hosts    # or a nameserver that knows it, in /etc/resolv.conf"
            ),
        ),
    }
}

pub fn tcp(join: &Arguments, way: &Way) -> Judgement {
    let endpoint = &join.endpoint;
    match &way.connected {
        Some(Ok(address)) => passed(format!("{address} accepts connections")),
        Some(Err(Unconnected::Refused)) => failed(
            format!("nobody listens at {endpoint}: another port, or the API server is down"),
            format!(
                "curl --insecure https://{endpoint}/livez    # says ok once it is up; for the operator: nagaya explain NAME -n NAMESPACE"
            ),
        ),
        Some(Err(Unconnected::TimedOut)) => failed(
            format!("{endpoint} does not answer: a firewall on the way, or a wrong address"),
            let_out(endpoint.port),
        ),
        Some(Err(Unconnected::Unreachable)) => failed(
            format!(
                "{endpoint} is out of reach: a firewall on the way rejects this, or no machine has that address"
            ),
            let_out(endpoint.port),
        ),
        Some(Err(Unconnected::Other(why))) => failed(
            format!("there is no way to {endpoint}: {why}"),
            "ip route add default via GATEWAY",
        ),
        None => not_checked("there was no address"),
    }
}

fn let_out(port: u16) -> String {
    format!(
        "iptables -I OUTPUT -p tcp --dport {port} -j ACCEPT    # and the same on every firewall on the way"
    )
}

pub fn tls(join: &Arguments, way: &Way) -> Judgement {
    let endpoint = &join.endpoint;
    match &way.exchange {
        Some(Ok(exchange)) => passed(format!("it speaks TLS, and answers {}", exchange.status)),
        Some(Err(Failure::NameRefused(name))) => failed(
            format!("what listens there serves no cluster of the name {name:?}"),
            "kubectl get secret TOKEN-join -n NAMESPACE -o jsonpath='{.data.command}' | base64 -d    # has the right one",
        ),
        Some(Err(why @ Failure::NotThrough(_))) => failed(
            format!("a gateway listens at {endpoint}, and {why}"),
            "kubectl get tnc NAME -n NAMESPACE    # says whether an API server is ready; the gateway's /limited, who has too many connections",
        ),
        Some(Err(Failure::TimedOut(seconds))) => failed(
            format!(
                "{endpoint} accepts connections, and says nothing within {seconds} s, not by small packets either"
            ),
            format!(
                "curl --insecure --verbose https://{endpoint}/livez    # for the operator: nagaya explain NAME -n NAMESPACE"
            ),
        ),
        Some(Err(why)) => failed(
            format!("what listens at {endpoint} is no API server: {why}"),
            format!("curl --insecure --verbose https://{endpoint}/livez"),
        ),
        None => not_checked("there was no connection"),
    }
}

pub fn mtu(way: &Way) -> Judgement {
    let clamped = match &way.exchange {
        Some(Ok(exchange)) => exchange.clamped.as_ref(),
        _ => return not_checked("nothing was answered"),
    };
    let Some(clamped) = clamped else {
        return passed("full-size packets come through, in both directions");
    };
    let (mtu, device) = (clamped.mtu, clamped.device.as_deref().unwrap_or("DEVICE"));
    failed(
        format!(
            "packets of more than {mtu} bytes get lost on the way, without a word (a tunnel, and a firewall that drops ICMP)"
        ),
        format!(
            "ip link set dev {device} mtu {mtu}    # until the next boot; then in the configuration of the network"
        ),
    )
}
