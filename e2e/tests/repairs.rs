//! What somebody deletes or edits by hand is put right within two seconds, and Secrets within five minutes.

use std::time::{Duration, Instant};

use e2e::progress::{say, seconds};
use e2e::ring::kubectl::{name, text};
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Counter, Kubectl, Look, Machine, Outcome, Tenant, ensure, is_long, scenario, wait_until,
};
use serde_json::{Value, json};

const REPAIRED: Duration = Duration::from_secs(2);
/// Nobody may watch Secrets: the manager reads them by name.
const SECRET_REPAIRED: Duration = Duration::from_mins(5);
const WELL: Duration = Duration::from_mins(3);
const OURS: &str = "app.kubernetes.io/managed-by=nagaya";
/// A RoleBinding that is gone takes the manager's right to make the others along: it goes first.
const OF_PLANES: [&str; 6] = [
    "rolebindings",
    "configmaps",
    "services",
    "poddisruptionbudgets",
    "deployments",
    "statefulsets",
];
const WORKLOADS: [&str; 2] = ["deployments", "statefulsets"];
const OF_TENANTS: [&str; 7] = [
    "configmaps",
    "daemonsets",
    "deployments",
    "rolebindings",
    "roles",
    "serviceaccounts",
    "services",
];
const TENANT_NAMESPACES: [&str; 2] = ["kube-system", "kube-public"];
const OF_WHOLE_TENANTS: [&str; 2] = ["clusterrolebindings", "clusterroles"];
const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";
/// For each kind a field that Nagaya sets, and what somebody else makes of it.
const EDITS: [(&str, &str, &str); 10] = [
    ("clusterrolebindings", "/subjects/0/name", r#""somebody""#),
    ("clusterroles", "/rules", "[]"),
    ("configmaps", "/data", "{}"),
    ("roles", "/rules", "[]"),
    ("services", "/metadata/labels/app.kubernetes.io~1name", r#""somebody""#),
    ("poddisruptionbudgets", "/spec/maxUnavailable", "3"),
    ("deployments", "/spec/template/spec/containers/0/image", r#""somebody.example/else:1""#),
    ("statefulsets", "/spec/template/spec/containers/0/image", r#""somebody.example/else:1""#),
    ("daemonsets", "/spec/template/spec/containers/0/image", r#""somebody.example/else:1""#),
    ("rolebindings", "/subjects/0/name", r#""somebody""#),
];

#[test]
fn every_owned_object_that_is_edited_or_deleted_by_hand_is_put_right() -> Outcome {
    scenario("repairs", |project| {
        let mut spec = spec_for_namespaces("1.37");
        // A single replica has no PodDisruptionBudget.
        spec["controlPlane"]["replicas"] = json!(2);
        let tenant = Tenant::create(project, "demo", &spec)?;
        tenant.settles(WELL)?;
        let (plane, cluster) = (tenant.plane()?, tenant.admin()?);
        let volume = volume(&tenant)?;
        let watched = if is_long() { Some(Watched::now(&tenant)?) } else { None };
        let mut times = Times::default();
        for namespace in TENANT_NAMESPACES {
            for kind in OF_TENANTS {
                put_right(&cluster, namespace, kind, &mut times)?;
            }
        }
        for kind in OF_WHOLE_TENANTS {
            put_right(&cluster, "default", kind, &mut times)?;
        }
        pods_stay_restricted(&project.management, &plane, &mut times)?;
        for kind in OF_PLANES {
            let ours = project.management.list(&[kind, "-n", &plane, "-l", OURS])?;
            ensure(!ours.is_empty(), || format!("there are no {kind} in {plane}"))?;
            for object in ours {
                put_one_right(&project.management, &plane, kind, &object, &mut times)?;
                if WORKLOADS.contains(&kind) {
                    await_rolled_out(&project.management, &plane, kind, &object)?;
                }
                // A controller manager that finds no API when it starts ends after ten seconds.
                tenant.settles(WELL)?;
            }
        }
        say(&format!("{} repairs, the slowest after {}", times.count, seconds(times.slowest)));
        ensure(self::volume(&tenant)? == volume, || "etcd has another volume".to_owned())?;
        if let Some(watched) = watched {
            secrets(&tenant)?;
            watched.lost_nothing()?;
        }
        tenant.settles(WELL)?;
        // Their workloads went too, and pods that are new have not restarted.
        cluster.run(&["get", "configmap", "-n", "kube-public", "cluster-info"]).map(drop)
    })
}

/// A node of the tenant, and a client that counts. The API is away whenever a workload of it is deleted.
struct Watched {
    machine: Machine,
    cluster: Kubectl,
    since: String,
    counter: Counter,
}

impl Watched {
    fn now(tenant: &Tenant) -> Outcome<Self> {
        let (machine, cluster) = (Machine::add("ring-repairs", "1.37")?, tenant.admin()?);
        machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
        machine.await_ready(&cluster, WELL)?;
        let since = machine.ready_since(&cluster)?;
        let counter = Counter::start(tenant, machine.name())?;
        Ok(Self { machine, cluster, since, counter })
    }

    fn lost_nothing(self) -> Outcome {
        let counted = self.counter.end("repairs")?;
        ensure(counted.lost + counted.unseen == 0, || format!("it lost {counted:?}"))?;
        self.machine.stayed_ready(&self.cluster, &self.since)
    }
}

#[derive(Default)]
struct Times {
    count: usize,
    slowest: Duration,
}

fn put_right(cluster: &Kubectl, namespace: &str, kind: &str, times: &mut Times) -> Outcome {
    for object in cluster.list(&[kind, "-n", namespace, "-l", OURS])? {
        put_one_right(cluster, namespace, kind, &object, times)?;
    }
    Ok(())
}

/// Edits, then deletes an object that is Nagaya's.
fn put_one_right(
    cluster: &Kubectl,
    namespace: &str,
    kind: &str,
    object: &Value,
    times: &mut Times,
) -> Outcome {
    let words = [kind, "-n", namespace, name(object)];
    let edit = EDITS.iter().find(|(of, ..)| *of == kind);
    if let Some((_, field, value)) = edit.filter(|(_, field, _)| object.pointer(field).is_some()) {
        let patch = format!(r#"[{{"op": "replace", "path": "{field}", "value": {value}}}]"#);
        cluster.run(&[&["patch"], &words[..], &["--type=json", "-p", &patch]].concat())?;
        await_repair(&format!("{} edited", words.join(" ")), times, || {
            let now = cluster.get(&words)?;
            let same = now.pointer(field) == object.pointer(field);
            Ok(Look::done_if(same, || format!("{field} is {:?}", now.pointer(field))))
        })?;
    }
    cluster.run(&[&["delete"], &words[..], &["--wait=false"]].concat())?;
    await_repair(&format!("{} deleted", words.join(" ")), times, || {
        let now = cluster.find(&words)?.unwrap_or_default();
        let uid = text(&now, "/metadata/uid");
        let new = !uid.is_empty() && uid != text(object, "/metadata/uid");
        Ok(Look::done_if(new, || format!("its UID is {uid:?}")))
    })
}

fn await_rolled_out(cluster: &Kubectl, namespace: &str, kind: &str, object: &Value) -> Outcome {
    let wanted = &object["spec"]["replicas"];
    wait_until(&format!("{kind} {} has its pods again", name(object)), WELL, || {
        let now = cluster.get(&[kind, "-n", namespace, name(object)])?;
        let (status, generation) = (&now["status"], &now["metadata"]["generation"]);
        let ready = status["observedGeneration"] == *generation
            && status["updatedReplicas"] == *wanted
            && status["readyReplicas"] == *wanted;
        Ok(Look::done_if(ready, || status.to_string()))
    })
}

/// The namespace itself cannot be deleted and made again with the same volumes.
fn pods_stay_restricted(management: &Kubectl, plane: &str, times: &mut Times) -> Outcome {
    let weaker = format!("{POD_SECURITY}=privileged");
    management.run(&["label", "namespace", plane, &weaker, "--overwrite"])?;
    await_repair("the namespace's Pod Security edited", times, || {
        let now = management.get(&["namespace", plane])?["metadata"]["labels"].take();
        Ok(Look::done_if(now[POD_SECURITY] == "restricted", || now.to_string()))
    })
}

fn await_repair(what: &str, times: &mut Times, look: impl FnMut() -> Outcome<Look<()>>) -> Outcome {
    let began = Instant::now();
    wait_until(&format!("{what} by hand is put right"), REPAIRED, look)?;
    times.count += 1;
    times.slowest = times.slowest.max(began.elapsed());
    Ok(())
}

/// All that are not CAs and what lives as long: those are never made anew.
fn secrets(tenant: &Tenant) -> Outcome {
    secrets_of(tenant, &tenant.plane()?)?;
    secrets_of(tenant, &tenant.project.name)
}

fn secrets_of(tenant: &Tenant, namespace: &str) -> Outcome {
    let management = &tenant.project.management;
    let list = || management.list(&["secrets", "-n", namespace, "-l", OURS]);
    let all = list()?;
    let renewable: Vec<&Value> = all.iter().filter(|secret| secret["immutable"] != true).collect();
    for secret in &renewable {
        management.run(&["delete", "secret", "-n", namespace, name(secret)])?;
    }
    wait_until("the Secrets are there again", SECRET_REPAIRED, || {
        let now = list()?;
        let is_there = |secret: &&&Value| now.iter().any(|other| name(other) == name(secret));
        let missing: Vec<_> =
            renewable.iter().filter(|secret| !is_there(secret)).map(|one| name(one)).collect();
        Ok(Look::done_if(missing.is_empty(), || missing.join(", ")))
    })
}

fn volume(tenant: &Tenant) -> Outcome<Value> {
    let plane = tenant.plane()?;
    let claim = tenant.project.management.get(&["pvc", "-n", &plane, "data-etcd-0"])?;
    Ok(json!([claim["metadata"]["uid"], claim["spec"]["volumeName"]]))
}
