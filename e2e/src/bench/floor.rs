//! The bare floor: the objects that Nagaya renders, certificates ready, applied in one go by kubectl;
//! the tenant's content by kubeadm's own phases. What is left of Nagaya without Nagaya.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::MINOR;
use super::candidate::{Candidate, Identity, curl};
use crate::cargo::cargo;
use crate::command::{command, output, run};
use crate::components::Component;
use crate::images::MANAGER;
use crate::progress::step;
use crate::ring::kubectl::{each, name, text};
use crate::ring::tenant::spec_for_namespaces;
use crate::ring::{Failure, JoinAttempt, Kubectl, Look, Machine, Outcome, wait_until};
use crate::{interrupt, network, paths};

/// `NodePort`s from here on, one per round.
const FIRST_PORT: usize = 30700;
const TOKEN: &str = "f100rr.f100rf100rf100r0";
const GONE: Duration = Duration::from_mins(1);
const NODE_READY: Duration = Duration::from_mins(1);

/// One plane without Nagaya.
pub struct Floor {
    /// Where its pods are.
    pub namespace: String,
    endpoint: String,
    objects: Value,
    /// Certificates, kubeadm's configuration and the kubeconfig that it works with.
    folder: PathBuf,
}

impl Floor {
    /// Renders the objects and makes an administrator's kubeconfig, before any clock runs.
    ///
    /// # Errors
    /// It cannot be rendered.
    pub fn prepare(number: usize) -> Outcome<Self> {
        let (host, port) = (network::MANAGEMENT_ADDRESS.to_string(), FIRST_PORT + number);
        let version = format!("v{}", Component::kubernetes(MINOR)?.version()?);
        let mut print = cargo(&["run", "--quiet", "--locked", "--package", "nagaya-render"]);
        print.args(["--example", "print_plane", "--", &format!("floor{number}"), &version]);
        print.args([&host, &port.to_string(), MANAGER]);
        let objects: Value = serde_json::from_str(&output(&mut print)?)?;
        let namespace = each(&objects, "/items").find(|one| text(one, "/kind") == "Namespace");
        let namespace = namespace.map(name).unwrap_or_default().to_owned();
        let folder = paths::state().join(format!("floor{number}"));
        paths::make_folder(&folder)?;
        let floor = Self { namespace, endpoint: format!("{host}:{port}"), objects, folder };
        let configuration = floor.kubeadm_configuration(&version);
        paths::write_whole(&floor.configuration(), configuration.as_bytes())?;
        floor.make_kubeconfig()?;
        Ok(floor)
    }

    /// From the first object to an issued certificate.
    ///
    /// # Errors
    /// It never gets there.
    pub fn birth(&self, identity: &Identity) -> Outcome<Duration> {
        let started = Instant::now();
        step("kubectl apply", || Kubectl::management().apply(&self.objects))?;
        step("/readyz", || self.await_api())?;
        for phase in [&["upload-config", "all"][..], &["bootstrap-token"]] {
            let words = [&["init", "phase"], phase].concat();
            step(format!("kubeadm {}", words.join(" ")), || run(&mut self.kubeadm(&words)))?;
        }
        let candidate = Candidate { endpoint: &self.endpoint, token: TOKEN, identity };
        candidate.become_a_node()?;
        Ok(started.elapsed())
    }

    /// Joins a machine and waits until its node is Ready.
    ///
    /// # Errors
    /// kubeadm fails, or the node does not get Ready.
    pub fn join(&self, machine: &Machine) -> Outcome {
        // As kubeadm's `pubkeypin` reads it: SHA-256 of the SubjectPublicKeyInfo.
        let script = "openssl x509 -in ca.crt -pubkey -noout | \
                      openssl pkey -pubin -outform der | sha256sum";
        let hash = output(command(&["sh", "-c", script]).current_dir(&self.folder))?;
        let hash = hash.split_whitespace().next().unwrap_or_default();
        let attempt = JoinAttempt {
            endpoint: self.endpoint.clone(),
            token: TOKEN.to_owned(),
            ca_cert_hash: format!("sha256:{hash}"),
            patience: 30,
        };
        machine.try_join(&attempt)?.map_err(Failure::new)?;
        machine.await_ready(&Kubectl::with_kubeconfig(&self.kubeconfig()), NODE_READY)
    }

    /// Removes all of it.
    ///
    /// # Errors
    /// Something stays.
    pub fn remove(&self) -> Outcome {
        let management = Kubectl::management();
        let here = ["-n", self.namespace.as_str(), "--wait=false"];
        for words in [
            &["delete", "deployments,replicasets,statefulsets", "--all", "--cascade=orphan"][..],
            // kube-apiserver asks for more time than anybody here needs.
            &["delete", "pods", "--all", "--grace-period=1"],
        ] {
            management.run(&[words, &here].concat())?;
        }
        management.run(&["delete", "namespace", &self.namespace, "--wait=false"])?;
        wait_until("the floor's namespace is gone", GONE, || {
            let left = management.find(&["namespace", &self.namespace])?;
            Ok(Look::done_if(left.is_none(), || "it is there".to_owned()))
        })
    }

    fn await_api(&self) -> Outcome {
        let url = format!("https://{}/readyz", self.endpoint);
        let started = Instant::now();
        while curl(&["--insecure".to_owned()], &url, None).ok() != Some(Value::from("ok")) {
            interrupt::check()?;
            if started.elapsed() > GONE {
                return Err(Failure::new(format!("{url} does not say ok")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn kubeadm(&self, words: &[&str]) -> std::process::Command {
        let mut kubeadm = command(&network::enter(&network::namespace(network::MANAGEMENT)));
        kubeadm.arg(paths::host(network::MANAGEMENT).join("usr/bin/kubeadm")).args(words);
        kubeadm.arg("--config").arg(self.configuration());
        kubeadm.arg("--kubeconfig").arg(self.kubeconfig());
        kubeadm
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("kubeadm.yaml")
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    /// With the kubelet that a namespaces host needs, as Nagaya's tenant has it.
    fn kubeadm_configuration(&self, version: &str) -> String {
        let mut kubelet = spec_for_namespaces(MINOR)["kubelet"].take();
        kubelet["apiVersion"] = json!("kubelet.config.k8s.io/v1beta1");
        kubelet["kind"] = json!("KubeletConfiguration");
        let documents = [
            json!({
                "apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "InitConfiguration",
                "bootstrapTokens": [{"token": TOKEN}],
                "localAPIEndpoint": {"advertiseAddress": network::MANAGEMENT_ADDRESS.to_string()},
            }),
            json!({
                "apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "ClusterConfiguration",
                "kubernetesVersion": version, "controlPlaneEndpoint": self.endpoint,
                "networking": {"serviceSubnet": "10.96.0.0/12", "podSubnet": "10.244.0.0/16"},
            }),
            kubelet,
        ];
        documents.map(|document| document.to_string()).join("\n---\n")
    }

    /// A value of a rendered Secret, decoded.
    fn secret(&self, wanted: &str, key: &str) -> Outcome<Vec<u8>> {
        let is_it = |one: &&Value| text(one, "/kind") == "Secret" && name(one) == wanted;
        let secret = each(&self.objects, "/items").find(is_it);
        let value = secret.map(|secret| text(&secret["data"], &format!("/{key}")).to_owned());
        let missing = || Failure::new(format!("the floor has no {key} in {wanted}"));
        Ok(BASE64.decode(value.ok_or_else(missing)?)?)
    }

    /// An administrator, signed with the plane's own client CA.
    fn make_kubeconfig(&self) -> Outcome {
        let folder = &self.folder;
        for (file, secret, key) in [
            ("client-ca.crt", "client-ca-1", "tls.crt"),
            ("client-ca.key", "client-ca-1", "tls.key"),
            ("ca.crt", "cluster-ca-1", "tls.crt"),
        ] {
            paths::write_whole(&folder.join(file), &self.secret(secret, key)?)?;
        }
        let script = "openssl req -new -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
                      -keyout admin.key -subj /O=system:masters/CN=floor-admin | \
                      openssl x509 -req -CA client-ca.crt -CAkey client-ca.key -CAcreateserial -days 1 \
                      -out admin.crt";
        run(command(&["sh", "-c", script]).current_dir(folder))?;
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "floor",
            "clusters": [{"name": "floor", "cluster": {
                "server": format!("https://{}", self.endpoint),
                "certificate-authority-data": BASE64.encode(self.secret("cluster-ca-1", "tls.crt")?)}}],
            "users": [{"name": "floor", "user": {
                "client-certificate": folder.join("admin.crt"), "client-key": folder.join("admin.key")}}],
            "contexts": [{"name": "floor", "context": {"cluster": "floor", "user": "floor"}}],
        });
        Ok(paths::write_whole(&self.kubeconfig(), kubeconfig.to_string().as_bytes())?)
    }
}
