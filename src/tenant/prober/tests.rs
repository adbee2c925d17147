//! The prober with a fake probe, in paused time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::runtime::reflector::ObjectRef;
use nagaya_api::TenantCluster;
use nagaya_render::probe::{Finding, Reason};
use tokio::time::{advance, sleep};

use super::super::wakeups;
use super::*;

/// How a fake tenant behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Tenant {
    Joinable,
    Refusing,
    /// Packets are dropped: no answer, ever.
    Blackholed,
}

#[derive(Clone, Debug)]
struct FakeTarget {
    key: TenantKey,
    tenant: Arc<Mutex<Tenant>>,
    established: bool,
    place: &'static str,
    probes: Arc<AtomicUsize>,
}

impl Target for FakeTarget {
    fn tenant(&self) -> &TenantKey {
        &self.key
    }

    fn established(&self) -> bool {
        self.established
    }

    fn place(&self) -> Option<String> {
        Some(self.place.to_owned())
    }
}

impl FakeTarget {
    fn new(name: &str, tenant: Tenant) -> Self {
        let key = TenantKey {
            namespace: "project".to_owned(),
            name: name.to_owned(),
            uid: "1".to_owned(),
        };
        Self {
            key,
            tenant: Arc::new(Mutex::new(tenant)),
            established: true,
            place: "here",
            probes: Arc::default(),
        }
    }

    fn becomes(&self, tenant: Tenant) {
        *self.tenant.lock().unwrap() = tenant;
    }

    fn probes(&self) -> usize {
        self.probes.load(Ordering::SeqCst)
    }
}

/// Answers after 20 ms, or never.
#[derive(Debug, Default)]
struct FakeProbe {
    running: AtomicUsize,
    most: Arc<AtomicUsize>,
}

struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Probe for FakeProbe {
    type Target = FakeTarget;

    async fn probe(&self, target: &FakeTarget) -> ProbeReport {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        let _running = Running(&self.running);
        self.most.fetch_max(running, Ordering::SeqCst);
        target.probes.fetch_add(1, Ordering::SeqCst);
        let tenant = *target.tenant.lock().unwrap();
        sleep(Duration::from_millis(20)).await;
        match tenant {
            Tenant::Joinable => joinable(),
            Tenant::Refusing => unreachable(Reason::EndpointUnreachable),
            Tenant::Blackholed => std::future::pending().await,
        }
    }

    fn gave_up(&self, _: &FakeTarget) -> ProbeReport {
        unreachable(Reason::EndpointTimeout)
    }

    fn forget(&self, _: &TenantKey) {}
}

fn joinable() -> ProbeReport {
    ProbeReport {
        endpoint: Finding::Ok,
        cluster_info: Finding::Ok,
        signature: Finding::Ok,
        kubeadm_config: Finding::Ok,
        kubelet_config: Finding::Ok,
        kube_proxy_config: Finding::Ok,
        permissions: Finding::Ok,
        authentication: Finding::Ok,
        signer: Finding::Ok,
        stalled: false,
    }
}

fn unreachable(reason: Reason) -> ProbeReport {
    ProbeReport { endpoint: Finding::failed(reason, "gone"), ..ProbeReport::default() }
}

type Woken = std::pin::Pin<Box<dyn Stream<Item = ObjectRef<TenantCluster>> + Send>>;

fn prober(places: usize) -> (Prober<FakeProbe>, Arc<AtomicUsize>, Woken) {
    let (sender, woken) = wakeups();
    let probe = FakeProbe::default();
    let most = Arc::clone(&probe.most);
    let pace = Pace { probes_at_once: places, ..Pace::default() };
    (Prober::new(probe, pace, sender), most, Box::pin(woken))
}

/// How many wake-ups are waiting.
fn count(woken: &mut Woken) -> usize {
    let mut waiting = 0;
    while futures::FutureExt::now_or_never(woken.next()).flatten().is_some() {
        waiting += 1;
    }
    waiting
}

async fn pass(seconds: u64) {
    // In small steps: each lets every task run.
    for _ in 0..seconds * 100 {
        advance(Duration::from_millis(10)).await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_probes_run_at_once_than_there_are_places() {
    let (prober, most, _woken) = prober(4);
    let targets: Vec<_> =
        (0..40).map(|n| FakeTarget::new(&format!("t{n}"), Tenant::Joinable)).collect();
    for target in &targets {
        prober.watch(target.clone());
    }
    pass(2).await;
    assert!(targets.iter().all(|target| target.probes() >= 1));
    assert_eq!(most.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn blackholed_tenants_do_not_delay_the_others() {
    let (prober, _, _woken) = prober(4);
    for n in 0..50 {
        prober.watch(FakeTarget::new(&format!("dead{n}"), Tenant::Blackholed));
    }
    // Each of them takes a place of the others once, until it is known for what it is.
    pass(60).await;
    let alive = FakeTarget::new("alive", Tenant::Joinable);
    prober.watch(alive.clone());
    pass(1).await;
    assert_eq!(alive.probes(), 1);
    assert!(prober.store().get(&alive.key).unwrap().report.joinable());
    let before = alive.probes();
    pass(60).await;
    assert!(alive.probes() - before >= 6, "{} probes in a minute", alive.probes() - before);
}

#[tokio::test(start_paused = true)]
async fn only_a_change_wakes_the_reconcile() {
    let (prober, _, mut woken) = prober(4);
    let target = FakeTarget::new("demo", Tenant::Joinable);
    prober.watch(target.clone());
    pass(30).await;
    assert!(target.probes() >= 4);
    assert_eq!(count(&mut woken), 1, "the first report");
    target.becomes(Tenant::Refusing);
    pass(30).await;
    assert_eq!(count(&mut woken), 1);
    target.becomes(Tenant::Joinable);
    pass(30).await;
    assert_eq!(count(&mut woken), 1);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_whose_packets_are_dropped_shows_it_within_fifteen_seconds() {
    let (prober, _, _woken) = prober(4);
    let target = FakeTarget::new("demo", Tenant::Joinable);
    prober.watch(target.clone());
    pass(1).await;
    target.becomes(Tenant::Blackholed);
    pass(14).await;
    assert!(prober.store().get(&target.key).unwrap().report.unreachable());
}

#[tokio::test(start_paused = true)]
async fn a_tenant_being_born_is_asked_four_times_a_second() {
    let (prober, _, _woken) = prober(4);
    let born = FakeTarget { established: false, ..FakeTarget::new("born", Tenant::Refusing) };
    prober.watch(born.clone());
    pass(10).await;
    assert!((34..=40).contains(&born.probes()), "{}", born.probes());
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_was_joinable_is_no_longer_being_born() {
    let (prober, _, _woken) = prober(4);
    let target = FakeTarget { established: false, ..FakeTarget::new("demo", Tenant::Joinable) };
    prober.watch(target.clone());
    pass(1).await;
    target.becomes(Tenant::Refusing);
    pass(10).await;
    let before = target.probes();
    pass(10).await;
    assert!((8..=10).contains(&(target.probes() - before)), "{}", target.probes() - before);
}

#[tokio::test(start_paused = true)]
async fn a_new_target_of_a_known_tenant_waits_its_turn() {
    let (prober, _, _woken) = prober(4);
    let target = FakeTarget::new("demo", Tenant::Joinable);
    prober.watch(target.clone());
    pass(1).await;
    prober.watch(target.clone());
    pass(1).await;
    assert_eq!(target.probes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_to_be_looked_at_elsewhere_is_probed_there_at_once() {
    let (prober, _, mut woken) = prober(4);
    let target = FakeTarget::new("demo", Tenant::Joinable);
    prober.watch(target.clone());
    pass(1).await;
    let (before, _) = (target.probes(), count(&mut woken));
    let place = || prober.store().get(&target.key).unwrap().place;
    assert_eq!(place().as_deref(), Some("here"));
    prober.watch(FakeTarget { place: "there", ..target.clone() });
    assert_eq!(place().as_deref(), Some("here"), "nobody has looked there yet");
    pass(1).await;
    assert_eq!((target.probes(), count(&mut woken)), (before + 1, 1));
    assert_eq!(place().as_deref(), Some("there"));
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_tenant_is_neither_probed_nor_remembered() {
    let (prober, _, _woken) = prober(4);
    let target = FakeTarget::new("demo", Tenant::Blackholed);
    prober.watch(target.clone());
    pass(1).await;
    prober.forget(&target.key);
    pass(20).await;
    assert_eq!(target.probes(), 1);
    assert!(prober.store().get(&target.key).is_none());
}

#[tokio::test(start_paused = true)]
async fn when_most_tenants_vanish_at_once_the_prober_distrusts_its_eyes() {
    let (prober, _, mut woken) = prober(16);
    let targets: Vec<_> =
        (0..5).map(|n| FakeTarget::new(&format!("t{n}"), Tenant::Joinable)).collect();
    for target in &targets {
        prober.watch(target.clone());
    }
    pass(1).await;
    targets[0].becomes(Tenant::Blackholed);
    pass(14).await;
    assert!(!prober.store().blind());
    assert_eq!(count(&mut woken), 6, "five first reports, and one that vanished");
    for target in &targets[1..4] {
        target.becomes(Tenant::Blackholed);
    }
    pass(14).await;
    assert!(prober.store().blind());
    let woken = count(&mut woken);
    assert!(woken >= 5, "three that vanished, and those that had vanished before: {woken}");
}
