//! How many passes run at once: first come, first served, and what has begun is not kept waiting by what has not.
//!
//! kube's controller can bound them too, and then takes who waits in no order (the `pending` of its scheduler is a
//! hash set): ten objects that change without pause would be among those taken each time, and others wait for minutes.
//!
//! Newcomers take half of the places at most, and line up for them apart. Else a thousand that come at once are all
//! begun before the first is finished, and meanwhile each of them costs something.

use std::future::Future;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use kube::Resource;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

/// The places of one controller. Each object waits for one place at most: kube's controller merges what it is woken by.
pub(super) struct Places<K> {
    free: Semaphore,
    for_newcomers: Semaphore,
    is_newcomer: fn(&K) -> bool,
    shutdown: CancellationToken,
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> Places<K> {
    /// So many, until the manager stops. `is_newcomer`: nothing was made for it yet.
    pub(super) fn new(
        places: NonZeroU16,
        is_newcomer: fn(&K) -> bool,
        shutdown: CancellationToken,
    ) -> Self {
        let places = usize::from(places.get());
        let [free, for_newcomers] = [places, places.div_ceil(2)].map(Semaphore::new);
        Self { free, for_newcomers, is_newcomer, shutdown }
    }

    /// A pass over `object` once it has a place, as it is in `cache` then: what is written from an older one is refused.
    /// One that is gone by then is asked for again, which is how kube's controller tells that it is gone.
    /// When the manager stops, what still waits is left to the next one.
    pub(super) async fn pass<F, E>(
        &self,
        cache: &Store<K>,
        object: Arc<K>,
        pass: impl FnOnce(Arc<K>) -> F,
    ) -> Result<Action, E>
    where
        F: Future<Output = Result<Action, E>>,
    {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Ok(Action::await_change()),
            _place = self.place((self.is_newcomer)(&object)) => {
                match cache.get(&ObjectRef::from_obj(object.as_ref())) {
                    Some(newest) => pass(newest).await,
                    None => Ok(Action::requeue(Duration::ZERO)),
                }
            }
        }
    }

    /// Only a closed semaphore refuses a place, and nobody closes these.
    async fn place(&self, is_newcomer: bool) -> [Option<SemaphorePermit<'_>>; 2] {
        let among_newcomers =
            if is_newcomer { self.for_newcomers.acquire().await.ok() } else { None };
        [among_newcomers, self.free.acquire().await.ok()]
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Mutex;

    use futures::future::{join, join_all};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::ResourceExt;
    use kube::runtime::reflector;
    use kube::runtime::reflector::store::Writer;
    use kube::runtime::watcher::Event;
    use serde_json::json;

    use super::*;

    fn places(count: u16, shutdown: &CancellationToken) -> Places<ConfigMap> {
        let is_newcomer = |object: &ConfigMap| object.name_any().starts_with("new");
        Places::new(NonZeroU16::new(count).unwrap(), is_newcomer, shutdown.clone())
    }

    fn object(name: &str, version: &str) -> ConfigMap {
        let metadata = json!({"name": name, "namespace": "acme", "resourceVersion": version});
        serde_json::from_value(json!({"metadata": metadata})).unwrap()
    }

    fn cache(names: &[&str]) -> (Store<ConfigMap>, Writer<ConfigMap>) {
        let (cache, mut writer) = reflector::store();
        for name in names {
            writer.apply_watcher_event(&Event::Apply(object(name, "1")));
        }
        (cache, writer)
    }

    type Passed = Result<Action, Infallible>;

    const fn done() -> Action {
        Action::await_change()
    }

    /// In which order they are served who ask so often, one after the other.
    async fn served(places: &Places<ConfigMap>, asking: &[(&'static str, usize)]) -> Vec<String> {
        let (cache, _writer) = cache(&asking.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        let served = Mutex::new(Vec::new());
        let pass = async |object: Arc<ConfigMap>| {
            served.lock().unwrap().push(object.name_any());
            tokio::task::yield_now().await;
            Passed::Ok(done())
        };
        join_all(asking.iter().map(async |(name, times)| {
            for _ in 0..*times {
                places.pass(&cache, Arc::new(object(name, "1")), pass).await.unwrap();
            }
        }))
        .await;
        served.into_inner().unwrap()
    }

    #[tokio::test]
    async fn who_came_first_is_served_first_however_often_others_come_again() {
        let places = places(2, &CancellationToken::new());
        let served = served(&places, &[("a", 10), ("b", 10), ("c", 10), ("patient", 1)]).await;
        assert_eq!(served.iter().position(|name| name == "patient"), Some(3), "{served:?}");
    }

    #[tokio::test]
    async fn newcomers_take_half_of_the_places_and_who_has_begun_does_not_wait_for_them() {
        let places = places(2, &CancellationToken::new());
        let asking = [("new-1", 1), ("new-2", 1), ("new-3", 1), ("begun", 2)];
        assert_eq!(served(&places, &asking).await, ["new-1", "begun", "new-2", "begun", "new-3"]);
    }

    #[tokio::test]
    async fn newcomers_are_served_however_often_others_come_again() {
        let places = places(2, &CancellationToken::new());
        let served = served(&places, &[("a", 10), ("b", 10), ("c", 10), ("new", 1)]).await;
        assert_eq!(served.iter().position(|name| name == "new"), Some(3), "{served:?}");
    }

    #[tokio::test]
    async fn what_changes_while_it_waits_is_passed_over_as_it_is_then() {
        let places = places(1, &CancellationToken::new());
        let (cache, mut writer) = cache(&["other", "one"]);
        let lasts = async |_| {
            tokio::task::yield_now().await;
            writer.apply_watcher_event(&Event::Apply(object("one", "2")));
            Passed::Ok(done())
        };
        let (seen, old) = (Mutex::new(None), Arc::new(object("one", "1")));
        let waits = async |object: Arc<ConfigMap>| {
            *seen.lock().unwrap() = object.resource_version();
            Passed::Ok(done())
        };
        let first = places.pass(&cache, Arc::new(object("other", "1")), lasts);
        let (first, second) = join(first, places.pass(&cache, old, waits)).await;
        assert_eq!((first, second), (Ok(done()), Ok(done())));
        assert_eq!(seen.into_inner().unwrap().as_deref(), Some("2"));
    }

    async fn never(_: Arc<ConfigMap>) -> Passed {
        panic!("served")
    }

    #[tokio::test]
    async fn what_is_gone_by_then_is_not_passed_over() {
        let places = places(1, &CancellationToken::new());
        let (cache, mut writer) = cache(&["one"]);
        writer.apply_watcher_event(&Event::Delete(object("one", "2")));
        let passed = places.pass(&cache, Arc::new(object("one", "1")), never).await;
        assert_eq!(passed, Ok(Action::requeue(Duration::ZERO)));
    }

    #[tokio::test]
    async fn who_waits_when_the_manager_stops_is_not_served_any_more() {
        let shutdown = CancellationToken::new();
        let places = places(1, &shutdown);
        let (cache, _writer) = cache(&["one"]);
        let one = || Arc::new(object("one", "1"));
        let lasts = async |_| {
            shutdown.cancel();
            tokio::task::yield_now().await;
            Passed::Ok(done())
        };
        let first = places.pass(&cache, one(), lasts);
        let (lasted, waited) = join(first, places.pass(&cache, one(), never)).await;
        assert_eq!((lasted, waited), (Ok(done()), Ok(done())));
    }
}
