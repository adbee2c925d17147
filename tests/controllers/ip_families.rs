//! The Service of a load balancer is of the family of the address that is asked for, which nobody can change of one that is there.

use serde_json::json;

use crate::load_balancers::{
    ADDRESS, ANOTHER, PUBLIC, balanced, change, give, service, status, waiting,
};
use crate::memory_api::{Id, Kind};
use crate::stage::Stage;

#[tokio::test(start_paused = true)]
async fn a_service_of_both_families_is_made_again_before_a_load_balancer_is_asked() {
    let stage = Stage::new();
    let node_port = json!({"host": "2001:db8::1"});
    stage.create_tenant(&json!({
        "version": "v1.37.1", "expose": {"type": "NodePort", "nodePort": node_port},
    }));
    stage.settled().await;
    let made = service(&stage);
    assert_eq!(made["spec"]["ipFamilyPolicy"], "PreferDualStack");
    let balanced = json!({"address": ANOTHER});
    change(&stage, &json!({"type": "LoadBalancer", "nodePort": null, "loadBalancer": balanced}));
    stage.settled().await;
    let made_again = service(&stage);
    assert_ne!(made_again["metadata"]["uid"], made["metadata"]["uid"]);
    assert_eq!(made_again["spec"]["type"], "LoadBalancer");
    assert_eq!(made_again["spec"].get("ipFamilyPolicy"), None);
}

#[tokio::test(start_paused = true)]
async fn until_birth_the_service_has_the_family_of_the_address_that_is_asked_for() {
    let stage = Stage::new();
    waiting(&stage, &balanced()).await;
    let mut uid = service(&stage)["metadata"]["uid"].clone();
    let to_nodes = json!({"type": "NodePort", "loadBalancer": null});
    for (asked, family) in [
        (json!({"loadBalancer": {"address": "2001:db8::20"}}), "IPv6"),
        (json!({"loadBalancer": {"address": ANOTHER}}), "IPv4"),
        (json!({"loadBalancer": {"address": "2001:db8::21"}}), "IPv6"),
        (to_nodes, "IPv4"),
    ] {
        change(&stage, &asked);
        stage.settled().await;
        let made_again = service(&stage);
        assert_eq!(made_again["spec"]["ipFamilies"], json!([family]), "{asked}");
        let before = std::mem::replace(&mut uid, made_again["metadata"]["uid"].clone());
        assert_ne!(uid, before, "nobody can change the family of a Service");
    }
}

/// The API server lets nobody take the second one away by the way.
#[tokio::test(start_paused = true)]
async fn a_service_that_somebody_gave_both_families_keeps_them() {
    let stage = Stage::with_nodes();
    let mut spec = balanced();
    spec["expose"]["loadBalancer"] = json!({"address": ADDRESS});
    waiting(&stage, &spec).await;
    give(&stage, ADDRESS);
    stage.until("it is joinable", Stage::is_settled).await;
    let both = json!(["IPv4", "IPv6"]);
    let theirs = json!({"spec": {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": both}});
    stage.planes.patch(&Id::new(Kind::named("Service"), &Stage::plane(), PUBLIC), &theirs);
    change(&stage, &json!({"loadBalancer": {"sourceRanges": ["203.0.113.0/24"]}}));
    stage.settled().await;
    assert!(stage.is_settled(), "{:#}", status(&stage));
    assert_eq!(service(&stage)["spec"]["loadBalancerSourceRanges"], json!(["203.0.113.0/24"]));
    assert_eq!(service(&stage)["spec"]["ipFamilies"], both);
}
