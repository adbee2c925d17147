//! Most tenants vanish at once: likelier the manager's own network than all of theirs, and it says so.

use nagaya_api::conditions;
use serde_json::Value;

use crate::stage::Stage;

const TENANTS: [&str; 4] = ["first", "second", "third", "fourth"];

async fn with_tenants() -> Stage {
    let mut stage = Stage::new();
    for name in TENANTS {
        stage.add_tenant(name);
    }
    stage.until("all are Ready", |stage| all(stage, "True", "Joinable") == 4).await;
    stage
}

/// How many tenants have a `Ready` of this status for this reason.
fn all(stage: &Stage, status: &str, reason: &str) -> usize {
    count(stage, conditions::READY, status, reason)
}

fn count(stage: &Stage, kind: &str, status: &str, reason: &str) -> usize {
    let found = TENANTS.map(|name| stage.condition_of(name, kind));
    let has = |one: &&Value| one["status"] == status && one["reason"] == reason;
    found.iter().filter(has).count()
}

#[tokio::test(start_paused = true)]
async fn when_most_tenants_cannot_be_reached_nothing_is_known_of_those() {
    let mut stage = with_tenants().await;
    for number in 0..3 {
        stage.silence(number);
    }
    stage.until("it distrusts itself", |stage| all(stage, "Unknown", "ProberBlind") == 3).await;
    assert_eq!(all(&stage, "True", "Joinable"), 1, "one was seen");
    assert_eq!(count(&stage, conditions::ENDPOINT_REACHABLE, "Unknown", "ProberBlind"), 3);
}

#[tokio::test(start_paused = true)]
async fn when_some_cannot_be_reached_they_are_not_ready() {
    let mut stage = with_tenants().await;
    for number in 0..2 {
        stage.silence(number);
    }
    stage.until("they are not ready", |stage| all(stage, "True", "Joinable") == 2).await;
    stage.settled().await;
    assert_eq!(all(&stage, "Unknown", "ProberBlind"), 0);
}
