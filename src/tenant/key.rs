//! Which tenant: the name that everything per tenant is kept under.

use std::fmt;

use kube::runtime::reflector::ObjectRef;
use nagaya_api::TenantCluster;

/// One `TenantCluster`, told apart from a later one of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantKey {
    /// Namespace of the `TenantCluster`.
    pub namespace: String,
    /// Name of the `TenantCluster`.
    pub name: String,
    /// UID of the `TenantCluster`.
    pub uid: String,
}

impl TenantKey {
    /// What a controller queues a reconcile by.
    #[must_use]
    pub fn object_ref(&self) -> ObjectRef<TenantCluster> {
        ObjectRef::new(&self.name).within(&self.namespace)
    }
}

impl fmt::Display for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
