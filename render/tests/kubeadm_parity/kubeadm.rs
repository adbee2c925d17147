//! Runs the real kubeadm and reads the objects that it would create from what `--dry-run` prints: with it,
//! the phases run in full, against a client that shows each write instead of sending it.

use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use nagaya_render::minors::Minor;
use nagaya_render::tenant::Tenant;
use serde_json::{Value, json};

use crate::scenarios::Scenario;

/// Token that kubeadm is told to create.
pub const TOKEN: &str = "abcdef.0123456789abcdef";
/// Its description.
pub const TOKEN_DESCRIPTION: &str = "for nodes of the test";

/// The phases that write what Nagaya writes. `kubeadm init` leaves disabled addons out; the phases, asked for
/// by name, do not.
fn phases(tenant: &Tenant) -> Vec<&'static [&'static str]> {
    let mut phases: Vec<&[&str]> = vec![&["upload-config", "all"], &["bootstrap-token"]];
    phases.extend(tenant.kube_proxy.is_some().then_some::<&[&str]>(&["addon", "kube-proxy"]));
    phases.extend(tenant.core_dns.is_some().then_some::<&[&str]>(&["addon", "coredns"]));
    phases
}

/// The kubeadm binary of one minor.
pub struct Kubeadm(PathBuf);

impl Kubeadm {
    pub fn of(minor: u16) -> Self {
        let variable = format!("KUBEADM_1_{minor}");
        let path = std::env::var_os(&variable).unwrap_or_else(|| {
            panic!("set {variable} to the path of the kubeadm binary of Kubernetes 1.{minor}")
        });
        let path = PathBuf::from(path);
        assert!(path.is_file(), "{variable}: there is no file {}", path.display());
        let version = Command::new(&path).args(["version", "-o", "short"]).output().unwrap();
        let version = String::from_utf8(version.stdout).unwrap();
        assert!(
            version.starts_with(&format!("v1.{minor}.")),
            "{variable} is kubeadm {}, not 1.{minor}",
            version.trim()
        );
        Self(path)
    }

    /// Every object that `kubeadm init` would create in the phases above.
    pub fn writes(&self, scenario: &Scenario) -> Vec<Value> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.yaml");
        std::fs::write(&config, documents(&init_documents(scenario))).unwrap();
        // In a dry run, kubeadm takes the cluster's address and CA from here.
        std::fs::write(folder.path().join("admin.conf"), admin_kubeconfig(scenario)).unwrap();
        phases(&scenario.tenant)
            .into_iter()
            .flat_map(|phase| {
                let output = Command::new(&self.0)
                    .args(["init", "phase"])
                    .args(phase)
                    .args(["--dry-run", "--config"])
                    .arg(&config)
                    .env("KUBEADM_INIT_DRYRUN_DIR", folder.path())
                    .output()
                    .unwrap();
                let printed = String::from_utf8(output.stdout).unwrap();
                assert!(
                    output.status.success(),
                    "{}: kubeadm init phase {phase:?} failed: {}",
                    scenario.name,
                    String::from_utf8_lossy(&output.stderr)
                );
                attached_objects(&printed)
            })
            .collect()
    }

    /// What `kubeadm config validate` says about `component_configs`, empty if it accepts them.
    pub fn strict_decoding_errors(&self, minor: &Minor, component_configs: &[Value]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.yaml");
        let mut all = vec![json!({
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "ClusterConfiguration",
            "kubernetesVersion": minor.newest().to_string(),
        })];
        all.extend_from_slice(component_configs);
        std::fs::write(&config, documents(&all)).unwrap();
        let output =
            Command::new(&self.0).args(["config", "validate", "--config"]).arg(&config).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let errors: Vec<&str> =
            said.lines().filter(|line| line.contains("decoding error")).collect();
        assert!(output.status.success() || !errors.is_empty(), "{said}");
        errors.join("\n")
    }
}

/// The configuration that an administrator would give kubeadm for a cluster of this shape.
fn init_documents(scenario: &Scenario) -> Vec<Value> {
    let tenant = &scenario.tenant;
    let join = |nets: &[_]| nets.iter().map(ToString::to_string).collect::<Vec<String>>().join(",");
    let addon = |managed: bool| if managed { json!({}) } else { json!({"disabled": true}) };
    let mut documents = vec![
        json!({
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": tenant.exposure.addresses[0].to_string()},
            "bootstrapTokens": [{
                "token": TOKEN,
                "description": TOKEN_DESCRIPTION,
                "usages": ["signing", "authentication"],
                "groups": ["system:bootstrappers:kubeadm:default-node-token"],
            }],
        }),
        json!({
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "ClusterConfiguration",
            "kubernetesVersion": tenant.version.to_string(),
            "controlPlaneEndpoint": tenant.endpoint().unwrap().authority(),
            "networking": {
                "dnsDomain": tenant.cluster_domain,
                "podSubnet": join(&tenant.pod_cidrs),
                "serviceSubnet": join(&tenant.service_cidrs),
            },
            "dns": addon(tenant.core_dns.is_some()),
            "proxy": addon(tenant.kube_proxy.is_some()),
        }),
    ];
    documents.extend(scenario.component_configs());
    documents
}

fn admin_kubeconfig(scenario: &Scenario) -> String {
    documents(&[json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {
            "server": scenario.tenant.endpoint().unwrap().url(),
            "certificate-authority-data": STANDARD.encode(&scenario.ca_pem),
        }}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    })])
}

/// JSON is YAML.
fn documents(documents: &[Value]) -> String {
    documents.iter().map(Value::to_string).collect::<Vec<_>>().join("\n---\n")
}

/// When the token that kubeadm created in `objects` expires: it takes the time from the clock.
pub fn token_expiration(objects: &[Value]) -> Timestamp {
    let secret = objects
        .iter()
        .find(|object| object["metadata"]["name"] == "bootstrap-token-abcdef")
        .expect("kubeadm created the token");
    let bytes = STANDARD.decode(secret["data"]["expiration"].as_str().unwrap()).unwrap();
    String::from_utf8(bytes).unwrap().parse().unwrap()
}

/// The YAML after each "Attached object:" of a dry run's output, up to the next line of its log.
fn attached_objects(printed: &str) -> Vec<Value> {
    printed
        .split("[dryrun] Attached object:\n")
        .skip(1)
        .map(|rest| {
            let lines: Vec<&str> = rest.lines().take_while(|line| !line.starts_with('[')).collect();
            serde_yaml_ng::from_str(&lines.join("\n")).unwrap()
        })
        .collect()
}
