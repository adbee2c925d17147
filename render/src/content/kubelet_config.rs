//! The KubeletConfiguration in kube-system/kubelet-config. Nodes read it once, when they join.

use serde_json::Value;

use super::ContentError;
use super::manifest;
use crate::fragments;
use crate::tenant::Tenant;
use crate::yaml;

/// Who puts processes into cgroups on the nodes. kubelet and containerd must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupDriver {
    /// systemd does, as kubeadm defaults to.
    Systemd,
    /// kubelet and containerd write to the cgroup file system themselves.
    Cgroupfs,
}

/// The cgroup driver that the tenant's kubelets are told to use.
#[must_use]
pub fn cgroup_driver(tenant: &Tenant) -> CgroupDriver {
    let asked = tenant.kubelet_patch.as_ref().and_then(|patch| patch.get("cgroupDriver"));
    match asked.and_then(Value::as_str) {
        Some("cgroupfs") => CgroupDriver::Cgroupfs,
        _ => CgroupDriver::Systemd,
    }
}

/// kubeadm's defaults, what Nagaya needs, and then the tenant's patch, as YAML.
pub(super) fn kubelet_configuration(tenant: &Tenant) -> Result<String, ContentError> {
    let dns = tenant.dns_ip().ok_or(ContentError::NoDnsAddress)?.to_string();
    let mut configuration: Value = manifest::read(
        "KubeletConfiguration",
        include_str!("kubelet_config/kubelet_configuration.yaml"),
        &[("ClusterDNS", &dns), ("ClusterDomain", &tenant.cluster_domain)],
    )?;
    if let Some(patch) = &tenant.kubelet_patch {
        fragments::merge(&mut configuration, patch);
    }
    Ok(yaml::write(&configuration))
}
