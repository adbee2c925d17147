//! An addon that is handed to the tenant stays as it is, and is nobody's but the tenant's from then on.

use nagaya_api::conditions;
use serde_json::{Value, json};

use crate::memory_api::{Id, Kind};
use crate::stage::{Stage, tenant_id};

const ADDONS: [(&str, &str); 2] = [KUBE_PROXY, ("Deployment", "coredns")];
pub const KUBE_PROXY: (&str, &str) = ("DaemonSet", "kube-proxy");

pub fn id((kind, name): (&str, &str)) -> Id {
    Id::new(Kind::named(kind), "kube-system", name)
}

pub fn is_there(stage: &Stage, (kind, name): (&str, &str)) -> bool {
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

const DNS: (&str, &str) = ADDONS[1];

fn core_dns(stage: &Stage) -> Value {
    (*stage.inside.get("Deployment", "kube-system", "coredns").unwrap()).clone()
}

pub fn replicas_of_core_dns(stage: &Stage) -> u64 {
    core_dns(stage)["spec"]["replicas"].as_u64().unwrap()
}

fn writes_of_addons(stage: &Stage) -> usize {
    let writes = stage.inside.tell_writes(|write| write.id.kind);
    writes.iter().filter(|kind| ADDONS.iter().any(|(addon, _)| addon == *kind)).count()
}

/// What an administrator does with `kubectl edit`: lists are sent whole.
async fn edit(stage: &Stage, addon: (&str, &str), change: impl Fn(&mut Value)) {
    let (kind, name) = addon;
    let mut edited = (*stage.inside.get(kind, "kube-system", name).unwrap()).clone();
    change(&mut edited);
    let metadata = json!({
        "labels": edited["metadata"]["labels"], "annotations": edited["metadata"]["annotations"],
    });
    let fields: Vec<&str> =
        ["spec", "data"].into_iter().filter(|field| edited.get(field).is_some()).collect();
    let mut patch = json!({ "metadata": metadata });
    for field in fields {
        patch[field] = edited[field].take();
    }
    stage.inside.patch(&id(addon), &patch);
    stage.settled().await;
}

fn own_things(object: &Value) -> Vec<Value> {
    let pod = &object["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    vec![
        object["metadata"]["labels"]["team"].clone(),
        object["metadata"]["annotations"]["note"].clone(),
        object["spec"]["template"]["metadata"]["annotations"]["scrape"].clone(),
        object["spec"]["replicas"].clone(),
        pod["tolerations"].clone(),
        pod["nodeSelector"].clone(),
        pod["topologySpreadConstraints"].clone(),
        container["env"].clone(),
        container["resources"].clone(),
    ]
}

fn make_own(object: &mut Value) {
    object["metadata"]["labels"]["team"] = json!("dns");
    object["metadata"]["annotations"]["note"] = json!("ours");
    object["spec"]["template"]["metadata"]["annotations"]["scrape"] = json!("yes");
    let pod = &mut object["spec"]["template"]["spec"];
    pod["tolerations"].as_array_mut().unwrap().push(json!({"key": "edge", "operator": "Exists"}));
    pod["nodeSelector"]["disk"] = json!("fast");
    let container = &mut pod["containers"][0];
    let env = container["env"].as_array().cloned().unwrap_or_default();
    let more = json!({"name": "GOMAXPROCS", "value": "2"});
    container["env"] = env.into_iter().chain([more]).collect();
    container["resources"]["limits"]["cpu"] = json!("2");
}

#[tokio::test(start_paused = true)]
async fn what_a_tenant_sets_on_cluster_dns_stays_through_an_upgrade() {
    let stage = Stage::with_nodes();
    stage.create_tenant(&json!({"version": "v1.36.3"}));
    stage.settled().await;
    edit(&stage, DNS, |object| {
        make_own(object);
        object["spec"]["replicas"] = json!(5);
        object["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] =
            json!("400Mi");
    })
    .await;
    let (edited, image) = (own_things(&core_dns(&stage)), image(&core_dns(&stage)));
    assert_eq!(edited[0], "dns");
    assert_eq!(edited[3], 5);
    assert_eq!(edited[8]["limits"], json!({"cpu": "2", "memory": "400Mi"}));
    assert_eq!(edited[8]["requests"], json!({"cpu": "100m", "memory": "70Mi"}), "{edited:#?}");
    let writes = writes_of_addons(&stage);
    stage.touch();
    stage.settled().await;
    assert_eq!(writes_of_addons(&stage), writes, "it is left alone");
    stage.projects.patch(&tenant_id(), &json!({"spec": {"version": "v1.37.1"}}));
    stage.settled().await;
    assert_ne!(self::image(&core_dns(&stage)), image);
    assert_eq!(own_things(&core_dns(&stage)), edited);
}

fn image(object: &Value) -> String {
    object["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn what_a_tenant_sets_on_kube_proxy_stays_too() {
    let stage = Stage::ready().await;
    let proxy = ADDONS[0];
    edit(&stage, proxy, make_own).await;
    let (kind, name) = proxy;
    let edited = stage.inside.get(kind, "kube-system", name).unwrap();
    let own = own_things(&edited);
    assert_eq!(own[4].as_array().unwrap().len(), 2, "{own:#?}");
    assert_eq!(own[5], json!({"disk": "fast", "kubernetes.io/os": "linux"}));
    assert_eq!(own[7].as_array().unwrap().len(), 2, "{own:#?}");
    assert_eq!(own[8], json!({"limits": {"cpu": "2"}}));
}

#[tokio::test(start_paused = true)]
async fn what_is_ours_of_an_addon_is_undone() {
    let stage = Stage::ready().await;
    for addon in ADDONS {
        let (kind, name) = addon;
        let image = || image(&stage.inside.get(kind, "kube-system", name).unwrap());
        let before = image();
        edit(&stage, addon, |object| {
            object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("other:1");
        })
        .await;
        assert_eq!(image(), before);
    }
    let corefile = || stage.inside.get("ConfigMap", "kube-system", "coredns").unwrap();
    let before = corefile()["data"].clone();
    edit(&stage, ("ConfigMap", "coredns"), |object| object["data"]["Corefile"] = json!("")).await;
    assert_eq!(corefile()["data"], before);
    edit(&stage, ("ConfigMap", "coredns"), |object| object["data"]["Other"] = json!("theirs"))
        .await;
    assert_eq!(corefile()["data"]["Other"], "theirs");
}

#[tokio::test(start_paused = true)]
async fn replicas_and_sizes_that_are_asked_for_are_ours_until_they_are_not() {
    let stage = Stage::ready().await;
    let ask = async |what: Value| {
        stage.projects.patch(&tenant_id(), &json!({"spec": {"addons": {"coreDNS": what}}}));
        stage.settled().await;
    };
    let scale = async |replicas: i32| {
        stage.inside.patch(&id(DNS), &json!({"spec": {"replicas": replicas}}));
        stage.settled().await;
    };
    let replicas = || core_dns(&stage)["spec"]["replicas"].clone();
    let limits = || {
        let pod = &core_dns(&stage)["spec"]["template"]["spec"];
        pod["containers"][0]["resources"]["limits"]["memory"].clone()
    };
    assert_eq!((replicas(), limits()), (json!(2), json!("170Mi")));
    scale(5).await;
    assert_eq!(replicas(), 5, "nobody has asked for another number");
    ask(json!({"replicas": 3, "resources": {"limits": {"memory": "300Mi"}}})).await;
    assert_eq!((replicas(), limits()), (json!(3), json!("300Mi")));
    scale(5).await;
    edit(&stage, DNS, |object| {
        object["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] =
            json!("1Gi");
    })
    .await;
    assert_eq!((replicas(), limits()), (json!(3), json!("300Mi")), "what is asked for is ours");
    ask(json!({"replicas": null, "resources": null})).await;
    assert_eq!((replicas(), limits()), (json!(2), json!("170Mi")), "kubeadm's again");
    scale(1).await;
    assert_eq!(replicas(), 1, "and the tenant's");
    ask(json!({"replicas": 2})).await;
    assert_eq!(replicas(), 2, "kubeadm's number is asked for like any other");
}

/// A manager that starts anew knows nothing but what is in the objects.
#[tokio::test(start_paused = true)]
async fn another_manager_leaves_what_a_tenant_has_set() {
    let mut stage = Stage::ready().await;
    stage.inside.patch(&id(DNS), &json!({"spec": {"replicas": 4}}));
    stage.settled().await;
    stage.kill_manager();
    let writes = writes_of_addons(&stage);
    stage.start_manager();
    stage.settled().await;
    assert_eq!(core_dns(&stage)["spec"]["replicas"], 4);
    assert_eq!(writes_of_addons(&stage), writes);
}
