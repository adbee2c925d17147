//! A client for a tenant's objects whose writes are bounded where somebody undoes each of them.

use k8s_openapi::NamespaceResourceScope;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client, Resource, ResourceExt};
use nagaya_render::tenant::Tenant;

use super::Error;
use crate::caches::TextStore;
use crate::controllers::Context;
use crate::kube_ops::{self, Applied, Contests, Object};
use crate::tenant::TenantKey;

/// A client, whose objects it writes, and what became of the writes before.
pub struct BoundedClient<'a> {
    client: &'a Client,
    contests: &'a Contests<TenantKey>,
    tenant: TenantKey,
}

impl<'a> BoundedClient<'a> {
    /// For what is in a tenant's control plane.
    pub fn of_planes(context: &'a Context, tenant: &Tenant) -> Self {
        Self::new(context, &context.manager.clients.planes, tenant)
    }

    /// For what is in a tenant's project.
    pub fn of_projects(context: &'a Context, tenant: &Tenant) -> Self {
        Self::new(context, &context.manager.clients.projects, tenant)
    }

    fn new(context: &'a Context, client: &'a Client, tenant: &Tenant) -> Self {
        let Tenant { namespace, name, uid, .. } = tenant.clone();
        let tenant = TenantKey { namespace, name, uid };
        Self { client, contests: &context.contests, tenant }
    }
}

/// Makes an object as it should be.
pub async fn apply_one<K>(
    client: &BoundedClient<'_>,
    cache: &TextStore<K>,
    desired: &K,
) -> Result<Applied<K>, Error>
where
    K: Object + Resource<Scope = NamespaceResourceScope, DynamicType = ()> + 'static,
{
    let namespace = desired.namespace().unwrap_or_default();
    let all = Api::<K>::namespaced(client.client.clone(), &namespace);
    let live = cache.get(&ObjectRef::from_obj(desired));
    let applied = client.contests.apply(&client.tenant, &all, live.as_ref(), desired);
    Ok(Box::pin(applied).await?)
}

/// For what only some tenants have.
pub async fn apply_or_remove<K>(
    client: &BoundedClient<'_>,
    cache: &TextStore<K>,
    namespace: &str,
    name: &str,
    desired: Option<&K>,
) -> Result<(), Error>
where
    K: Object + Resource<Scope = NamespaceResourceScope, DynamicType = ()> + 'static,
{
    if let Some(desired) = desired {
        apply_one(client, cache, desired).await?;
        return Ok(());
    }
    match cache.get(&ObjectRef::new(name).within(namespace)) {
        None => Ok(()),
        Some(live) => {
            let all = Api::<K>::namespaced(client.client.clone(), namespace);
            Ok(kube_ops::delete(&all, &live).await?)
        }
    }
}
