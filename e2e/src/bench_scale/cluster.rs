//! The management cluster: real programs on loopback, with certificates that kubeadm makes; kubelets that kwok plays.

mod objects;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::api;
use super::audit::{self, Audit};
use super::daemon::Daemon;
use super::ground::{ETCD, FOLDER, MANAGEMENT, NODE, SERVICES};
use super::{Programs, wait};
use crate::command::{command, output, run};
use crate::components::{self, Component, NEWEST_MINOR};
use crate::error::IoContext as _;
use crate::progress::{say, step};
use crate::ring::{Look, Outcome};
use crate::{kubectl, paths};

/// Requests a second that the management cluster's own controllers may send, so that it is not they that are measured.
const RATE: u32 = 2000;
const BURST: u32 = 4000;
/// How many objects of a kind each of them works on at once.
const AT_ONCE: u32 = 50;
/// Not that of the tenants, whose stand-in listens at all addresses.
const PORT: u16 = 6444;
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(200);
/// Who has a token of his own, and his groups. The token is the name.
const USERS: &str = "\
admin,admin,admin,system:masters
kwok,kwok,kwok,system:masters
tenants,tenants,tenants,system:masters
controller-manager,system:kube-controller-manager,controller-manager
scheduler,system:kube-scheduler,scheduler
";

/// What runs. The manager does not belong to it: it comes and goes.
pub struct Cluster {
    /// etcd first, in the order in which they were started.
    pub daemons: Vec<Daemon>,
}

impl Cluster {
    /// Starts everything that `tenants` tenants need, and installs Nagaya but for the manager.
    pub fn start(tenants: usize, programs: &Programs) -> Outcome<Self> {
        let mut daemons = step("management API", || management_api(&[]))?;
        step("its controllers, and kwok", || controllers(&mut daemons))?;
        step("nodes, volumes and Nagaya's manifests", || {
            objects::make_nodes(tenants)?;
            objects::make_volumes(tenants)?;
            install(programs)
        })?;
        say(&format!(
            "Raised: kube-controller-manager and kube-scheduler may send {RATE} requests a second (burst {BURST}), and \
             the former works on {AT_ONCE} objects of a kind at once; kwok has no limit"
        ));
        Ok(Self { daemons })
    }
}

/// The kubeconfig of a user.
pub fn kubeconfig(user: &str) -> PathBuf {
    in_folder(&format!("{user}.kubeconfig"))
}

/// Builds what [`management_api`] starts.
pub fn ensure_management_api() -> Outcome {
    let kubernetes = Component::kubernetes(NEWEST_MINOR)?;
    let mut needs: Vec<components::Need> =
        ["kube-apiserver", "kubeadm", "kubectl"].map(|name| (kubernetes.clone(), name)).into();
    needs.push((Component::etcd(), "etcd"));
    Ok(components::ensure_all(&needs).map(drop)?)
}

/// What [`management_api`]'s proxy is called.
pub const PROXY: &str = "kubectl-proxy";

/// etcd, kube-apiserver, both with `variables`, and the proxy through which we ask it.
pub fn management_api(variables: &[(&str, String)]) -> Outcome<Vec<Daemon>> {
    let pki = in_folder("pki").display().to_string();
    let mut certificates = command(&[binary("kubeadm")?]);
    certificates.args(["init", "phase", "certs", "all", "--cert-dir", &pki]);
    certificates.args(["--apiserver-advertise-address", MANAGEMENT, "--service-cidr", SERVICES]);
    let version = Component::kubernetes(NEWEST_MINOR)?.version()?;
    run(certificates.args(["--kubernetes-version", &version]))?;
    write("tokens.csv", USERS)?;
    write("audit.yaml", audit::POLICY)?;
    for user in USERS.lines().filter_map(|line| line.split(',').next()) {
        write_kubeconfig(user, user)?;
    }
    let daemons = vec![etcd(&pki, variables)?, api_server(&pki, variables)?, proxy()?];
    wait::until("the management API is ready", PATIENCE, PAUSE, || {
        let said = api::text("/readyz");
        Ok(Look::done_if(said.is_ok(), || {
            said.err().map(|error| error.to_string()).unwrap_or_default()
        }))
    })?;
    Ok(daemons)
}

fn etcd(pki: &str, variables: &[(&str, String)]) -> Outcome<Daemon> {
    let (client, peer) = (format!("https://{MANAGEMENT}:2379"), "http://127.0.0.1:2380");
    let words = [
        path(&components::ensure(&Component::etcd(), "etcd")?),
        format!("--data-dir={FOLDER}/etcd"),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        format!("--cert-file={pki}/etcd/server.crt"),
        format!("--key-file={pki}/etcd/server.key"),
        "--client-cert-auth".to_owned(),
        format!("--trusted-ca-file={pki}/etcd/ca.crt"),
        "--quota-backend-bytes=4294967296".to_owned(),
    ];
    Daemon::start("etcd", &words, variables)
}

fn api_server(pki: &str, variables: &[(&str, String)]) -> Outcome<Daemon> {
    let words = [
        binary("kube-apiserver")?,
        format!("--etcd-servers=https://{MANAGEMENT}:2379"),
        format!("--etcd-cafile={pki}/etcd/ca.crt"),
        format!("--etcd-certfile={pki}/apiserver-etcd-client.crt"),
        format!("--etcd-keyfile={pki}/apiserver-etcd-client.key"),
        format!("--bind-address={MANAGEMENT}"),
        format!("--advertise-address={MANAGEMENT}"),
        format!("--secure-port={PORT}"),
        format!("--service-cluster-ip-range={SERVICES}"),
        format!("--tls-cert-file={pki}/apiserver.crt"),
        format!("--tls-private-key-file={pki}/apiserver.key"),
        format!("--client-ca-file={pki}/ca.crt"),
        format!("--service-account-key-file={pki}/sa.pub"),
        format!("--service-account-signing-key-file={pki}/sa.key"),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--token-auth-file={FOLDER}/tokens.csv"),
        "--authorization-mode=Node,RBAC".to_owned(),
        format!("--audit-policy-file={FOLDER}/audit.yaml"),
        format!("--audit-log-path={}", Audit::path().display()),
        // It is read from a place in it: it must not be turned over.
        "--audit-log-maxsize=100000".to_owned(),
    ];
    Daemon::start("kube-apiserver", &words, variables)
}

fn proxy() -> Outcome<Daemon> {
    let words = [
        binary("kubectl")?,
        "proxy".to_owned(),
        format!("--unix-socket={}", api::socket().display()),
        "--reject-paths=".to_owned(),
        format!("--kubeconfig={}", kubeconfig("admin").display()),
    ];
    Daemon::start(PROXY, &words, &[])
}

fn controllers(daemons: &mut Vec<Daemon>) -> Outcome {
    let mut manager = vec![
        binary("kube-controller-manager")?,
        format!("--kubeconfig={}", kubeconfig("controller-manager").display()),
        "--leader-elect=false".to_owned(),
        "--use-service-account-credentials".to_owned(),
        format!("--service-account-private-key-file={FOLDER}/pki/sa.key"),
        format!("--root-ca-file={FOLDER}/pki/ca.crt"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--kube-api-qps={RATE}"),
        format!("--kube-api-burst={BURST}"),
    ];
    let kinds = ["deployment", "statefulset", "replicaset", "namespace", "gc", "service-endpoint"];
    manager.extend(kinds.map(|kind| format!("--concurrent-{kind}-syncs={AT_ONCE}")));
    daemons.push(Daemon::start("kube-controller-manager", &manager, &[])?);
    let configuration = format!(
        "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n\
         leaderElection: {{leaderElect: false}}\n\
         clientConnection: {{kubeconfig: {}, qps: {RATE}, burst: {BURST}}}\n",
        kubeconfig("scheduler").display()
    );
    write("scheduler.yaml", &configuration)?;
    let scheduler = [
        binary("kube-scheduler")?,
        format!("--config={FOLDER}/scheduler.yaml"),
        "--bind-address=127.0.0.1".to_owned(),
    ];
    daemons.push(Daemon::start("kube-scheduler", &scheduler, &[])?);
    let kwok = [
        path(&components::ensure(&Component::kwok(), "kwok")?),
        format!("--kubeconfig={}", kubeconfig("kwok").display()),
        "--manage-all-nodes".to_owned(),
        // kubelet's default. Without Leases all nodes would be taken for lost.
        "--node-lease-duration-seconds=40".to_owned(),
        "--cidr=10.0.0.0/14".to_owned(),
        format!("--node-ip={MANAGEMENT}"),
        format!("--config={}", path(&kubectl::manifests().join("scale/stages.yaml"))),
    ];
    daemons.push(Daemon::start("kwok", &kwok, &[("HOME", FOLDER.to_owned())])?);
    Ok(())
}

/// `kubectl apply` of a file or folder.
pub fn apply(manifests: &Path) -> Outcome {
    Ok(run(&mut admin(&["apply", "--server-side", "-f", &path(manifests)])?)?)
}

/// As users do, but that no node would run the manager's pods.
fn install(programs: &Programs) -> Outcome {
    let manifests = path(&paths::checkout().join("manifests"));
    run(&mut admin(&["apply", "--kustomize", &manifests])?)?;
    let namespace = ["--namespace", "nagaya-system"];
    run(admin(&["delete", "deployment", "nagaya"])?.args(namespace))?;
    let mut token = admin(&["create", "token", "nagaya", "--duration=24h"])?;
    write_kubeconfig("nagaya", output(token.args(namespace))?.trim())?;
    let configuration = format!("nodePortHost: {NODE}\nmanagerImage: nagaya\n");
    write("nagaya.yaml", &configuration)?;
    let version = output(command(&[&programs.nagaya]).env_clear().arg("version"))?;
    say(&format!("Measured is {}", version.trim()));
    Ok(())
}

/// Starts the manager, with `settings` beside those of its file.
pub fn start_manager(programs: &Programs, settings: &[(&str, String)]) -> Outcome<Daemon> {
    let nagaya =
        [path(&programs.nagaya), "run".to_owned(), format!("--config={FOLDER}/nagaya.yaml")];
    let own = [("KUBECONFIG", path(&kubeconfig("nagaya")))];
    Daemon::start("nagaya", &nagaya, &[&own, settings].concat())
}

/// The words that start what answers for the tenants.
pub fn stub_tenants(programs: &Programs, latency: Duration, silent: &str) -> [String; 9] {
    [
        path(&programs.stub_tenants),
        "--node-address".to_owned(),
        NODE.to_owned(),
        "--etcd-address".to_owned(),
        ETCD.to_owned(),
        "--latency".to_owned(),
        latency.as_millis().to_string(),
        "--silent".to_owned(),
        silent.to_owned(),
    ]
}

fn admin(words: &[&str]) -> Outcome<Command> {
    let mut kubectl = command(&[binary("kubectl")?]);
    kubectl.arg("--kubeconfig").arg(kubeconfig("admin")).args(words);
    Ok(kubectl)
}

fn write_kubeconfig(user: &str, token: &str) -> Outcome {
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: management\n\
         clusters: [{{name: management, cluster: {{server: \"https://{MANAGEMENT}:{PORT}\", \
         certificate-authority: {FOLDER}/pki/ca.crt}}}}]\n\
         users: [{{name: own, user: {{token: \"{token}\"}}}}]\n\
         contexts: [{{name: management, context: {{cluster: management, user: own}}}}]\n"
    );
    write(&format!("{user}.kubeconfig"), &text)
}

fn binary(name: &'static str) -> Outcome<String> {
    Ok(path(&components::ensure(&Component::kubernetes(NEWEST_MINOR)?, name)?))
}

fn write(name: &str, text: &str) -> Outcome {
    let path = in_folder(name);
    Ok(fs::write(&path, text).on("write", &path)?)
}

fn in_folder(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
