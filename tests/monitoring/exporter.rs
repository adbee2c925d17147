//! What Prometheus scrapes in the test: the manager's own metrics as it encodes them, and lines that were recorded
//! of real components.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nagaya::kube_ops::count_requests::{RequestLabels, Side};
use nagaya::metrics::{EtcdSize, Metrics};
use nagaya_api::{TenantCluster, TenantClusterStatus};
use serde_json::{Value, json};

/// Jobs of tenants' components and what one of them answered at `/metrics`: etcd 3.6.16 and Kubernetes 1.37.1,
/// shortened to the metrics that are asked for.
pub const COMPONENTS: [(&str, &str); 4] = [
    ("nagaya-etcd", include_str!("recorded/etcd.txt")),
    ("nagaya-kube-apiserver", include_str!("recorded/kube-apiserver.txt")),
    ("nagaya-kube-controller-manager", include_str!("recorded/kube-controller-manager.txt")),
    ("nagaya-kube-scheduler", include_str!("recorded/kube-scheduler.txt")),
];

/// Conditions that are not there as long as all is well.
const ILLS: [&str; 3] = ["Stalled", "NodesCutOff", "ConnectionsLimited"];

/// Serves all of it on loopback, by job: `/nagaya-etcd` and so on. Ends with the test.
pub fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let metrics = Arc::new(a_fleet());
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let metrics = Arc::clone(&metrics);
            std::thread::spawn(move || answer(connection, &metrics));
        }
    });
    address
}

/// One scrape per connection.
fn answer(mut connection: TcpStream, metrics: &Metrics) {
    let mut request = [0; 4096];
    let length = connection.read(&mut request).unwrap_or_default();
    let request = String::from_utf8_lossy(&request[..length]).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let recorded = COMPONENTS.iter().find(|(job, _)| path == format!("/{job}"));
    let (kind, body) = match recorded {
        Some((_, text)) => ("text/plain; version=0.0.4", (*text).to_owned()),
        None => ("application/openmetrics-text; version=1.0.0", metrics.encode().unwrap()),
    };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n");
    let length = format!("Content-Length: {}\r\n\r\n", body.len());
    let _ = connection.write_all((head + &length + &body).as_bytes());
}

/// A manager that works, with a tenant that is well and one that is not.
pub fn a_fleet() -> Metrics {
    let metrics = Metrics::default();
    metrics.leads(true);
    metrics.gateway_answers("nagaya-gateway-pods.nagaya-system.svc:8080", 2);
    let now = Timestamp::now();
    for (name, ready, ills) in [("demo", "True", &[][..]), ("broken", "False", &ILLS)] {
        let expires = Some(now + Duration::from_hours(1));
        metrics.tenants.keep(&tenant(name, now), &status(ready, ills), expires, now);
        metrics.tenants.etcd_size("acme", name, EtcdSize { total: 3, in_use: 2, quota: 9 });
    }
    metrics.reconciled("tenantcluster", Duration::from_millis(3), None);
    metrics.reconciled("tenantcluster", Duration::from_millis(3), Some("ForeignObject"));
    let labels =
        RequestLabels { side: Side::Planes, verb: "patch", resource: "services".to_owned() };
    metrics.api_requests.get_or_create(&labels).inc();
    metrics
}

fn tenant(name: &str, created: Timestamp) -> TenantCluster {
    serde_json::from_value(json!({
        "apiVersion": "nagaya.dev/v1alpha1", "kind": "TenantCluster",
        "metadata": {
            "name": name, "namespace": "acme", "creationTimestamp": created.to_string(),
        },
        "spec": {"version": "1.37"},
    }))
    .unwrap()
}

fn status(ready: &str, ills: &[&str]) -> TenantClusterStatus {
    let condition = |kind: &str, status: &str| {
        json!({
            "type": kind, "status": status, "reason": "Any", "message": "",
            "lastTransitionTime": "2026-11-26T12:00:00Z",
        })
    };
    let parts = ["Ready", "APIServerReady", "EtcdReady", "SnapshotsReady"]
        .map(|kind| condition(kind, ready));
    let ills = ills.iter().map(|kind| condition(kind, "True"));
    let conditions: Vec<Value> = parts.into_iter().chain(ills).collect();
    serde_json::from_value(json!({
        "version": "v1.37.1", "controlPlaneNamespace": "plane", "nodes": 2,
        "conditions": conditions,
    }))
    .unwrap()
}
