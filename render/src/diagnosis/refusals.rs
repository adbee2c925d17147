//! What the API server does not let be made: by the manager, or by the controllers of its workloads.

use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;

use super::{Blockage, Blocked, Evidence, name_of};

/// A refusal that has a name, out of the API server's words about `object`. `None`: just an error.
#[must_use]
pub fn of_refusal(object: &str, words: &str) -> Option<Blockage> {
    let object = object.to_owned();
    let why = without_name(words).to_owned();
    if words.contains("provided port is already allocated") {
        let port = between(words, "Invalid value: ", ":").unwrap_or("asked for").to_owned();
        return Some(Blockage::PortTaken { port });
    }
    // `plugin/pkg/admission/resourcequota`: the second where a quota asks for requests that are not given.
    if words.contains("exceeded quota: ") || words.contains("failed quota: ") {
        return Some(Blockage::QuotaExceeded { object, why });
    }
    if words.contains("violates PodSecurity ") {
        return Some(Blockage::PodSecurityRefused { object, why });
    }
    let policy = between(words, "ValidatingAdmissionPolicy '", "'")
        .map(|name| format!("ValidatingAdmissionPolicy {name}"));
    let webhook = between(words, "admission webhook \"", "\"")
        .or_else(|| between(words, "failed calling webhook \"", "\""))
        .map(|name| format!("admission webhook {name}"));
    let by = policy.or(webhook)?;
    let denied = why.split_once("denied request: ").or(why.split_once("denied the request: "));
    let why = denied.map_or(why.as_str(), |(_, why)| why).to_owned();
    Some(Blockage::AdmissionDenied { object, by, why })
}

/// A Deployment repeats the refusal in a condition, also while pods of before are there. A StatefulSet says it in Events
/// only, which stay for an hour: what counts is the newest, and that a pod is missing.
pub(super) fn judge(component: &str, missing: bool, evidence: &Evidence) -> Option<Blocked> {
    let by_events = || of_stateful_set(component, evidence).filter(|_| missing);
    let (words, object, since) = of_deployment(component, evidence).or_else(by_events)?;
    let blockage = of_refusal(&object, words).unwrap_or_else(|| {
        let why = without_name(words).to_owned();
        Blockage::CreationRefused { object, why }
    });
    Some(Blocked::new(blockage, since))
}

type Refused<'a> = (&'a str, String, Option<Timestamp>);

fn of_deployment<'a>(component: &str, evidence: &'a Evidence) -> Option<Refused<'a>> {
    let mut all = evidence.deployments.iter();
    let found = all.find(|one| name_of(&one.metadata) == component)?;
    let mut conditions = found.status.as_ref()?.conditions.iter().flatten();
    let failure = conditions.find(|one| one.type_ == "ReplicaFailure" && one.status == "True")?;
    let since = failure.last_transition_time.as_ref().map(|time| time.0);
    Some((failure.message.as_deref()?, format!("a pod of Deployment {component}"), since))
}

fn of_stateful_set<'a>(component: &str, evidence: &'a Evidence) -> Option<Refused<'a>> {
    let about = evidence.events.iter().filter(|event| {
        event.regarding.as_ref().is_some_and(|object| {
            object.kind.as_deref() == Some("StatefulSet")
                && object.name.as_deref() == Some(component)
        })
    });
    // Of two in the same second the failure is the later one: a claim is made before its pod.
    let newest = about.max_by_key(|event| (last_seen(event), is_failure(event)))?;
    let words = newest.note.as_deref().filter(|_| is_failure(newest))?;
    let object = between(words, "create ", " in StatefulSet ")
        .map_or_else(|| format!("a pod of StatefulSet {component}"), str::to_owned);
    Some((words, object, first_seen(newest)))
}

fn is_failure(event: &Event) -> bool {
    event.reason.as_deref() == Some("FailedCreate")
}

/// When an Event, which is patched when it repeats, was seen last.
pub(super) fn last_seen(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref().map(|series| series.last_observed_time.0);
    let of_core = event.deprecated_last_timestamp.as_ref().map(|time| time.0);
    series.or(of_core).or_else(|| first_seen(event))
}

fn first_seen(event: &Event) -> Option<Timestamp> {
    let of_core = event.deprecated_first_timestamp.as_ref().map(|time| time.0);
    let made = || event.metadata.creation_timestamp.as_ref().map(|time| time.0);
    of_core.or_else(|| event.event_time.as_ref().map(|time| time.0)).or_else(made)
}

/// Without the pod's name, which is another one at each attempt of a Deployment.
fn without_name(words: &str) -> &str {
    words
        .split_once(" is forbidden: ")
        .or_else(|| words.split_once(" failed error: "))
        .map_or(words, |(_, why)| why)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}
