//! What a Prometheus gets of a tenant's components with the credential that is there for it, and that nobody gets it
//! without (etcd's metrics, plain HTTP beside the pod, ask for none); and how an object says that nobody has looked at it yet.

use std::path::PathBuf;

use e2e::command::{command, output};
use e2e::ring::kubectl::text;
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{Failure, Outcome, Tenant, ensure, ensure_says, scenario};
use e2e::{network, paths};
use serde_json::json;

const API_SERVER: &str = "kube-apiserver";
/// Component, port, and a metric that only it has.
const SERVED_WITH_TLS: [(&str, u16, &str); 3] = [
    (API_SERVER, 6443, "apiserver_request_total"),
    ("kube-controller-manager", 10257, "workqueue_depth"),
    ("kube-scheduler", 10259, "scheduler_pending_pods"),
];

#[test]
fn metrics_of_components_are_got_with_their_credential_alone_and_nothing_else_is() -> Outcome {
    scenario("metrics", |project| {
        let tenant = Tenant::ready(project, "demo", "1.37")?;
        let credential = Credential::of(&tenant)?;
        let etcd = format!("http://{}:2381/metrics", address(&tenant, "etcd")?);
        ensure_says(&curl(&[], &etcd)?, &["etcd_server_quota_backend_bytes"])?;
        let presented = credential.presented();
        for (component, port, metric) in SERVED_WITH_TLS {
            let address = address(&tenant, component)?;
            let verified = credential.verified(component, port, &address);
            let url = format!("https://{component}:{port}/metrics");
            ensure_says(&curl(&[&verified[..], &presented].concat(), &url)?, &[metric])?;
            let told = curl(&verified, &url)?;
            let withheld = !told.is_empty() && !told.contains(metric);
            ensure(withheld, || format!("{component} tells anybody: {told}"))?;
        }
        let verified = credential.verified(API_SERVER, 6443, &address(&tenant, API_SERVER)?);
        let secrets = format!("https://{API_SERVER}:6443/api/v1/secrets");
        let told = curl(&[&verified[..], &presented].concat(), &secrets)?;
        ensure_says(&told, &[r#""code": 403"#])
    })
}

#[test]
fn an_object_that_nobody_has_looked_at_says_so_in_the_answer_to_its_creation() -> Outcome {
    scenario("unseen", |project| {
        let created = project.management.create(&json!({
            "apiVersion": "nagaya.dev/v1alpha1", "kind": "TenantCluster",
            "metadata": {"name": "demo", "namespace": project.name},
            "spec": spec_for_namespaces("1.37"),
        }))?;
        let status = &created["status"];
        ensure(*status == json!({"observedGeneration": -1}), || format!("its status is {status}"))
    })
}

/// The files of Secret `metrics-client`.
struct Credential(PathBuf);

impl Credential {
    fn of(tenant: &Tenant) -> Outcome<Self> {
        let credential = Self(paths::state().join(format!("{}-metrics", tenant.project.name)));
        std::fs::create_dir_all(&credential.0)?;
        for key in ["ca.crt", "tls.crt", "tls.key"] {
            let management = &tenant.project.management;
            let value = management.secret_value(&tenant.plane()?, "metrics-client", key)?;
            paths::write_whole(&credential.0.join(key), value.as_bytes())?;
        }
        Ok(credential)
    }

    fn file(&self, key: &str) -> String {
        self.0.join(key).display().to_string()
    }

    /// Options of curl by which a component at `address` is verified as itself, with the CA that comes along.
    fn verified(&self, component: &str, port: u16, address: &str) -> [String; 4] {
        let connect = format!("{component}:{port}:{address}:{port}");
        ["--cacert".into(), self.file("ca.crt"), "--connect-to".into(), connect]
    }

    /// Options of curl that present it.
    fn presented(&self) -> [String; 4] {
        ["--cert".into(), self.file("tls.crt"), "--key".into(), self.file("tls.key")]
    }
}

/// The address of a component's pod.
fn address(tenant: &Tenant, component: &str) -> Outcome<String> {
    let label = format!("app.kubernetes.io/name={component}");
    let pods = tenant.project.management.list(&["pods", "-n", &tenant.plane()?, "-l", &label])?;
    let pod =
        pods.first().ok_or_else(|| Failure::new(format!("there is no pod of {component}")))?;
    Ok(text(pod, "/status/podIP").to_owned())
}

/// From the network of the management cluster, as a Prometheus there.
fn curl(options: &[String], url: &str) -> Outcome<String> {
    let mut curl = command(&network::enter(&network::namespace(network::MANAGEMENT)));
    curl.args(["curl", "--silent", "--show-error", "--max-time", "10"]).args(options);
    Ok(output(curl.arg(url))?)
}
