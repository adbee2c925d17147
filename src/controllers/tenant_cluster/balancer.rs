//! A load balancer that is to lead to a tenant: what is seen of it, whose endpoint it is already, and a Service that it cannot
//! take.

use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use nagaya_api::{ExposeType, TenantCluster, TenantClusterSpec, labels};
use nagaya_render::load_balancer::{BalancerView, asked_address, class_differs, newest_warning};
use nagaya_render::plane::names;
use nagaya_render::plane_record::PlaneRecord;
use nagaya_render::tenant::{Tenant, Way};
use nagaya_render::validate::{Refusal, refuse_shared};

use super::Error;
use crate::controllers::Context;
use crate::kube_ops;
use crate::tenant::TenantKey;

/// More than a load balancer says of one Service in the hour that Events stay.
const MOST_EVENTS: u32 = 100;

/// What is seen of the load balancer of the plane's endpoint. Only words are asked for, and only while there is no address.
pub async fn observe(context: &Context, raw: &TenantCluster, plane: &PlaneRecord) -> BalancerView {
    let accepted = plane.accepted_spec.as_ref().map(|spec| spec.expose.type_);
    // Others are not to pay for a look at their Service.
    if ![Some(raw.spec.expose.type_), accepted].contains(&Some(ExposeType::LoadBalancer)) {
        return BalancerView::default();
    }
    let Some(service) = public(context, &plane.namespace) else { return BalancerView::default() };
    let view = BalancerView::of(&service);
    if !view.service {
        return view;
    }
    let waits = view.addresses.is_empty() && view.names.is_empty();
    let asked = asked_address(&raw.spec.expose);
    let given = asked.or_else(|| view.addresses.first().copied()).or(plane.endpoint_address);
    let taken_by = given.filter(|_| !plane.born).and_then(|given| {
        let (given, port) = (given.to_string(), port(raw).to_string());
        let endpoint = [(labels::ENDPOINT_ADDRESS, &*given), (labels::ENDPOINT_PORT, &*port)];
        owner_of(context, &plane.namespace, endpoint)
    });
    let warning = if waits { warning(context, &plane.namespace).await } else { None };
    BalancerView { taken_by, warning, ..view }
}

fn public(context: &Context, namespace: &str) -> Option<Service> {
    let reference = ObjectRef::new(names::API_SERVER_PUBLIC).within(namespace);
    context.caches.services.get(&reference)
}

fn port(raw: &TenantCluster) -> i32 {
    raw.spec.expose.load_balancer.clone().unwrap_or_default().port
}

/// Refuses an endpoint that another tenant has.
pub fn unshared(context: &Context, tenant: Tenant, born: bool) -> Result<Tenant, Refusal> {
    if born {
        return Ok(tenant);
    }
    let shared = refuse_shared(&tenant, |endpoint| {
        let port = endpoint.port.to_string();
        let endpoint = [(labels::ENDPOINT_HOST, &*endpoint.host), (labels::ENDPOINT_PORT, &*port)];
        owner_of(context, &tenant.plane_namespace, endpoint)
    });
    shared.map_or(Ok(tenant), Err)
}

/// Who else has that endpoint, by what is recorded of it: nodes know it once its tenant is born, and of two that are not the
/// older one keeps it.
fn owner_of(
    context: &Context,
    namespace: &str,
    endpoint: [(&'static str, &str); 2],
) -> Option<String> {
    let planes = context.caches.planes.state();
    let age = |one: &Namespace| (one.creation_timestamp().map(|time| time.0), one.uid());
    let ours = planes.iter().find(|one| one.name_any() == namespace);
    let other = planes.iter().find(|one| {
        let notes = one.annotations();
        let has = |(key, value): (&str, &str)| notes.get(key).is_some_and(|found| found == value);
        one.name_any() != namespace
            && endpoint.into_iter().all(has)
            && (has((labels::BORN, "true")) || ours.is_none_or(|ours| age(one) < age(ours)))
    })?;
    let label = |key: &str| other.labels().get(key).cloned().unwrap_or_default();
    Some(format!("{}/{}", label(labels::TENANT_NAMESPACE), label(labels::TENANT_NAME)))
}

async fn warning(context: &Context, namespace: &str) -> Option<String> {
    let all = Api::<Event>::namespaced(context.manager.clients.planes.clone(), namespace);
    let about = ListParams::default().fields("regarding.kind=Service").limit(MOST_EVENTS);
    match kube_ops::list(&all, &about).await {
        Ok(events) => newest_warning(&events),
        Err(error) => {
            tracing::warn!(%namespace, %error, "cannot see what is said of a load balancer");
            None
        }
    }
}

/// Kubernetes lets nobody change the class of a Service: until a tenant is born, one that was made for another class is deleted,
/// and made again by the pass that its deletion wakes. Whether there was one. (A class that a webhook has filled in is none of ours.)
pub async fn discard_of_another_class(
    context: &Context,
    tenant: &Tenant,
    accepted: Option<&TenantClusterSpec>,
    born: bool,
) -> Result<bool, Error> {
    let Way::LoadBalancer(request) = &tenant.exposure.way else { return Ok(false) };
    let of_another =
        accepted.is_some_and(|accepted| class_differs(&accepted.expose, request.class.as_deref()));
    if born || !of_another {
        return Ok(false);
    }
    let Some(live) = public(context, &tenant.plane_namespace) else { return Ok(false) };
    if live.spec.as_ref().and_then(|spec| spec.type_.as_deref()) != Some("LoadBalancer") {
        return Ok(false);
    }
    let planes = context.manager.clients.planes.clone();
    kube_ops::delete(&Api::<Service>::namespaced(planes, &tenant.plane_namespace), &live).await?;
    Ok(true)
}

/// One that has no address any more is not looked at where it was.
pub fn forget_endpoint(context: &Context, key: &TenantKey, tenant: Option<&Tenant>) {
    let awaits = |tenant: &Tenant| {
        matches!(tenant.exposure.way, Way::LoadBalancer(_)) && tenant.exposure.addresses.is_empty()
    };
    if tenant.is_some_and(awaits) {
        context.prober.forget(key);
        context.content.forget(key);
        context.watches.forget(key);
    }
}
