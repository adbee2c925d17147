//! The stage of every test: a management cluster in memory, a project in it, and the real controllers.
//!
//! Time is tokio's virtual one (`start_paused`): a test that waits for a minute takes milliseconds.

mod picture;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use nagaya::clock::Clock;
use nagaya::config::{Config, ManagerSettings};
use nagaya::kube_ops::{Clients, Events};
use nagaya::leader::{DEFAULT_NAMESPACE, Leadership};
use nagaya::metrics::Metrics;
use nagaya::readiness::Readiness;
use nagaya::startup::Manager;
use nagaya_api::{conditions, labels};
use nagaya_render::plane::plane_namespace_name;
use nagaya_render::settings::{GatewaySettings, Settings};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::memory_api::{Asked, GATEWAY_ADDRESS, Id, Kind, MemoryApi, NODE_ADDRESS};
use crate::process::Process;
use crate::running::Running;
use crate::world::{ADMIN, EtcdsOf, GatewayPod, MemoryEtcds, Network, World};
pub use picture::Picture;

/// The project of every test.
pub const PROJECT: &str = "acme";
/// The tenant of every test.
pub const TENANT: &str = "demo";
/// The pod of the manager that every test has.
pub const FIRST: &str = "first";

/// Longer than any pause after which something may still happen by itself: the pause between probes of a
/// joinable tenant, and of looks at one that is not ready.
const QUIET: Duration = Duration::from_secs(15);
/// Whatever a test waits for has happened by then, or never will.
const PATIENCE: Duration = Duration::from_mins(5);

/// A management cluster with the manager in it.
pub struct Stage {
    /// Where `TenantCluster`s are.
    pub projects: MemoryApi,
    /// Where control planes are; usually the same cluster.
    pub planes: MemoryApi,
    /// Inside the tenant.
    pub inside: MemoryApi,
    /// The etcds of control planes.
    pub etcds: Arc<MemoryEtcds>,
    /// What the next manager is started with.
    pub config: Config,
    /// The clock of all managers.
    pub clock: Clock,
    network: Network,
    world: World,
    manager: Option<Running>,
}

impl Stage {
    /// One cluster for all, without nodes, and the manager running.
    pub fn new() -> Self {
        let api = MemoryApi::default();
        Self::of(api.clone(), api)
    }

    /// [`Stage::new`] with nodes and a tenant that is joinable and settled.
    pub async fn ready() -> Self {
        let stage = Self::with_nodes();
        stage.create_tenant(&spec());
        stage.settled().await;
        assert_eq!(stage.condition(conditions::READY)["status"], "True");
        stage
    }

    /// [`Stage::new`] with nodes.
    pub fn with_nodes() -> Self {
        let mut stage = Self::new();
        stage.add_nodes();
        stage
    }

    /// One cluster for the projects, another one for the planes.
    pub fn with_two_clusters() -> Self {
        Self::of(MemoryApi::default(), MemoryApi::default())
    }

    fn of(projects: MemoryApi, planes: MemoryApi) -> Self {
        let enabled = json!({labels::PROJECT: labels::PROJECT_ENABLED});
        let namespace =
            json!({"kind": "Namespace", "metadata": {"name": PROJECT, "labels": enabled}});
        projects.create(&namespace).unwrap();
        let own = json!({"kind": "Namespace", "metadata": {"name": DEFAULT_NAMESPACE}});
        projects.create(&own).unwrap();
        let etcds = MemoryEtcds::beside(&planes);
        Self::set(projects, planes, MemoryApi::default(), etcds)
    }

    /// The manager begins on what there is.
    fn set(projects: MemoryApi, planes: MemoryApi, inside: MemoryApi, etcds: MemoryEtcds) -> Self {
        let network = Network::default();
        let world = World::without_nodes(&planes, network.clone());
        let (etcds, config, clock) = (Arc::new(etcds), config(), Clock::default());
        let mut stage =
            Self { projects, planes, inside, etcds, config, clock, network, world, manager: None };
        stage.start_manager();
        stage
    }

    /// Starts the manager, as a container that comes after the one that was killed.
    pub fn start_manager(&mut self) {
        self.manager = Some(self.start(FIRST));
    }

    /// Starts a manager whose pod is called `name`.
    pub fn start(&self, name: &str) -> Running {
        let process = Process::new();
        let clients = Clients {
            projects: self.projects.client(&process),
            planes: self.planes.client(&process),
        };
        let (leases, term) = (clients.projects.clone(), process.term.clone());
        let manager = Manager {
            dial: Arc::new(self.network.clone()),
            etcds: Arc::new(EtcdsOf { process: process.clone(), etcds: self.etcds.clone() }),
            leadership: Leadership::new(leases, DEFAULT_NAMESPACE, name.to_owned(), term),
            events: Events::new(clients.projects.clone(), None),
            config: self.config.clone(),
            build: "of the test".to_owned(),
            clients,
            clock: self.clock.clone(),
            metrics: Arc::new(Metrics::default()),
            readiness: Readiness::default(),
            shutdown: CancellationToken::new(),
        };
        Running::start(manager, process)
    }

    /// The manager, which from now on belongs to the test.
    pub fn take_manager(&mut self) -> Running {
        self.manager.take().unwrap()
    }

    /// Whether the manager has ended by itself.
    pub fn manager_is_over(&self) -> bool {
        self.manager.as_ref().is_some_and(Running::is_over)
    }

    /// Ends the manager without a goodbye.
    pub fn kill_manager(&mut self) {
        self.manager = None;
    }

    /// A pod of the gateway, which refuses nobody yet.
    pub fn add_gateway_pod(&self) -> GatewayPod {
        GatewayPod::start(&self.network)
    }

    /// From now on pods start.
    pub fn add_nodes(&mut self) {
        self.world.add_nodes(&self.planes, &Self::plane(), &self.inside);
    }

    /// Somebody creates another tenant, which can have pods too.
    pub fn add_tenant(&mut self, name: &str) {
        let (plane, inside) = (plane_namespace_name(PROJECT, name), MemoryApi::default());
        self.world.add_nodes(&self.planes, &plane, &inside);
        let tenant = json!({
            "kind": "TenantCluster", "metadata": {"name": name, "namespace": PROJECT}, "spec": spec(),
        });
        self.projects.create(&tenant).unwrap();
    }

    /// The API server of the tenant that was added as number `number` answers no more.
    pub fn silence(&mut self, number: usize) {
        self.world.remove_nodes(number);
    }

    /// The tenant's control-plane namespace.
    pub fn plane() -> String {
        plane_namespace_name(PROJECT, TENANT)
    }

    /// Somebody creates the tenant.
    pub fn create_tenant(&self, spec: &Value) {
        let tenant = json!({
            "kind": "TenantCluster", "metadata": {"name": TENANT, "namespace": PROJECT}, "spec": spec,
        });
        self.projects.create(&tenant).unwrap();
    }

    /// Somebody asks for a join command of the tenant.
    pub fn create_join_token(&self, name: &str) {
        let token = json!({
            "kind": "JoinToken", "metadata": {"name": name, "namespace": PROJECT},
            "spec": {"clusterName": TENANT},
        });
        self.projects.create(&token).unwrap();
    }

    /// Somebody changes the tenant in a way that means nothing.
    pub fn touch(&self) {
        let annotation =
            json!({"metadata": {"annotations": {"touched": self.count_writes().to_string()}}});
        self.projects.patch(&tenant_id(), &annotation);
    }

    /// The tenant as it is now.
    pub fn tenant(&self) -> Option<Arc<Value>> {
        self.projects.get("TenantCluster", PROJECT, TENANT)
    }

    /// A condition of the tenant; null if it has none of the type.
    pub fn condition(&self, kind: &str) -> Value {
        self.condition_of(TENANT, kind)
    }

    /// A condition of any tenant.
    pub fn condition_of(&self, name: &str, kind: &str) -> Value {
        let tenant = self.projects.get("TenantCluster", PROJECT, name).unwrap_or_default();
        let mut all = tenant["status"]["conditions"].as_array().into_iter().flatten();
        all.find(|condition| condition["type"] == kind).cloned().unwrap_or_default()
    }

    /// It says itself that the spec that it has is served.
    pub fn is_settled(&self) -> bool {
        let tenant = self.tenant().unwrap_or_default();
        !tenant.is_null()
            && tenant["status"]["observedGeneration"] == tenant["metadata"]["generation"]
            && self.condition(conditions::READY)["status"] == "True"
            && self.condition(conditions::RECONCILING).is_null()
    }

    /// Everything that the manager has asked to be written, in order.
    pub fn writes(&self) -> Vec<String> {
        in_order(&[&self.projects, &self.planes, &self.inside])
    }

    /// How many writes the manager has asked for.
    pub fn count_writes(&self) -> usize {
        let apis = [&self.projects, &self.planes, &self.inside];
        let numbers = apis.iter().flat_map(|api| api.tell_writes(|asked| asked.number));
        numbers.collect::<BTreeSet<u64>>().len()
    }

    /// [`Stage::writes`], but for those into the tenant.
    pub fn management_writes(&self) -> Vec<String> {
        in_order(&[&self.projects, &self.planes])
    }

    /// What Prometheus would get of this manager.
    pub fn scrape(&self) -> String {
        self.manager.as_ref().unwrap().scrape()
    }

    /// How many passes over `TenantCluster`s this manager has made.
    pub fn passes(&self) -> u64 {
        self.manager.as_ref().unwrap().passes()
    }

    /// Waits until `reached`; fails the test if that never comes.
    pub async fn until(&self, what: &str, reached: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !reached(self) {
            assert!(
                started.elapsed() < PATIENCE,
                "never: {what}; the tenant is {:#}; written was {:#?}",
                self.tenant().unwrap_or_default(),
                self.writes(),
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until nothing has been written for a while.
    pub async fn settled(&self) {
        self.settled_for(QUIET).await;
    }

    /// Waits until nothing has been written for so long.
    pub async fn settled_for(&self, quiet: Duration) {
        let started = Instant::now();
        loop {
            let before = self.count_writes();
            sleep(quiet).await;
            if before == self.count_writes() {
                return;
            }
            let more = || self.writes().split_off(before);
            assert!(started.elapsed() < PATIENCE * 3, "never settles: {:#?}", more());
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.kill_manager();
    }
}

fn config() -> Config {
    let render = Settings {
        node_port_host: Some(NODE_ADDRESS.to_string()),
        gateway: GatewaySettings {
            domain: Some("k8s.example.com".to_owned()),
            addresses: vec![GATEWAY_ADDRESS.into()],
            ..GatewaySettings::default()
        },
        manager_image: "nagaya".to_owned(),
        ..Settings::default()
    };
    // An address: names are asked of a real resolver, which virtual time does not wait for.
    let gateway_pods = format!("{GATEWAY_ADDRESS}:{ADMIN}");
    let manager = ManagerSettings { gateway_pods, ..ManagerSettings::default() };
    Config { render, manager }
}

/// A spec that can be served.
pub fn spec() -> Value {
    json!({"version": "v1.37.1"})
}

/// The name of the tenant.
pub fn tenant_id() -> Id {
    Id::new(Kind::named("TenantCluster"), PROJECT, TENANT)
}

/// The writes to several servers, of which two may be the same.
fn in_order(apis: &[&MemoryApi]) -> Vec<String> {
    let told = |asked: &Asked| (asked.number, asked.to_string());
    let writes = apis.iter().flat_map(|api| api.tell_writes(told));
    writes.collect::<BTreeMap<u64, String>>().into_values().collect()
}
