//! What a join needs, piece by piece, and two things that it does not need: how to break it, and what only we can
//! mend (the rest is Nagaya's to repair once the tenant is no longer paused).

use std::time::Duration;

use e2e::command::{command, feed, output};
use e2e::network;
use e2e::ring::{Look, Outcome, wait_until};
use serde_json::{Value, json};

use crate::stage::Stage;

/// What a break does to a join.
#[derive(Clone, Copy)]
pub enum Verdict {
    /// Stock kubeadm fails, so Ready must not be True.
    JoinFails,
    /// That, and Ready has this reason.
    JoinFailsFor(&'static str),
    /// Stock kubeadm does not mind, so Ready must stay True.
    Harmless,
}

/// One break.
pub struct Break {
    pub what: String,
    pub verdict: Verdict,
    pub make: Box<Step>,
    /// Before the tenant is no longer paused: what Nagaya cannot mend.
    pub undo: Box<Step>,
    /// After it: what would mend itself, but slowly.
    pub hasten: Box<Step>,
}

type Step = dyn Fn(&Stage) -> Outcome + Send;

/// Objects inside the tenant that a join needs (kubeadm `discovery/token`, `phases/join`; the CSR
/// approvers of kube-controller-manager), and whether it does.
const OBJECTS: [(&str, Verdict); 17] = [
    ("configmap/cluster-info -n kube-public", Verdict::JoinFails),
    ("role/kubeadm:bootstrap-signer-clusterinfo -n kube-public", Verdict::JoinFails),
    ("rolebinding/kubeadm:bootstrap-signer-clusterinfo -n kube-public", Verdict::JoinFails),
    ("configmap/kubeadm-config -n kube-system", Verdict::JoinFails),
    ("role/kubeadm:nodes-kubeadm-config -n kube-system", Verdict::JoinFails),
    ("rolebinding/kubeadm:nodes-kubeadm-config -n kube-system", Verdict::JoinFails),
    ("configmap/kubelet-config -n kube-system", Verdict::JoinFails),
    ("role/kubeadm:kubelet-config -n kube-system", Verdict::JoinFails),
    ("rolebinding/kubeadm:kubelet-config -n kube-system", Verdict::JoinFails),
    ("clusterrole/kubeadm:get-nodes", Verdict::JoinFails),
    ("clusterrolebinding/kubeadm:get-nodes", Verdict::JoinFails),
    ("clusterrolebinding/kubeadm:kubelet-bootstrap", Verdict::JoinFails),
    ("clusterrolebinding/kubeadm:node-autoapprove-bootstrap", Verdict::JoinFails),
    // Needed when a certificate is renewed after weeks, not now.
    ("clusterrolebinding/kubeadm:node-autoapprove-certificate-rotation", Verdict::Harmless),
    // What cannot be read of it is a warning to kubeadm.
    ("configmap/kube-proxy -n kube-system", Verdict::Harmless),
    ("role/kube-proxy -n kube-system", Verdict::Harmless),
    ("rolebinding/kube-proxy -n kube-system", Verdict::Harmless),
];

/// What kubeadm reads of them: namespace, `ConfigMap`, key.
const CONTENTS: [(&str, &str, &str); 4] = [
    ("kube-public", "cluster-info", "kubeconfig"),
    ("kube-system", "kubeadm-config", "ClusterConfiguration"),
    ("kube-system", "kubelet-config", "kubelet"),
    ("kube-system", "kube-proxy", "config.conf"),
];

/// All of them; the last is tried first.
pub fn all() -> Vec<Break> {
    let mut all: Vec<Break> =
        OBJECTS.into_iter().map(|(object, verdict)| missing(object, verdict)).collect();
    all.extend(CONTENTS.map(|(namespace, name, key)| garbled(namespace, name, key)));
    all.extend([
        Break {
            what: "kube-controller-manager scaled to 0".to_owned(),
            verdict: Verdict::JoinFails,
            make: Box::new(|stage| scale_to_zero(stage, "statefulset/kube-controller-manager")),
            undo: Box::new(nothing),
            hasten: Box::new(nothing),
        },
        Break {
            what: "kube-controller-manager that signs nothing".to_owned(),
            verdict: Verdict::JoinFails,
            make: Box::new(sign_nothing),
            undo: Box::new(nothing),
            hasten: Box::new(nothing),
        },
        Break {
            what: "kube-apiserver that takes no bootstrap tokens".to_owned(),
            verdict: Verdict::JoinFailsFor("TokenRefused"),
            make: Box::new(|stage| {
                add_flag(stage, "deployment/kube-apiserver", "--enable-bootstrap-token-auth=false")
            }),
            undo: Box::new(nothing),
            hasten: Box::new(nothing),
        },
        Break {
            what: "kube-apiserver scaled to 0".to_owned(),
            verdict: Verdict::JoinFails,
            make: Box::new(|stage| scale_to_zero(stage, "deployment/kube-apiserver")),
            undo: Box::new(nothing),
            hasten: Box::new(nothing),
        },
        Break {
            what: "the public Service deleted".to_owned(),
            verdict: Verdict::JoinFails,
            make: Box::new(|stage| {
                let words = ["delete", "service", "-n", &stage.plane, "kube-apiserver-public"];
                stage.management().run(&words).map(drop)
            }),
            undo: Box::new(nothing),
            hasten: Box::new(nothing),
        },
        Break {
            what: "packets to the endpoint dropped".to_owned(),
            verdict: Verdict::JoinFails,
            make: Box::new(|stage| drop_packets(stage, "-I")),
            undo: Box::new(|stage| drop_packets(stage, "-D")),
            hasten: Box::new(nothing),
        },
        Break {
            what: "a serving certificate for another name".to_owned(),
            verdict: Verdict::JoinFailsFor("CertificateNameMismatch"),
            make: Box::new(serve_another_name),
            undo: Box::new(nothing),
            hasten: Box::new(serve_the_right_name),
        },
    ]);
    all
}

#[allow(clippy::unnecessary_wraps, reason = "the undo of a break may fail")]
fn nothing(_: &Stage) -> Outcome {
    Ok(())
}

fn missing(object: &'static str, verdict: Verdict) -> Break {
    Break {
        what: format!("{object} missing"),
        verdict,
        make: Box::new(move |stage| {
            let words: Vec<&str> = ["delete"].into_iter().chain(object.split(' ')).collect();
            stage.cluster.run(&words).map(drop)
        }),
        undo: Box::new(nothing),
        hasten: Box::new(nothing),
    }
}

fn garbled(namespace: &'static str, name: &'static str, key: &'static str) -> Break {
    Break {
        what: format!("configmap/{name} -n {namespace} garbled"),
        verdict: Verdict::JoinFails,
        make: Box::new(move |stage| {
            let patch = json!({"data": {key: "no: [YAML"}}).to_string();
            let words = ["patch", "configmap", name, "-n", namespace, "--type=merge", "-p", &patch];
            stage.cluster.run(&words).map(drop)
        }),
        undo: Box::new(nothing),
        hasten: Box::new(nothing),
    }
}

/// Its pod is ready all the same.
fn sign_nothing(stage: &Stage) -> Outcome {
    let flag = "--controllers=-certificatesigningrequest-signing-controller";
    add_flag(stage, "statefulset/kube-controller-manager", flag)
}

/// Of a flag that is there twice the last one counts.
fn add_flag(stage: &Stage, workload: &str, flag: &str) -> Outcome {
    let place = "/spec/template/spec/containers/0/command/-";
    let patch = json!([{"op": "add", "path": place, "value": flag}]).to_string();
    let of = [workload, "-n", &stage.plane];
    stage.management().run(&[&["patch"], &of[..], &["--type=json", "-p", &patch]].concat())?;
    let wait = ["rollout", "status", "--timeout=60s", "--request-timeout=0"];
    stage.management().run(&[&wait[..], &of].concat())?;
    await_pods(stage, workload, 1)
}

/// Scaled, and its processes gone, in the time that they ask for.
fn scale_to_zero(stage: &Stage, workload: &str) -> Outcome {
    stage.management().run(&["scale", workload, "-n", &stage.plane, "--replicas=0"])?;
    await_pods(stage, workload, 0)
}

/// Those on their way out are counted too: they still answer.
fn await_pods(stage: &Stage, workload: &str, count: usize) -> Outcome {
    let component = workload.rsplit('/').next().unwrap_or_default();
    let label = format!("app.kubernetes.io/name={component}");
    wait_until(&format!("{workload} has {count} pods"), Duration::from_mins(1), || {
        let there = stage.management().list(&["pods", "-n", &stage.plane, "-l", &label])?;
        Ok(Look::done_if(there.len() == count, || format!("{} are there", there.len())))
    })
}

/// Before kube-proxy's translation, where the port is still the endpoint's.
fn drop_packets(stage: &Stage, action: &str) -> Outcome {
    let mut words = network::enter(&network::namespace(network::MANAGEMENT));
    let rule = ["iptables", "-w", "-t", "raw", action, "PREROUTING", "-p", "tcp", "--dport"];
    let local = ["iptables", "-w", "-t", "raw", action, "OUTPUT", "-p", "tcp", "--dport"];
    let prefix = words.len();
    for rule in [rule, local] {
        words.truncate(prefix);
        words.extend(rule.map(str::to_owned));
        words.extend([stage.port()?, "-j", "DROP"].map(str::to_owned));
        output(&mut command(&words))?;
    }
    Ok(())
}

/// A certificate of the right CA that does not name the endpoint, served by a new kube-apiserver.
fn serve_another_name(stage: &Stage) -> Outcome {
    let (management, plane) = (stage.management(), stage.plane.as_str());
    let authority = format!(
        "{}\n{}",
        management.secret_value(plane, "cluster-ca-1", "tls.crt")?,
        management.secret_value(plane, "cluster-ca-1", "tls.key")?,
    );
    let pair = feed(&mut command(&["sh", "-c", SIGN]), authority.as_bytes())?;
    let (certificate, key) = pair.split_once("-----BEGIN PRIVATE KEY-----").unwrap_or((&pair, ""));
    let patch: Value = json!({"stringData": {
        "apiserver.crt": certificate, "apiserver.key": format!("-----BEGIN PRIVATE KEY-----{key}"),
    }});
    let patch = patch.to_string();
    let secret = ["patch", "secret", "-n", plane, "kube-apiserver-certs", "-p", &patch];
    management.run(&secret)?;
    replace_api_server(stage)
}

/// A signed pair on standard output, for an authority (certificate, then key) on standard input.
const SIGN: &str = "set -e; d=$(mktemp -d); trap 'rm -r $d' EXIT; cat > $d/ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=elsewhere \
  -keyout $d/key.pem -out $d/request.pem 2>/dev/null
echo subjectAltName=DNS:elsewhere.example > $d/names
openssl x509 -req -in $d/request.pem -CA $d/ca.pem -CAkey $d/ca.pem -CAcreateserial -days 1 \
  -extfile $d/names 2>/dev/null
cat $d/key.pem";

/// Nagaya writes the certificate anew by itself.
fn serve_the_right_name(stage: &Stage) -> Outcome {
    let show = "openssl x509 -noout -ext subjectAltName";
    wait_until("the serving certificate is Nagaya's again", Duration::from_mins(1), || {
        let secret = ("kube-apiserver-certs", "apiserver.crt");
        let certificate = stage.management().secret_value(&stage.plane, secret.0, secret.1)?;
        let names = feed(&mut command(&["sh", "-c", show]), certificate.as_bytes())?;
        Ok(Look::done_if(!names.contains("elsewhere.example"), || names))
    })?;
    replace_api_server(stage)
}

/// kubelet takes a minute to bring a changed Secret into a running pod.
fn replace_api_server(stage: &Stage) -> Outcome {
    let label = "app.kubernetes.io/name=kube-apiserver";
    let words = ["delete", "pod", "-n", &stage.plane, "-l", label, "--grace-period=1"];
    stage.management().run(&words)?;
    wait_until("another kube-apiserver runs", Duration::from_mins(1), || {
        let found =
            stage.management().get(&["deployment", "-n", &stage.plane, "kube-apiserver"])?;
        let ready = found["status"]["readyReplicas"] == 1;
        Ok(Look::done_if(ready, || found["status"].to_string()))
    })
}
