//! What runs on the management cluster for one tenant. One file per component, in reading order:
//!
//! | file | what |
//! |---|---|
//! | `names.rs` | every name and port, in one place |
//! | `namespace.rs` | the control-plane namespace, and what is recorded on it |
//! | `services.rs` | how the components and the outside find each other |
//! | `etcd.rs` | etcd and what it was born with |
//! | `kube_apiserver.rs` (and the tunnel's server beside it), `kube_controller_manager.rs`, `kube_scheduler.rs` | the components |
//! | `snapshots.rs` | the Jobs that save and restore etcd |
//! | `budgets.rs` | how many replicas may be taken away at once |
//! | `spread.rs` | where replicas go |
//! | `pod.rs`, `mounts.rs`, `probes.rs`, `resources.rs`, `networks.rs`, `claims.rs`, `helper.rs`, `wait.rs` | what their pods share |

mod budgets;
mod claims;
mod etcd;
mod helper;
mod kube_apiserver;
mod kube_controller_manager;
mod kube_scheduler;
pub(crate) mod mounts;
pub mod names;
mod namespace;
mod networks;
mod pod;
mod probes;
mod resources;
mod services;
mod snapshots;
mod spread;
mod wait;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::RoleBinding;

use nagaya_api::labels;

pub use etcd::{build_etcd_state, build_first_claim};
pub use namespace::plane_namespace_name;
pub use services::BOTH_FAMILIES;
pub use snapshots::{
    build_bucket_secret, build_restore_job, build_snapshot_job, build_snapshots_claim,
};

use crate::membership::EtcdShape;
use crate::rights::build_plane_role_binding;
use crate::settings::Settings;
use crate::tenant::Tenant;
use crate::upgrade::Versions;

/// What must be there before anything else: a place, the right to work in it, and the Services, of which
/// the public one has to tell its port.
#[derive(Clone, Debug, PartialEq)]
pub struct Foundation {
    /// The control-plane namespace, with what kubelets have baked in recorded on it.
    pub namespace: Namespace,
    /// The manager's rights in it.
    pub role_binding: RoleBinding,
    /// `etcd`: names for the members, ready or not.
    pub etcd: Service,
    /// `etcd-client`: what kube-apiserver connects to.
    pub etcd_client: Service,
    /// `kube-apiserver`: for the components beside it and the manager, also while it starts.
    pub api_server: Service,
    /// `kube-apiserver-public`: the endpoint.
    pub api_server_public: Service,
    /// The other one of the two: of the endpoint of before, which is served too, or of one whose address is awaited.
    pub api_server_other: Option<Service>,
    /// `konnectivity-server`: the tunnel's; `None`: there must be none.
    pub tunnel: Option<Service>,
}

/// What runs, to be applied once the certificates are there. The ConfigMap `etcd-state`
/// ([`build_etcd_state`]) is needed too.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaneObjects {
    /// `etcd`.
    pub etcd: StatefulSet,
    /// `kube-apiserver-authentication`: who may ask what without a credential.
    pub api_server_authentication: ConfigMap,
    /// `kube-apiserver`.
    pub api_server: Deployment,
    /// `kube-controller-manager`.
    pub controller_manager: StatefulSet,
    /// `kube-scheduler`.
    pub scheduler: StatefulSet,
    /// For `etcd`; `None`: there must be none.
    pub etcd_budget: Option<PodDisruptionBudget>,
    /// For `kube-apiserver`; `None`: there must be none.
    pub api_server_budget: Option<PodDisruptionBudget>,
}

impl PlaneObjects {
    /// The same with kube-apiserver's pods replaced when the tunnel's server has another certificate to show, which has this
    /// digest: it reads it only when it starts. Apart from the revision of the template: a certificate that is renewed is no
    /// new template, and waits for no turn.
    #[must_use]
    pub fn with_tunnel_certificate(mut self, digest: Option<&str>) -> Self {
        let template = self.api_server.spec.as_mut().map(|spec| &mut spec.template);
        if let (Some(digest), Some(template)) = (digest, template) {
            let metadata = template.metadata.get_or_insert_default();
            let note = (labels::TUNNEL_CERTIFICATE.to_owned(), digest.to_owned());
            metadata.annotations.get_or_insert_default().extend([note]);
        }
        self
    }

    /// The same with no pod: while etcd's volume is filled, nothing may read or write what it held.
    #[must_use]
    pub fn stopped(mut self) -> Self {
        for set in [&mut self.etcd, &mut self.controller_manager, &mut self.scheduler] {
            if let Some(spec) = &mut set.spec {
                spec.replicas = Some(0);
            }
        }
        if let Some(spec) = &mut self.api_server.spec {
            spec.replicas = Some(0);
        }
        self
    }
}

/// The objects that come first.
#[must_use]
pub fn build_foundation(tenant: &Tenant, members: &EtcdShape) -> Foundation {
    Foundation {
        namespace: namespace::build_namespace(tenant),
        role_binding: build_plane_role_binding(tenant),
        etcd: services::build_etcd(tenant),
        etcd_client: services::build_etcd_client(tenant, members),
        api_server: services::build_api_server(tenant),
        api_server_public: services::build_api_server_public(tenant),
        api_server_other: services::build_api_server_other(tenant, false),
        tunnel: services::build_tunnel(tenant),
    }
}

/// The Service of the endpoint of before, as Kubernetes was asked for it before anybody knew its node port or address.
#[must_use]
pub fn build_api_server_other_as_made(tenant: &Tenant) -> Option<Service> {
    services::build_api_server_other(tenant, true)
}

/// The components, each at the version that an upgrade has come to, with the members that etcd has.
#[must_use]
pub fn build_plane(
    tenant: &Tenant,
    versions: &Versions,
    members: &EtcdShape,
    settings: &Settings,
) -> PlaneObjects {
    let api_server = tenant.at(versions.api_server);
    let controller_manager = tenant.at(versions.controller_manager);
    let scheduler = tenant.at(versions.scheduler);
    PlaneObjects {
        etcd: etcd::build_etcd(tenant, members, settings),
        api_server_authentication: kube_apiserver::build_authentication(tenant),
        api_server: kube_apiserver::build_api_server(&api_server, members, settings),
        controller_manager: kube_controller_manager::build_controller_manager(
            &controller_manager,
            settings,
        ),
        scheduler: kube_scheduler::build_scheduler(&scheduler, settings),
        etcd_budget: budgets::build_etcd_budget(tenant, members),
        api_server_budget: budgets::build_api_server_budget(tenant),
    }
}
