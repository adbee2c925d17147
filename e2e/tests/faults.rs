//! Whatever process of a tenant or of the manager dies or hangs while the tenant changes, the change gets to its end.

use std::thread;
use std::time::Duration;

use e2e::progress::say;
use e2e::ring::kubectl::{name, text};
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Counter, Kubectl, Machine, Outcome, Process, Tenant, alone, ensure, invariants, manager,
    scenario,
};
use serde_json::{Value, json};

/// Kubernetes starts a container that was killed again and again with pauses of up to minutes.
const CHANGE: Duration = Duration::from_mins(8);
const NODE_READY: Duration = Duration::from_mins(2);
const GONE: Duration = Duration::from_mins(2);
/// Faults in each of the five changes: 20 in all.
const FAULTS: usize = 4;
const PROGRAMS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

#[test]
fn whoever_is_killed_or_stopped_in_a_tenants_life_each_change_gets_to_its_end() -> Outcome {
    scenario("faults", |project| {
        alone()?;
        let mut faults = Faults::new();
        let mut spec = spec_for_namespaces("1.36");
        spec["snapshots"] = json!({"schedule": "1m", "keep": 3});
        let tenant = Tenant::create(project, "demo", &spec)?;
        faults.happen(&tenant, Duration::from_secs(5))?;
        tenant.settles(CHANGE)?;
        let machine = Machine::add("ring-faults", "1.36")?;
        machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
        let cluster = tenant.admin()?;
        machine.await_ready(&cluster, NODE_READY)?;

        for (name, change, pace) in [
            (
                "faults-scale",
                json!({"controlPlane": {"replicas": 2}, "etcd": {"replicas": 3}}),
                Duration::from_secs(20),
            ),
            ("faults-upgrade", json!({"version": "v1.37.1"}), Duration::from_secs(12)),
        ] {
            let counter = Counter::start(&tenant, machine.name())?;
            tenant.patch(&json!({"spec": change}))?;
            faults.happen(&tenant, pace)?;
            tenant.settles(CHANGE)?;
            let lost = counter.end(name)?.lost;
            ensure(lost == 0, || format!("{lost} acknowledged writes are lost"))?;
            machine.await_ready(&cluster, NODE_READY)?;
        }
        restore(&tenant, &cluster, &mut faults)?;
        machine.await_ready(&cluster, NODE_READY)?;

        tenant.delete()?;
        faults.happen(&tenant, Duration::from_secs(2))?;
        tenant.await_gone(GONE)?;
        invariants::await_no_plane(project, GONE)?;
        manager::both_ready()
    })
}

fn restore(tenant: &Tenant, cluster: &Kubectl, faults: &mut Faults) -> Outcome {
    cluster.run(&["create", "configmap", "saved", "--from-literal=word=nagaya"])?;
    let snapshot = tenant.next_snapshot(CHANGE)?;
    tenant.restore_from(&snapshot)?;
    faults.happen(tenant, Duration::from_secs(12))?;
    tenant.await_restored(&snapshot, CHANGE)?;
    tenant.settles(CHANGE)?;
    let word = cluster.get(&["configmap", "saved"])?["data"]["word"].take();
    ensure(word == "nagaya", || format!("what was saved is {word}"))
}

/// SIGKILL and SIGSTOP at random moments. `NAGAYA_RING_SEED` repeats a run's choices.
struct Faults(fastrand::Rng);

impl Faults {
    fn new() -> Self {
        let given = std::env::var("NAGAYA_RING_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| fastrand::u64(..));
        say(&format!("NAGAYA_RING_SEED={seed} repeats these faults"));
        Self(fastrand::Rng::with_seed(seed))
    }

    /// [`FAULTS`] of them, at most `pace` apart.
    fn happen(&mut self, tenant: &Tenant, pace: Duration) -> Outcome {
        for _ in 0..FAULTS {
            thread::sleep(pace.mul_f64(self.0.f64()));
            self.one(tenant)?;
        }
        Ok(())
    }

    fn one(&mut self, tenant: &Tenant) -> Outcome {
        let mut victims = victims(tenant)?;
        self.0.shuffle(&mut victims);
        let (kill, stopped) = (self.0.bool(), Duration::from_secs(self.0.u64(1..8)));
        for (whose, process) in victims {
            // It may end by itself just now: then it is another's turn.
            let Ok(process) = process() else { continue };
            if kill {
                if process.kill().is_ok() {
                    say(&format!("killed {whose}"));
                    return Ok(());
                }
            } else if process.stop().is_ok() {
                say(&format!("stopped {whose} for {} s", stopped.as_secs()));
                thread::sleep(stopped);
                return Ok(());
            }
        }
        ensure(false, || "there was no process to kill or to stop".to_owned())
    }
}

type Victim = (String, Box<dyn Fn() -> Outcome<Process>>);

/// The managers, and what runs in the tenant's control plane.
fn victims(tenant: &Tenant) -> Outcome<Vec<Victim>> {
    let mut victims: Vec<Victim> = Vec::new();
    for pod in manager::pods()? {
        let pod = name(&pod).to_owned();
        victims.push((format!("manager {pod}"), Box::new(move || Process::of_manager(&pod))));
    }
    for plane in invariants::planes(tenant.project)? {
        for pod in tenant.project.management.list(&["pods", "-n", &plane])? {
            victims.extend(component(&pod));
        }
    }
    Ok(victims)
}

fn component(pod: &Value) -> Option<Victim> {
    let program = text(pod, "/metadata/labels/app.kubernetes.io~1name");
    let program = PROGRAMS.into_iter().find(|known| *known == program)?;
    let uid = text(pod, "/metadata/uid").to_owned();
    Some((name(pod).to_owned(), Box::new(move || Process::of_pod(&uid, program))))
}
