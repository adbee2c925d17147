//! A kubeadm working directory: its configuration, and a whole PKI made by us under its names.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use jiff::Timestamp;
use nagaya_pki::{CertificateAuthority, LeafRequest, ServiceAccountKey, Usage};
use tempfile::TempDir;

use crate::{
    command::run,
    support::{ca, client_request, now, serving_request},
};

/// The kubeadm under test, without arguments.
pub fn kubeadm() -> Command {
    let path = std::env::var_os("KUBEADM").unwrap_or_else(|| {
        panic!("KUBEADM is not set: set it to the path of a kubeadm binary, or run `make test`")
    });
    Command::new(path)
}

/// A kubeadm working directory: its configuration, `pki/` and kubeconfigs.
pub struct Home(TempDir);

impl Home {
    pub fn new() -> Self {
        let home = Self(TempDir::new().expect("a temporary directory"));
        let config = format!(
            "apiVersion: kubeadm.k8s.io/v1beta4\n\
             kind: InitConfiguration\n\
             localAPIEndpoint: {{advertiseAddress: 192.0.2.1}}\n\
             nodeRegistration: {{name: node, criSocket: 'unix:///none'}}\n\
             ---\n\
             apiVersion: kubeadm.k8s.io/v1beta4\n\
             kind: ClusterConfiguration\n\
             kubernetesVersion: {}\n\
             controlPlaneEndpoint: 127.0.0.1:6443\n\
             certificatesDir: {}\n",
            run(kubeadm().args(["version", "-o", "short"])).trim(),
            home.path("pki").display()
        );
        home.write("kubeadm.yaml", &config);
        home
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, content).expect("a written file");
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a readable file")
    }

    pub fn kubeadm(&self, arguments: &str) -> String {
        let config = self.path("kubeadm.yaml");
        run(kubeadm().args(arguments.split(' ')).arg("--config").arg(config))
    }

    /// Writes a CA and its leaves under kubeadm's file names; the leaves' ends by those names.
    pub fn write_family(
        &self,
        ca_name: &str,
        ca: &CertificateAuthority,
        leaves: &[(&str, LeafRequest)],
    ) -> BTreeMap<String, Timestamp> {
        self.write(&format!("pki/{ca_name}.crt"), ca.cert_pem());
        self.write(&format!("pki/{ca_name}.key"), ca.key_pem());
        let issue = |(name, request): &(&str, LeafRequest)| {
            let leaf = ca.issue(request, now()).expect("a leaf");
            self.write(&format!("pki/{name}.crt"), leaf.cert_pem());
            self.write(&format!("pki/{name}.key"), leaf.key_pem());
            ((*name).to_owned(), leaf.not_after())
        };
        leaves.iter().map(issue).collect()
    }

    /// Every certificate and key that `kubeadm init` makes, made by us; the leaves' ends.
    pub fn write_whole_pki(&self) -> BTreeMap<String, Timestamp> {
        let client = |name: &str| client_request(name, None);
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let apiserver = LeafRequest {
            dns_names: names(&[
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
                "kubernetes.default.svc.cluster.local",
                "node",
            ]),
            ip_addresses: ["10.96.0.1", "127.0.0.1"].map(|ip| ip.parse().expect("ip")).to_vec(),
            ..serving_request()
        };
        let member = LeafRequest {
            dns_names: names(&["localhost", "node"]),
            ip_addresses: ["127.0.0.1", "::1"].map(|ip| ip.parse().expect("ip")).to_vec(),
            usage: Usage::Both,
            ..serving_request()
        };
        let mut ends = self.write_family(
            "ca",
            &ca("kubernetes"),
            &[
                ("apiserver", apiserver),
                ("apiserver-kubelet-client", client("kube-apiserver-kubelet-client")),
            ],
        );
        ends.extend(self.write_family(
            "front-proxy-ca",
            &ca("front-proxy-ca"),
            &[("front-proxy-client", client("front-proxy-client"))],
        ));
        ends.extend(self.write_family(
            "etcd/ca",
            &ca("etcd-ca"),
            &[
                ("etcd/server", member.clone()),
                ("etcd/peer", member),
                ("etcd/healthcheck-client", client("kube-etcd-healthcheck-client")),
                ("apiserver-etcd-client", client("kube-apiserver-etcd-client")),
            ],
        ));
        let key = ServiceAccountKey::generate().expect("a key");
        self.write("pki/sa.key", key.private_pem());
        self.write("pki/sa.pub", &key.public_pem());
        ends
    }
}

/// Every file below a directory, with its bytes.
pub fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).expect("a readable file"));
        }
    }
    files
}
