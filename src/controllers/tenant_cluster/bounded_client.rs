//! A client for a tenant's objects whose writes are bounded where somebody undoes each of them.

use k8s_openapi::NamespaceResourceScope;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client, Resource, ResourceExt};
use nagaya_render::tenant::Tenant;

use super::Error;
use crate::caches::{Seen, TextStore};
use crate::controllers::Context;
use crate::kube_ops::{self, Applied, Contests, Fingerprints, Object, Tried};
use crate::tenant::TenantKey;

/// A client, whose objects it writes, and what became of the writes before.
pub struct BoundedClient<'a> {
    client: &'a Client,
    contests: &'a Contests<TenantKey>,
    fingerprints: &'a Fingerprints,
    tenant: TenantKey,
    newborn: bool,
}

impl<'a> BoundedClient<'a> {
    /// For what is in a tenant's control plane. `newborn`: its namespace was made a moment ago, so that nothing can be in
    /// it which no cache shows, and nothing is looked for.
    pub fn of_planes(context: &'a Context, tenant: &Tenant, newborn: bool) -> Self {
        Self { newborn, ..Self::new(context, &context.manager.clients.planes, tenant) }
    }

    /// For what is in a tenant's project.
    pub fn of_projects(context: &'a Context, tenant: &Tenant) -> Self {
        Self::new(context, &context.manager.clients.projects, tenant)
    }

    fn new(context: &'a Context, client: &'a Client, tenant: &Tenant) -> Self {
        let Tenant { namespace, name, uid, .. } = tenant.clone();
        let tenant = TenantKey { namespace, name, uid };
        let Context { contests, fingerprints, .. } = context;
        Self { client, contests, fingerprints, tenant, newborn: false }
    }
}

/// Makes an object as it should be. What an earlier pass has found to be so is not looked into again while neither it nor
/// what is wanted has changed: most passes change nothing.
pub async fn apply_one<K>(
    client: &BoundedClient<'_>,
    cache: &TextStore<K>,
    desired: &K,
) -> Result<Applied<K>, Error>
where
    K: Object + Resource<Scope = NamespaceResourceScope, DynamicType = ()> + 'static,
{
    let wanted = client.fingerprints.of(desired);
    let seen = cache.find(&ObjectRef::from_obj(desired));
    if let (Some(seen), Some(wanted)) = (&seen, wanted)
        && seen.is_known_as(wanted)
    {
        client.contests.stands(&client.tenant, desired);
        return Ok(Applied::Unchanged);
    }
    let namespace = desired.namespace().unwrap_or_default();
    let all = Api::<K>::namespaced(client.client.clone(), &namespace);
    let live = seen.as_ref().and_then(Seen::read);
    if client.newborn && live.is_none() {
        return Ok(kube_ops::apply(&all, None, desired).await?);
    }
    let tried = client.contests.apply(&client.tenant, &all, live.as_ref(), desired);
    let tried = Box::pin(tried).await?;
    if let (Tried::AsWanted, Some(seen), Some(wanted)) = (&tried, &seen, wanted) {
        seen.know_as(wanted);
    }
    Ok(tried.into())
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
        // Somebody holds it, and may do so for long.
        Some(live) if live.meta().deletion_timestamp.is_some() => Ok(()),
        Some(live) => {
            let all = Api::<K>::namespaced(client.client.clone(), namespace);
            Ok(kube_ops::delete(&all, &live).await?)
        }
    }
}
