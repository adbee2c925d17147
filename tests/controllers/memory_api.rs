//! A Kubernetes API server in memory, as far as Nagaya uses one.
//!
//! It does what kube-apiserver does with versions, generations, field ownership, finalizers, preconditions
//! and watches; what it cannot do it refuses (`NotPlayed`) rather than answer wrongly. Nothing happens in it
//! by itself: what other controllers do is in [`crate::world`]. `tests/replay` compares it with a real one.
//!
//! | what | file |
//! |---|---|
//! | the kinds it serves | `kinds.rs` |
//! | what a request asks for, and refusals | `request.rs`, `select.rs`, `refusal.rs` |
//! | what is answered | `answer.rs` |
//! | objects and their history | `store.rs` |
//! | create, change, apply, delete | `writes.rs`, `admission.rs`, `preconditions.rs` |
//! | who owns which field | `ownership.rs`, `fields.rs`, `path.rs`, `zeros.rs` |
//! | watches | `watch.rs` |
//! | what goes wrong on purpose | `faults.rs`, `storm.rs` |
//! | what the manager gets wrong on purpose | `bugs.rs` |
//! | how tests and the world look in and act | `actor.rs` |

mod actor;
mod admission;
pub mod answer;
mod bugs;
mod faults;
mod fields;
mod kinds;
mod ownership;
mod path;
mod preconditions;
mod refusal;
mod request;
mod select;
mod store;
mod storm;
mod watch;
mod writes;
mod zeros;

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use http::Response;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Bytes;
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tokio::sync::watch as channel;
use tokio::time::sleep;
use tower::{BoxError, Layer as _, ServiceExt as _};

pub use bugs::Bug;
pub use faults::Fault;
pub use fields::leaves as owned_fields;
pub use kinds::Kind;
pub use store::Id;
pub use storm::Storm;

use bugs::Bugs;
use faults::Faults;
use refusal::Refusal;
use request::Request;
pub use request::Verb;
use store::Store;

use crate::process::Process;

type Answer = Response<UnsyncBoxBody<Bytes, std::convert::Infallible>>;

/// What a client has asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Grows over all servers.
    pub number: u64,
    pub verb: Verb,
    pub id: Id,
    pub subresource: String,
    pub body: Value,
    /// Status code of the answer.
    pub code: u16,
}

impl Asked {
    pub fn is_write(&self) -> bool {
        is_change(self.verb, self.id.kind)
    }
}

/// An Event is a notice to people: nothing follows from it, and a lost one is no harm. The Lease is the managers'
/// own, and renewed all the time.
fn is_change(verb: Verb, kind: &str) -> bool {
    !matches!(verb, Verb::Get | Verb::List | Verb::Watch | Verb::Review)
        && !matches!(kind, "Event" | "Lease")
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {} {} {}", self.verb, self.id, self.subresource, self.code)
    }
}

/// The address of every cluster's nodes.
pub const NODE_ADDRESS: Ipv4Addr = admission::address(u8::MAX);
/// The address of a load balancer that the operator runs outside, where there is one. It leads from kube-apiserver's usual
/// port to the node port that is recorded.
pub const EXTERNAL_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 30);
/// The address of the gateway, where there is one.
pub const GATEWAY_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

/// The server; clones are the same one.
#[derive(Clone)]
pub struct MemoryApi {
    store: Arc<Mutex<Store>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    faults: Arc<Mutex<Faults>>,
    bugs: Bugs,
    /// Watches show changes up to this version; sent at every change.
    shown: Arc<channel::Sender<u64>>,
}

impl Default for MemoryApi {
    fn default() -> Self {
        Self {
            store: Arc::default(),
            asked: Arc::default(),
            faults: Arc::default(),
            bugs: Bugs::default(),
            shown: Arc::new(channel::channel(0).0),
        }
    }
}

impl MemoryApi {
    /// A client of `process`, whose requests are remembered.
    pub fn client(&self, process: &Process) -> Client {
        let api = self.clone();
        let fenced = process.fence().layer(tower::service_fn(move |request| {
            let api = api.clone();
            async move { api.bugs.send(&api, request).await }
        }));
        let process = process.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (process, fenced) = (process.clone(), fenced.clone());
            async move {
                let lease = request.uri().path().starts_with("/apis/coordination.k8s.io/");
                process.sends(request.method() != http::Method::GET && !lease).await;
                fenced.oneshot(request).await
            }
        });
        Client::new(service, "default")
    }

    /// Everything that clients have asked for, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How much clients have asked for.
    pub fn count_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// At how many requests the storm of now has struck.
    pub fn count_struck(&self) -> usize {
        self.faults.lock().unwrap().count_struck()
    }

    /// What clients have asked for to be written, in order; also what was refused.
    pub fn writes(&self) -> Vec<Asked> {
        self.tell_writes(Clone::clone)
    }

    /// What `tell` makes of each of [`MemoryApi::writes`].
    pub fn tell_writes<T>(&self, tell: impl Fn(&Asked) -> T) -> Vec<T> {
        self.asked.lock().unwrap().iter().filter(|asked| asked.is_write()).map(tell).collect()
    }

    /// Plans a fault for the write number `write` from now, the next one being 1.
    pub fn plan_fault(&self, write: usize, fault: Fault) {
        self.faults.lock().unwrap().plan(write, fault);
    }

    /// From now on nobody can connect, and who was connected is no longer; or all is as ever again.
    pub fn set_outage(&self, outage: bool) {
        self.faults.lock().unwrap().outage = outage;
        // Watches look again.
        self.shown.send_modify(|_| {});
    }

    fn is_out(&self) -> bool {
        self.faults.lock().unwrap().outage
    }

    pub fn forget_planned_faults(&self) {
        self.faults.lock().unwrap().forget_planned();
    }

    /// From now on the manager has a bug.
    pub fn set_bug(&self, bug: Bug) {
        self.bugs.set(bug);
    }

    /// From now on requests fail at random; `None`: no longer.
    pub fn set_storm(&self, storm: Option<Storm>) {
        self.faults.lock().unwrap().set_storm(storm);
    }

    pub fn all_faults_happened(&self) -> bool {
        self.faults.lock().unwrap().all_happened()
    }

    /// Does something to the store as somebody who is no client of ours, and shows it to the watches.
    fn act<T>(&self, work: impl FnOnce(&mut Store) -> T) -> T {
        let mut store = self.lock();
        let done = work(&mut store);
        let version = store.version();
        drop(store);
        self.shown.send_if_modified(|shown| {
            let news = *shown < version;
            *shown = version.max(*shown);
            news
        });
        done
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }

    fn shown(&self) -> channel::Receiver<u64> {
        self.shown.subscribe()
    }

    /// Answers a request, from wherever it comes.
    pub async fn serve<B>(&self, request: http::Request<B>) -> Result<Answer, io::Error>
    where
        B: http_body::Body<Error: Into<BoxError>>,
    {
        if self.is_out() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (head, body) = request.into_parts();
        if head.uri.path() == "/livez" {
            return Ok(Response::new(Full::from("ok").boxed_unsync()));
        }
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let request = match Request::read(&head, &body) {
            Ok(request) => request,
            Err(refusal) => return Ok(refused(&refusal)),
        };
        if request.verb == Verb::Watch {
            let trouble = self.faults.lock().unwrap().next_watch(&request);
            let opened = watch::open(self, &request, trouble);
            self.note(request, 200);
            return Ok(match opened {
                Ok(events) => Response::new(StreamBody::new(events).boxed_unsync()),
                Err(refusal) => refused(&refusal),
            });
        }
        let changes = is_change(request.verb, request.kind.name);
        let fault = self.faults.lock().unwrap().next(&request, changes);
        let answer = match fault {
            Some(Fault::Refused(code)) => Err(Refusal::on_purpose(code)),
            Some(Fault::Lost(after)) => {
                sleep(after).await;
                return Err(io::ErrorKind::TimedOut.into());
            }
            Some(Fault::Stale(changes)) => {
                let mut store = self.lock().as_before(changes);
                answer::answer(&mut store, &request)
            }
            _ => self.act(|store| answer::answer(store, &request)),
        };
        let code = match &answer {
            Ok((code, _)) => *code,
            Err(refusal) => refusal.code,
        };
        let metadata_only = request.metadata_only;
        self.note(request, code);
        match fault {
            Some(Fault::AnswerLost(after)) => {
                sleep(after).await;
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Some(Fault::Silence) => std::future::pending().await,
            _ => Ok(match answer {
                Ok((_, answered)) => whole(code, answered.told(metadata_only)),
                Err(refusal) => refused(&refusal),
            }),
        }
    }

    fn note(&self, request: Request, code: u16) {
        static ASKED: AtomicU64 = AtomicU64::new(0);
        let named = request.name.as_deref().or(request.body["metadata"]["name"].as_str());
        let namespace = request.namespace.as_deref().unwrap_or_default();
        let id = Id::new(request.kind, namespace, named.unwrap_or_default());
        self.asked.lock().unwrap().push(Asked {
            number: ASKED.fetch_add(1, Ordering::Relaxed),
            verb: request.verb,
            id,
            subresource: request.subresource.unwrap_or_default(),
            body: request.body,
            code,
        });
    }
}

fn refused(refusal: &Refusal) -> Answer {
    whole(refusal.code, refusal.status().to_string())
}

fn whole(code: u16, body: String) -> Answer {
    let body = Full::new(Bytes::from(body)).boxed_unsync();
    let mut answer = Response::builder().status(code);
    if code == 429 {
        answer = answer.header(http::header::RETRY_AFTER, 1);
    }
    answer.body(body).unwrap()
}
