//! Keeps the content of each tenant cluster as rendered: one task per tenant, which no reconcile waits for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::Client;
use nagaya_render::content::{ContentError, ContentObjects};
use nagaya_render::status::ContentState;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::{Contents, TenantKey, Wakeups};
use crate::kube_ops;

/// While a control plane is born its API server is asked often: this is on the way to the first node.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How long a newborn API server may refuse before that is worth telling.
const PATIENCE: Duration = Duration::from_secs(30);
/// An attempt that takes longer is given up and repeated.
const DEADLINE: Duration = Duration::from_secs(20);
/// The same for a newborn's first word: one that never says it holds a place that others wait for.
const FIRST_WORD: Duration = Duration::from_secs(3);
const NO_ANSWER: &str = "the tenant's API server does not answer";

/// What a tenant cluster is to contain.
#[derive(Clone)]
pub struct Wanted {
    client: Client,
    drift: u64,
    digest: Digest,
    /// `None` once it is written: the next pass brings it again.
    build: Option<Arc<Build>>,
}

/// Builds the content when it is to be written: as objects it is a multiple of what it is built from, and one that never
/// answers would hold it for ever.
type Build = dyn Fn() -> Result<ContentObjects, ContentError> + Send + Sync;

/// Tells one content from another.
type Digest = [u8; 32];

impl Wanted {
    /// Everything that is to be there, over the manager's connection to the tenant: `content`, which `build` gives again.
    /// `drift` changes when something of ours was changed inside the tenant ([`super::TenantWatches::drift`]).
    ///
    /// # Errors
    /// [`kube_ops::Error::RenderObject`]: the content has no JSON form.
    pub fn new(
        client: Client,
        content: &ContentObjects,
        build: impl Fn() -> Result<ContentObjects, ContentError> + Send + Sync + 'static,
        drift: u64,
    ) -> Result<Self, kube_ops::Error> {
        let mut hasher = Sha256::new();
        serde_json::to_writer(&mut hasher, content).map_err(|error| {
            let object = "the content of a tenant cluster".to_owned();
            kube_ops::Error::RenderObject { object, why: error.to_string() }
        })?;
        let digest = hasher.finalize().into();
        Ok(Self { client, drift, digest, build: Some(Arc::new(build)) })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.drift == other.drift && self.digest == other.digest
    }
}

/// The tasks of all tenants.
pub struct ContentKeeper {
    wakeups: Wakeups,
    contents: Arc<Contents>,
    at_once: Arc<Semaphore>,
    tasks: Mutex<HashMap<TenantKey, Task>>,
}

struct Task {
    wanted: Arc<watch::Sender<Wanted>>,
    outcome: Arc<Mutex<Outcome>>,
    handle: JoinHandle<()>,
}

/// What the last attempt came to.
#[derive(Default)]
struct Outcome {
    state: ContentState,
    /// What was written last.
    written: Option<Digest>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl ContentKeeper {
    /// A keeper that works on at most `at_once` tenants at the same time.
    #[must_use]
    pub fn new(at_once: usize, wakeups: Wakeups, contents: Arc<Contents>) -> Self {
        let at_once = Arc::new(Semaphore::new(at_once));
        Self { wakeups, contents, at_once, tasks: Mutex::default() }
    }

    /// Makes the tenant's content as `wanted` and keeps it so. Must be called inside a tokio runtime.
    pub fn keep(&self, tenant: &TenantKey, wanted: Wanted) {
        let mut tasks = self.tasks();
        if let Some(task) = tasks.get(tenant) {
            task.wanted.send_if_modified(|current| {
                let changed = !current.is_same(&wanted);
                if changed {
                    *current = wanted;
                } else {
                    current.client = wanted.client;
                }
                changed
            });
            return;
        }
        let wanted = Arc::new(watch::Sender::new(wanted));
        let outcome = Arc::new(Mutex::new(Outcome::default()));
        let worker = Worker {
            tenant: tenant.clone(),
            wakeups: self.wakeups.clone(),
            contents: Arc::clone(&self.contents),
            at_once: Arc::clone(&self.at_once),
            wanted: Arc::clone(&wanted),
            outcome: Arc::clone(&outcome),
        };
        let handle = tokio::spawn(worker.run());
        tasks.insert(tenant.clone(), Task { wanted, outcome, handle });
    }

    /// Goes on with the content that it was given last, over `client`; `false`: it has none, or what is in the tenant has
    /// changed since.
    #[must_use]
    pub fn goes_on(&self, tenant: &TenantKey, client: &Client, drift: u64) -> bool {
        self.tasks().get(tenant).is_some_and(|task| {
            let is_same = task.wanted.borrow().drift == drift;
            if is_same {
                task.wanted.send_if_modified(|current| {
                    current.client = client.clone();
                    false
                });
            }
            is_same
        })
    }

    /// How far the tenant's content is.
    #[must_use]
    pub fn state(&self, tenant: &TenantKey) -> ContentState {
        let tasks = self.tasks();
        let Some(task) = tasks.get(tenant) else { return ContentState::Pending };
        let outcome = lock(&task.outcome);
        let wanted = task.wanted.borrow().digest;
        match &outcome.state {
            ContentState::Applied if outcome.written != Some(wanted) => ContentState::Changing,
            state => state.clone(),
        }
    }

    /// The tenant is gone or paused: its content is no longer looked after.
    pub fn forget(&self, tenant: &TenantKey) {
        self.tasks().remove(tenant);
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<TenantKey, Task>> {
        lock(&self.tasks)
    }
}

struct Worker {
    tenant: TenantKey,
    wakeups: Wakeups,
    contents: Arc<Contents>,
    at_once: Arc<Semaphore>,
    wanted: Arc<watch::Sender<Wanted>>,
    outcome: Arc<Mutex<Outcome>>,
}

impl Worker {
    async fn run(self) {
        let born = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut wanted = self.wanted.subscribe();
        loop {
            let current = wanted.borrow_and_update().clone();
            match Box::pin(self.attempt(&current)).await {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    self.let_go(&current);
                    drop(current);
                    if wanted.changed().await.is_err() {
                        return;
                    }
                }
                Err(why) => {
                    tracing::debug!(tenant = %self.tenant, why, "cannot write tenant content yet");
                    if born.elapsed() > PATIENCE || lock(&self.outcome).written.is_some() {
                        self.tell(ContentState::Failed(why), None);
                    }
                    sleep(pause).await;
                    pause = next_pause(pause, born.elapsed());
                }
            }
        }
    }

    async fn attempt(&self, wanted: &Wanted) -> Result<(), String> {
        let Some(build) = &wanted.build else { return Ok(()) };
        let _place = self.at_once.acquire().await.map_err(|error| error.to_string())?;
        if lock(&self.outcome).written.is_none() {
            match timeout(FIRST_WORD, await_health(&wanted.client)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(told(&error)),
                Err(_) => return Err(NO_ANSWER.to_owned()),
            }
        }
        let content = build().map_err(|error| error.to_string())?;
        let pass = self.contents.apply(&self.tenant, &wanted.client, &content);
        match timeout(DEADLINE, pass).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(told(&error)),
            Err(_) => Err(NO_ANSWER.to_owned()),
        }
    }

    /// It is written: from now on its digest is enough.
    fn let_go(&self, written: &Wanted) {
        self.wanted.send_if_modified(|current| {
            if current.is_same(written) {
                current.build = None;
            }
            false
        });
        self.tell(ContentState::Applied, Some(written.digest));
    }

    fn tell(&self, state: ContentState, written: Option<Digest>) {
        let mut outcome = lock(&self.outcome);
        if outcome.state == state && (written.is_none() || written == outcome.written) {
            return;
        }
        outcome.state = state;
        if written.is_some() {
            outcome.written = written;
        }
        self.wakeups.wake(&self.tenant);
    }
}

/// A newborn API server answers before it has written its own roles, and every request takes time from that.
async fn await_health(client: &Client) -> Result<(), kube_ops::Error> {
    let request = http::Request::get("/livez").body(Vec::new());
    let answer = match request {
        Ok(request) => client.request_text(request).await,
        Err(error) => Err(kube::Error::HttpError(error)),
    };
    answer.map(drop).map_err(|source| kube_ops::Error::ApiCall {
        verb: "ask",
        object: "/livez of the tenant's API server".to_owned(),
        source: Box::new(source),
    })
}

/// The same words for the same trouble, since others are written to the status: of several objects another one may fail
/// first, and a connection in more than one way.
fn told(error: &kube_ops::Error) -> String {
    if !error.is_unanswered() {
        return error.to_string();
    }
    tracing::debug!(%error, "a tenant's API server does not answer");
    NO_ANSWER.to_owned()
}

/// Steady while the API server is being born, then doubling.
fn next_pause(pause: Duration, age: Duration) -> Duration {
    if age < PATIENCE { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newborn_is_asked_often_and_an_old_one_with_growing_pauses() {
        assert_eq!(next_pause(FIRST_PAUSE, Duration::from_secs(5)), FIRST_PAUSE);
        assert_eq!(next_pause(FIRST_PAUSE, Duration::from_mins(1)), FIRST_PAUSE * 2);
        assert_eq!(next_pause(LONGEST_PAUSE, Duration::from_mins(10)), LONGEST_PAUSE);
    }

    #[test]
    fn an_api_server_that_does_not_answer_is_told_in_the_same_words_each_time() {
        let failed = |object: &str, source| kube_ops::Error::ApiCall {
            verb: "read",
            object: object.to_owned(),
            source: Box::new(source),
        };
        let late = failed("Secret a/b", kube::Error::Service("deadline has elapsed".into()));
        let broken = failed("Role c/d", kube::Error::Service("client error (Connect)".into()));
        assert_eq!(told(&late), told(&broken));
        let status = kube::core::Status::failure("it may not", "Forbidden").with_code(403).boxed();
        assert!(told(&failed("Role c/d", kube::Error::Api(status))).contains("it may not"));
    }
}
