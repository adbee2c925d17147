//! The first phase of `kubeadm join`, without a credential: cluster-info through the public endpoint
//! (`cmd/kubeadm/app/discovery/token/token.go`).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use k8s_openapi::api::core::v1::ConfigMap;
use nagaya_pki::{BootstrapToken, ca_cert_hashes, jws};
use nagaya_render::probe::{Finding, Reason};
use nagaya_render::tenant::Endpoint;
use serde::Deserialize;

use super::ProbeTarget;
use super::public_endpoint::call;

const CLUSTER_INFO: &str = "/api/v1/namespaces/kube-public/configmaps/cluster-info";

/// What the first phase met.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Discovery {
    pub(super) endpoint: Finding,
    pub(super) cluster_info: Finding,
    pub(super) signature: Finding,
}

/// Reads and checks cluster-info as a machine does that wants to join.
pub(super) async fn look(target: &ProbeTarget) -> Discovery {
    let answer = match Request::get(CLUSTER_INFO).body(Full::new(Bytes::new())) {
        Ok(request) => call(target, request).await,
        Err(error) => Err(super::public_endpoint::EndpointError::Http(error.into())),
    };
    match answer {
        Ok((StatusCode::OK, body)) => {
            let data = serde_json::from_slice::<ConfigMap>(&body).ok().and_then(|map| map.data);
            check(
                &data.unwrap_or_default(),
                &target.endpoint,
                &target.cluster_ca_pem,
                &target.signing_token,
            )
        }
        Ok((status, _)) => Discovery {
            endpoint: Finding::Ok,
            cluster_info: refused(status),
            signature: Finding::Unknown,
        },
        Err(error) => Discovery { endpoint: error.finding(target), ..Discovery::default() },
    }
}

fn refused(status: StatusCode) -> Finding {
    match status {
        StatusCode::NOT_FOUND => Finding::failed(
            Reason::ObjectMissing,
            "ConfigMap kube-public/cluster-info does not exist; Nagaya makes it again unless spec.paused",
        ),
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Finding::failed(
            Reason::ObjectForbidden,
            "ConfigMap kube-public/cluster-info may not be read without a credential; the Role and \
             RoleBinding kube-public/kubeadm:bootstrap-signer-clusterinfo have to allow it",
        ),
        other => Finding::failed(
            Reason::EndpointUnhealthy,
            format!(
                "kube-apiserver answers {other} when asked for ConfigMap kube-public/cluster-info"
            ),
        ),
    }
}

fn check(
    data: &BTreeMap<String, String>,
    endpoint: &Endpoint,
    cluster_ca_pem: &str,
    token: &BootstrapToken,
) -> Discovery {
    let Some(kubeconfig) = data.get("kubeconfig").filter(|text| !text.is_empty()) else {
        return Discovery {
            endpoint: Finding::Ok,
            cluster_info: Finding::failed(
                Reason::ObjectInvalid,
                "ConfigMap kube-public/cluster-info has no key kubeconfig",
            ),
            signature: Finding::Unknown,
        };
    };
    Discovery {
        endpoint: Finding::Ok,
        cluster_info: check_kubeconfig(kubeconfig, endpoint, cluster_ca_pem),
        signature: check_signature(data, kubeconfig, token),
    }
}

fn check_signature(
    data: &BTreeMap<String, String>,
    kubeconfig: &str,
    token: &BootstrapToken,
) -> Finding {
    let key = format!("jws-kubeconfig-{}", token.id());
    match data.get(&key) {
        None => Finding::failed(
            Reason::SignatureMissing,
            format!(
                "ConfigMap kube-public/cluster-info has no key {key}: kube-controller-manager's \
                 bootstrapsigner has not signed it, or the Secret kube-system/bootstrap-token-{} is gone",
                token.id()
            ),
        ),
        Some(signature) if jws::verify(signature, kubeconfig.as_bytes(), token) => Finding::Ok,
        Some(_) => Finding::failed(
            Reason::SignatureMismatch,
            "the signature in ConfigMap kube-public/cluster-info is not of its kubeconfig: \
             kube-controller-manager's bootstrapsigner has to sign it again",
        ),
    }
}

/// The part of a kubeconfig that kubeadm takes from cluster-info.
#[derive(Deserialize)]
struct Kubeconfig {
    clusters: Vec<NamedCluster>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority_data: String,
}

fn check_kubeconfig(kubeconfig: &str, endpoint: &Endpoint, cluster_ca_pem: &str) -> Finding {
    let invalid = |why: String| {
        Finding::failed(
            Reason::ObjectInvalid,
            format!("the kubeconfig in ConfigMap kube-public/cluster-info cannot be used: {why}"),
        )
    };
    let parsed: Kubeconfig = match serde_yaml_ng::from_str(kubeconfig) {
        Ok(parsed) => parsed,
        Err(error) => return invalid(error.to_string()),
    };
    let Some(cluster) = parsed.clusters.into_iter().find(|cluster| cluster.name.is_empty()) else {
        return invalid("it has no cluster with an empty name".to_owned());
    };
    let Cluster { server, certificate_authority_data } = cluster.cluster;
    if server != endpoint.url() {
        return Finding::failed(
            Reason::ServerMismatch,
            format!(
                "ConfigMap kube-public/cluster-info sends nodes to {server} instead of {}",
                endpoint.url()
            ),
        );
    }
    let bundle = STANDARD.decode(certificate_authority_data).ok();
    let bundle = bundle.and_then(|pem| String::from_utf8(pem).ok()).unwrap_or_default();
    match (ca_cert_hashes(&bundle), ca_cert_hashes(cluster_ca_pem)) {
        (Err(error), _) => invalid(format!("certificate-authority-data: {error}")),
        (Ok(found), Ok(pinned)) if pinned.first().is_some_and(|pin| found.contains(pin)) => {
            Finding::Ok
        }
        (Ok(_), _) => Finding::failed(
            Reason::AuthorityMismatch,
            "ConfigMap kube-public/cluster-info does not hold the tenant's cluster CA, which join \
             commands pin",
        ),
    }
}

#[cfg(test)]
mod tests;
