//! How many passes run at once: first come, first served.
//!
//! kube's controller can bound them too, and then takes who waits in no order (the `pending` of its scheduler is a
//! hash set): ten objects that change without pause would be among those taken each time, and others wait for minutes.

use std::future::Future;
use std::num::NonZeroU16;

use kube::runtime::controller::Action;
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

    /// The pass once it has a place. When the manager stops, what still waits is left to the next one.
    pub(super) async fn pass<E>(
        &self,
        pass: impl Future<Output = Result<Action, E>>,
    ) -> Result<Action, E> {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Ok(Action::await_change()),
            // Only a closed semaphore refuses a place, and nobody closes this one.
            _place = self.free.acquire() => pass.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Mutex;

    use futures::future::{join, join_all};

    use super::*;

    fn places(count: u16, shutdown: &CancellationToken) -> Places {
        Places::new(NonZeroU16::new(count).unwrap(), shutdown.clone())
    }

    #[tokio::test]
    async fn who_came_first_is_served_first_however_often_others_come_again() {
        let places = places(2, &CancellationToken::new());
        let served = Mutex::new(Vec::new());
        let pass = async |name: &'static str| {
            let pass = async {
                served.lock().unwrap().push(name);
                tokio::task::yield_now().await;
                Ok::<_, Infallible>(Action::await_change())
            };
            places.pass(pass).await.unwrap();
        };
        let restless = join_all(["a", "b", "c"].map(async |name| {
            for _ in 0..10 {
                pass(name).await;
            }
        }));
        join(restless, pass("patient")).await;
        let served = served.into_inner().unwrap();
        assert_eq!(served.iter().position(|name| *name == "patient"), Some(3), "{served:?}");
    }

    #[tokio::test]
    async fn who_waits_when_the_manager_stops_is_not_served_any_more() {
        let shutdown = CancellationToken::new();
        let places = places(1, &shutdown);
        let lasts = async {
            shutdown.cancel();
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(Action::await_change())
        };
        let never = async { panic!("served") as Result<Action, Infallible> };
        let (lasted, waited) = join(places.pass(lasts), places.pass(never)).await;
        assert_eq!((lasted, waited), (Ok(Action::await_change()), Ok(Action::await_change())));
    }
}
