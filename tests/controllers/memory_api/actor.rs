//! How a test, or the world, looks into the server and acts on it: past faults, and not among what clients
//! asked for.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::answer::{is_merged, merge_patch};
use super::kinds::Kind;
use super::ownership::Writer;
use super::store::{Change, Id};
use super::{MemoryApi, writes};

/// Owner of the fields that are written here.
const SOMEBODY: Writer<'static> = Writer { manager: "somebody-else", subresource: "" };
const SOMEBODYS_STATUS: Writer<'static> =
    Writer { manager: "somebody-else", subresource: "status" };
const NAMESPACE_CONTROLLER: Writer<'static> =
    Writer { manager: "somebody-else", subresource: "finalize" };

impl MemoryApi {
    /// Another one after every change.
    pub fn version(&self) -> u64 {
        self.lock().version()
    }

    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.lock().get(&Id::new(Kind::named(kind), namespace, name)).cloned()
    }

    /// All objects of a kind; those of one namespace if it is given.
    pub fn all(&self, kind: &str, namespace: Option<&str>) -> Vec<Arc<Value>> {
        self.lock().of_kind(Kind::named(kind), namespace).cloned().collect()
    }

    /// Names of all objects in a namespace.
    pub fn names_in(&self, namespace: &str) -> Vec<Id> {
        self.pick(|id, _| (id.namespace == namespace).then(|| id.clone()))
    }

    /// Every object with its name, but for what only tells of work: Events and the managers' Lease.
    pub fn everything(&self) -> Vec<(Id, Arc<Value>)> {
        let lasts = |id: &Id| !matches!(id.kind, "Event" | "Lease");
        self.pick(|id, object| lasts(id).then(|| (id.clone(), Arc::clone(object))))
    }

    /// What `pick` makes of each object, past those of which it makes nothing.
    pub fn pick<T>(&self, pick: impl Fn(&Id, &Arc<Value>) -> Option<T>) -> Vec<T> {
        self.lock().all().filter_map(|(id, object)| pick(id, object)).collect()
    }

    /// Everything that has happened, in order.
    pub fn changes(&self) -> Vec<Change> {
        self.lock().since(0).to_vec()
    }

    /// What came into being, in order.
    pub fn made(&self) -> Vec<Id> {
        let store = self.lock();
        let made = store.since(0).iter().filter(|change| change.before.is_none());
        made.map(|change| change.id.clone()).collect()
    }

    /// What has gone, in order.
    pub fn removed(&self) -> Vec<Id> {
        let store = self.lock();
        let removed = store.since(0).iter().filter(|change| change.after.is_none());
        removed.map(|change| change.id.clone()).collect()
    }

    /// Makes an object of complete JSON; `None` if the server refuses.
    pub fn create(&self, object: &Value) -> Option<Arc<Value>> {
        let kind = Kind::named(object["kind"].as_str().unwrap());
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        self.act(|store| writes::create(store, kind, namespace, object, SOMEBODY)).ok()
    }

    /// Merges `patch` into an object. Panics if the server refuses.
    pub fn patch(&self, id: &Id, patch: &Value) -> Arc<Value> {
        self.change(id, patch, SOMEBODY)
    }

    /// Merges `{"status": status}` into an object. Panics if the server refuses.
    pub fn patch_status(&self, id: &Id, status: &Value) -> Arc<Value> {
        self.change(id, &serde_json::json!({ "status": status }), SOMEBODYS_STATUS)
    }

    /// Lets a namespace go. Panics if it is not there.
    #[allow(dead_code, reason = "where nobody plays the namespace controller")]
    pub fn finalize(&self, namespace: &Id) {
        self.change(
            namespace,
            &serde_json::json!({"spec": {"finalizers": []}}),
            NAMESPACE_CONTROLLER,
        );
    }

    /// Another server, with the same objects.
    pub fn copy(&self) -> Self {
        let store = self.lock().without_history();
        let shown = store.version();
        let copy = Self { store: Arc::new(Mutex::new(store)), ..Self::default() };
        copy.shown.send_replace(shown);
        copy
    }

    /// Everything is gone at once, as if it had never been.
    pub fn wipe(&self) {
        self.act(|store| {
            let all: Vec<Id> = store.all().map(|(id, _)| id.clone()).collect();
            for id in &all {
                store.remove(id);
            }
        });
    }

    /// From now on admission gives a field of an object this value; `None`: no longer.
    pub fn mutate(&self, id: &Id, mutation: Option<(&'static str, Value)>) {
        self.act(|store| match mutation {
            Some(mutation) => store.mutations.insert(id.clone(), mutation),
            None => store.mutations.remove(id),
        });
    }

    /// From now on clients may list no objects of a kind.
    pub fn forbid(&self, kind: &str) {
        let kind = Kind::named(kind);
        self.act(|store| store.forbidden.insert(kind.name));
    }

    /// From now on a Service that is made again gets another node port.
    pub fn give_another_port(&self) {
        self.act(|store| store.gives_another_port = true);
    }

    /// What clients have asked for so far is no longer remembered.
    #[allow(dead_code, reason = "for `examples/stub_tenants`, which is asked for hours")]
    pub fn forget_asked(&self) {
        self.asked.lock().unwrap().clear();
    }

    /// From now on watches of a kind show nothing new, or all that they have not shown.
    pub fn lag(&self, kind: &str, lags: bool) {
        let kind = Kind::named(kind).name;
        self.act(
            |store| if lags { store.lagging.insert(kind) } else { store.lagging.remove(kind) },
        );
        // Watches look again.
        self.shown.send_modify(|_| {});
    }

    fn change(&self, id: &Id, patch: &Value, writer: Writer<'_>) -> Arc<Value> {
        // Who plays the world says again and again how it is.
        let store = self.lock();
        if let Some(live) = store.get(id).filter(|live| is_merged(live, patch))
            && store.is_settled(id)
        {
            return Arc::clone(live);
        }
        drop(store);
        let change = |live: &Value| {
            let mut patched = live.clone();
            merge_patch(&mut patched, patch);
            Ok(patched)
        };
        let kind = Kind::named(id.kind);
        self.act(|store| writes::change(store, kind, id, writer, change)).unwrap()
    }

    /// Deletes an object, at once unless a finalizer holds it; gone already is fine.
    pub fn delete(&self, id: &Id) {
        let options = serde_json::json!({"gracePeriodSeconds": 0});
        let _ = self.act(|store| writes::delete(store, Kind::named(id.kind), id, &options));
    }
}
