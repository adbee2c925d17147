//! Acknowledged means on disk: the management node loses its power, and with it all that was not synced. Nothing that
//! an API server acknowledged is lost, neither of a tenant nor of the management cluster; and of a tenant whose etcd
//! does not sync there is, or this test could not tell.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use e2e::disk::Disk;
use e2e::error::{self, IoContext};
use e2e::host::namespaces::NamespacesHost;
use e2e::progress::{say, step};
use e2e::ring::kubectl::{name, text};
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Counter, Kubectl, Look, Machine, Outcome, Project, Tenant, alone, ensure, invariants, manager,
    scenario, wait_until,
};
use e2e::{network, paths, sandbox, state};
use serde_json::{Value, json};

/// What is lost depends on the moment.
const ROUNDS: usize = 3;
/// From when all clients write until the power is cut, in seconds. The kernel writes back by itself what has been in
/// memory for 30 s.
const MOMENTS: std::ops::Range<f64> = 4.0..14.0;
/// Requests a second of each of three clients; half of them are writes.
const RATE: u32 = 100;
/// Fewer than so many a second that were acknowledged say little.
const ACKNOWLEDGED: f64 = 10.0;
const NODE_READY: Duration = Duration::from_mins(2);
const CHANGE: Duration = Duration::from_mins(5);
/// For the tenant that need not come back, when the other one has.
const COMES_BACK: Duration = Duration::from_secs(90);
/// What etcd says when it cannot go on with what is on disk.
const GIVES_UP: [&str; 3] = ["\"level\":\"fatal\"", "\"level\":\"panic\"", "panic: "];
/// What the clients write.
const WRITTEN: &str = "app.kubernetes.io/name=nagaya-load";
const NO_SYNC: &str = "--unsafe-no-fsync";

#[test]
fn of_a_disk_whose_power_is_cut_there_is_what_was_synced_and_not_what_was_only_written() -> Outcome
{
    scenario("power-cut", |_| {
        // Where `sandbox down` would find it.
        let folder = paths::state().join("power-cut");
        let disk = Disk::at(&folder, "disk");
        let held = holds_what_was_synced(&disk);
        disk.unmount()?;
        paths::remove_folder(&folder)?;
        held
    })
}

fn holds_what_was_synced(disk: &Disk) -> Outcome {
    let at = |file: &str| disk.files().join(file);
    disk.make(|files| write(&files.join("unmounted"), "old").map(drop))?;
    disk.mount()?;
    for file in ["synced", "written over"] {
        write(&at(file), "old")?.sync_all()?;
    }
    write(&at("synced"), "new")?.sync_all()?;
    for file in ["written over", "written"] {
        write(&at(file), "new")?;
    }
    disk.cut_power()?;
    ensure(write(&at("too late"), "new").is_err(), || "it writes on".to_owned())?;
    disk.unmount()?;
    disk.mount()?;
    for (file, wanted) in [
        ("unmounted", Some("old")),
        ("synced", Some("new")),
        ("written over", Some("old")),
        ("written", None),
        ("too late", None),
    ] {
        let found = fs::read_to_string(at(file)).ok();
        ensure(found.as_deref() == wanted, || format!("{file:?} has {found:?}, not {wanted:?}"))?;
    }
    Ok(())
}

/// As etcd writes: over what is there.
fn write(path: &Path, content: &str) -> error::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).open(path).on("open", path)?;
    (&file).write_all(content.as_bytes()).on("write", path)?;
    Ok(file)
}

#[test]
fn nothing_acknowledged_is_lost_with_a_nodes_unsynced_pages_unless_etcd_does_not_sync() -> Outcome {
    scenario("durability", |project| {
        alone()?;
        let mut moments = moments();
        let node = Node::with_a_disk()?;
        let tenant = Tenant::create(project, "demo", &spec_for_namespaces("1.37"))?;
        tenant.settles(CHANGE)?;
        let machine = Machine::add(&project.name, "1.37")?;
        machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
        machine.await_ready(&tenant.admin()?, NODE_READY)?;
        let mut told = 0;
        for round in 1..=ROUNDS {
            let unsynced = without_sync(project, &format!("unsynced-{round}"))?;
            let moment = Duration::from_secs_f64(moments());
            let harm = power_is_cut(&node, [&tenant, &unsynced], &machine, moment)?;
            told += usize::from(harm.is_some());
            let words = harm.unwrap_or_else(|| "nothing is lost".to_owned());
            say(&format!("durability round={round} etcd without fsync: {words}"));
            unsynced.patch(&json!({"spec": {"paused": false}}))?;
            unsynced.delete()?;
            unsynced.await_gone(CHANGE)?;
        }
        ensure(told > 0, || {
            format!("an etcd without fsync lost nothing in {ROUNDS} cuts: this test cannot tell")
        })?;
        // These have restarted, which no scenario may leave behind.
        tenant.delete()?;
        invariants::await_no_plane(project, CHANGE)
    })
}

/// `NAGAYA_RING_SEED` repeats a run's choices.
fn moments() -> impl FnMut() -> f64 {
    let given = std::env::var("NAGAYA_RING_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    say(&format!("NAGAYA_RING_SEED={seed} repeats these moments"));
    let mut random = fastrand::Rng::with_seed(seed);
    move || MOMENTS.start + random.f64() * (MOMENTS.end - MOMENTS.start)
}

/// One cut under load. Fails unless the first tenant and the management cluster come back with all that they had
/// acknowledged; tells the harm to the second.
fn power_is_cut(
    node: &Node,
    [tenant, unsynced]: [&Tenant; 2],
    machine: &Machine,
    moment: Duration,
) -> Outcome<Option<String>> {
    let authorities = authorities(tenant)?;
    let start = |tenant: &Tenant| {
        let (cluster, plane) = (tenant.admin()?, tenant.plane()?);
        let kubeconfig = cluster.kubeconfig().unwrap_or(Path::new("")).to_owned();
        Counter::start_on(&kubeconfig, plane, machine.name(), RATE)
    };
    let management = ("kube-system".to_owned(), paths::kubeconfig());
    let mut counters = [
        start(tenant)?,
        Counter::start_on(&management.1, management.0, machine.name(), RATE)?,
        start(unsynced)?,
    ];
    thread::sleep(moment);
    node.loses_power()?;
    // Nobody has acknowledged anything since.
    counters.iter_mut().try_for_each(Counter::hold)?;
    let began = Instant::now();
    sandbox::up()?;
    answers(tenant, CHANGE)?;
    tenant.settles(CHANGE)?;
    let ready = began.elapsed();
    let [of_tenant, of_management, of_unsynced] = counters;
    for (whose, counter) in [("tenant", of_tenant), ("management", of_management)] {
        let counted = counter.end(&format!("durability-{whose}"))?;
        let (lost, acknowledged) = (counted.lost, counted.acknowledged);
        say(&format!(
            "durability-{whose} moment_s={:.1} acknowledged={acknowledged} lost={lost} ready_s={:.1}",
            moment.as_secs_f64(),
            ready.as_secs_f64(),
        ));
        ensure(lost == 0, || {
            format!("of {acknowledged} acknowledged writes, {lost} objects are older")
        })?;
        // A count, far from where a float gets inexact.
        #[allow(clippy::cast_precision_loss)]
        let a_second = acknowledged as f64 / moment.as_secs_f64();
        ensure(a_second > ACKNOWLEDGED, || format!("only {a_second:.1} writes a second"))?;
    }
    let now = self::authorities(tenant)?;
    ensure(now == authorities, || format!("not the same CAs and keys: {:?}", now.keys()))?;
    machine.await_ready(&tenant.admin()?, NODE_READY)?;
    manager::both_ready()?;
    harm(unsynced, of_unsynced)
}

type Authorities = BTreeMap<String, (String, Value)>;

/// What acknowledged writes it has lost, or that it does not come back, in words; nothing if it was lucky.
fn harm(unsynced: &Tenant, counter: Counter) -> Outcome<Option<String>> {
    let plane = unsynced.plane()?;
    let ended = answers(unsynced, COMES_BACK).and_then(|()| counter.end("durability-unsynced"));
    match ended {
        Ok(counts) if counts.lost == 0 => Ok(None),
        Ok(counts) => Ok(Some(format!("{} objects are older than acknowledged", counts.lost))),
        Err(failure) => {
            let words = ["logs", "-n", &plane, "etcd-0", "-c", "etcd", "--tail=30"];
            let log = unsynced.project.management.run(&words)?;
            say(&format!("{failure}; its etcd says:\n{log}"));
            // Or it is slow, which would prove nothing.
            let gives_up =
                log.lines().rfind(|line| GIVES_UP.iter().any(|word| line.contains(word)));
            Ok(gives_up.map(str::to_owned))
        }
    }
}

/// Its status is of before, until the manager has looked.
fn answers(tenant: &Tenant, within: Duration) -> Outcome {
    wait_until(&format!("{} answers", tenant.name), within, || {
        tenant.admin()?.run(&["get", "--raw", "/readyz"])?;
        Ok(Look::Done(()))
    })
}

/// The CAs of a tenant with their keys, and the key pair of its service accounts: UID and content by name.
fn authorities(tenant: &Tenant) -> Outcome<Authorities> {
    let secrets = tenant.project.management.list(&["secrets", "-n", &tenant.plane()?])?;
    let of_first_generation = secrets.iter().filter(|secret| name(secret).ends_with("-1"));
    let content =
        |secret: &Value| (text(secret, "/metadata/uid").to_owned(), secret["data"].clone());
    let found: Authorities =
        of_first_generation.map(|secret| (name(secret).to_owned(), content(secret))).collect();
    ensure(found.contains_key("cluster-ca-1"), || format!("there are {:?}", found.keys()))?;
    Ok(found)
}

/// A tenant whose etcd acknowledges what is not on disk. Paused, or the manager would put that right.
fn without_sync<'p>(project: &'p Project, name: &str) -> Outcome<Tenant<'p>> {
    let tenant = Tenant::ready(project, name, "1.37")?;
    tenant.pause()?;
    let (management, plane) = (&project.management, tenant.plane()?);
    let flag = json!([
        {"op": "add", "path": "/spec/template/spec/containers/0/command/-", "value": NO_SYNC},
    ]);
    let etcd = ["statefulset/etcd", "-n", &plane];
    management.run(&[&["patch"], &etcd[..], &["--type=json", "-p", &flag.to_string()]].concat())?;
    let rolled_out = ["rollout", "status", "--timeout=180s", "--request-timeout=0"];
    management.run(&[&rolled_out[..], &etcd].concat())?;
    let pod = management.get(&["pod", "etcd-0", "-n", &plane])?;
    let has_it = pod["spec"]["containers"][0]["command"].to_string().contains(NO_SYNC);
    ensure(has_it, || format!("etcd runs as {}", pod["spec"]["containers"][0]["command"]))?;
    answers(&tenant, CHANGE)?;
    Ok(tenant)
}

/// The management host, on a disk of its own until this is dropped.
struct Node {
    host: NamespacesHost,
}

impl Node {
    fn with_a_disk() -> Outcome<Self> {
        let node = Self { host: NamespacesHost::new(state::host(network::MANAGEMENT)?) };
        // A test that was interrupted has left it.
        if !node.host.has_disk() {
            step("a disk of its own for the management host", || node.host.give_disk())?;
        }
        sandbox::up()?;
        manager::both_ready()?;
        Ok(node)
    }

    fn loses_power(&self) -> Outcome {
        Ok(step("the management host loses its power", || self.host.lose_power())?)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let words = ["delete", "configmaps", "-n", "default", "-l", WRITTEN];
        if let Err(failure) = Kubectl::management().run(&words) {
            say(&format!("what was written to the management cluster stays: {failure}"));
        }
        let back = step("what the management host has on its disk moves back", || {
            if self.host.has_disk() { self.host.take_disk() } else { Ok(()) }
        });
        if let Err(error) = back.and_then(|()| sandbox::up()) {
            say(&format!("the management host is not as it was: {error}; run `sandbox down`"));
        }
    }
}
