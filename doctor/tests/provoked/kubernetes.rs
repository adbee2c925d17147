//! A real etcd and kube-apiserver with what kubeadm's join finds in a cluster, and no controllers: signatures on cluster-info are
//! made here.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nagaya_pki::{BootstrapToken, Kubeconfig, ServiceAccountKey, ca_cert_hashes, jws};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::certificate;
use crate::processes::{Process, free_address, start_etcd};

const PATIENCE: Duration = Duration::from_mins(2);
const ADMIN: &str = "admin";
const NODES: &str = "system:bootstrappers:kubeadm:default-node-token";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const CONFIG_MAPS: &str = "/api/v1/namespaces/kube-system/configmaps";
const CLUSTER_INFO: &str = "/api/v1/namespaces/kube-public/configmaps";

pub struct Kubernetes {
    pub address: SocketAddr,
    pub ca: String,
    /// What a join command pins.
    pub hash: String,
    kube_apiserver: Process,
    _etcd: Process,
    folder: TempDir,
}

impl Kubernetes {
    /// Returns once nodes could join it, if they had a token.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = certificate::write(folder.path(), "kube-apiserver");
        let keys = ServiceAccountKey::generate().unwrap();
        for (file, text) in [
            ("sa.key", keys.private_pem()),
            ("sa.pub", &keys.public_pem()),
            ("tokens.csv", &format!("{ADMIN},admin,admin,\"system:masters\"\n")),
            ("ca.crt", &ca),
        ] {
            fs::write(folder.path().join(file), text).unwrap();
        }
        let (etcd, etcd_url) = start_etcd(folder.path());
        let address = free_address();
        let arguments = [
            format!("--etcd-servers={etcd_url}"),
            format!("--secure-port={}", address.port()),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            "--tls-cert-file=tls.crt".to_owned(),
            "--tls-private-key-file=tls.key".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--service-account-key-file=sa.pub".to_owned(),
            "--service-account-signing-key-file=sa.key".to_owned(),
            "--token-auth-file=tokens.csv".to_owned(),
            "--enable-bootstrap-token-auth".to_owned(),
            "--authorization-mode=Node,RBAC".to_owned(),
        ];
        let kube_apiserver = Process::start("kube-apiserver", folder.path(), &arguments);
        let hash = ca_cert_hashes(&ca).unwrap().remove(0);
        let mut started = Self { address, ca, hash, kube_apiserver, _etcd: etcd, folder };
        started.until_ready();
        started.fill();
        started
    }

    pub fn endpoint(&self) -> String {
        self.address.to_string()
    }

    fn until_ready(&mut self) {
        let since = Instant::now();
        while self.ask("GET", "/readyz", None).0 != 200
            || self.ask("GET", "/api/v1/namespaces/kube-public", None).0 != 200
        {
            self.kube_apiserver.assert_runs();
            assert!(since.elapsed() < PATIENCE, "it does not get ready");
            sleep(Duration::from_millis(200));
        }
    }

    fn fill(&self) {
        let may = |verb: &str, group: &str, resource: &str| json!({"apiGroups": [group], "resources": [resource], "verbs": [verb]});
        let role = json!({"metadata": {"name": "join"}, "rules": [
            may("get", "", "configmaps"), may("get", "", "nodes"),
            may("create", "certificates.k8s.io", "certificatesigningrequests"),
        ]});
        self.create(&format!("{RBAC}/clusterroles"), &role);
        self.bind(&format!("{RBAC}/clusterrolebindings"), "Group", NODES);
        self.bind(
            &format!("{RBAC}/namespaces/kube-public/rolebindings"),
            "User",
            "system:anonymous",
        );
        let kubeadm = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.37.1\n";
        let data = json!({"ClusterConfiguration": kubeadm});
        self.create(CONFIG_MAPS, &json!({"metadata": {"name": "kubeadm-config"}, "data": data}));
        self.kubelet_config("cgroupDriver: systemd\n");
    }

    fn bind(&self, path: &str, kind: &str, whom: &str) {
        let api = "rbac.authorization.k8s.io";
        let binding = json!({
            "metadata": {"name": "join"},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": "join"},
            "subjects": [{"apiGroup": api, "kind": kind, "name": whom}],
        });
        self.create(path, &binding);
    }

    pub fn kubelet_config(&self, text: &str) {
        let data = json!({"kubelet": text});
        self.put(
            CONFIG_MAPS,
            "kubelet-config",
            &json!({"metadata": {"name": "kubelet-config"}, "data": data}),
        );
    }

    /// Cluster-info that names this server and CA, signed with these tokens.
    pub fn cluster_info(&self, server: &str, ca: &str, tokens: &[&str]) {
        let kubeconfig = Kubeconfig::cluster_info(server, ca).to_yaml().unwrap();
        let mut data = Map::new();
        for token in tokens.iter().map(|token| token.parse::<BootstrapToken>().unwrap()) {
            let signature = jws::sign(kubeconfig.as_bytes(), &token);
            data.insert(format!("jws-kubeconfig-{}", token.id()), signature.into());
        }
        data.insert("kubeconfig".to_owned(), kubeconfig.into());
        self.put(
            CLUSTER_INFO,
            "cluster-info",
            &json!({"metadata": {"name": "cluster-info"}, "data": data}),
        );
    }

    /// A bootstrap token, which nobody has signed for yet.
    pub fn token(&self, token: &str, expiration: &str, groups: &[&str]) {
        let (id, secret) = token.split_once('.').unwrap();
        let mut data = json!({
            "token-id": id, "token-secret": secret, "expiration": expiration,
            "usage-bootstrap-authentication": "true", "usage-bootstrap-signing": "true",
        });
        if !groups.is_empty() {
            data["auth-extra-groups"] = groups.join(",").into();
        }
        let secret = json!({
            "metadata": {"name": format!("bootstrap-token-{id}")},
            "type": "bootstrap.kubernetes.io/token", "stringData": data,
        });
        self.create("/api/v1/namespaces/kube-system/secrets", &secret);
    }

    /// As one that is handed out: it ends in a hundred years, and nodes have it.
    pub fn good_token(&self, token: &str) {
        self.token(token, "2126-01-01T00:00:00Z", &[NODES]);
    }

    /// A node of another machine.
    pub fn node(&self, name: &str, ready: &str) {
        let path = format!("/api/v1/nodes/{name}");
        if self.ask("GET", &path, None).0 == 404 {
            self.create("/api/v1/nodes", &json!({"metadata": {"name": name}}));
        }
        let (_, mut node) = self.ask("GET", &path, None);
        node["status"]["conditions"] = json!([{"type": "Ready", "status": ready}]);
        assert_eq!(self.ask("PUT", &format!("{path}/status"), Some(&node)).0, 200);
    }

    pub fn delete(&self, path: &str) {
        assert_eq!(self.ask("DELETE", path, None).0, 200, "{path}");
    }

    pub fn nobody_may_read_cluster_info(&self) {
        self.delete(&format!("{RBAC}/namespaces/kube-public/rolebindings/join"));
    }

    fn create(&self, path: &str, object: &Value) {
        let (status, answer) = self.ask("POST", path, Some(object));
        assert_eq!(status, 201, "{answer}");
    }

    fn put(&self, path: &str, name: &str, object: &Value) {
        let path_of_it = format!("{path}/{name}");
        if self.ask("GET", &path_of_it, None).0 == 404 {
            return self.create(path, object);
        }
        let (status, answer) = self.ask("PUT", &path_of_it, Some(object));
        assert_eq!(status, 200, "{answer}");
    }

    /// As administrator.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--max-time",
            "20",
            "--write-out",
            "\n%{http_code}",
            "--request",
            method,
        ]);
        curl.arg("--cacert").arg(self.file("ca.crt"));
        curl.args(["--header", &format!("Authorization: Bearer {ADMIN}")]);
        if let Some(body) = body {
            curl.args(["--header", "Content-Type: application/json", "--data", &body.to_string()]);
        }
        curl.arg(format!("https://{}{path}", self.address)).stdin(Stdio::null());
        let output = String::from_utf8(curl.output().unwrap().stdout).unwrap();
        let (answer, status) = output.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), serde_json::from_str(answer).unwrap_or_default())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
