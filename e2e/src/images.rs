//! The container images of the sandbox, assembled by us under their official references.
//!
//! [`catalogue`] says what is in which image, [`archive`] writes the file that containerd imports,
//! `libraries` finds what a program of this machine needs beside itself.

pub mod archive;
pub mod catalogue;
mod libraries;

use std::path::{Path, PathBuf};

pub use archive::assemble;
pub use catalogue::{etcd_tag, pause_reference};

use crate::components::{KUBERNETES_MINORS, NEWEST_MINOR};
use crate::error::{Error, Result};
use archive::Image;

/// The manager's own image.
pub const MANAGER: &str = "ghcr.io/nagaya-dev/nagaya:dev";
/// The gateway.
pub const GATEWAY: &str = "ghcr.io/nagaya-dev/nagaya-gateway:dev";
/// What leads pods of tenants behind it.
pub const FORWARDER: &str = "ghcr.io/nagaya-dev/nagaya-forwarder:dev";
/// The web server that demo and tests run on a tenant's node.
pub const NGINX: &str = "docker.io/library/nginx:1.22";
/// A shell with the usual small programs.
pub const BUSYBOX: &str = "docker.io/library/busybox:1.37";

/// What stock `kubeadm init` and the storage class need on the management host.
///
/// # Errors
/// A component cannot be built, or a package of this machine is missing.
pub fn management() -> Result<Vec<PathBuf>> {
    use catalogue as c;
    let mut images = Vec::new();
    for binary in ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
        images.push(c::control_plane(NEWEST_MINOR, binary)?);
    }
    images.push(c::etcd_for_kubeadm()?);
    images.push(c::pause(NEWEST_MINOR)?);
    images.push(c::kube_proxy(NEWEST_MINOR)?);
    images.push(c::coredns(NEWEST_MINOR)?);
    images.push(c::local_path_provisioner()?);
    images.push(c::busybox()?);
    assemble_all(&images)
}

/// What a tenant's control plane of a minor runs, to be loaded into the management host.
///
/// # Errors
/// A component cannot be built.
pub fn control_plane(minor: &str) -> Result<Vec<PathBuf>> {
    use catalogue as c;
    let mut images = vec![c::etcd_for_tenants()?];
    for binary in ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
        images.push(c::control_plane(minor, binary)?);
    }
    images.push(c::konnectivity(minor, "proxy-server")?);
    assemble_all(&images)
}

/// What a tenant's node of a minor runs: it can pull nothing.
///
/// # Errors
/// A component cannot be built, or a package of this machine is missing.
pub fn node(minor: &str) -> Result<Vec<PathBuf>> {
    use catalogue as c;
    assemble_all(&[
        c::pause(minor)?,
        c::kube_proxy(minor)?,
        c::coredns(minor)?,
        c::konnectivity(minor, "proxy-agent")?,
        c::nginx()?,
        c::busybox()?,
    ])
}

/// The load balancer of the management cluster.
///
/// # Errors
/// The component cannot be built.
pub fn metallb() -> Result<Vec<PathBuf>> {
    assemble_all(&[catalogue::metallb("controller")?, catalogue::metallb("speaker")?])
}

/// The manager's image around a static binary: nothing else in it, user 65532.
///
/// # Errors
/// The binary cannot be read.
pub fn manager_image(binary: &Path) -> Result<PathBuf> {
    assemble(&catalogue::manager(binary))
}

/// metrics-server, for a node that is to run it.
///
/// # Errors
/// It cannot be built.
pub fn metrics_server_image() -> Result<PathBuf> {
    assemble(&catalogue::metrics_server()?)
}

/// [`manager_image`] for the gateway.
///
/// # Errors
/// The binary cannot be read.
pub fn gateway_image(binary: &Path) -> Result<PathBuf> {
    assemble(&catalogue::gateway(binary))
}

/// [`manager_image`] for the forwarder.
///
/// # Errors
/// The binary cannot be read.
pub fn forwarder_image(binary: &Path) -> Result<PathBuf> {
    assemble(&catalogue::forwarder(binary))
}

/// The archives for what a user names: a file, a reference of ours, or `kubernetes-MINOR` for all
/// that a control plane of that minor runs.
///
/// # Errors
/// It is none of these; the text lists the references.
pub fn resolve(wanted: &str) -> Result<Vec<PathBuf>> {
    let file = Path::new(wanted);
    if file.is_file() {
        return Ok(vec![file.to_owned()]);
    }
    if let Some(minor) = wanted.strip_prefix("kubernetes-") {
        return control_plane(minor);
    }
    let mut known = Vec::new();
    for (reference, build) in references()? {
        if reference == wanted {
            return Ok(vec![assemble(&build()?)?]);
        }
        known.push(reference);
    }
    Err(Error::Refused(format!(
        "{wanted:?} is neither a file nor an image that the sandbox can make; those are:\n{}",
        known.join("\n")
    )))
}

type Recipe = Box<dyn FnOnce() -> Result<Image>>;

/// Every reference that the sandbox can make, with what makes it: nothing is built for the list.
fn references() -> Result<Vec<(String, Recipe)>> {
    use catalogue as c;
    let mut known: Vec<(String, Recipe)> = vec![
        (c::etcd_for_tenants_reference()?, Box::new(c::etcd_for_tenants)),
        (c::etcd_for_kubeadm_reference()?, Box::new(c::etcd_for_kubeadm)),
        (c::local_path_provisioner_reference()?, Box::new(c::local_path_provisioner)),
        (c::metrics_server_reference()?, Box::new(c::metrics_server)),
        (NGINX.to_owned(), Box::new(c::nginx)),
        (BUSYBOX.to_owned(), Box::new(c::busybox)),
    ];
    for binary in ["controller", "speaker"] {
        known.push((c::metallb_reference(binary)?, Box::new(move || c::metallb(binary))));
    }
    for minor in KUBERNETES_MINORS {
        known.push((c::pause_reference(minor), Box::new(move || c::pause(minor))));
        known.push((c::coredns_reference(minor)?, Box::new(move || c::coredns(minor))));
        let proxy = c::kubernetes_reference(minor, "kube-proxy")?;
        known.push((proxy, Box::new(move || c::kube_proxy(minor))));
        for binary in ["proxy-server", "proxy-agent"] {
            let reference = c::konnectivity_reference(minor, binary)?;
            known.push((reference, Box::new(move || c::konnectivity(minor, binary))));
        }
        for binary in ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
            let reference = c::kubernetes_reference(minor, binary)?;
            known.push((reference, Box::new(move || c::control_plane(minor, binary))));
        }
    }
    Ok(known)
}

fn assemble_all(images: &[Image]) -> Result<Vec<PathBuf>> {
    images.iter().map(assemble).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_image_is_refused_and_the_known_are_listed() {
        let error = resolve("docker.io/library/nope:1").unwrap_err().to_string();
        assert!(error.contains("registry.k8s.io/kube-apiserver:v1.37"), "{error}");
        assert!(error.contains("gcr.io/etcd-development/etcd:v3.6"), "{error}");
    }
}
