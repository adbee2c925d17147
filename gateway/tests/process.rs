//! The program itself, with routes from a real etcd and kube-apiserver: `ETCD` and `KUBE_APISERVER` name the binaries,
//! and `make test` sets them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails the test")]

#[path = "../../tests/replay/api_server.rs"]
#[allow(dead_code, reason = "made for the replay")]
mod api_server;
#[path = "../../tests/loopback/certificate.rs"]
mod certificate;
#[path = "../../tests/loopback/processes.rs"]
mod processes;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use api_server::ApiServer;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::client::Body;
use nagaya_api::labels;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_secs(30);
const POLICY: &str = include_str!("../../manifests/gateway/policy.yaml");
/// The promise is 200 ms on an idle machine; here others compile.
const UPDATE: Duration = Duration::from_secs(2);

/// The gateway as a process; it ends with this.
struct Gateway {
    child: Child,
    admin: SocketAddr,
    listen: SocketAddr,
}

impl Gateway {
    fn start(kubeconfig: &Path, flags: &[&str]) -> Self {
        let [admin, listen] = [free_address(), free_address()];
        let child = Command::new(env!("CARGO_BIN_EXE_nagaya-gateway"))
            .arg(format!("--admin={admin}"))
            .arg(format!("--listen={listen}"))
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(flags)
            .stdin(Stdio::null())
            .spawn();
        Self { child: child.unwrap(), admin, listen }
    }

    /// Status and text.
    fn ask(&self, path: &str) -> (u16, String) {
        let Ok(mut stream) = TcpStream::connect(self.admin) else { return (0, String::new()) };
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split_whitespace().nth(1).unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    /// Waits until a path says so, and returns how long that took.
    async fn until(&self, path: &str, holds: impl Fn(u16, &str) -> bool) -> Duration {
        let since = Instant::now();
        loop {
            let (status, text) = self.ask(path);
            if holds(status, &text) {
                return since.elapsed();
            }
            assert!(since.elapsed() < PATIENCE, "{path} still says {status} {text}");
            sleep(Duration::from_millis(2)).await;
        }
    }

    fn signal(&self) {
        let id = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
    }

    fn exit_code(&mut self) -> Option<i32> {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn service(name: &str, hosts: &str) -> Service {
    serde_json::from_value(json!({
        "metadata": {
            "name": name,
            "labels": { (labels::GATEWAY): labels::GATEWAY_ENABLED },
            "annotations": { (labels::GATEWAY_HOSTS): hosts },
        },
        "spec": { "ports": [{ "name": "https", "port": 6443 }] },
    }))
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_follow_the_services_of_a_real_api_server_and_sigterm_drains() {
    let server = ApiServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, &server.kubeconfig).unwrap();
    let api: Api<Service> = Api::default_namespaced(server.client.clone());
    let post = PostParams::default();
    let made = api.create(&post, &service("a", "a.example.com")).await.unwrap();
    let mut unlabelled = service("unlabelled", "unlabelled.example.com");
    unlabelled.metadata.labels = None;
    api.create(&post, &unlabelled).await.unwrap();

    let mut gateway = Gateway::start(&kubeconfig, &["--drain-delay=0.5"]);
    gateway.until("/readyz", |status, _| status == 200).await;
    let address = made.spec.unwrap().cluster_ip.unwrap();
    let (_, routes) = gateway.ask("/routes");
    let expected = format!("a.example.com -> {address}:6443 (default/a of default/a): 0 open");
    assert!(routes.starts_with(&expected) && !routes.contains("unlabelled"), "{routes}");

    api.create(&post, &service("b", "b.example.com,a.example.com")).await.unwrap();
    let took = gateway.until("/routes", |_, text| text.contains("b.example.com ->")).await;
    assert!(took < UPDATE, "{took:?}");
    let (_, routes) = gateway.ask("/routes");
    let taken = "refused: default/b: a.example.com belongs to the older Service default/a";
    assert!(routes.contains(taken), "{routes}");
    let (_, metrics) = gateway.ask("/metrics");
    assert!(metrics.contains("nagaya_gateway_routes 2\n"), "{metrics}");
    let line = "nagaya_gateway_refused_names{reason=\"NameTaken\"} 1\n";
    assert!(metrics.contains(line), "{metrics}");

    let change =
        json!({ "metadata": { "annotations": { (labels::GATEWAY_HOSTS): "c.example.com" } } });
    api.patch("a", &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
    // The younger one gets the name that the older one has given up.
    let holds = |_, text: &str| text.contains("c.example.com ->") && !text.contains("refused");
    gateway.until("/routes", holds).await;
    api.delete("a", &DeleteParams::default()).await.unwrap();
    gateway.until("/routes", |_, text| !text.contains("c.example.com")).await;

    // Without its API server it serves what it knows.
    drop(server);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(gateway.ask("/readyz").0, 200);
    assert!(gateway.ask("/routes").1.contains("b.example.com ->"));

    gateway.signal();
    gateway.until("/readyz", |status, _| status == 503).await;
    drop(TcpStream::connect(gateway.listen).unwrap());
    assert_eq!(gateway.exit_code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_policy_only_services_of_control_planes_become_routes() {
    let server = ApiServer::start().await;
    let post = |path: &str, object: &Value| {
        let request = http::Request::post(path).header("Content-Type", "application/json");
        server.client.send(request.body(Body::from(object.to_string().into_bytes())).unwrap())
    };
    for document in serde_yaml_ng::Deserializer::from_str(POLICY) {
        let object = Value::deserialize(document).unwrap();
        let plural = match object["kind"].as_str().unwrap() {
            "ValidatingAdmissionPolicy" => "validatingadmissionpolicies",
            _ => "validatingadmissionpolicybindings",
        };
        let path = format!("/apis/admissionregistration.k8s.io/v1/{plural}");
        assert_eq!(post(&path, &object).await.unwrap().status(), 201);
    }
    for (name, labels) in
        [("plane", json!({ (labels::CONTROL_PLANE): "true" })), ("project", json!({}))]
    {
        let namespace = json!({ "metadata": { "name": name, "labels": labels } });
        assert_eq!(post("/api/v1/namespaces", &namespace).await.unwrap().status(), 201);
    }
    let services = |namespace| Api::<Service>::namespaced(server.client.clone(), namespace);
    let (params, since) = (PostParams::default(), Instant::now());
    // The API server reads its policies now and then.
    let refusal = loop {
        let name = format!("a-{}", since.elapsed().as_millis());
        match services("project").create(&params, &service(&name, "a.example.com")).await {
            Err(refusal) => break refusal.to_string(),
            Ok(_) => assert!(since.elapsed() < PATIENCE, "a project has a route"),
        }
        sleep(Duration::from_millis(200)).await;
    };
    assert!(refusal.contains("for Services of control planes only"), "{refusal}");
    services("plane").create(&params, &service("a", "a.example.com")).await.unwrap();
    let mut unlabelled = service("b", "b.example.com");
    unlabelled.metadata.labels = None;
    services("project").create(&params, &unlabelled).await.unwrap();
    let label = json!({ "metadata": { "labels": { (labels::GATEWAY): "true" } } });
    let (params, label) = (PatchParams::default(), Patch::Merge(label));
    services("project").patch("b", &params, &label).await.unwrap_err();
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    // Nobody answers there: it never gets ready.
    let nobody = free_address();
    let ca = nagaya_pki::Trust::Bundle(certificate::write(folder.path(), "nobody"));
    let text = nagaya_pki::Kubeconfig::new("a", &format!("https://{nobody}"), ca);
    std::fs::write(&kubeconfig, text.with_token("a", "b").to_yaml().unwrap()).unwrap();
    let mut gateway = Gateway::start(&kubeconfig, &["--drain-delay=600"]);
    let since = Instant::now();
    while gateway.ask("/readyz").0 != 503 {
        assert!(since.elapsed() < PATIENCE);
    }
    gateway.signal();
    std::thread::sleep(Duration::from_millis(300));
    assert!(gateway.child.try_wait().unwrap().is_none());
    gateway.signal();
    assert_eq!(gateway.exit_code(), Some(0));
}
