//! Wake-ups: what the prober and the watches saw changes what a reconcile would say, so it has to run.

use futures::{Stream, stream};
use kube::runtime::reflector::ObjectRef;
use nagaya_api::TenantCluster;
use tokio::sync::mpsc;

use super::TenantKey;

/// The sending side; cheap to clone.
///
/// The queue has no bound of its own: there is at most one wake-up per probe or watch event, and the
/// controller that drains it merges those of one tenant.
#[derive(Clone, Debug)]
pub struct Wakeups(mpsc::UnboundedSender<ObjectRef<TenantCluster>>);

/// A sender, and the stream for a controller's `reconcile_on`.
pub fn wakeups() -> (Wakeups, impl Stream<Item = ObjectRef<TenantCluster>> + Send + 'static) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let stream = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|tenant| (tenant, receiver))
    });
    (Wakeups(sender), stream)
}

impl Wakeups {
    /// Asks for a reconcile of the tenant. Does nothing once the controller has ended.
    pub fn wake(&self, tenant: &TenantKey) {
        // The only error is a dropped receiver: then nobody is left to be woken.
        let _ = self.0.send(tenant.object_ref());
    }

    /// Asks for a reconcile of a tenant of which only the name is known.
    pub fn wake_object(&self, tenant: ObjectRef<TenantCluster>) {
        let _ = self.0.send(tenant);
    }
}
