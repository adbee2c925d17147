//! A real etcd and a real kube-apiserver on loopback. `ETCD` and `KUBE_APISERVER` name the binaries; `make test` sets
//! them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use nagaya_pki::{ServiceAccountKey, Trust};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::certificate;
use crate::processes::{Process, free_address, start_etcd};

const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(100);
const TOKEN: &str = "replay";
/// Admission that adds to objects what the in-memory API server does not (of what is on by default).
const NOT_PLAYED: [&str; 5] = [
    "DefaultStorageClass",
    "DefaultTolerationSeconds",
    "Priority",
    "ServiceAccount",
    "TaintNodesByCondition",
];
const DEFINITIONS: [(&str, &str); 2] = [
    ("tenantclusters", include_str!("../../crds/tenantclusters.yaml")),
    ("jointokens", include_str!("../../crds/jointokens.yaml")),
];

/// Both processes end with it. No controller runs beside them.
pub struct ApiServer {
    pub client: Client,
    #[allow(dead_code, reason = "for tests whose client is a process of its own")]
    pub kubeconfig: String,
    kube_apiserver: Process,
    etcd: Process,
    _folder: TempDir,
}

impl ApiServer {
    /// Returns once it is ready and serves Nagaya's kinds.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = write_keys(folder.path());
        let (etcd, etcd_url) = start_etcd(folder.path());
        let (kube_apiserver, address) = startkube_apiserver(folder.path(), &etcd_url);
        let kubeconfig = kubeconfig(address, ca);
        let client = connect(&kubeconfig).await;
        let mut server = Self { client, kubeconfig, kube_apiserver, etcd, _folder: folder };
        server.until_found("/readyz").await;
        for (plural, text) in DEFINITIONS {
            server.define(text).await;
            server.until_found(&format!("/apis/nagaya.dev/v1alpha1/{plural}")).await;
        }
        server
    }

    async fn until_found(&mut self, path: &str) {
        let since = Instant::now();
        loop {
            self.etcd.assert_runs();
            self.kube_apiserver.assert_runs();
            let request = http::Request::get(path).body(Body::empty()).unwrap();
            let answer = self.client.send(request).await;
            if answer.as_ref().is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "{path} is not answered well: {answer:?}");
            sleep(PAUSE).await;
        }
    }

    /// Without what the in-memory API server does not play of a definition: defaults and CEL rules.
    async fn define(&self, text: &str) {
        let mut definition: Value = serde_yaml_ng::from_str(text).unwrap();
        for version in definition["spec"]["versions"].as_array_mut().unwrap() {
            strip(&mut version["schema"]["openAPIV3Schema"]);
        }
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let body = Body::from(definition.to_string().into_bytes());
        let request = http::Request::post(path).header("Content-Type", "application/json");
        let answer = self.client.send(request.body(body).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 201);
    }
}

fn strip(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            // A property may be called so: then it is a schema, with a type.
            if members.contains_key("type") {
                members.remove("default");
                members.remove("x-kubernetes-validations");
            }
            members.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

fn startkube_apiserver(folder: &Path, etcd: &str) -> (Process, SocketAddr) {
    let address = free_address();
    let arguments = [
        format!("--etcd-servers={etcd}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--secure-port={}", address.port()),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        "--tls-cert-file=tls.crt".to_owned(),
        "--tls-private-key-file=tls.key".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--service-account-key-file=sa.pub".to_owned(),
        "--service-account-signing-key-file=sa.key".to_owned(),
        "--token-auth-file=tokens.csv".to_owned(),
        "--authorization-mode=AlwaysAllow".to_owned(),
        format!("--disable-admission-plugins={}", NOT_PLAYED.join(",")),
    ];
    (Process::start("kube-apiserver", folder, &arguments), address)
}

/// Returns the CA's certificate.
fn write_keys(folder: &Path) -> String {
    let service_account = ServiceAccountKey::generate().unwrap();
    for (file, text) in [
        ("sa.key", service_account.private_pem()),
        ("sa.pub", &service_account.public_pem()),
        ("tokens.csv", &format!("{TOKEN},replay,replay,\"system:masters\"\n")),
    ] {
        fs::write(folder.join(file), text).unwrap();
    }
    certificate::write(folder, "kube-apiserver")
}

fn kubeconfig(address: SocketAddr, ca: String) -> String {
    let server = format!("https://{address}");
    let kubeconfig = nagaya_pki::Kubeconfig::new("real", &server, Trust::Bundle(ca));
    kubeconfig.with_token("replay", TOKEN).to_yaml().unwrap()
}

async fn connect(kubeconfig: &str) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    Client::try_from(config.unwrap()).unwrap()
}
