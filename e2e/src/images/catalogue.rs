//! What is in which image. Programs are where the official images have them, so that the same pod
//! specs run with those.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::archive::Image;
use super::libraries::{add_with_libraries, below_architecture};
use super::{BUSYBOX, FORWARDER, GATEWAY, MANAGER, NGINX};
use crate::command::{command, output, run};
use crate::components::{Component, ensure, hex};
use crate::error::{IoContext, Result};
use crate::paths;

const REGISTRY: &str = "registry.k8s.io";
/// The programs that kube-proxy and its plug-ins look up as links to one binary.
const IPTABLES: [&str; 6] = [
    "iptables",
    "iptables-save",
    "iptables-restore",
    "ip6tables",
    "ip6tables-save",
    "ip6tables-restore",
];

/// `registry.k8s.io/BINARY:vVERSION` for the newest patch of a minor that is pinned.
///
/// # Errors
/// The sandbox does not have that minor.
pub fn kubernetes_reference(minor: &str, binary: &str) -> Result<String> {
    Ok(format!("{REGISTRY}/{binary}:v{}", Component::kubernetes(minor)?.version()?))
}

/// The pause image that kubeadm of a minor expects (`PauseVersion` in its `constants.go`).
#[must_use]
pub fn pause_reference(minor: &str) -> String {
    let version = if minor == "1.35" { "3.10.1" } else { "3.10.2" };
    format!("{REGISTRY}/pause:{version}")
}

/// The CoreDNS image that kubeadm of a minor installs.
///
/// # Errors
/// The pinned version cannot be read.
pub fn coredns_reference(minor: &str) -> Result<String> {
    Ok(format!("{REGISTRY}/coredns/coredns:v{}", Component::coredns(minor).version()?))
}

/// The etcd project's own reference, for tenants.
///
/// # Errors
/// The pinned version cannot be read.
pub fn etcd_for_tenants_reference() -> Result<String> {
    Ok(format!("gcr.io/etcd-development/etcd:v{}", Component::etcd().version()?))
}

/// The tag of etcd in Kubernetes' registry, for the management cluster's kubeadm.
///
/// # Errors
/// The pinned version cannot be read.
pub fn etcd_tag() -> Result<String> {
    Ok(format!("{}-0", Component::etcd().version()?))
}

/// etcd's reference in Kubernetes' registry.
///
/// # Errors
/// The pinned version cannot be read.
pub fn etcd_for_kubeadm_reference() -> Result<String> {
    Ok(format!("{REGISTRY}/etcd:{}", etcd_tag()?))
}

/// The storage class's provisioner.
///
/// # Errors
/// The pinned version cannot be read.
pub fn local_path_provisioner_reference() -> Result<String> {
    let version = Component::local_path_provisioner().version()?;
    Ok(format!("docker.io/rancher/local-path-provisioner:v{version}"))
}

/// kube-apiserver, kube-controller-manager or kube-scheduler.
///
/// # Errors
/// The component cannot be built.
pub fn control_plane(minor: &str, binary: &str) -> Result<Image> {
    let source = ensure(&Component::kubernetes(minor)?, binary)?;
    let path = format!("/usr/local/bin/{binary}");
    let image = Image::new(kubernetes_reference(minor, binary)?).entrypoint(&[&path]);
    let capable = binary == "kube-apiserver";
    Ok(if capable { image.capable_file(&path, &source) } else { image.file(&path, &source) })
}

/// kube-proxy with iptables in both its forms, its plug-ins and conntrack.
///
/// # Errors
/// The component cannot be built, or a package of this machine is missing.
pub fn kube_proxy(minor: &str) -> Result<Image> {
    let source = ensure(&Component::kubernetes(minor)?, "kube-proxy")?;
    let path = "/usr/local/bin/kube-proxy";
    let image = Image::new(kubernetes_reference(minor, "kube-proxy")?).entrypoint(&[path]);
    let mut image = image.file(path, &source);
    let mut files = ["xtables-nft-multi", "xtables-legacy-multi", "conntrack"]
        .map(|name| PathBuf::from("/usr/sbin").join(name))
        .to_vec();
    // Each match and target is a plug-in with libraries of its own; without libm the `statistic`
    // match fails and no Service works.
    let plugins = below_architecture("/usr/lib", "xtables")?;
    files.extend(list(&plugins)?);
    image = add_with_libraries(image, &files)?;
    for name in IPTABLES {
        image = image.link(format!("/usr/sbin/{name}"), "xtables-nft-multi");
        let (first, rest) = name.split_once("tables").unwrap_or((name, ""));
        image = image.link(format!("/usr/sbin/{first}tables-legacy{rest}"), "xtables-legacy-multi");
        image = image.link(format!("/usr/sbin/{first}tables-nft{rest}"), "xtables-nft-multi");
    }
    Ok(image)
}

/// CoreDNS.
///
/// # Errors
/// The component cannot be built.
pub fn coredns(minor: &str) -> Result<Image> {
    let source = ensure(&Component::coredns(minor), "coredns")?;
    let image = Image::new(coredns_reference(minor)?).entrypoint(&["/coredns"]).user("65532:65532");
    Ok(image.capable_file("/coredns", &source))
}

/// `registry.k8s.io/kas-network-proxy/BINARY:vVERSION`, where `binary` is `proxy-server` or `proxy-agent`.
///
/// # Errors
/// The pinned version cannot be read.
pub fn konnectivity_reference(minor: &str, binary: &str) -> Result<String> {
    let version = Component::konnectivity(minor).version()?;
    Ok(format!("{REGISTRY}/kas-network-proxy/{binary}:v{version}"))
}

/// The tunnel's server or agent.
///
/// # Errors
/// The component cannot be built.
pub fn konnectivity(minor: &str, binary: &str) -> Result<Image> {
    let source = ensure(&Component::konnectivity(minor), binary)?;
    let path = format!("/{binary}");
    let image = Image::new(konnectivity_reference(minor, binary)?).entrypoint(&[&path]);
    Ok(image.user("65532:65532").file(&path, &source))
}

/// `quay.io/metallb/BINARY:vVERSION`, where `binary` is `controller` or `speaker`.
///
/// # Errors
/// The pinned version cannot be read.
pub fn metallb_reference(binary: &str) -> Result<String> {
    Ok(format!("quay.io/metallb/{binary}:v{}", Component::metallb().version()?))
}

/// The load balancer's controller or speaker.
///
/// # Errors
/// The component cannot be built.
pub fn metallb(binary: &str) -> Result<Image> {
    let source = ensure(&Component::metallb(), binary)?;
    let path = format!("/{binary}");
    let image = Image::new(metallb_reference(binary)?).entrypoint(&[&path]);
    Ok(image.file(&path, &source))
}

/// What `kubectl top` asks.
///
/// # Errors
/// The pinned version cannot be read.
pub fn metrics_server_reference() -> Result<String> {
    let version = Component::metrics_server().version()?;
    Ok(format!("{REGISTRY}/metrics-server/metrics-server:v{version}"))
}

/// metrics-server.
///
/// # Errors
/// The component cannot be built.
pub fn metrics_server() -> Result<Image> {
    let source = ensure(&Component::metrics_server(), "metrics-server")?;
    let image = Image::new(metrics_server_reference()?).entrypoint(&["/metrics-server"]);
    Ok(image.user("65532:65532").file("/metrics-server", &source))
}

/// etcd for tenants' control planes.
///
/// # Errors
/// The component cannot be built.
pub fn etcd_for_tenants() -> Result<Image> {
    etcd(etcd_for_tenants_reference()?)
}

/// etcd for the management cluster.
///
/// # Errors
/// The component cannot be built.
pub fn etcd_for_kubeadm() -> Result<Image> {
    etcd(etcd_for_kubeadm_reference()?)
}

fn etcd(reference: String) -> Result<Image> {
    let mut image = Image::new(reference).command(&["/usr/local/bin/etcd"]);
    for binary in ["etcd", "etcdctl", "etcdutl"] {
        let source = ensure(&Component::etcd(), binary)?;
        image = image.file(format!("/usr/local/bin/{binary}"), &source);
    }
    Ok(image.folder("var/etcd").folder("var/lib/etcd"))
}

/// The container that holds a pod's namespaces.
///
/// # Errors
/// There is no C compiler.
pub fn pause(minor: &str) -> Result<Image> {
    let image = Image::new(pause_reference(minor)).entrypoint(&["/pause"]).user("65535:65535");
    Ok(image.file("/pause", &compiled_pause()?))
}

fn compiled_pause() -> Result<PathBuf> {
    let source = include_str!("pause.c");
    let folder = paths::cache().join("components");
    let path = folder.join(format!("pause-{}", hex(&Sha256::digest(source)[..8])));
    if path.exists() {
        return Ok(path);
    }
    let (code, draft) = (path.with_extension("c"), path.with_extension("building"));
    paths::write_whole(&code, source.as_bytes())?;
    run(command(&["cc", "-static", "-Os", "-s", "-o"]).arg(&draft).arg(&code))?;
    std::fs::rename(&draft, &path).on("keep", &path)?;
    Ok(path)
}

/// The provisioner of the default storage class.
///
/// # Errors
/// The component cannot be built.
pub fn local_path_provisioner() -> Result<Image> {
    let name = "local-path-provisioner";
    let source = ensure(&Component::local_path_provisioner(), name)?;
    let image = Image::new(local_path_provisioner_reference()?).command(&[name]);
    Ok(image.file(format!("/usr/bin/{name}"), &source).folder("root"))
}

/// A shell and the usual small programs, from Debian's busybox-static.
///
/// # Errors
/// The package is missing.
pub fn busybox() -> Result<Image> {
    let source = Path::new("/usr/bin/busybox");
    let mut image = users(Image::new(BUSYBOX).command(&["sh"])).file("/bin/busybox", source);
    for applet in output(&mut command(&["busybox", "--list"]))?.lines() {
        image = image.link(format!("/bin/{applet}"), "busybox");
    }
    Ok(image)
}

/// A web server with one page, from Debian's nginx-light; logs go to standard output.
///
/// # Errors
/// The package is missing.
pub fn nginx() -> Result<Image> {
    let image = Image::new(NGINX).command(&["nginx", "-g", "daemon off;"]);
    let image = add_with_libraries(users(image), &[PathBuf::from("/usr/sbin/nginx")])?;
    Ok(image
        .text("/etc/nginx/nginx.conf", include_str!("nginx.conf"))
        .file("/etc/nginx/mime.types", Path::new("/etc/nginx/mime.types"))
        .text("/usr/share/nginx/html/index.html", include_str!("index.html"))
        .folder("var/lib/nginx")
        .folder("var/log/nginx"))
}

/// The manager around its static binary.
#[must_use]
pub fn manager(binary: &Path) -> Image {
    Image::new(MANAGER).entrypoint(&["/nagaya"]).user("65532:65532").file("/nagaya", binary)
}

/// The gateway around its static binary.
#[must_use]
pub fn gateway(binary: &Path) -> Image {
    let image = Image::new(GATEWAY).entrypoint(&["/nagaya-gateway"]).user("65532:65532");
    image.file("/nagaya-gateway", binary)
}

/// The forwarder around its static binary: it runs as root, for a capability.
#[must_use]
pub fn forwarder(binary: &Path) -> Image {
    Image::new(FORWARDER).entrypoint(&["/nagaya-forwarder"]).file("/nagaya-forwarder", binary)
}

fn users(image: Image) -> Image {
    image
        .text("/etc/passwd", "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
        .text("/etc/group", "root:x:0:\nnogroup:x:65534:\n")
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).on("list", folder)?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "so"));
    files.sort();
    Ok(files)
}
