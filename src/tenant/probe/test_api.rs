//! A tenant's API server in memory, as far as a bootstrap token is concerned, with what is broken in it.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use kube::Client;
use kube::client::Body;
use nagaya_pki::BootstrapToken;
use nagaya_render::minors::KubernetesVersion;
use nagaya_render::tenant::Endpoint;
use serde_json::{Value, json};

use super::{ProbeTarget, SignerView};
use crate::tenant::TenantKey;
use crate::tenant::test_server::over_tcp;

/// What the API server holds and grants; everything by default.
#[derive(Clone, Default)]
pub(super) struct Api {
    /// Status by ConfigMap, where it is not 200.
    pub(super) refused: BTreeMap<&'static str, u16>,
    /// `verb resource/subresource` that are not granted.
    pub(super) denied: BTreeSet<&'static str>,
    /// Requests by user.
    pub(super) seen: Arc<Mutex<Vec<String>>>,
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

    /// The tenant that it serves.
    pub(super) fn target(&self) -> ProbeTarget {
        let api = self.clone();
        let service = tower::service_fn(move |request| api.clone().answer(request));
        ProbeTarget {
            tenant: TenantKey {
                namespace: "project".to_owned(),
                name: "demo".to_owned(),
                uid: "1".to_owned(),
            },
            address: ([127, 0, 0, 1], 443).into(),
            through_gateway: false,
            suspect: String::new(),
            dial: over_tcp(),
            endpoint: Endpoint { host: "127.0.0.1".to_owned(), port: 443 },
            cluster_ca_pem: String::new(),
            client_ca_pem: String::new(),
            version: KubernetesVersion { minor: 37, patch: 1 },
            signing_token: BootstrapToken::generate().unwrap(),
            client: Client::new(service, "default"),
            signer: SignerView { ready: true, generation: String::new() },
            api_servers: String::new(),
            changes: None,
            established: false,
        }
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
