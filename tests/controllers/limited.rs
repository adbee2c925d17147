//! A tenant of whom the gateway refuses connections is told so, and that it is over.

use std::sync::atomic::Ordering;
use std::time::Duration;

use nagaya_api::{LimitedRoute, conditions};
use serde_json::json;
use tokio::time::sleep;

use crate::stage::{PROJECT, Stage, tenant_id};

async fn behind_the_gateway() -> Stage {
    let stage = Stage::with_nodes();
    stage.create_tenant(&json!({"version": "v1.37.1", "expose": {"type": "Gateway"}}));
    stage.settled().await;
    assert!(stage.is_settled());
    stage
}

fn limited(plane: &str) -> LimitedRoute {
    LimitedRoute {
        namespace: plane.to_owned(),
        service: "kube-apiserver-public".to_owned(),
        reason: "TooManyConnections".to_owned(),
        most: 500,
    }
}

fn is_told(stage: &Stage) -> bool {
    stage.condition(conditions::CONNECTIONS_LIMITED)["status"] == "True"
}

/// How often its status was written since then. The probe's canary writes now and then too.
fn statuses(stage: &Stage, before: usize) -> usize {
    let since = stage.writes().split_off(before);
    since.iter().filter(|write| write.contains("TenantCluster acme/demo status")).count()
}

#[tokio::test(start_paused = true)]
async fn who_is_limited_is_told_in_status_with_one_write_and_with_another_that_it_is_over() {
    let stage = behind_the_gateway().await;
    let pod = stage.add_gateway_pod();
    sleep(Duration::from_secs(30)).await;
    let before = stage.count_writes();
    *pod.limited.lock().unwrap() = vec![limited(&Stage::plane())];
    stage.until("it is told", is_told).await;
    let told = stage.condition(conditions::CONNECTIONS_LIMITED);
    assert_eq!(told["reason"], "TooManyConnections");
    let words = told["message"].as_str().unwrap();
    let says = "no more than 500 may be open at gateway pod nagaya-gateway-0;";
    assert!(words.contains(says), "{words}");
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
    sleep(Duration::from_mins(10)).await;
    assert_eq!(statuses(&stage, before), 1);
    pod.limited.lock().unwrap().clear();
    stage.until("it is over", |stage| !is_told(stage)).await;
    assert_eq!(statuses(&stage, before), 2);
}

#[tokio::test(start_paused = true)]
async fn however_it_flaps_a_status_is_written_once_a_minute() {
    let stage = behind_the_gateway().await;
    let pod = stage.add_gateway_pod();
    let before = stage.count_writes();
    for _ in 0..30 {
        *pod.limited.lock().unwrap() = vec![limited(&Stage::plane())];
        sleep(Duration::from_secs(11)).await;
        pod.limited.lock().unwrap().clear();
        sleep(Duration::from_secs(69)).await;
    }
    let statuses = statuses(&stage, before);
    assert!((2..=40).contains(&statuses), "{statuses} in 40 minutes");
    let asked = pod.asked.load(Ordering::Relaxed);
    assert!((235..=245).contains(&asked), "{asked} in 40 minutes");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_goes_away_says_nothing_and_a_new_manager_keeps_what_was_said() {
    let mut stage = behind_the_gateway().await;
    let pod = stage.add_gateway_pod();
    *pod.limited.lock().unwrap() = vec![limited(&Stage::plane())];
    stage.until("it is told", is_told).await;
    stage.kill_manager();
    drop(pod);
    sleep(Duration::from_mins(10)).await;
    stage.start_manager();
    let before = stage.count_writes();
    sleep(Duration::from_secs(50)).await;
    let since = stage.writes().split_off(before);
    assert!(is_told(&stage), "{since:#?}");
    stage.until("it is over", |stage| !is_told(stage)).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_gateway_in_the_settings_nobody_is_asked_and_what_was_said_goes() {
    let mut stage = behind_the_gateway().await;
    let pod = stage.add_gateway_pod();
    *pod.limited.lock().unwrap() = vec![limited(&Stage::plane())];
    stage.until("it is told", is_told).await;
    stage.kill_manager();
    stage.config.manager.gateway_pods = String::new();
    let asked = pod.asked.load(Ordering::Relaxed);
    stage.start_manager();
    stage.until("it is not told any more", |stage| !is_told(stage)).await;
    sleep(Duration::from_mins(2)).await;
    assert_eq!(pod.asked.load(Ordering::Relaxed), asked);
    assert!(stage.projects.get("TenantCluster", PROJECT, &tenant_id().name).is_some());
}

#[tokio::test(start_paused = true)]
async fn who_is_not_behind_the_gateway_is_not_said_to_be_limited_whatever_that_says() {
    let stage = Stage::with_nodes();
    stage.create_tenant(&json!({"version": "v1.37.1"}));
    stage.settled().await;
    let pod = stage.add_gateway_pod();
    *pod.limited.lock().unwrap() = vec![limited(&Stage::plane())];
    sleep(Duration::from_mins(5)).await;
    assert!(pod.asked.load(Ordering::Relaxed) > 0);
    assert!(!is_told(&stage));
}
