//! When the pods of a running tenant follow a new manager, or new settings of its operator: so many tenants at a
//! time, and no further while one that has followed is not Ready.
//!
//! A change of a tenant's own spec is never held up, and takes what else is new along. Nothing is counted up
//! or down: who may follow is recorded on the plane, and how far he is, his status says.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use nagaya_api::{TenantCluster, conditions as types, labels, reasons};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::plane::PlaneObjects;
use crate::plane_record::PlaneRecord;
use crate::settings::Settings;
use crate::tenant::Tenant;
use crate::workloads::{Workload, Workloads};

/// One that has followed and is not Ready for so long has stopped the others, and is named.
const STOPS_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// Whose templates a plane's workloads have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates {
    /// The [`revision`] that may be written; recorded on the plane.
    pub revision: Option<String>,
    /// The revision that the plane has followed to while it ran; recorded too. `None`: it was born with its own.
    pub rolled: Option<String>,
    /// What this pass found.
    pub state: TemplateState,
}

/// How far the workloads are behind what is rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TemplateState {
    /// Not at all, as far as this pass knows.
    #[default]
    Written,
    /// The templates were written a moment ago, or are being written.
    Following,
    /// They may not be written yet, for this reason.
    Waiting(String),
}

/// What decides over templates: one manager with one set of settings.
#[must_use]
pub fn revision(settings: &Settings, build: &str) -> String {
    let digest = Sha256::digest(format!("{build} {}", json!(settings)));
    hex(&digest[..8])
}

/// What may become of the templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// They are written as rendered.
    Free(Templates),
    /// They are written as rendered, and others wait meanwhile.
    Begins(Templates),
    /// Only this manager differs, or its settings: it has to be its turn.
    Asks,
}

/// Decides over the templates of one plane; `revision` is this manager's.
#[must_use]
pub fn turn(
    tenant: &Tenant,
    record: Option<&PlaneRecord>,
    workloads: &Workloads,
    rendered: &PlaneObjects,
    revision: &str,
) -> Turn {
    let differs = differing(workloads, rendered).contains(&true);
    let state = if differs { TemplateState::Following } else { TemplateState::Written };
    let now = Some(revision.to_owned());
    let Some(record) = record.filter(|record| record.born) else {
        return Turn::Free(Templates { revision: now, ..Templates::default() });
    };
    if record.templates.revision == now {
        return Turn::Free(Templates { state, ..record.templates.clone() });
    }
    if !differs {
        return Turn::Free(Templates { revision: now, ..Templates::default() });
    }
    let same = record.version == Some(tenant.version)
        && tenant.upgrading_from.is_none()
        && record.accepted_spec.as_ref() == Some(&tenant.spec);
    if same { Turn::Asks } else { Turn::Begins(begun(revision)) }
}

/// The plane follows from now on.
#[must_use]
pub fn begun(revision: &str) -> Templates {
    let revision = Some(revision.to_owned());
    Templates { rolled: revision.clone(), revision, state: TemplateState::Following }
}

/// Of etcd, kube-apiserver, kube-controller-manager and kube-scheduler: whether it is there, with another template than the
/// rendered one.
pub(crate) fn differing(live: &Workloads, rendered: &PlaneObjects) -> [bool; 4] {
    let stateful = |set: &k8s_openapi::api::apps::v1::StatefulSet| {
        set.spec.as_ref().and_then(|spec| template_revision(&spec.template))
    };
    let api_server = rendered.api_server.spec.as_ref();
    [
        (&live.etcd, stateful(&rendered.etcd)),
        (&live.api_server, api_server.and_then(|spec| template_revision(&spec.template))),
        (&live.controller_manager, stateful(&rendered.controller_manager)),
        (&live.scheduler, stateful(&rendered.scheduler)),
    ]
    .map(|(live, rendered)| {
        live.as_ref().is_some_and(|live: &Workload| live.template_revision != rendered)
    })
}

/// The digest that a template was stamped with.
#[must_use]
pub fn template_revision(template: &PodTemplateSpec) -> Option<String> {
    template.metadata.as_ref()?.annotations.as_ref()?.get(labels::RENDER_REVISION).cloned()
}

/// Another tenant, as far as it matters to who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    name: String,
    follows: bool,
    waits: bool,
    unready_since: Option<Timestamp>,
    unfinished: bool,
}

impl Neighbour {
    /// `granted`: it was told to follow, and has not said since that it has. `None`: it does not count, because it
    /// is paused or on its way out.
    #[must_use]
    pub fn of(
        raw: &TenantCluster,
        plane: &BTreeMap<String, String>,
        granted: bool,
        revision: &str,
    ) -> Option<Self> {
        let meta = &raw.metadata;
        if raw.spec.paused || meta.deletion_timestamp.is_some() {
            return None;
        }
        let recorded = |key: &str| plane.get(key).is_some_and(|value| value == revision);
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        Some(Self {
            name: format!("{}/{}", text(&meta.namespace), text(&meta.name)),
            follows: granted || recorded(labels::ROLLED),
            waits: waits(raw),
            unready_since: unready_since(raw),
            unfinished: granted || is_unfinished(raw),
        })
    }

    /// It follows, and has not arrived.
    fn is_on_its_way(&self) -> bool {
        self.follows && (self.unfinished || self.unready_since.is_some())
    }
}

/// Whether a tenant that asks may follow now, or the words for its status. They stay the same for as long as all
/// goes well: they are written for each tenant that waits.
///
/// # Errors
/// It has to wait.
pub fn may_follow(
    raw: &TenantCluster,
    neighbours: &[Neighbour],
    budget: usize,
    now: Timestamp,
) -> Result<(), String> {
    let stopped_by = neighbours.iter().find(|one| {
        one.follows
            && one.unready_since.is_some_and(|since| now.duration_since(since) > STOPS_AFTER)
    });
    if let Some(Neighbour { name, .. }) = stopped_by {
        return Err(format!(
            "waiting for its turn to roll: {name} has rolled and is not Ready; no other does until it is, or is paused"
        ));
    }
    let on_their_way = neighbours.iter().filter(|one| one.is_on_its_way()).count();
    let one_fell = neighbours.iter().any(|one| one.follows && one.unready_since.is_some());
    // Those that serve nobody as it is come last: they might not get Ready, and stop everybody else.
    let first = unready_since(raw).is_none()
        || !neighbours.iter().any(|one| one.waits && one.unready_since.is_none());
    // Only who has said that he waits: so a manager that dies in between leaves a trace of who was under way.
    if waits(raw) && first && !one_fell && on_their_way < budget {
        return Ok(());
    }
    Err("waiting for its turn to roll".to_owned())
}

/// Whether a tenant that was told to follow has arrived. One that is Ready and waits for an address to move to may do so for ever.
#[must_use]
pub fn has_arrived(
    conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition],
) -> bool {
    let reconciling = conditions.iter().find(|one| one.type_ == types::RECONCILING);
    let on_its_way = reconciling
        .is_some_and(|one| one.status == "True" && one.reason != reasons::LOAD_BALANCER_PENDING);
    types::is_true(conditions, types::READY) && !on_its_way
}

fn waits(raw: &TenantCluster) -> bool {
    reconciling(raw) == Some(reasons::WAITING_TO_ROLL)
}

fn is_unfinished(raw: &TenantCluster) -> bool {
    matches!(reconciling(raw), Some(reasons::PROGRESSING | reasons::WAITING_TO_ROLL))
}

fn reconciling(raw: &TenantCluster) -> Option<&str> {
    let mut all = raw.status.iter().flat_map(|status| &status.conditions);
    let found = all.find(|one| one.type_ == types::RECONCILING && one.status == "True")?;
    Some(found.reason.as_str())
}

/// Since when it is not Ready; one that has never said so is new.
fn unready_since(raw: &TenantCluster) -> Option<Timestamp> {
    let mut all = raw.status.iter().flat_map(|status| &status.conditions);
    let ready = all.find(|one| one.type_ == types::READY)?;
    (ready.status != "True").then_some(ready.last_transition_time.0)
}
