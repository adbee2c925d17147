//! A load balancer that is to lead to a tenant: what is seen of it, and a Service that it cannot take.

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use kube::runtime::reflector::ObjectRef;
use nagaya_api::{ExposeType, TenantCluster};
use nagaya_render::load_balancer::{
    BalancerView, asked_address, first_family, newest_warning, service_of, with_given_address,
};
use nagaya_render::moves::PublicService;
use nagaya_render::plane::BOTH_FAMILIES;
use nagaya_render::plane_record::PlaneRecord;
use nagaya_render::tenant::{Tenant, Way};
use nagaya_render::validate::Sought;
use serde_json::json;

use super::Error;
use super::claims::owner_of;
use super::observe::Observed;
use crate::controllers::Context;
use crate::kube_ops::{self, owned_fields};
use crate::tenant::TenantKey;

/// More than a load balancer says of one Service in the hour that Events stay.
const MOST_EVENTS: u32 = 100;

/// What is seen of the load balancer of the plane's endpoint, or of that to which it is to move. Only words are asked for, and
/// only while there is no address.
pub async fn observe(context: &Context, raw: &TenantCluster, plane: &PlaneRecord) -> BalancerView {
    let accepted = plane.accepted_spec.as_ref().map(|spec| spec.expose.type_);
    // Others are not to pay for a look at their Service.
    if ![Some(raw.spec.expose.type_), accepted].contains(&Some(ExposeType::LoadBalancer)) {
        return BalancerView::default();
    }
    let service = service_of(&raw.spec.expose, plane);
    let Some(live) = find(context, &plane.namespace, service) else {
        return BalancerView::default();
    };
    let view = view(&live);
    if !view.service {
        return view;
    }
    let waits = view.addresses.is_empty() && view.names.is_empty();
    let asked = asked_address(&raw.spec.expose);
    let given = asked.or_else(|| view.addresses.first().copied()).or(plane.endpoint_address);
    let is_at_rest = plane.born && service == plane.endpoint_service;
    let taken_by = given.filter(|_| !is_at_rest).and_then(|given| {
        let port = u16::try_from(port(raw)).ok()?;
        owner_of(context, &plane.namespace, &Sought::Endpoint { host: given.to_string(), port })
    });
    let warning = if waits { warning(context, &plane.namespace, service).await } else { None };
    BalancerView { taken_by, warning, ..view }
}

fn view(live: &Service) -> BalancerView {
    let view = BalancerView::of(live);
    let is_ours =
        || owned_fields::owns(&live.metadata, &json!({"spec": {"loadBalancerClass": ""}}));
    BalancerView { is_filled_in: view.class.is_some() && !is_ours(), ..view }
}

fn find(context: &Context, namespace: &str, service: PublicService) -> Option<Service> {
    context.caches.services.get(&ObjectRef::new(service.name()).within(namespace))
}

fn port(raw: &TenantCluster) -> i32 {
    raw.spec.expose.load_balancer.clone().unwrap_or_default().port
}

async fn warning(context: &Context, namespace: &str, service: PublicService) -> Option<String> {
    let all = Api::<Event>::namespaced(context.manager.clients.planes.clone(), namespace);
    let about = ListParams::default().fields("regarding.kind=Service").limit(MOST_EVENTS);
    match kube_ops::list(&all, &about).await {
        Ok(events) => newest_warning(&events, service),
        Err(error) => {
            tracing::warn!(%namespace, %error, "cannot see what is said of a load balancer");
            None
        }
    }
}

/// Kubernetes lets nobody change the class or the first family of a Service, and a Service of both families stays one, of which a
/// load balancer may refuse to give a single address: one that was made for another class or family, or at nodes, is deleted until its
/// address is the endpoint's, and made again by the pass that its deletion wakes. Whether there is one, which others may hold for long.
pub async fn discard_in_the_way(context: &Context, tenant: &Tenant) -> Result<bool, Error> {
    let Some(live) = in_the_way(context, tenant) else { return Ok(false) };
    if live.metadata.deletion_timestamp.is_none() {
        let planes = context.manager.clients.planes.clone();
        let all = Api::<Service>::namespaced(planes, &tenant.plane_namespace);
        kube_ops::delete(&all, &live).await?;
    }
    Ok(true)
}

/// The Service that cannot become the one whose address is awaited.
fn in_the_way(context: &Context, tenant: &Tenant) -> Option<Service> {
    let next = tenant.awaited();
    let exposure = &next.as_ref().unwrap_or(tenant).exposure;
    let live = find(context, &tenant.plane_namespace, exposure.moves.service)?;
    let Way::LoadBalancer(request) = &exposure.way else {
        return has_family_of_ours(&live).then_some(live);
    };
    let view = view(&live);
    let spec = live.spec.as_ref()?;
    let cannot_become = match spec.type_.as_deref() {
        Some("LoadBalancer") => !view.is_of(request.class.as_deref()),
        _ => spec.ip_family_policy.as_deref() == Some(BOTH_FAMILIES),
    };
    let is_of_another_family = match request.family {
        Some(asked) => first_family(&live).is_some_and(|family| family != asked),
        None => has_family_of_ours(&live),
    };
    let is_in_the_way = cannot_become || is_of_another_family;
    (is_in_the_way || (next.is_some() && view.ending.is_some())).then_some(live)
}

/// Whether its family was asked for, and is not that of the management cluster by its own choice.
fn has_family_of_ours(live: &Service) -> bool {
    owned_fields::owns(&live.metadata, &json!({"spec": {"ipFamilies": []}}))
}

/// The tenant with the address that it is given. One that is paused does not move to it.
pub fn with_address(raw: &TenantCluster, tenant: Tenant, observed: &Observed) -> Tenant {
    if raw.spec.paused && tenant.exposure.moves.awaited.is_some() {
        return tenant;
    }
    with_given_address(tenant, &observed.balancer, observed.born())
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
