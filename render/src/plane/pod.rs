//! What the pods of all components have in common: Pod Security `restricted`, no token, no service links,
//! the operator's placement, and the render revision.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, LocalObjectReference, PodSecurityContext, PodSpec, PodTemplateSpec,
    SeccompProfile, SecurityContext, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nagaya_api::labels;
use sha2::{Digest, Sha256};

use super::spread;
use crate::settings::Settings;
use crate::tenant::Tenant;

/// What differs between the pods of the components.
pub(super) struct Pod<'a> {
    /// `app.kubernetes.io/name`.
    pub component: &'static str,
    /// Numeric user and group. Each component has its own, so that one cannot read another's files on a
    /// shared node.
    pub user: i64,
    pub init_containers: Vec<Container>,
    pub container: Container,
    /// Beside it, from the same moment to the same moment.
    pub beside: Option<Container>,
    pub volumes: Vec<Volume>,
    /// Seconds between the signal to end and the kill.
    pub grace: i64,
    /// `PriorityClass`: who goes first when a management node is full.
    pub priority: &'static str,
    /// There may be several, which go to different zones and hosts. Also while there is one: another one must not
    /// change its template, which would restart it.
    pub replicated: bool,
    /// Contents of configuration that the component reads only when it starts.
    pub read_at_start: &'a [&'a str],
}

impl Pod<'_> {
    /// The template, stamped with a digest of itself: equal input restarts nothing, whatever version of the
    /// manager renders it.
    pub(super) fn build_template(self, tenant: &Tenant, settings: &Settings) -> PodTemplateSpec {
        let read_at_start = self.read_at_start;
        let mut template = PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(template_labels(tenant, self.component)),
                ..ObjectMeta::default()
            }),
            spec: Some(self.build_spec(settings)),
        };
        let revision = revision(&template, read_at_start);
        if let Some(metadata) = &mut template.metadata {
            metadata.annotations = Some([(labels::RENDER_REVISION.to_owned(), revision)].into());
        }
        template
    }

    fn build_spec(self, settings: &Settings) -> PodSpec {
        let pull_secrets = &settings.control_plane_images.pull_secrets;
        PodSpec {
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            image_pull_secrets: non_empty(
                pull_secrets
                    .iter()
                    .map(|name| LocalObjectReference { name: name.clone() })
                    .collect(),
            ),
            init_containers: non_empty(
                self.init_containers.into_iter().map(with_last_words).collect(),
            ),
            containers: [self.container]
                .into_iter()
                .chain(self.beside)
                .map(with_last_words)
                .collect(),
            priority_class_name: Some(self.priority.to_owned()),
            affinity: self.replicated.then(|| spread::over_zones(self.component)),
            topology_spread_constraints: self
                .replicated
                .then(|| vec![spread::over_hosts(self.component)]),
            node_selector: Some(settings.node_selector.clone()).filter(|labels| !labels.is_empty()),
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(self.user),
                run_as_group: Some(self.user),
                fs_group: Some(self.user),
                fs_group_change_policy: Some("OnRootMismatch".to_owned()),
                seccomp_profile: Some(SeccompProfile {
                    type_: "RuntimeDefault".to_owned(),
                    localhost_profile: None,
                }),
                ..PodSecurityContext::default()
            }),
            termination_grace_period_seconds: Some(self.grace),
            tolerations: non_empty(settings.tolerations.clone()),
            volumes: non_empty(self.volumes),
            ..PodSpec::default()
        }
    }
}

/// Of one that crashes, kubelet keeps the end of its log (80 lines, 2 KiB) where the manager can read it.
fn with_last_words(container: Container) -> Container {
    let policy = Some("FallbackToLogsOnError".to_owned());
    Container { termination_message_policy: policy, ..container }
}

/// What Pod Security `restricted` asks of a container, with only the capabilities given.
pub(super) fn container_security(capabilities: &[&str]) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            add: non_empty(capabilities.iter().map(|name| (*name).to_owned()).collect()),
            drop: Some(vec!["ALL".to_owned()]),
        }),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}

/// Selects the pods of a component; immutable in a workload, hence only what never changes.
pub(super) fn selector(component: &str) -> BTreeMap<String, String> {
    [(labels::NAME.to_owned(), component.to_owned())].into()
}

pub(super) fn label_selector(component: &str) -> LabelSelector {
    LabelSelector { match_labels: Some(selector(component)), match_expressions: None }
}

/// Without the UID of the `TenantCluster`: adopting a plane must neither restart it nor change the claim
/// template of its StatefulSet, which is immutable.
pub(super) fn template_labels(tenant: &Tenant, component: &str) -> BTreeMap<String, String> {
    let mut all = tenant.labels(component);
    all.remove(labels::TENANT_UID);
    all
}

/// [`metadata`] of a component of Kubernetes, which says its version.
pub(super) fn versioned_metadata(tenant: &Tenant, component: &str) -> ObjectMeta {
    let mut metadata = metadata(tenant, component, component);
    let version = tenant.version.to_string();
    metadata.labels.get_or_insert_default().insert(labels::VERSION_LABEL.to_owned(), version);
    metadata
}

/// Metadata of an object of the control-plane namespace.
pub(super) fn metadata(tenant: &Tenant, name: &str, component: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(tenant.plane_namespace.clone()),
        labels: Some(tenant.labels(component)),
        ..ObjectMeta::default()
    }
}

/// Of the JSON with sorted keys, so that a newer client library, which knows more fields, restarts nothing.
fn revision(template: &PodTemplateSpec, read_at_start: &[&str]) -> String {
    // Only a map whose keys are no strings fails to become JSON.
    let json = serde_json::to_value(template).unwrap_or_default();
    let mut digest = Sha256::new_with_prefix(json.to_string());
    for content in read_at_start {
        digest.update(content);
    }
    let mut head = [0; 8];
    head.copy_from_slice(&digest.finalize()[..8]);
    format!("{:016x}", u64::from_be_bytes(head))
}

fn non_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
