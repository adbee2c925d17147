//! Which binaries a purpose needs, so that they are built in one go that can say how far it is.

use super::Component;
use crate::error::Result;

/// A component and one of its binaries.
pub type Need = (Component, &'static str);

const CONTROL_PLANE: [&str; 3] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// The management host and what runs on it.
///
/// # Errors
/// The sandbox does not have that minor.
pub fn for_management(minor: &str) -> Result<Vec<Need>> {
    let mut needs = for_node(minor)?;
    needs.extend(for_control_plane(minor)?);
    needs.push((Component::local_path_provisioner(), "local-path-provisioner"));
    Ok(needs)
}

/// A tenant's control plane.
///
/// # Errors
/// The sandbox does not have that minor.
pub fn for_control_plane(minor: &str) -> Result<Vec<Need>> {
    let kubernetes = Component::kubernetes(minor)?;
    let etcd = ["etcd", "etcdctl", "etcdutl"].map(|name| (Component::etcd(), name));
    let tunnel = [(Component::konnectivity(minor), "proxy-server")];
    let own = CONTROL_PLANE.map(|name| (kubernetes.clone(), name));
    Ok(own.into_iter().chain(etcd).chain(tunnel).collect())
}

/// A machine that joins, and what every node runs.
///
/// # Errors
/// The sandbox does not have that minor.
pub fn for_node(minor: &str) -> Result<Vec<Need>> {
    let kubernetes = Component::kubernetes(minor)?;
    let own =
        ["kubeadm", "kubelet", "kubectl", "kube-proxy"].map(|name| (kubernetes.clone(), name));
    let runtime = ["containerd", "containerd-shim-runc-v2", "ctr"];
    let runtime = runtime.map(|name| (Component::containerd(), name));
    let addons =
        [(Component::coredns(minor), "coredns"), (Component::konnectivity(minor), "proxy-agent")];
    Ok(own.into_iter().chain(runtime).chain(addons).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::KUBERNETES_MINORS;

    #[test]
    fn every_need_is_a_binary_of_its_product() {
        for minor in KUBERNETES_MINORS {
            for (component, binary) in for_management(minor).unwrap() {
                assert!(component.package(binary).is_ok(), "{component:?} {binary}");
            }
        }
    }

    #[test]
    fn a_node_needs_no_control_plane() {
        let needs = for_node("1.36").unwrap();
        assert!(needs.iter().all(|(_, binary)| !CONTROL_PLANE.contains(binary)));
    }
}
