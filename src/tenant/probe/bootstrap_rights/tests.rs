//! The rights of a bootstrap token against an API server in memory, with each thing broken in turn.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::Response;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use kube::client::Body;
use nagaya_pki::BootstrapToken;
use nagaya_render::minors::KubernetesVersion;
use nagaya_render::tenant::Endpoint;
use serde_json::{Value, json};

use super::*;
use crate::tenant::TenantKey;
use crate::tenant::probe::SignerView;
use crate::tenant::test_server::over_tcp;

/// What the API server holds and grants; everything by default.
#[derive(Clone, Default)]
struct Api {
    /// Status by ConfigMap, where it is not 200.
    refused: BTreeMap<&'static str, u16>,
    /// `verb resource/subresource` that are not granted.
    denied: BTreeSet<&'static str>,
    /// Requests by user.
    seen: Arc<Mutex<Vec<String>>>,
}

impl Api {
    async fn answer(self, request: Request<Body>) -> Result<Response<Full<Bytes>>, Infallible> {
        let user = request.headers().get("impersonate-user").map(|user| user.to_str().unwrap());
        let path = request.uri().path().to_owned();
        self.seen.lock().unwrap().push(format!("{} as {}", path, user.unwrap_or("manager")));
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let (status, answer) = match path.rsplit_once("/configmaps/") {
            Some((_, name)) => match self.refused.get(name) {
                Some(status) => (*status, failure(*status)),
                None => (200, config_map(name)),
            },
            None => (201, self.review(&serde_json::from_slice(&body).unwrap())),
        };
        let body = Full::from(answer.to_string());
        Ok(Response::builder().status(status).body(body).unwrap())
    }

    fn review(&self, asked: &Value) -> Value {
        let what = &asked["spec"]["resourceAttributes"];
        let subresource = what["subresource"].as_str().map(|name| format!("/{name}"));
        let right = format!(
            "{} {}{}",
            what["verb"].as_str().unwrap(),
            what["resource"].as_str().unwrap(),
            subresource.unwrap_or_default()
        );
        let mut answer = asked.clone();
        answer["status"] = json!({"allowed": !self.denied.contains(right.as_str())});
        answer
    }

    async fn look(&self) -> BootstrapRights {
        let api = self.clone();
        let service = tower::service_fn(move |request| api.clone().answer(request));
        look(&ProbeTarget {
            tenant: TenantKey {
                namespace: "project".to_owned(),
                name: "demo".to_owned(),
                uid: "1".to_owned(),
            },
            address: ([127, 0, 0, 1], 443).into(),
            dial: over_tcp(),
            endpoint: Endpoint { host: "127.0.0.1".to_owned(), port: 443 },
            cluster_ca_pem: String::new(),
            client_ca_pem: String::new(),
            version: KubernetesVersion { minor: 37, patch: 1 },
            signing_token: BootstrapToken::generate().unwrap(),
            client: Client::new(service, "default"),
            signer: SignerView { ready: true, generation: String::new() },
            api_servers: String::new(),
            established: false,
        })
        .await
    }
}

fn failure(code: u16) -> Value {
    let reason = match code {
        404 => "NotFound",
        403 => "Forbidden",
        _ => "InternalError",
    };
    json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason})
}

fn config_map(name: &str) -> Value {
    let (key, api_version, kind) = match name {
        "kubeadm-config" => {
            ("ClusterConfiguration", "kubeadm.k8s.io/v1beta4", "ClusterConfiguration")
        }
        "kubelet-config" => ("kubelet", "kubelet.config.k8s.io/v1beta1", "KubeletConfiguration"),
        _ => ("config.conf", "kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration"),
    };
    json!({
        "metadata": {"name": name},
        "data": {key: format!("apiVersion: {api_version}\nkind: {kind}\n")},
    })
}

fn reason(finding: &Finding) -> Option<Reason> {
    match finding {
        Finding::Failed { reason, .. } => Some(*reason),
        _ => None,
    }
}

const ALL_WELL: BootstrapRights = BootstrapRights {
    kubeadm_config: Finding::Ok,
    kubelet_config: Finding::Ok,
    kube_proxy_config: Finding::Ok,
    permissions: Finding::Ok,
};

#[tokio::test]
async fn configurations_are_read_as_a_bootstrap_token_would() {
    let api = Api::default();
    assert_eq!(api.look().await, ALL_WELL);
    let seen = api.seen.lock().unwrap();
    let reads: Vec<_> = seen.iter().filter(|line| line.contains("/configmaps/")).collect();
    assert_eq!(reads.len(), 3);
    assert!(reads.iter().all(|line| line.ends_with("as system:bootstrap:nagaya")), "{reads:?}");
}

#[tokio::test]
async fn a_configuration_that_is_missing_or_may_not_be_read_says_which() {
    for (status, expected) in [(404, Reason::ObjectMissing), (403, Reason::ObjectForbidden)] {
        let api = Api { refused: [("kubelet-config", status)].into(), ..Api::default() };
        let found = api.look().await;
        assert_eq!(reason(&found.kubelet_config), Some(expected));
        assert_eq!(BootstrapRights { kubelet_config: Finding::Ok, ..found }, ALL_WELL);
    }
}

#[tokio::test]
async fn kube_proxy_may_be_missing_or_forbidden() {
    for status in [404, 403] {
        let api = Api { refused: [("kube-proxy", status)].into(), ..Api::default() };
        assert_eq!(api.look().await, ALL_WELL);
    }
}

#[tokio::test]
async fn every_right_that_is_needed_is_missed() {
    for right in [
        "get nodes",
        "create certificatesigningrequests",
        "list certificatesigningrequests",
        "watch certificatesigningrequests",
        "create certificatesigningrequests/nodeclient",
    ] {
        let api = Api { denied: [right].into(), ..Api::default() };
        match api.look().await.permissions {
            Finding::Failed { reason: Reason::PermissionMissing, message } => {
                assert!(message.contains(right), "{message}");
            }
            other => panic!("{right}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_api_server_that_refuses_the_manager_is_told_apart() {
    let api = Api { refused: [("kubeadm-config", 500)].into(), ..Api::default() };
    assert_eq!(reason(&api.look().await.kubeadm_config), Some(Reason::AdminConnectionFailed));
}
