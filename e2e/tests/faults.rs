//! Whatever process of a tenant or of the manager dies or hangs while the tenant changes, the change gets to its end.

use std::thread;
use std::time::{Duration, Instant};

use e2e::progress::say;
use e2e::ring::counter::restarts;
use e2e::ring::kubectl::{name, text};
use e2e::ring::tenant::spec_for_namespaces;
use e2e::ring::{
    Counter, Kubectl, Look, Machine, Outcome, Process, Tenant, alone, ensure, invariants, manager,
    scenario, wait_until,
};
use serde_json::{Value, json};

/// Kubernetes starts a container that was killed again and again with pauses of up to minutes.
const CHANGE: Duration = Duration::from_mins(8);
const NODE_READY: Duration = Duration::from_mins(2);
const GONE: Duration = Duration::from_mins(2);
/// kubelet waits longer each time before it starts a container again.
const RESTARTED: Duration = Duration::from_mins(2);
/// Until then a tenant may still look as it did before somebody was killed.
const NOTICED: Duration = Duration::from_secs(10);
/// Faults in each of the five changes: 20 in all.
const FAULTS: usize = 4;
const MANAGER: &str = "nagaya";
const PROGRAMS: [&str; 5] =
    [MANAGER, "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
/// In seconds.
const LONGEST_STOP: u64 = 7;
/// Longer than the term of one that leads: another one takes over.
const LONGEST_STOP_OF_A_MANAGER: u64 = 25;

#[test]
fn whoever_is_killed_or_stopped_in_a_tenants_life_each_change_gets_to_its_end() -> Outcome {
    scenario("faults", |project| {
        alone()?;
        let mut faults = Faults::new();
        let mut spec = spec_for_namespaces("1.36");
        spec["snapshots"] = json!({"schedule": "1m", "keep": 3});
        let began = Instant::now();
        let tenant = Tenant::create(project, "demo", &spec)?;
        faults.happen(&tenant, Duration::from_secs(5))?;
        tenant.settles(CHANGE)?;
        say(&format!("faults-create {} restarts={}", took(began), restarts(&tenant.plane()?)?));
        let machine = Machine::add("ring-faults", "1.36")?;
        machine.join(&tenant.token("nodes", "1h")?.secret()?)?;
        let cluster = tenant.admin()?;
        machine.await_ready(&cluster, NODE_READY)?;
        let since = machine.ready_since(&cluster)?;

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
            counter.end(name)?.ensure_nothing_lost()?;
            machine.stayed_ready(&cluster, &since)?;
        }
        restore(&tenant, &cluster, &mut faults)?;
        machine.await_ready(&cluster, NODE_READY)?;

        let began = Instant::now();
        tenant.delete()?;
        faults.happen(&tenant, Duration::from_secs(2))?;
        tenant.await_gone(GONE)?;
        invariants::await_no_plane(project, GONE)?;
        say(&format!("faults-delete {}", took(began)));
        faults.ensure_everybody_was_hit()?;
        manager::renew()
    })
}

fn restore(tenant: &Tenant, cluster: &Kubectl, faults: &mut Faults) -> Outcome {
    cluster.run(&["create", "configmap", "saved", "--from-literal=word=nagaya"])?;
    let snapshot = tenant.next_snapshot(CHANGE)?;
    let began = Instant::now();
    tenant.restore_from(&snapshot)?;
    faults.happen(tenant, Duration::from_secs(12))?;
    tenant.await_restored(&snapshot, CHANGE)?;
    tenant.settles(CHANGE)?;
    say(&format!("faults-restore {} restarts={}", took(began), restarts(&tenant.plane()?)?));
    let word = cluster.get(&["configmap", "saved"])?["data"]["word"].take();
    ensure(word == "nagaya", || format!("what was saved is {word}"))
}

/// There is nobody to ask before it is created and after it is deleted, and what is written between a snapshot and its
/// return is gone: no client counts these.
fn took(began: Instant) -> String {
    format!("took_s={:.1}", began.elapsed().as_secs_f64())
}

/// SIGKILL and SIGSTOP at random moments, of everybody in a random order. `NAGAYA_RING_SEED` repeats a run's choices.
struct Faults {
    random: fastrand::Rng,
    due: Vec<Fault>,
}

#[derive(Clone, Copy, Debug)]
struct Fault {
    program: &'static str,
    kill: bool,
    /// The first of two of its kind.
    first: bool,
}

impl Faults {
    fn new() -> Self {
        let given = std::env::var("NAGAYA_RING_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| fastrand::u64(..));
        say(&format!("NAGAYA_RING_SEED={seed} repeats these faults"));
        let mut random = fastrand::Rng::with_seed(seed);
        let mut due = Vec::new();
        for first in [true, false] {
            let both = |program| [true, false].map(|kill| Fault { program, kill, first });
            let mut round: Vec<_> = PROGRAMS.into_iter().flat_map(both).collect();
            random.shuffle(&mut round);
            due.extend(round);
        }
        Self { random, due }
    }

    /// [`FAULTS`] of them, at most `pace` apart, and everybody has seen them.
    fn happen(&mut self, tenant: &Tenant, pace: Duration) -> Outcome {
        for _ in 0..FAULTS {
            thread::sleep(pace.mul_f64(self.random.f64()));
            // Who was just killed is not there yet, and of a tenant that is deleted nobody is any more.
            wait_until("somebody is hit", RESTARTED, || {
                let hit = self.one(tenant)?;
                Ok(Look::done_if(hit, || "there is no process".to_owned()))
            })?;
        }
        thread::sleep(NOTICED);
        Ok(())
    }

    /// The next one that there is somebody for, or else a manager is killed; whether it happened.
    fn one(&mut self, tenant: &Tenant) -> Outcome<bool> {
        let mut victims = victims(tenant)?;
        self.random.shuffle(&mut victims);
        for place in 0..self.due.len() {
            let fault = self.due[place];
            let mut of_it = victims.iter().filter(|victim| victim.program == fault.program);
            if of_it.any(|victim| victim.suffers(fault, &mut self.random)) {
                self.due.remove(place);
                return Ok(true);
            }
        }
        let fault = Fault { program: MANAGER, kill: true, first: false };
        let mut managers = victims.iter().filter(|victim| victim.program == MANAGER);
        let suffers = |victim: &Victim| victim.suffers(fault, &mut self.random);
        Ok(managers.any(suffers))
    }

    fn ensure_everybody_was_hit(&self) -> Outcome {
        let spared: Vec<_> = self.due.iter().filter(|fault| fault.first).collect();
        ensure(spared.is_empty(), || format!("these never happened: {spared:?}"))
    }
}

struct Victim {
    program: &'static str,
    name: String,
    process: Box<dyn Fn() -> Outcome<Process>>,
}

impl Victim {
    /// Whether it did: it may end by itself just now, and then it is another's turn.
    fn suffers(&self, fault: Fault, random: &mut fastrand::Rng) -> bool {
        let Ok(process) = (self.process)() else { return false };
        if fault.kill {
            let done = process.kill().is_ok();
            if done {
                say(&format!("killed {}", self.name));
            }
            return done;
        }
        let longest =
            if self.program == MANAGER { LONGEST_STOP_OF_A_MANAGER } else { LONGEST_STOP };
        let stopped = Duration::from_secs(random.u64(1..=longest));
        let done = process.stop().is_ok();
        if done {
            say(&format!("stopped {} for {} s", self.name, stopped.as_secs()));
            thread::sleep(stopped);
        }
        done
    }
}

/// The managers, and what runs in the tenant's control plane.
fn victims(tenant: &Tenant) -> Outcome<Vec<Victim>> {
    let mut victims: Vec<Victim> = Vec::new();
    for pod in manager::pods()? {
        let pod = name(&pod).to_owned();
        victims.push(Victim {
            program: MANAGER,
            name: format!("manager {pod}"),
            process: Box::new(move || Process::of_manager(&pod)),
        });
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
    let process = Box::new(move || Process::of_pod(&uid, program));
    Some(Victim { program, name: name(pod).to_owned(), process })
}
