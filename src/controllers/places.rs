//! How many passes run at once: first come, first served.
//!
//! kube's controller can bound them too, and then takes who waits in no order (the `pending` of its scheduler is a
//! hash set): ten objects that change without pause would be among those taken each time, and others wait for minutes.

use std::future::Future;
use std::num::NonZeroU16;
use std::sync::Arc;

use kube::Resource;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The places of one controller. Each object waits for one place at most: kube's controller merges what it is woken by.
pub(super) struct Places {
    free: Semaphore,
    shutdown: CancellationToken,
}

impl Places {
    /// So many, until the manager stops.
    pub(super) fn new(places: NonZeroU16, shutdown: CancellationToken) -> Self {
        Self { free: Semaphore::new(places.get().into()), shutdown }
    }

    /// A pass over `object` once it has a place, as it is in `cache` then: what is written from an older one is refused.
    /// When the manager stops, what still waits is left to the next one.
    pub(super) async fn pass<K, F, E>(
        &self,
        cache: &Store<K>,
        object: Arc<K>,
        pass: impl FnOnce(Arc<K>) -> F,
    ) -> Result<Action, E>
    where
        K: Resource<DynamicType = ()> + Clone + 'static,
        F: Future<Output = Result<Action, E>>,
    {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Ok(Action::await_change()),
            // Only a closed semaphore refuses a place, and nobody closes this one.
            _place = self.free.acquire() => {
                let newest = cache.get(&ObjectRef::from_obj(object.as_ref()));
                pass(newest.unwrap_or(object)).await
            }
        }
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
    use kube::runtime::watcher::Event;
    use serde_json::json;

    use super::*;

    fn places(count: u16, shutdown: &CancellationToken) -> Places {
        Places::new(NonZeroU16::new(count).unwrap(), shutdown.clone())
    }

    fn object(name: &str, version: &str) -> ConfigMap {
        let metadata = json!({"name": name, "namespace": "acme", "resourceVersion": version});
        serde_json::from_value(json!({"metadata": metadata})).unwrap()
    }

    type Passed = Result<Action, Infallible>;

    const fn done() -> Action {
        Action::await_change()
    }

    #[tokio::test]
    async fn who_came_first_is_served_first_however_often_others_come_again() {
        let places = places(2, &CancellationToken::new());
        let (cache, _) = reflector::store();
        let served = Mutex::new(Vec::new());
        let pass = async |name: &'static str| {
            let pass = async |object: Arc<ConfigMap>| {
                served.lock().unwrap().push(object.name_any());
                tokio::task::yield_now().await;
                Passed::Ok(done())
            };
            places.pass(&cache, Arc::new(object(name, "1")), pass).await.unwrap();
        };
        let restless = join_all(["a", "b", "c"].map(async |name| {
            for _ in 0..10 {
                pass(name).await;
            }
        }));
        join(restless, pass("patient")).await;
        let served = served.into_inner().unwrap();
        assert_eq!(served.iter().position(|name| name == "patient"), Some(3), "{served:?}");
    }

    #[tokio::test]
    async fn what_changes_while_it_waits_is_passed_over_as_it_is_then() {
        let places = places(1, &CancellationToken::new());
        let (cache, mut writer) = reflector::store();
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

    #[tokio::test]
    async fn who_waits_when_the_manager_stops_is_not_served_any_more() {
        let shutdown = CancellationToken::new();
        let places = places(1, &shutdown);
        let (cache, _) = reflector::store();
        let one = || Arc::new(object("one", "1"));
        let lasts = async |_| {
            shutdown.cancel();
            tokio::task::yield_now().await;
            Passed::Ok(done())
        };
        let never = async |_| panic!("served") as Passed;
        let first = places.pass(&cache, one(), lasts);
        let (lasted, waited) = join(first, places.pass(&cache, one(), never)).await;
        assert_eq!((lasted, waited), (Ok(done()), Ok(done())));
    }
}
