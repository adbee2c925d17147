//! The bad days: the management cluster's API and power go away, a majority of etcd is lost, a disk is full.

use std::time::{Duration, Instant};

use e2e::progress::{say, seconds};
use e2e::ring::kubectl::text;
use e2e::ring::process::on_the_host;
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Counter, Kubectl, Look, Machine, Outcome, Process, Project, Tenant, alone, ensure, ensure_says,
    invariants, manager, scenario, stays, wait_until,
};
use e2e::{host, management, network, sandbox};
use serde_json::{Value, json};

const NODE_READY: Duration = Duration::from_mins(1);
/// A static pod that was killed comes back after kubelet's pause of 10 s; then its clients do.
const RECOVERY: Duration = Duration::from_mins(3);
const CHANGE: Duration = Duration::from_mins(5);
/// Time for harm to show.
const WATCHED: Duration = Duration::from_secs(30);
/// More than one, on a machine with two cores.
const TENANTS: usize = 5;
/// One tenant alone takes 13 s from nothing; all of them and the management cluster start at once.
const STORM: Duration = Duration::from_mins(4);

#[test]
fn tenants_serve_on_while_the_management_api_server_and_etcd_restart() -> Outcome {
    scenario("management-gone", |project| {
        let (tenant, machine) = with_a_node(project, &json!({}))?;
        alone()?;
        let since = machine.ready_since(&tenant.admin()?)?;
        let counter = Counter::start(&tenant, machine.name())?;
        for program in ["kube-apiserver", "etcd"] {
            static_pod(program)?.kill()?;
            wait_until("the management cluster answers again", RECOVERY, || {
                Ok(Look::done_if(management::is_healthy(), || "no answer".to_owned()))
            })?;
        }
        manager::both_ready()?;
        tenant.patch(&json!({"spec": {"expose": {"extraNames": ["after.example.com"]}}}))?;
        tenant.settles(CHANGE)?;
        counter.end("management-restarts")?.ensure_flawless()?;
        machine.stayed_ready(&tenant.admin()?, &since)
    })
}

#[test]
fn after_a_power_loss_all_tenants_start_by_themselves_and_nothing_is_lost() -> Outcome {
    scenario("power-loss", |project| {
        let (first, machine) = with_a_node(project, &json!({}))?;
        let mut tenants = vec![first];
        for number in 1..TENANTS {
            tenants.push(Tenant::ready(project, &format!("demo-{number}"), "1.37")?);
        }
        alone()?;
        for tenant in &tenants {
            let words = ["create", "configmap", "kept", "--from-literal=word=nagaya"];
            tenant.admin()?.run(&words)?;
        }
        let counter = Counter::start(&tenants[0], machine.name())?;
        host::open(network::MANAGEMENT)?.boot()?;
        let began = Instant::now();
        sandbox::up()?;
        let answers = began.elapsed();
        for tenant in &tenants {
            // Its status is of before, until the manager has looked.
            wait_until(&format!("{} answers", tenant.name), CHANGE, || {
                let kept = tenant.admin()?.get(&["configmap", "kept"])?;
                Ok(Look::done_if(kept["data"]["word"] == "nagaya", || kept.to_string()))
            })?;
            tenant.settles(CHANGE)?;
        }
        let lost = counter.end("power-loss")?.lost;
        ensure(lost == 0, || format!("{lost} acknowledged writes are lost"))?;
        ensure(began.elapsed() < STORM, || format!("it took {}", seconds(began.elapsed())))?;
        say(&format!(
            "power-loss tenants={TENANTS} management_s={} all_ready_s={}",
            seconds(answers),
            seconds(began.elapsed())
        ));
        manager::both_ready()?;
        machine.await_ready(&tenants[0].admin()?, NODE_READY)?;
        all_go(project, &tenants)
    })
}

#[test]
fn a_lost_majority_is_named_left_alone_and_restored() -> Outcome {
    scenario("quorum", |project| {
        let extra = json!({
            "controlPlane": {"replicas": 2}, "etcd": {"replicas": 3},
            "snapshots": {"schedule": "1m", "keep": 3},
        });
        let (tenant, machine) = with_a_node(project, &extra)?;
        let cluster = tenant.admin()?;
        cluster.run(&["create", "configmap", "kept", "--from-literal=word=nagaya"])?;
        let snapshot = tenant.next_snapshot(CHANGE)?;
        tenant.patch(&json!({"spec": {"snapshots": {"schedule": "6h"}}}))?;
        let plane = tenant.plane()?;
        let management = &project.management;
        let last = ["pvc", "-n", &plane, "data-etcd-0"];
        let kept = management.get(&last)?["metadata"]["uid"].take();
        for lost in ["etcd-1", "etcd-2"] {
            lose(management, &plane, lost)?;
        }
        let named = tenant.await_condition("EtcdReady", "False", CHANGE)?;
        wait_until("the lost majority is named", CHANGE, || {
            let found = tenant.condition("EtcdReady")?;
            Ok(Look::done_if(found.reason == "QuorumLost", || format!("{found:?}, {named:?}")))
        })?;
        say(&tenant.condition("EtcdReady")?.message);
        stays("the last member is left alone", WATCHED, || {
            let now = management.get(&last)?["metadata"]["uid"].take();
            ensure(now == kept, || format!("its volume claim was {kept} and is {now}"))
        })?;
        comes_back(&tenant, &machine, &snapshot)?;
        all_go(project, &[tenant])
    })
}

#[test]
fn the_only_member_without_its_volume_is_named_never_started_blank_and_restored() -> Outcome {
    scenario("lone-member", |project| {
        let extra = json!({"snapshots": {"schedule": "1m", "keep": 3}});
        let (tenant, machine) = with_a_node(project, &extra)?;
        let cluster = tenant.admin()?;
        cluster.run(&["create", "configmap", "kept", "--from-literal=word=nagaya"])?;
        let snapshot = tenant.next_snapshot(CHANGE)?;
        lose(&project.management, &tenant.plane()?, "etcd-0")?;
        wait_until("the loss is named", CHANGE, || {
            let found = tenant.condition("Stalled")?;
            Ok(Look::done_if(found.reason == "EtcdDown", || format!("{found:?}")))
        })?;
        say(&tenant.condition("Stalled")?.message);
        stays("no blank cluster answers", WATCHED, || {
            let kept = cluster.find(&["configmap", "kept"]);
            ensure(!matches!(kept, Ok(None)), || "what was written is not found".to_owned())
        })?;
        comes_back(&tenant, &machine, &snapshot)?;
        all_go(project, &[tenant])
    })
}

/// As when a disk is lost.
fn lose(management: &Kubectl, plane: &str, member: &str) -> Outcome {
    let claim = format!("data-{member}");
    management.run(&["delete", "pvc", &claim, "-n", plane, "--wait=false"])?;
    management.run(&["delete", "pod", member, "-n", plane, "--grace-period=1"]).map(drop)
}

fn comes_back(tenant: &Tenant, machine: &Machine, snapshot: &str) -> Outcome {
    tenant.restore_from(snapshot)?;
    tenant.await_restored(snapshot, CHANGE)?;
    tenant.settles(CHANGE)?;
    let cluster = tenant.admin()?;
    let word = cluster.get(&["configmap", "kept"])?["data"]["word"].take();
    ensure(word == "nagaya", || format!("what was saved is {word}"))?;
    machine.await_ready(&cluster, RECOVERY)
}

#[test]
fn a_full_disk_is_named_and_with_space_again_nothing_is_lost() -> Outcome {
    scenario("disk-full", |project| {
        let (tenant, machine) = with_a_node(project, &json!({}))?;
        let cluster = tenant.admin()?;
        let disk = SmallDisk::under_etcd(&tenant)?;
        tenant.settles(CHANGE)?;
        let mut kept = 0;
        disk.fill()?;
        // etcd's log has room in its segment of 64 MB: more than that does not fit.
        let big = "x".repeat(300 * 1024);
        let fails = (0..300).find(|number| {
            let object = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": format!("big-{number}")}, "data": {"x": big},
            });
            let written = cluster.apply(&object).is_ok();
            kept += usize::from(written);
            !written
        });
        ensure(fails.is_some(), || format!("{kept} objects were written, and the disk is full"))?;
        wait_until("the full disk is named", CHANGE, || {
            let found = tenant.condition("EtcdReady")?;
            let named = found.status == "False" && found.message.contains("no space left");
            Ok(Look::done_if(named, || format!("{found:?}")))
        })?;
        say(&tenant.condition("EtcdReady")?.message);
        disk.empty()?;
        wait_until("etcd starts again", CHANGE, || {
            let found = tenant.condition("EtcdReady")?;
            Ok(Look::done_if(found.status == "True", || format!("{found:?}")))
        })?;
        tenant.settles(CHANGE)?;
        let there = cluster.run(&["get", "configmaps", "-n", "default", "-oname"])?;
        let there = there.lines().filter(|line| line.contains("/big-")).count();
        ensure(there >= kept, || format!("{kept} were acknowledged, {there} are there"))?;
        machine.await_ready(&cluster, RECOVERY)?;
        disk.detach()?;
        all_go(project, &[tenant])
    })
}

fn with_a_node<'p>(project: &'p Project, extra: &Value) -> Outcome<(Tenant<'p>, Machine)> {
    let mut spec = spec_for_namespaces("1.37");
    for (field, value) in extra.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    let tenant = Tenant::create(project, "demo", &spec)?;
    tenant.settles(CHANGE)?;
    let machine = Machine::add(&project.name, "1.37")?;
    machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
    machine.await_ready(&tenant.admin()?, NODE_READY)?;
    Ok((tenant, machine))
}

/// These tests restart containers, which no scenario may leave behind.
fn all_go(project: &Project, tenants: &[Tenant]) -> Outcome {
    tenants.iter().try_for_each(Tenant::delete)?;
    invariants::await_no_plane(project, CHANGE)
}

/// The cgroup of a static pod has the hash of its file, not the UID of its mirror.
fn static_pod(program: &str) -> Outcome<Process> {
    let pod = format!("{program}-{}", network::MANAGEMENT);
    let pod = Kubectl::management().get(&["pod", "-n", "kube-system", &pod])?;
    Process::of_pod(text(&pod, "/metadata/annotations/kubernetes.io~1config.hash"), program)
}

/// A disk of its own for `etcd-0`, where the sandbox's volumes share one: 200 MB of memory, mounted where its
/// volume was, with all that was there.
struct SmallDisk {
    folder: String,
}

impl SmallDisk {
    fn under_etcd(tenant: &Tenant) -> Outcome<Self> {
        let (management, plane) = (&tenant.project.management, tenant.plane()?);
        let claim = management.get(&["pvc", "-n", &plane, "data-etcd-0"])?;
        let volume = management.get(&["pv", text(&claim, "/spec/volumeName")])?;
        let paths = ["/spec/hostPath/path", "/spec/local/path"].map(|path| text(&volume, path));
        let folder = paths.into_iter().find(|path| !path.is_empty()).unwrap_or_default().to_owned();
        ensure(!folder.is_empty(), || format!("where is volume {}", volume["spec"]))?;
        let pod = management.get(&["pod", "-n", &plane, "etcd-0"])?;
        let etcd = Process::of_pod(text(&pod, "/metadata/uid"), "etcd")?;
        etcd.stop()?;
        on_the_host(&format!(
            "set -e; mkdir /mnt/copy; cp -a {folder}/. /mnt/copy/; \
             mount -t tmpfs -o size=200m,mode=$(stat -c %a {folder}) nagaya-small-disk {folder}; \
             cp -a /mnt/copy/. {folder}/; rm -r /mnt/copy"
        ))?;
        // Its next container is given what is mounted now.
        etcd.kill()?;
        Ok(Self { folder })
    }

    fn fill(&self) -> Outcome {
        let script = format!("dd if=/dev/zero of={0}/filler bs=1M; df {0}", self.folder);
        ensure_says(&on_the_host(&script)?, &["100%"])
    }

    fn empty(&self) -> Outcome {
        on_the_host(&format!("rm {}/filler", self.folder)).map(drop)
    }

    fn detach(&self) -> Outcome {
        on_the_host(&format!("umount --lazy {}", self.folder)).map(drop)
    }
}
