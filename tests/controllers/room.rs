//! etcd is defragmented in turns, and a full one is named, stays as it is, and is written to again by itself.

use std::time::Duration;

use nagaya_api::conditions;
use nagaya_render::membership::Step;
use serde_json::json;
use tokio::time::sleep;

use crate::stage::{Stage, tenant_id};

/// kube-apiserver cannot renew its Lease: etcd is asked now. Where nothing happens, nobody asks for minutes.
fn writes_end(stage: &Stage) {
    stage.inside.create(&json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {
            "name": "apiserver-1", "namespace": "kube-system",
            "labels": {"apiserver.kubernetes.io/identity": "kube-apiserver"},
        },
        "spec": {"renewTime": "2020-01-01T00:00:00.000000Z"},
    }));
}

fn ready(stage: &Stage) -> (String, String) {
    let ready = stage.condition(conditions::READY);
    let text = |field: &str| ready[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

async fn assert_noticed(stage: &Stage) {
    writes_end(stage);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(ready(stage), ("False".to_owned(), "NoSpace".to_owned()));
    assert_eq!(stage.condition(conditions::ETCD_READY)["reason"], "NoSpace");
    let told = stage.condition(conditions::READY)["message"].to_string();
    assert!(told.contains("1000 MiB") && told.contains("raise spec.etcd.quota"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_full_etcd_is_noticed_within_half_a_minute_and_waits_for_what_only_its_tenant_can_do() {
    let mut stage = Stage::ready().await;
    stage.etcds.fill(1000, 990);
    assert_noticed(&stage).await;
    stage.settled().await;
    assert!(stage.etcds.is_full());
    assert_eq!(stage.etcds.upkeep(), [Step::Compact { revision: 1 }]);
    // It goes on whoever the manager is.
    stage.kill_manager();
    stage.start_manager();
    stage.etcds.empty(300);
    stage.until("an etcd that is written to", |stage| !stage.etcds.is_full()).await;
    stage.until("a tenant that is Ready", |stage| ready(stage).0 == "True").await;
    let steps = stage.etcds.upkeep();
    let expected = [Step::Compact { revision: 2 }, Step::Defragment { ordinal: 0 }, Step::Disarm];
    assert_eq!(steps[steps.len() - 3..], expected);
}

#[tokio::test(start_paused = true)]
async fn a_full_etcd_of_a_paused_tenant_is_named_and_left_alone() {
    let stage = Stage::ready().await;
    stage.projects.patch(&tenant_id(), &json!({"spec": {"paused": true}}));
    stage.settled().await;
    stage.etcds.fill(1000, 100);
    assert_noticed(&stage).await;
    assert_eq!(stage.etcds.upkeep(), []);
    stage.projects.patch(&tenant_id(), &json!({"spec": {"paused": false}}));
    stage.until("an etcd that is written to", |stage| !stage.etcds.is_full()).await;
}

#[tokio::test(start_paused = true)]
async fn members_are_defragmented_one_after_the_other_and_the_tenant_stays_ready() {
    let stage = Stage::ready().await;
    stage.projects.patch(&tenant_id(), &json!({"spec": {"etcd": {"replicas": 3}}}));
    stage.settled().await;
    stage.etcds.fill(200, 100);
    let before = stage.management_writes().len();
    writes_end(&stage);
    sleep(Duration::from_mins(1)).await;
    let expected = [
        Step::Defragment { ordinal: 1 },
        Step::Defragment { ordinal: 2 },
        Step::Defragment { ordinal: 0 },
    ];
    assert_eq!(stage.etcds.upkeep(), expected);
    assert_eq!(ready(&stage).0, "True");
    let writes = stage.management_writes().split_off(before);
    let is_told = |write: &&String| !write.contains("Event") && !write.contains("Lease");
    let others: Vec<_> = writes.iter().filter(is_told).collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_lone_member_is_left_alone_until_it_is_near_its_quota() {
    let stage = Stage::ready().await;
    stage.etcds.fill(700, 100);
    writes_end(&stage);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(stage.etcds.upkeep(), []);
    stage.etcds.fill(800, 100);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(stage.etcds.upkeep(), [Step::Defragment { ordinal: 0 }]);
}
