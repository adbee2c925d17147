//! Caches that keep objects as compressed JSON text, and make one an object again for whoever asks for it.
//!
//! The store is kube's; as Rust structs in it, one tenant's objects take 132 KiB, as text 49: each volume of a pod
//! template has room for every kind of volume that there is, each map of two labels has room for eleven.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kube::Resource;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, Lookup, ObjectRef, Store};
use kube::runtime::watcher::Event;
use lz4_flex::block::{compress_prepend_size, decompress_size_prepended};

use crate::kube_ops::{Fingerprint, Object};

/// The side that is read, without ever waiting.
#[derive(Clone)]
pub struct TextStore<K: Resource<DynamicType = ()> + 'static>(Store<Text<K>>);

/// The side that a watch fills.
pub(super) struct TextWriter<K: Object + Resource<DynamicType = ()> + 'static>(Writer<Text<K>>);

/// An object, and what kube's store finds it by.
struct Text<K> {
    namespace: Option<Box<str>>,
    name: Box<str>,
    /// JSON in an LZ4 block.
    json: Box<[u8]>,
    /// What it was found to be, as a [`Fingerprint`]; 0: nobody has looked.
    known_as: AtomicU64,
    kind: PhantomData<fn() -> K>,
}

/// An object as it was seen last, that has not been made an object again.
pub struct Seen<K>(Arc<Text<K>>);

impl<K: Object> Seen<K> {
    /// The object.
    #[must_use]
    pub fn read(&self) -> Option<K> {
        self.0.read()
    }

    /// Whether it was found to be what is wanted: neither has changed since.
    #[must_use]
    pub fn is_known_as(&self, wanted: Fingerprint) -> bool {
        self.0.known_as.load(Ordering::Relaxed) == wanted.get()
    }

    /// It was found to be what is wanted. Forgotten with the first change that a watch shows.
    pub fn know_as(&self, wanted: Fingerprint) {
        self.0.known_as.store(wanted.get(), Ordering::Relaxed);
    }
}

/// An empty store.
pub(super) fn text_store<K>() -> (TextStore<K>, TextWriter<K>)
where
    K: Object + Resource<DynamicType = ()> + 'static,
{
    let (reader, writer) = reflector::store();
    (TextStore(reader), TextWriter(writer))
}

impl<K: Object + Resource<DynamicType = ()> + 'static> TextStore<K> {
    /// The object of that name, as it was seen last.
    #[must_use]
    pub fn get(&self, object: &ObjectRef<K>) -> Option<K> {
        self.find(object)?.read()
    }

    /// [`TextStore::get`] for who may not have to look into it.
    #[must_use]
    pub fn find(&self, object: &ObjectRef<K>) -> Option<Seen<K>> {
        let mut text = ObjectRef::new(&object.name);
        text.namespace.clone_from(&object.namespace);
        self.0.get(&text).map(Seen)
    }

    /// The objects in those namespaces, in no order. Only they are made objects again.
    #[must_use]
    pub fn in_namespaces(&self, are_meant: impl Fn(&str) -> bool) -> Vec<K> {
        let is_meant = |text: &Text<K>| text.namespace.as_deref().is_some_and(&are_meant);
        self.0.state_filter(is_meant).iter().filter_map(|text| text.read()).collect()
    }

    /// Ends when it has been filled once, or never will be.
    pub async fn wait_until_ready(&self) {
        // An error: nobody fills it any more.
        let _ = self.0.wait_until_ready().await;
    }
}

impl<K: Object + Resource<DynamicType = ()> + 'static> TextWriter<K> {
    /// Makes the store as an event of a watch says. A list replaces it as a whole, once it has been read to its end.
    pub(super) fn note(&mut self, event: &Event<K>) {
        self.0.apply_watcher_event(&match event {
            Event::Init => Event::Init,
            Event::InitApply(object) => Event::InitApply(Text::of(object)),
            Event::InitDone => Event::InitDone,
            Event::Apply(object) => Event::Apply(Text::of(object)),
            // Of what is gone the store asks for the name alone.
            Event::Delete(object) => Event::Delete(Text::named(object, Box::default())),
        });
    }
}

impl<K: Object> Text<K> {
    /// One that cannot be text is kept as if it were not there: whoever writes it then looks first.
    fn of(object: &K) -> Self {
        let name = object.meta().name.as_deref().unwrap_or_default();
        let json = serde_json::to_vec(object).inspect_err(|error| {
            tracing::error!(name, %error, "an object of the management cluster cannot be kept");
        });
        Self::named(object, compress_prepend_size(&json.unwrap_or_default()).into_boxed_slice())
    }

    fn named(object: &K, json: Box<[u8]>) -> Self {
        let meta = object.meta();
        Self {
            namespace: meta.namespace.as_deref().map(Box::from),
            name: meta.name.as_deref().unwrap_or_default().into(),
            json,
            known_as: AtomicU64::default(),
            kind: PhantomData,
        }
    }

    fn read(&self) -> Option<K> {
        let unreadable = |error: &dyn std::fmt::Display| {
            tracing::error!(name = self.name, %error, "what was kept of an object cannot be read");
        };
        let json = decompress_size_prepended(&self.json).inspect_err(|error| unreadable(error));
        serde_json::from_slice(&json.ok()?).inspect_err(|error| unreadable(error)).ok()
    }
}

/// kube's store copies what an event brings.
impl<K> Clone for Text<K> {
    fn clone(&self) -> Self {
        Self {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            json: self.json.clone(),
            known_as: AtomicU64::new(self.known_as.load(Ordering::Relaxed)),
            kind: PhantomData,
        }
    }
}

impl<K: Resource<DynamicType = ()>> Lookup for Text<K> {
    type DynamicType = ();

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn name(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.name))
    }

    fn namespace(&self) -> Option<Cow<'_, str>> {
        self.namespace.as_deref().map(Cow::Borrowed)
    }

    // The store looks nothing up by these, and would keep them a second time.

    fn resource_version(&self) -> Option<Cow<'_, str>> {
        None
    }

    fn uid(&self) -> Option<Cow<'_, str>> {
        None
    }
}

#[cfg(test)]
mod tests;
