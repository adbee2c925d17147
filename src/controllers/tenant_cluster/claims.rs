//! Whose an endpoint is already: machines of one tenant would meet the API server of the other.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::{Api, ResourceExt};
use nagaya_api::labels;
use nagaya_render::moves::Moves;
use nagaya_render::tenant::Tenant;
use nagaya_render::validate::{Refusal, Sought, refuse_shared};

use super::Error;
use super::services::node_port;
use crate::controllers::Context;
use crate::kube_ops;
use crate::tenant::TenantKey;

/// Endpoints that tenants are about to take, as the operators gave them: two passes at once see nothing of each other in what
/// is recorded.
#[derive(Default)]
pub struct Claims(Mutex<HashMap<TenantKey, Sought>>);

impl Claims {
    /// Takes it for the tenant, or says who else is about to.
    fn take(&self, key: &TenantKey, sought: &Sought) -> Option<String> {
        let mut claims = self.lock();
        let other = claims.iter().find(|(other, claimed)| *other != key && *claimed == sought);
        if let Some((other, _)) = other {
            return Some(format!("{}/{}", other.namespace, other.name));
        }
        claims.insert(key.clone(), sought.clone());
        None
    }

    /// The tenant is gone, or takes nothing.
    pub fn forget(&self, key: &TenantKey) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantKey, Sought>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses an endpoint that another tenant has, or is about to take.
pub fn unshared(
    context: &Context,
    key: &TenantKey,
    tenant: Tenant,
    born: bool,
) -> Result<Tenant, Refusal> {
    let Moves { unmade, awaited, .. } = &tenant.exposure.moves;
    let takes_one = !born || *unmade || awaited.is_some();
    let mut claimed = false;
    let shared = takes_one.then(|| {
        refuse_shared(&tenant, |sought| {
            // A claim that ends in between is recorded by then.
            let claim = context.claims.take(key, sought);
            let other = claim.or_else(|| owner_of(context, &tenant.plane_namespace, sought));
            claimed = other.is_none();
            other
        })
    });
    if !claimed {
        context.claims.forget(key);
    }
    shared.flatten().map_or(Ok(tenant), Err)
}

/// Who else has that endpoint, or had it last, by what is recorded of it: nodes know it once its tenant is born, and of two that
/// are not the older one keeps it.
pub fn owner_of(context: &Context, namespace: &str, sought: &Sought) -> Option<String> {
    let planes = context.caches.planes.state();
    let age = |one: &Namespace| (one.creation_timestamp().map(|time| time.0), one.uid());
    let ours = planes.iter().find(|one| one.name_any() == namespace);
    let other = planes.iter().find(|one| {
        let born = one.annotations().get(labels::BORN).is_some_and(|born| born == "true");
        one.name_any() != namespace
            && sought.is_of(one.annotations())
            && (born || ours.is_none_or(|ours| age(one) < age(ours)))
    })?;
    let label = |key: &str| other.labels().get(key).cloned().unwrap_or_default();
    Some(format!("{}/{}", label(labels::TENANT_NAMESPACE), label(labels::TENANT_NAME)))
}

/// Has a Service made again that Kubernetes gave a node port of another tenant, whose own Service is away. It gives ports at random.
/// `service`: one whose port nobody knows yet.
pub async fn refuse_anothers_port(
    context: &Context,
    tenant: &Tenant,
    service: Option<&Service>,
) -> Result<(), Error> {
    let Some(service) = service else { return Ok(()) };
    let Some(chosen) = node_port(service) else { return Ok(()) };
    let Some(other) = owner_of(context, &tenant.plane_namespace, &Sought::NodePort(chosen)) else {
        return Ok(());
    };
    let planes = context.manager.clients.planes.clone();
    kube_ops::delete(&Api::namespaced(planes, &tenant.plane_namespace), service).await?;
    let service = format!("the Service {}/{}", tenant.plane_namespace, service.name_any());
    Err(Error::ServiceHeld {
        words: format!(
            "{service} was given node port {chosen}, which is that of {other}, and is made again for another one"
        ),
    })
}
