//! The validate step: a raw `TenantCluster`, the settings and what is recorded become a [`Tenant`], or a
//! refusal that names the field and says what to do. Pure; nothing after it reads what the raw spec asks for.

mod addons;
mod bucket;
mod exposure;
mod forwarder;
mod networks;
mod ownership;
mod settings;
mod snapshots;
mod storage;
mod version;

use nagaya_api::{Management, TenantCluster, TenantClusterSpec};
use serde_json::{Value, json};

use crate::fragments::{self, FragmentError};
use crate::minors::{KubernetesVersion, Minor};
use crate::plane_record::PlaneRecord;
use crate::settings::Settings;
use crate::tenant::{EtcdMembers, Exposure, Tenant};

pub use exposure::{Sought, refuse_shared};
pub use settings::check_settings;

/// A spec that cannot be served, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Refusal {
    /// Path of the field, such as `spec.networking.podCIDRs[0]`.
    pub field: String,
    /// What is wrong and what to do instead.
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// What validation needs to know besides the object itself.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// What the operator configured.
    pub settings: &'a Settings,
    /// Whether the project namespace carries the operator's label.
    pub project_enabled: bool,
    /// Control-plane namespaces labelled with this tenant's namespace and name.
    pub planes: &'a [PlaneRecord],
    /// The node that limits how far the version may go up.
    pub oldest_kubelet: &'a OldestKubelet,
}

/// The node of a tenant whose kubelet is the oldest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OldestKubelet {
    /// There is no node.
    #[default]
    NoNode,
    /// This one.
    Known {
        /// Name of the node.
        node: String,
        /// `status.nodeInfo.kubeletVersion`.
        version: KubernetesVersion,
    },
    /// The tenant's API server cannot be asked, in words.
    Unknown(String),
}

/// Resolves every name, default and version of `raw`.
///
/// # Errors
/// The first field that cannot be served.
pub fn validate(raw: &TenantCluster, around: Surroundings<'_>) -> Result<Tenant, Refusal> {
    let owner = ownership::check(raw, around)?;
    let spec = &raw.spec;
    refuse_other_foundations(spec, owner.record)?;
    let version = version::resolve(raw, owner.record, around.oldest_kubelet)?;
    let networks = networks::parse(&spec.networking)?;
    let exposure = exposure::resolve(raw, around.settings, owner.record)?;
    let forwarder = forwarder::resolve(spec, around.settings, &networks, &exposure)?;
    let born = owner.record.is_some_and(|record| record.born);
    if !born || exposure.moves.unmade {
        networks::check(&networks, &exposure.addresses)?;
    }
    exposure::check_outside(&networks, &exposure)?;
    if !born {
        storage::check(&spec.etcd.storage)?;
    }
    let quota = storage::quota(&spec.etcd)?;
    let snapshots = snapshots::resolve(spec, around.settings, &owner, version.exact)?;
    // What was accepted once stays so, whatever a newer manager thinks of it.
    if !(born && is_accepted(spec, owner.record)) {
        check_fragments(spec, version.facts)?;
        addons::check(spec)?;
    }
    Ok(Tenant {
        name: owner.name,
        namespace: owner.namespace,
        spec: in_force(spec, owner.record, &exposure),
        uid: owner.uid,
        plane_namespace: owner.plane_namespace,
        version: version.exact,
        minor: version.facts,
        upgrading_from: version.from,
        pod_cidrs: networks.pods,
        service_cidrs: networks.services,
        cluster_domain: spec.networking.cluster_domain.clone(),
        exposure,
        wait_image: wait_image(around.settings, owner.record),
        api_server_replicas: spec.control_plane.replicas,
        etcd: EtcdMembers {
            replicas: spec.etcd.replicas,
            storage_class: storage_class(spec, around.settings, owner.record),
            storage_size: spec.etcd.storage.size.clone(),
            quota,
        },
        snapshots,
        kubelet_patch: spec.kubelet.clone(),
        kube_proxy: addons::kube_proxy(spec),
        core_dns: addons::core_dns(spec),
        forwarder,
        tunnel_agents: spec.addons.konnectivity.management == Management::Managed,
        templates: owner.record.map(|record| record.templates.clone()).unwrap_or_default(),
        // What runs says that, and no record.
        cut_off_since: None,
    })
}

/// A cluster that waits for the address of another endpoint is recorded with the one that it has.
fn in_force(
    spec: &TenantClusterSpec,
    record: Option<&PlaneRecord>,
    exposure: &Exposure,
) -> TenantClusterSpec {
    let made = record.and_then(|record| record.accepted_spec.as_ref());
    let made = made.filter(|_| exposure.moves.awaited.is_some());
    let expose = made.map_or(&spec.expose, |made| &made.expose).clone();
    TenantClusterSpec { expose, ..spec.clone() }
}

fn is_accepted(spec: &TenantClusterSpec, record: Option<&PlaneRecord>) -> bool {
    let accepted = record.and_then(|record| record.accepted_spec.as_ref());
    let at_rest = |spec: &TenantClusterSpec| TenantClusterSpec { paused: false, ..spec.clone() };
    accepted.is_some_and(|accepted| at_rest(accepted) == at_rest(spec))
}

fn check_fragments(spec: &TenantClusterSpec, minor: &Minor) -> Result<(), Refusal> {
    let refused = |error: FragmentError| Refusal::new(error.field, error.message);
    if let Some(patch) = &spec.kubelet {
        fragments::check_kubelet(patch, minor).map_err(refused)?;
    }
    if let Some(patch) = &spec.addons.kube_proxy.config {
        fragments::check_kube_proxy(patch, minor).map_err(refused)?;
    }
    Ok(())
}

/// What stays in force while `raw` is refused: the spec that was accepted last. `None`: there is none, or it
/// would be refused too, such as when the control plane belongs to another object.
#[must_use]
pub fn last_accepted(raw: &TenantCluster, around: Surroundings<'_>) -> Option<Tenant> {
    let accepted = around.planes.first()?.accepted_spec.clone()?;
    let spec = TenantClusterSpec { paused: raw.spec.paused, ..accepted };
    // A project that is not enabled any more gets nothing new; what runs in it goes on.
    let around = Surroundings { project_enabled: true, ..around };
    validate(&TenantCluster { spec, ..raw.clone() }, around).ok()
}

/// The configuration is asked for new planes only: volume claims cannot change theirs.
fn storage_class(
    spec: &TenantClusterSpec,
    settings: &Settings,
    record: Option<&PlaneRecord>,
) -> Option<String> {
    let otherwise = match record {
        Some(record) if record.accepted_spec.is_some() => &record.storage_class,
        _ => &settings.storage_class,
    };
    spec.etcd.storage.class_name.clone().or_else(|| otherwise.clone())
}

/// A plane that is adopted was made with fields that cannot change, as the schema has it for updates.
fn refuse_other_foundations(
    spec: &TenantClusterSpec,
    record: Option<&PlaneRecord>,
) -> Result<(), Refusal> {
    let born = record.filter(|record| record.born);
    let Some(made) = born.and_then(|record| record.accepted_spec.as_ref()) else { return Ok(()) };
    let refusal = |field: &str, made: &Value| {
        let message =
            format!("the control plane was made with {made} and cannot change it; set it back");
        Err(Refusal::new(field, message))
    };
    if made.networking != spec.networking {
        return refusal("spec.networking", &json!(made.networking));
    }
    if made.etcd.storage != spec.etcd.storage {
        return refusal("spec.etcd.storage", &json!(made.etcd.storage));
    }
    Ok(())
}

/// The recorded one: a manager's upgrade restarts no tenant.
fn wait_image(settings: &Settings, record: Option<&PlaneRecord>) -> String {
    let recorded = record.and_then(|record| record.wait_image.clone());
    recorded.unwrap_or_else(|| manager_image(settings))
}

/// The manager's own image, as control-plane pods pull it.
#[must_use]
pub fn manager_image(settings: &Settings) -> String {
    settings.control_plane_images.resolve(&settings.manager_image)
}
