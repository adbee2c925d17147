//! The tenant's administrator: a user of its own, bound to cluster-admin by a binding of its own, so that
//! access can be taken away again (`system:masters` cannot: it is authorized before RBAC is asked).

use crate::tenant::Tenant;

/// User name (certificate CN) in the Secret NAME-kubeconfig.
#[must_use]
pub fn admin_user_name(tenant: &Tenant) -> String {
    format!("nagaya:admin:{}:{}", tenant.namespace, tenant.name)
}
