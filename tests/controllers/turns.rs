//! New settings, or a new manager, reach the pods of what runs a few tenants at a time, and stop at the first that
//! does not get well.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use nagaya_api::conditions;
use nagaya_render::plane::plane_namespace_name;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::memory_api::{Id, Kind};
use crate::stage::{PROJECT, Stage};

/// As long as one that has arrived keeps its place.
const SOAK: Duration = Duration::from_secs(30);
/// Somebody else would have begun by then.
const LONG_ENOUGH: Duration = Duration::from_mins(1);

fn name(number: usize) -> String {
    format!("tenant-{number}")
}

async fn with_tenants(count: usize) -> Stage {
    let mut stage = Stage::new();
    for number in 0..count {
        stage.add_tenant(&name(number));
    }
    stage
        .until("all are Ready", |stage| {
            (0..count).all(|number| {
                stage.condition_of(&name(number), conditions::READY)["status"] == "True"
            })
        })
        .await;
    stage.settled().await;
    stage
}

/// The next manager gives kube-scheduler another memory limit, to so many tenants at a time.
fn start_with_other_settings(stage: &mut Stage, budget: u16) {
    stage.kill_manager();
    stage.config.manager.rollout_budget = budget.try_into().unwrap();
    let limits = Some([("memory".to_owned(), Quantity("321Mi".to_owned()))].into());
    let resources = ResourceRequirements { limits, ..ResourceRequirements::default() };
    stage.config.render.resources.insert("kube-scheduler".to_owned(), resources);
    stage.start_manager();
}

fn has_rolled(stage: &Stage, number: usize) -> bool {
    let plane = plane_namespace_name(PROJECT, &name(number));
    let live = stage.planes.get("StatefulSet", &plane, "kube-scheduler").unwrap();
    live["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] == "321Mi"
}

fn rolled(stage: &Stage, count: usize) -> Vec<usize> {
    (0..count).filter(|number| has_rolled(stage, *number)).collect()
}

fn reconciling(stage: &Stage, number: usize) -> String {
    let condition = stage.condition_of(&name(number), conditions::RECONCILING);
    condition["message"].as_str().unwrap_or_default().to_owned()
}

fn id(number: usize) -> Id {
    Id::new(Kind::named("TenantCluster"), PROJECT, &name(number))
}

#[tokio::test(start_paused = true)]
async fn ten_tenants_roll_four_at_a_time_and_each_workload_once() {
    let mut stage = with_tenants(10).await;
    let writes = stage.management_writes().len();
    start_with_other_settings(&mut stage, 4);
    let mut begun = BTreeMap::new();
    let started = Instant::now();
    while begun.len() < 10 {
        assert!(started.elapsed() < Duration::from_mins(8), "only {begun:?} have begun");
        for number in rolled(&stage, 10) {
            begun.entry(number).or_insert(started.elapsed());
        }
        sleep(Duration::from_millis(100)).await;
    }
    let mut times: Vec<Duration> = begun.into_values().collect();
    times.sort();
    for window in times.windows(5) {
        assert!(window[4] > window[0] + SOAK, "more than four at a time: {times:?}");
    }
    stage.settled().await;
    let writes = stage.management_writes().split_off(writes);
    let of_workloads = writes.iter().filter(|write| {
        write.contains("StatefulSet") || write.contains("Deployment") || write.contains("Pod ")
    });
    let schedulers = of_workloads.clone().filter(|write| write.contains("/kube-scheduler"));
    assert_eq!((schedulers.count(), of_workloads.count()), (10, 10), "{writes:#?}");
    for number in 0..10 {
        assert_eq!(reconciling(&stage, number), "", "{number}");
        let ready = stage.condition_of(&name(number), conditions::READY);
        assert_eq!(ready["status"], "True", "{number}: {ready}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_get_ready_stops_the_others_but_nobody_who_asks_for_it() {
    let mut stage = with_tenants(4).await;
    stage.projects.patch(&id(3), &json!({"spec": {"paused": true}}));
    stage.settled().await;
    start_with_other_settings(&mut stage, 1);
    stage.until("one begins", |stage| !rolled(stage, 4).is_empty()).await;
    let first = rolled(&stage, 4)[0];
    stage.silence(first);
    sleep(LONG_ENOUGH).await;
    assert_eq!(rolled(&stage, 4), [first]);
    let waiting: Vec<usize> = (0..3).filter(|number| *number != first).collect();
    for number in &waiting {
        assert_eq!(reconciling(&stage, *number), "waiting for its turn to roll");
    }
    stage.kill_manager();
    stage.start_manager();
    sleep(LONG_ENOUGH).await;
    assert_eq!(rolled(&stage, 4), [first], "the next manager knows too");
    let change = json!({"spec": {"controlPlane": {"replicas": 2}}});
    stage.projects.patch(&id(waiting[0]), &change);
    stage.until("a change of the spec is made", |stage| has_rolled(stage, waiting[0])).await;
    stage.projects.patch(&id(first), &json!({"spec": {"paused": true}}));
    stage.until("the last one follows", |stage| has_rolled(stage, waiting[1])).await;
    assert!(!has_rolled(&stage, 3), "a paused one never does");
}

#[tokio::test(start_paused = true)]
async fn the_image_that_pods_wait_with_changes_only_when_they_are_replaced_anyway() {
    let mut stage = with_tenants(1).await;
    let image = |stage: &Stage| {
        let plane = plane_namespace_name(PROJECT, &name(0));
        let live = stage.planes.get("StatefulSet", &plane, "kube-scheduler").unwrap();
        live["spec"]["template"]["spec"]["initContainers"][0]["image"].clone()
    };
    stage.kill_manager();
    stage.config.render.manager_image = "nagaya:next".to_owned();
    stage.start_manager();
    stage.settled().await;
    assert_eq!(image(&stage), "nagaya");
    start_with_other_settings(&mut stage, 1);
    stage.until("its pods are replaced", |stage| has_rolled(stage, 0)).await;
    assert_eq!(image(&stage), "nagaya:next");
}
