//! A store that keeps objects as JSON text, and makes one an object again for whoever asks for it.
//!
//! As Rust structs they take many times that: each volume of a pod template has room for every kind of volume that
//! there is, each map of two labels has room for eleven. They are read in passes, and a settled tenant has few.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, PoisonError, RwLock};

use kube::Resource;
use kube::core::ObjectMeta;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;
use tokio::sync::watch;

use crate::kube_ops::Object;

/// Namespace, empty for what has none, and name.
type Key = (Box<str>, Box<str>);
type Texts = HashMap<Key, Box<str>>;

/// The side that is read, without ever waiting.
pub struct TextStore<K> {
    texts: Arc<RwLock<Texts>>,
    filled: watch::Receiver<bool>,
    kind: PhantomData<fn() -> K>,
}

/// The side that a watch fills.
pub(super) struct TextWriter<K> {
    texts: Arc<RwLock<Texts>>,
    filled: watch::Sender<bool>,
    /// What a list that is still being read has brought.
    listed: Texts,
    kind: PhantomData<fn(K)>,
}

/// An empty store.
pub(super) fn text_store<K>() -> (TextStore<K>, TextWriter<K>) {
    let texts = Arc::default();
    let (filled, filling) = watch::channel(false);
    let reader = TextStore { texts: Arc::clone(&texts), filled: filling, kind: PhantomData };
    (reader, TextWriter { texts, filled, listed: Texts::new(), kind: PhantomData })
}

impl<K> Clone for TextStore<K> {
    fn clone(&self) -> Self {
        let (texts, filled) = (Arc::clone(&self.texts), self.filled.clone());
        Self { texts, filled, kind: PhantomData }
    }
}

impl<K: Object + Resource<DynamicType = ()>> TextStore<K> {
    /// The object of that name, as it was seen last.
    #[must_use]
    pub fn get(&self, object: &ObjectRef<K>) -> Option<K> {
        let key = key(object.namespace.as_deref(), &object.name);
        let texts = self.texts.read().unwrap_or_else(PoisonError::into_inner);
        read(texts.get(&key)?)
    }

    /// All objects, in no order.
    #[must_use]
    pub fn state(&self) -> Vec<K> {
        let texts = self.texts.read().unwrap_or_else(PoisonError::into_inner);
        texts.values().filter_map(|text| read(text)).collect()
    }

    /// Ends when it has been filled once, or never will be.
    pub async fn wait_until_ready(&self) {
        // An error: nobody fills it any more.
        let _ = self.filled.clone().wait_for(|filled| *filled).await;
    }
}

impl<K: Object + Resource<DynamicType = ()>> TextWriter<K> {
    /// Makes the store as an event of a watch says. A list replaces it as a whole, once it has been read to its end.
    pub(super) fn note(&mut self, event: &Event<K>) {
        match event {
            Event::Init => self.listed = Texts::new(),
            Event::InitApply(object) => put(&mut self.listed, object),
            Event::InitDone => {
                *self.write() = std::mem::take(&mut self.listed);
                self.filled.send_replace(true);
            }
            Event::Apply(object) => put(&mut self.write(), object),
            Event::Delete(object) => {
                self.write().remove(&key_of(object.meta()));
            }
        }
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Texts> {
        self.texts.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(namespace: Option<&str>, name: &str) -> Key {
    (namespace.unwrap_or_default().into(), name.into())
}

fn key_of(meta: &ObjectMeta) -> Key {
    key(meta.namespace.as_deref(), meta.name.as_deref().unwrap_or_default())
}

/// What cannot be text is not kept, as if it were not there: whoever writes it then looks first.
fn put<K: Object>(texts: &mut Texts, object: &K) {
    let key = key_of(object.meta());
    match serde_json::to_string(object) {
        Ok(text) => {
            texts.insert(key, text.into_boxed_str());
        }
        Err(error) => {
            tracing::error!(?key, %error, "an object of the management cluster cannot be kept");
            texts.remove(&key);
        }
    }
}

fn read<K: Object>(text: &str) -> Option<K> {
    serde_json::from_str(text)
        .inspect_err(|error| tracing::error!(%error, "what was kept of an object cannot be read"))
        .ok()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use k8s_openapi::api::apps::v1::StatefulSet;
    use serde_json::json;

    use super::*;

    fn set(name: &str, replicas: i32) -> StatefulSet {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "plane", "labels": {"a": "b"}},
            "spec": {
                "replicas": replicas, "selector": {}, "serviceName": "etcd",
                "template": {"spec": {"containers": [], "volumes": [{"name": "v", "emptyDir": {}}]}},
            },
        }))
        .unwrap()
    }

    fn etcd() -> ObjectRef<StatefulSet> {
        ObjectRef::new("etcd").within("plane")
    }

    #[test]
    fn what_is_read_is_what_was_seen_last() {
        let (store, mut writer) = text_store();
        writer.note(&Event::Apply(set("etcd", 1)));
        writer.note(&Event::Apply(set("etcd", 3)));
        assert_eq!(store.get(&etcd()), Some(set("etcd", 3)));
        assert_eq!(store.get(&ObjectRef::new("etcd").within("another")), None);
        writer.note(&Event::Delete(set("etcd", 3)));
        assert_eq!(store.get(&etcd()), None);
    }

    #[test]
    fn a_list_replaces_everything_and_is_not_seen_before_its_end() {
        let (store, mut writer) = text_store();
        writer.note(&Event::Apply(set("etcd", 1)));
        writer.note(&Event::Init);
        writer.note(&Event::InitApply(set("scheduler", 1)));
        assert_eq!(store.state(), [set("etcd", 1)]);
        // The list before broke off.
        writer.note(&Event::Init);
        writer.note(&Event::InitApply(set("controller-manager", 1)));
        writer.note(&Event::InitDone);
        assert_eq!(store.state(), [set("controller-manager", 1)]);
    }

    #[test]
    fn it_is_ready_with_the_end_of_the_first_list() {
        let (store, mut writer) = text_store::<StatefulSet>();
        writer.note(&Event::Init);
        assert!(store.wait_until_ready().now_or_never().is_none());
        writer.note(&Event::InitDone);
        assert!(store.wait_until_ready().now_or_never().is_some());
    }
}
