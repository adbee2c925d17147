//! Whom the machine may believe: clock, cluster-info, the pinned CA, the API server's certificate.

use nagaya_pki::CertificateInfo;

use super::{Judgement, failed, not_checked, passed, warning};
use crate::Arguments;
use crate::cluster_info::ClusterInfo;
use crate::facts::{Failure, Way};

/// Certificates are dated back by so many seconds where they are issued, by kubeadm and kube-controller-manager.
const DATED_BACK: i64 = 300;
/// Prints the command as it would be handed out today.
const JOIN_COMMAND: &str =
    "kubectl get secret TOKEN-join -n NAMESPACE -o jsonpath='{.data.command}' | base64 -d";

pub fn clock(way: &Way) -> Judgement {
    let Some(Ok(exchange)) = &way.exchange else {
        return not_checked("nothing was answered");
    };
    let Some(clock) = exchange.clock else {
        return not_checked("the answer has no date");
    };
    let ahead = clock.here.as_second() - clock.server.as_second();
    let mend = format!(
        "date --utc --set='{}'    # and that it stays so: timedatectl set-ntp true",
        clock.server.strftime("%F %T")
    );
    let words = match ahead {
        0.. => format!("this clock is {} ahead of the API server's", span(ahead)),
        _ => format!("this clock is {} behind the API server's", span(-ahead)),
    };
    if let Ok(certificate) = CertificateInfo::parse(&exchange.certificate) {
        let valid = certificate.not_before..=certificate.not_after;
        if !valid.contains(&clock.here) && valid.contains(&clock.server) {
            let (from, to) = (valid.start(), valid.end());
            return failed(
                format!("{words}: its certificate, of {from} to {to}, is not valid by it"),
                mend,
            );
        }
    }
    if ahead < -DATED_BACK {
        // No kubelet looks at when its own certificate begins (`certificate_manager.go` of client-go): it would join.
        return warning(
            format!("{words}: certificates that are issued now are not valid yet by it"),
            mend,
        );
    }
    if ahead > DATED_BACK {
        return warning(words, mend);
    }
    passed(if ahead == 0 { "as the API server's".to_owned() } else { words })
}

fn span(seconds: i64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86400),
    }
}

pub fn cluster_info(way: &Way) -> Judgement {
    const GRANT: &str = "kubectl create rolebinding -n kube-public kubeadm:bootstrap-signer-clusterinfo \
        --role=kubeadm:bootstrap-signer-clusterinfo --user=system:anonymous";
    let Some(Ok(exchange)) = &way.exchange else {
        return not_checked("nothing was answered");
    };
    match (exchange.status, &way.cluster_info) {
        (200, Some(Ok(_))) => {
            passed("kube-public/cluster-info is there and can be read by anybody")
        }
        (200, Some(Err(why))) => failed(
            format!("kube-public/cluster-info cannot be used: {why}"),
            "kubectl get configmap cluster-info -n kube-public -o yaml    # with the cluster's kubeconfig",
        ),
        (401, _) => failed(
            "the API server lets nobody ask without a name (anonymous-auth)",
            "kubectl get tnc -n NAMESPACE    # an API server of Nagaya's does: is this the right endpoint?",
        ),
        (403, _) => failed("nobody may read kube-public/cluster-info without a name", GRANT),
        (404, _) => failed(
            "there is no ConfigMap kube-public/cluster-info, or this is no API server",
            "kubeadm init phase bootstrap-token    # a cluster of Nagaya's has it as soon as it is Ready",
        ),
        (429, _) => failed("the API server has too much to do", "sleep 30    # and again"),
        (status, _) => failed(
            format!("the API server answers {status}: {}", excerpt(&exchange.body)),
            "kubectl get tnc NAME -n NAMESPACE    # says what is wrong with it, for the operator and the tenant",
        ),
    }
}

/// The `message` of a Status, else the beginning.
pub(super) fn excerpt(body: &[u8]) -> String {
    let status: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = status.as_ref().and_then(|status| status["message"].as_str());
    let text = message.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned);
    text.chars().take(200).collect()
}

fn read(way: &Way) -> Option<&ClusterInfo> {
    way.cluster_info.as_ref()?.as_ref().ok()
}

fn hashes(info: &ClusterInfo) -> Vec<&str> {
    info.cas.iter().map(|ca| ca.hash.as_str()).collect()
}

pub fn pin(join: &Arguments, way: &Way) -> Judgement {
    let Some(info) = read(way) else {
        return not_checked("there is no cluster-info");
    };
    if join.any_ca {
        return warning(
            "any CA that is signed with the token is believed",
            format!("kubeadm join … --discovery-token-ca-cert-hash {}", hashes(info).join(" ")),
        );
    }
    if let Some(hash) =
        hashes(info).into_iter().find(|hash| join.pins.iter().any(|pin| pin == hash))
    {
        return passed(format!("the cluster's CA is the pinned one, {hash}"));
    }
    failed(
        format!(
            "the cluster's CA is {}, and {} is pinned: the command of another cluster, or of one that was made anew; or somebody in between",
            hashes(info).join(" and "),
            join.pins.join(" and "),
        ),
        format!("{JOIN_COMMAND}    # has the right hash; do not take it from here"),
    )
}

pub fn certificate(join: &Arguments, way: &Way) -> Judgement {
    match &way.verified {
        Some(Ok(())) => passed(format!("signed by that CA, and for {}", join.endpoint.host)),
        Some(Err(why)) => unverified(&join.endpoint.to_string(), why),
        None => not_checked("the CA is not believed"),
    }
}

fn unverified(endpoint: &str, why: &Failure) -> Judgement {
    match why {
        Failure::Expired(_) | Failure::NotYetValid(_) => failed(
            format!("{endpoint}: {why}"),
            "timedatectl set-ntp true    # if the clock is right: the operator has to renew it, kubectl describe tnc NAME",
        ),
        Failure::OtherName(name) => failed(
            format!("{endpoint}: {why}"),
            format!(
                "{JOIN_COMMAND}    # has a name that it is for; or spec.expose.hostname: {name} before the cluster has an endpoint"
            ),
        ),
        Failure::OtherIssuer => failed(
            format!(
                "{endpoint}: {why} than the one that is believed: something in between ends the TLS (a proxy, a load balancer)"
            ),
            format!(
                "openssl s_client -connect {endpoint} </dev/null | openssl x509 -noout -issuer    # says who"
            ),
        ),
        Failure::OtherClusterInfo => failed(
            format!(
                "{endpoint}: {why}: it was changed just now, or somebody in between answered first"
            ),
            "sleep 10    # and again; if it stays so, do not join by this network",
        ),
        _ => failed(
            format!("{endpoint}: {why}"),
            format!("curl --insecure --verbose https://{endpoint}/livez"),
        ),
    }
}

pub fn endpoint(join: &Arguments, way: &Way) -> Judgement {
    let Some(server) = read(way).map(|info| &info.server) else {
        return not_checked("there is no cluster-info");
    };
    let own = format!("https://{}", join.endpoint);
    match &way.endpoint {
        Some(Ok(())) if *server == own => passed("cluster-info names the same endpoint"),
        Some(Ok(())) => passed(format!("cluster-info names {server}, which answers too")),
        Some(Err(why)) => {
            let named = server.trim_start_matches("https://");
            let judged = unverified(named, why);
            let message = format!(
                "cluster-info names another endpoint, to which all goes after discovery: {}",
                judged.message
            );
            Judgement { message, ..judged }
        }
        None => not_checked("the API server is not believed"),
    }
}
