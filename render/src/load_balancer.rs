//! The address of an endpoint that a load balancer gives: what is seen of it, what becomes of the tenant, and in which words
//! it is missing.
//!
//! Nothing else of a new tenant is made before it has one: certificates and kube-apiserver's own flags need it. Once the
//! cluster is born it is kept ([`mod@crate::validate`]), and a new Service asks for the same. One that moves there keeps the
//! endpoint that it has meanwhile ([`crate::moves`]).

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::events::v1::Event;
use nagaya_api::{Expose, ExposeType};

use crate::moves::{Former, PublicService};
use crate::plane_record::PlaneRecord;
use crate::tenant::{IpFamily, Tenant, Way};

/// What is seen of the load balancer that is to lead to a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BalancerView {
    /// The Service is there, stays, and is of type `LoadBalancer`.
    pub service: bool,
    /// What of a Service that was deleted is not gone yet: its finalizers.
    pub ending: Option<String>,
    /// Its class.
    pub class: Option<String>,
    /// Somebody else has filled in the class.
    pub is_filled_in: bool,
    /// The first of its `spec.ipFamilies`.
    pub family: Option<IpFamily>,
    /// Addresses that it has been given.
    pub addresses: Vec<IpAddr>,
    /// Names that it has been given.
    pub names: Vec<String>,
    /// Another tenant whose endpoint has the address that it would take (the one that is asked for, else the first of these, else the
    /// one that is recorded), at the same port; by namespace and name.
    pub taken_by: Option<String>,
    /// The newest warning about the Service.
    pub warning: Option<String>,
}

impl BalancerView {
    /// What `status.loadBalancer` of the endpoint's Service says.
    #[must_use]
    pub fn of(service: &Service) -> Self {
        let ending = ending(service);
        let spec = service.spec.as_ref();
        let spec = spec.filter(|spec| spec.type_.as_deref() == Some("LoadBalancer"));
        let class = spec.and_then(|spec| spec.load_balancer_class.clone());
        if spec.is_none() || ending.is_some() {
            return Self { ending, class, ..Self::default() };
        }
        let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        let given = || status.and_then(|status| status.ingress.as_ref()).into_iter().flatten();
        let addresses = given().filter_map(|one| one.ip.as_ref()?.parse().ok());
        Self {
            service: true,
            class,
            family: first_family(service),
            addresses: addresses.collect(),
            names: given().filter_map(|one| one.hostname.clone()).collect(),
            ..Self::default()
        }
    }

    /// Whether the load balancer is that of the class that is asked for: nobody can change that of a Service.
    #[must_use]
    pub fn is_of(&self, class: Option<&str>) -> bool {
        self.class.as_deref() == class || (class.is_none() && self.is_filled_in)
    }

    /// Whether it has been given that address; where it has only a name, nobody can tell, and it is not asked for either.
    #[must_use]
    pub fn has(&self, address: &IpAddr) -> bool {
        self.addresses.contains(address) || (self.addresses.is_empty() && !self.names.is_empty())
    }
}

/// The first of `spec.ipFamilies` of a Service.
#[must_use]
pub fn first_family(service: &Service) -> Option<IpFamily> {
    IpFamily::named(service.spec.as_ref()?.ip_families.as_ref()?.first()?)
}

/// The finalizers that hold a Service that was deleted; the outer `None`: it stays.
#[must_use]
pub fn ending(service: &Service) -> Option<String> {
    service.metadata.deletion_timestamp.as_ref()?;
    Some(service.metadata.finalizers.clone().unwrap_or_default().join(", "))
}

/// The address that the spec asks for; what an unborn cluster was given before does not bind it.
#[must_use]
pub fn asked_address(expose: &Expose) -> Option<IpAddr> {
    expose.load_balancer.as_ref()?.address.as_ref()?.parse().ok()
}

/// Class of a load balancer; `None`: the management cluster's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class<'a>(pub Option<&'a str>);

/// Class of the load balancer that leads to such an endpoint; `None`: none does.
#[must_use]
pub fn class_of(expose: &Expose) -> Option<Class<'_>> {
    let class = || expose.load_balancer.as_ref().and_then(|asked| asked.class.as_deref());
    (expose.type_ == ExposeType::LoadBalancer).then(|| Class(class()))
}

/// The Service whose address matters to what is asked for: that of the endpoint, or the free one of a cluster that moves.
#[must_use]
pub fn service_of(expose: &Expose, plane: &PlaneRecord) -> PublicService {
    let accepted = plane.accepted_spec.as_ref().map(|spec| spec.expose.type_);
    let is_there = accepted.is_none_or(|accepted| accepted == ExposeType::LoadBalancer);
    if plane.born && !is_there && expose.type_ == ExposeType::LoadBalancer {
        return plane.endpoint_service.other();
    }
    plane.endpoint_service
}

/// The newest of the warnings about a Service.
#[must_use]
pub fn newest_warning(events: &[Event], service: PublicService) -> Option<String> {
    let about = |event: &&Event| {
        let regarding = event.regarding.as_ref().and_then(|about| about.name.as_deref());
        regarding == Some(service.name()) && event.type_.as_deref() == Some("Warning")
    };
    let last = |event: &&Event| {
        let series = event.series.as_ref().map(|series| series.last_observed_time.0);
        series
            .or(event.deprecated_last_timestamp.as_ref().map(|time| time.0))
            .or(event.event_time.as_ref().map(|time| time.0))
    };
    events.iter().filter(about).max_by_key(last).and_then(|event| event.note.clone())
}

/// The tenant with the address that its load balancer gives, to which it moves if it has been waiting for that. Of one that was
/// born there nothing changes.
#[must_use]
pub fn with_given_address(tenant: Tenant, view: &BalancerView, born: bool) -> Tenant {
    if let Some(awaited) = tenant.awaited() {
        let awaited = with_given_address(awaited, view, false);
        return if awaited.exposure.addresses.is_empty() { tenant } else { awaited };
    }
    let Way::LoadBalancer(_) = tenant.exposure.way else { return tenant };
    if born && !tenant.exposure.addresses.is_empty() {
        return tenant;
    }
    let hostname = tenant.spec.expose.hostname.clone();
    let mut tenant = tenant;
    match given(&tenant, view) {
        Ok(Given { host, address }) => {
            tenant.exposure.host = hostname.or(Some(host));
            tenant.exposure.addresses = vec![address];
        }
        // A Service that was made again asks for the one before.
        Err(_) if view.taken_by.is_none() => {}
        Err(_) => {
            tenant.exposure.host = hostname;
            tenant.exposure.addresses.clear();
        }
    }
    tenant
}

/// In words why the tenant has no address yet, or none of the endpoint to which it is to move; `None`: it has one, or needs none
/// of a load balancer.
#[must_use]
pub fn missing(tenant: &Tenant, view: &BalancerView) -> Option<String> {
    if let Some(awaited) = tenant.awaited() {
        let (endpoint, why) = (tenant.endpoint()?.authority(), missing(&awaited, view)?);
        return Some(format!(
            "the endpoint stays {endpoint} until another one has its address: {why}"
        ));
    }
    let Way::LoadBalancer(_) = tenant.exposure.way else { return None };
    if !tenant.exposure.addresses.is_empty() {
        return None;
    }
    let why = given(tenant, view).err().unwrap_or_else(|| "it is being taken".to_owned());
    Some(format!("no load balancer has given an address yet: {why}"))
}

/// In words what of the load balancer differs from what nodes have; `None`: nothing.
#[must_use]
pub fn astray(tenant: &Tenant, view: &BalancerView) -> Option<String> {
    let Way::LoadBalancer(_) = tenant.exposure.way else { return None };
    let (ours, service) = (tenant.exposure.addresses.first()?, service(tenant));
    let host = tenant.exposure.host.as_ref()?;
    let is_name = tenant.spec.expose.hostname.is_none() && host.parse::<IpAddr>().is_err();
    if let Some(other) = view.names.first().filter(|_| is_name && !view.names.contains(host)) {
        return Some(format!(
            "the load balancer gives the name {other} to {service}, and nodes have {host}, which stays the endpoint: \
             see that the load balancer gives that one"
        ));
    }
    if view.has(ours) {
        return None;
    }
    let Some(other) = view.addresses.first() else {
        let warning = view.warning.as_ref().map(|words| format!(" ({words})")).unwrap_or_default();
        return Some(format!(
            "the load balancer has not given {ours} back, which nodes have and {service} asks for{warning}"
        ));
    };
    Some(format!(
        "the load balancer gives {other} to {service}, and nodes have {ours}, which stays the endpoint: see that the \
         load balancer gives {ours} (spec.loadBalancerIP of the Service asks for it, \
         spec.expose.loadBalancer.annotations may), or lead {ours} there yourself"
    ))
}

struct Given {
    host: String,
    address: IpAddr,
}

/// What the endpoint would be by what is seen, or in words why it cannot be that.
fn given(tenant: &Tenant, view: &BalancerView) -> Result<Given, String> {
    let service = service(tenant);
    let asked = asked_address(&tenant.spec.expose);
    if let Some(finalizers) = &view.ending {
        return Err(is_held(&service, finalizers));
    }
    if !view.service {
        return Err(format!("{service} is being made"));
    }
    let class = class_of(&tenant.spec.expose).and_then(|Class(class)| class);
    if !view.is_of(class) {
        let class =
            class.map_or_else(|| "the default class".to_owned(), |class| format!("class {class}"));
        return Err(format!("{service} is being made again for {class}"));
    }
    let family = asked.as_ref().map(IpFamily::of);
    if let Some(family) = family.filter(|family| view.family.is_some_and(|has| has != *family)) {
        let family = family.name();
        return Err(format!("{service} is being made again for an address of {family}"));
    }
    let address = match (view.addresses.first(), asked, view.names.first()) {
        (Some(given), Some(asked), _) if !view.addresses.contains(&asked) => {
            return Err(format!(
                "{service} was given {given}, and spec.expose.loadBalancer.address is {asked}; see that the load \
                 balancer can give that one, or remove it"
            ));
        }
        (Some(_), Some(asked), _) | (None, Some(asked), Some(_)) => asked,
        (Some(given), None, _) => *given,
        (None, None, Some(name)) => {
            return Err(format!(
                "{service} was given the name {name} and no IP address, by which pods of the tenant reach the API; \
                 set spec.expose.loadBalancer.address to one that is behind it, and stays"
            ));
        }
        (None, _, None) => return Err(nothing(tenant, view)),
    };
    check_free(tenant, view, &address)?;
    let host = view.names.first().cloned().unwrap_or_else(|| address.to_string());
    let is_former =
        |former: &Former| former.host == host && Some(former.port) == tenant.exposure.port;
    if let Some(former) = tenant.exposure.moves.former.as_ref().filter(|former| is_former(former)) {
        return Err(format!(
            "{service} was given {host}, which is the endpoint already, by {:?}; set another port in \
             spec.expose.loadBalancer.port",
            former.type_
        ));
    }
    Ok(Given { host, address })
}

/// In words what a Service waits for that was deleted and has to be made again.
#[must_use]
pub fn is_held(service: &str, finalizers: &str) -> String {
    let anew = is_made_anew(service);
    format!(
        "{anew}, which its finalizers hold ({finalizers}): see that the load balancer of that one runs, and lets it go"
    )
}

/// The same of one that nothing is known to hold.
#[must_use]
pub fn is_made_anew(service: &str) -> String {
    format!("{service} is made anew once the one of before is gone")
}

/// Nodes of nobody else have it, and the tenant's own have nothing else there.
fn check_free(tenant: &Tenant, view: &BalancerView, address: &IpAddr) -> Result<(), String> {
    let service = service(tenant);
    if let Some(other) = &view.taken_by {
        return Err(format!(
            "{service} was given {address}, which is the endpoint of {other} and known to its nodes; see that the load \
             balancer gives that one its address back, and then delete {service}, which is made again"
        ));
    }
    let mut networks = tenant.pod_cidrs.iter().chain(&tenant.service_cidrs);
    match networks.find(|network| network.contains(address)) {
        None => Ok(()),
        Some(network) => {
            // Only one that moves has a former endpoint.
            let remedy = match tenant.exposure.moves.former {
                Some(_) => {
                    "ask for another one in spec.expose.loadBalancer.address, let the load balancer have others, or set \
                     spec.expose back"
                }
                None => "delete the TenantCluster and create it with another network",
            };
            Err(format!(
                "{service} was given {address}, which is in {network} of spec.networking; {remedy}"
            ))
        }
    }
}

fn nothing(tenant: &Tenant, view: &BalancerView) -> String {
    let Way::LoadBalancer(request) = &tenant.exposure.way else { return String::new() };
    let balancer = match &request.class {
        Some(class) => format!("that of class {class}"),
        None => "one".to_owned(),
    };
    let of_that = match asked_address(&tenant.spec.expose) {
        Some(address) => format!("can give {address}"),
        None => "has addresses left".to_owned(),
    };
    let warning = view.warning.as_ref().map(|words| format!("; {words}")).unwrap_or_default();
    format!(
        "{} has an empty status.loadBalancer: see that {balancer} runs in the management cluster and {of_that}{warning}",
        service(tenant)
    )
}

fn service(tenant: &Tenant) -> String {
    format!("the Service {}/{}", tenant.plane_namespace, tenant.exposure.moves.service.name())
}
