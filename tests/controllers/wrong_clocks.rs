//! The manager's clock is wrong for a while: what was dated by it is made again, and what cannot be made says why.

use std::time::Duration;

use jiff::SignedDuration;
use nagaya_api::conditions;
use serde_json::Value;

use crate::history;
use crate::memory_api::{Id, Kind};
use crate::stage::Stage;

const SERVING: &str = "kube-apiserver-certs";
/// What Secrets have become is found by the next look at them, which comes by itself.
const NEXT_LOOK: Duration = Duration::from_mins(5);

#[tokio::test(start_paused = true)]
async fn a_certificate_that_was_dated_ahead_is_made_again_and_served() {
    let stage = Stage::ready().await;
    let keys = history::keys(&stage);
    stage.clock.set_ahead(SignedDuration::from_hours(24 * 400));
    let first = data_of(&stage, SERVING);
    stage.touch();
    stage.until("it is renewed", |stage| data_of(stage, SERVING) != first).await;
    let ahead = data_of(&stage, SERVING);
    stage.clock.set_ahead(SignedDuration::ZERO);
    tokio::time::sleep(NEXT_LOOK).await;
    stage.settled().await;
    assert_ne!(data_of(&stage, SERVING), ahead);
    assert!(stage.is_settled(), "{:#}", stage.tenant().unwrap_or_default());
    history::check(&stage, keys);
}

#[tokio::test(start_paused = true)]
async fn a_ca_that_is_not_valid_yet_is_waited_for_and_the_condition_says_since_when_it_will_be() {
    let stage = Stage::ready().await;
    let keys = history::keys(&stage);
    stage.clock.set_ahead(SignedDuration::from_hours(-9));
    stage.planes.delete(&Id::new(Kind::named("Secret"), &Stage::plane(), SERVING));
    tokio::time::sleep(NEXT_LOOK).await;
    let is_told = |stage: &Stage| {
        let reconciling = stage.condition(conditions::RECONCILING);
        let words = reconciling["message"].as_str().unwrap_or_default();
        reconciling["reason"] == "CertificatesFailed"
            && words.starts_with("kube-apiserver-certs cannot be made: CA ")
            && words.contains(" is valid only from ")
            && words.contains("clock")
    };
    stage.until("it says what is wrong", is_told).await;
    stage.clock.set_ahead(SignedDuration::ZERO);
    tokio::time::sleep(NEXT_LOOK).await;
    stage.settled().await;
    assert!(stage.is_settled(), "{:#}", stage.tenant().unwrap_or_default());
    history::check(&stage, keys);
}

/// Of a Secret of the plane.
fn data_of(stage: &Stage, name: &str) -> Value {
    let secret = stage.planes.get("Secret", &Stage::plane(), name).unwrap_or_default();
    secret["data"].clone()
}
