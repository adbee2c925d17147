//! What Prometheus sees of a tenant, from its first pass to its end.

use nagaya_api::conditions;
use serde_json::json;

use crate::stage::{Stage, spec, tenant_id};

const OURS: &str = r#"{namespace="acme",name="demo""#;

#[tokio::test(start_paused = true)]
async fn a_tenant_that_becomes_ready_has_all_its_series_and_is_counted_as_provisioned() {
    let stage = Stage::ready().await;
    let text = stage.scrape();
    for (name, labels_and_value) in [
        ("info", r#",version="v1.37.1",control_plane_namespace="nagaya-acme-demo-"#),
        ("status_condition", r#",type="Ready",status="True"} 1"#),
        ("certificate_expiration_timestamp_seconds", "} 1"),
    ] {
        let expected = format!("nagaya_tenantcluster_{name}{OURS}{labels_and_value}");
        assert!(text.contains(&expected), "{expected} is not in\n{text}");
    }
    assert!(text.contains("nagaya_tenantcluster_provision_duration_seconds_count 1\n"), "{text}");
    assert!(text.contains(r#"leader_election_master_status{name="nagaya-leader"} 1"#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_deleted_has_no_series_any_more() {
    let stage = Stage::ready().await;
    stage.projects.delete(&tenant_id());
    stage.until("the tenant is gone", |stage| stage.tenant().is_none()).await;
    stage.until("its series are gone", |stage| !stage.scrape().contains(OURS)).await;
}

#[tokio::test(start_paused = true)]
async fn a_tenant_whose_finalizer_somebody_took_away_has_no_series_after_the_next_look() {
    let stage = Stage::new();
    stage.create_tenant(&spec());
    stage
        .until("a tenant that waits for nodes", |stage| {
            stage.condition(conditions::ETCD_READY)["reason"] == "NotReady"
        })
        .await;
    stage.projects.patch(&tenant_id(), &json!({"metadata": {"finalizers": null}}));
    stage.projects.delete(&tenant_id());
    stage.until("its series are gone", |stage| !stage.scrape().contains(OURS)).await;
}
