//! An addon that is handed to the tenant stays as it is, and is nobody's but the tenant's from then on.

use nagaya_api::conditions;
use serde_json::json;

use crate::memory_api::{Id, Kind};
use crate::stage::{Stage, tenant_id};

const ADDONS: [(&str, &str); 2] = [("DaemonSet", "kube-proxy"), ("Deployment", "coredns")];

fn id((kind, name): (&str, &str)) -> Id {
    Id::new(Kind::named(kind), "kube-system", name)
}

fn is_there(stage: &Stage, (kind, name): (&str, &str)) -> bool {
    stage.inside.get(kind, "kube-system", name).is_some()
}

#[tokio::test(start_paused = true)]
async fn an_addon_that_is_managed_comes_back_and_one_that_is_no_more_stays_as_its_tenant_wants() {
    let stage = Stage::ready().await;
    for addon in ADDONS {
        stage.inside.delete(&id(addon));
        stage.until("it is made again", |stage| is_there(stage, addon)).await;
    }
    let unmanaged = json!({"management": "Unmanaged"});
    let addons = json!({"kubeProxy": unmanaged, "coreDNS": unmanaged});
    stage.projects.patch(&tenant_id(), &json!({"spec": {"addons": addons}}));
    stage.settled().await;
    for addon in ADDONS {
        assert!(is_there(&stage, addon), "{addon:?} was taken away");
        stage.inside.delete(&id(addon));
    }
    stage.touch();
    stage.settled().await;
    for addon in ADDONS {
        assert!(!is_there(&stage, addon), "{addon:?} was written");
    }
    assert_eq!(stage.condition(conditions::READY)["status"], "True");
}
