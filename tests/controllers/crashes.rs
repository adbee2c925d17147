//! Whichever write goes wrong, and however: the end is the one that a run without faults has, with the keys
//! that were made first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nagaya_api::conditions;
use serde_json::Value;

use crate::memory_api::{Fault, Id, owned_fields};
use crate::stage::{PROJECT, Stage, spec};

/// Long enough for a pass, and short: a tenant that does not answer is asked ten times a second.
const A_PASS_MORE: Duration = Duration::from_millis(500);

#[tokio::test(start_paused = true)]
async fn a_refused_write_changes_nothing_about_the_end() {
    every_write_suffers(Fault::Refused).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_that_somebody_else_was_faster_than_changes_nothing_about_the_end() {
    every_write_suffers(Fault::Conflict).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_changes_nothing_about_the_end() {
    every_write_suffers(Fault::AnswerLost).await;
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_dies_after_a_write_changes_nothing_about_the_end() {
    every_write_suffers(Fault::Silence).await;
}

/// Runs as often as a run has writes; each time another one gets the fault.
async fn every_write_suffers(fault: Fault) {
    let clean = Stage::new();
    let expected = run(clean, None).await;
    assert!(expected.writes > 30, "hardly anything was written");
    for number in 1..=expected.writes {
        let end = run(Stage::new(), Some((number, fault))).await;
        let what = format!("after {fault:?} of write {number}");
        let all = expected.fields.keys().chain(end.fields.keys());
        let other: BTreeSet<&String> =
            all.filter(|field| expected.fields.get(*field) != end.fields.get(*field)).collect();
        assert_eq!(other, BTreeSet::new(), "{what}, these fields are not as without");
        assert_eq!(end.remade, [], "{what}, keys were made twice");
    }
}

struct End {
    /// Every field of every object, but for what differs from run to run.
    fields: BTreeMap<String, Value>,
    /// Secrets of the plane that were made more than once.
    remade: Vec<Id>,
    /// Until the plane first waited for nodes.
    writes: usize,
}

/// From nothing to a plane that waits for its nodes.
async fn run(mut stage: Stage, fault: Option<(usize, Fault)>) -> End {
    if let Some((number, fault)) = fault {
        stage.planes.plan_fault(number, fault);
    }
    stage.create_tenant(&spec());
    if let Some((_, Fault::Silence)) = fault {
        stage.until("the fault", |stage| stage.planes.all_faults_happened()).await;
        stage.kill_manager();
        stage.start_manager();
    }
    stage
        .until("a plane that waits for nodes", |stage| {
            stage.condition(conditions::ENDPOINT_REACHABLE)["status"] == "False"
                && stage.projects.get("Secret", PROJECT, "demo-kubeconfig").is_some()
                && stage.condition(conditions::SCHEDULER_READY)["reason"] == "NotReady"
        })
        .await;
    let writes = stage.writes().len();
    stage.touch();
    stage.settled_for(A_PASS_MORE).await;
    assert!(stage.planes.all_faults_happened(), "{fault:?} never came");
    let address = stage.planes.node_address().to_string();
    let network = address.trim_end_matches("255").to_owned();
    let everything = stage.planes.everything();
    let fields = everything.into_iter().flat_map(|(id, object)| {
        let fields = comparable(&object, &network).into_iter();
        fields.map(move |(path, value)| (format!("{id}: {path}"), value)).collect::<Vec<_>>()
    });
    let fields = fields.collect();
    let mut made: Vec<Id> = stage.planes.made();
    made.retain(|id| id.kind == "Secret");
    let remade = made.iter().filter(|id| made.iter().filter(|one| one == id).count() > 1);
    End { fields, remade: remade.cloned().collect(), writes }
}

/// The fields of an object, with any address for the cluster's own, and without what depends on keys, on
/// time, or on the address.
fn comparable(object: &Value, network: &str) -> BTreeMap<String, Value> {
    let text = object.to_string().replace(network, "127.0.0.");
    let fields = owned_fields(&serde_json::from_str(&text).unwrap()).into_iter();
    let fields = fields.map(|(path, value)| (path.join("."), value));
    let differs =
        ["applied-digest", "render-revision", "nagaya.dev/templates", "lastTransitionTime"];
    fields
        .filter(|(path, _)| !differs.iter().any(|name| path.ends_with(name)))
        .map(|(path, value)| {
            if path.starts_with("f:data.") && object["kind"] == "Secret" {
                (path, Value::Null)
            } else {
                (path, value)
            }
        })
        .collect()
}
