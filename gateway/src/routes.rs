//! Who is where: [`Table`], which a connection looks its name up in, and [`Routes`], which it is made from.
//!
//! A table is never changed: with each change of a Service another one is published. A connection has its route from the
//! table that was there when it came, and keeps it.

mod claim;
pub mod watch;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

pub use claim::{Claim, ClaimProblem};
use nagaya_api::LimitedRoute;

use crate::meter::{Limits, Meter};
use crate::refusal::Refusal;

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Where a name leads.
#[derive(Debug)]
pub struct Route {
    /// The Service whose it is.
    pub service: ServiceKey,
    /// `NAMESPACE/NAME` of the `TenantCluster`, for metrics.
    pub tenant: String,
    /// Where its API server is.
    pub backend: SocketAddr,
    /// How much it may have.
    pub limits: Limits,
    /// What it has.
    pub meter: Arc<Meter>,
}

/// A name that leads nowhere though a Service claims it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusedName {
    /// The Service that does.
    pub service: ServiceKey,
    /// Why not, which says the name.
    pub problem: ClaimProblem,
}

/// All routes at one time.
#[derive(Debug, Default)]
pub struct Table {
    by_name: HashMap<Box<str>, Arc<Route>>,
    refused: Vec<RefusedName>,
}

/// What is known of Services, and of what their routes have.
#[derive(Debug)]
pub struct Routes {
    defaults: Limits,
    claims: BTreeMap<ServiceKey, Claim>,
    /// Of Services that are gone too, while they have connections.
    meters: HashMap<ServiceKey, Arc<Meter>>,
}

impl Table {
    /// The route of a name that is in lower case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<Route>> {
        self.by_name.get(name)
    }

    /// How many names lead somewhere.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether no name does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Names that lead nowhere though somebody claims them.
    #[must_use]
    pub fn refused(&self) -> &[RefusedName] {
        &self.refused
    }

    /// Whether that is the meter of a route.
    #[must_use]
    pub fn has_meter(&self, meter: &Arc<Meter>) -> bool {
        self.by_name.values().any(|route| Arc::ptr_eq(&route.meter, meter))
    }

    /// A line for each name, in order: `/routes`.
    #[must_use]
    pub fn told(&self) -> String {
        let mut lines: Vec<String> = self
            .by_name
            .iter()
            .map(|(name, route)| {
                let Route { service, tenant, backend, limits, meter } = &**route;
                let open = meter.open();
                format!(
                    "{name} -> {backend} ({service} of {tenant}): {open} open; at most {limits}\n"
                )
            })
            .collect();
        lines.sort_unstable();
        let refused = self.refused.iter();
        lines
            .extend(refused.map(|RefusedName { service, problem }| {
                format!("refused: {service}: {problem}\n")
            }));
        lines.concat()
    }

    /// A line for each route that was limited in the last minute, in order: `/limited`.
    #[must_use]
    pub fn limited(&self, now: Instant) -> String {
        let lines = self.limited_routes(now).into_iter().map(|(route, (.., because))| {
            format!("{} ({}): limited, {because}\n", route.tenant, route.service)
        });
        lines.collect()
    }

    /// The same for the manager: `/limited.json`.
    #[must_use]
    pub fn limited_for_programs(&self, now: Instant) -> Vec<LimitedRoute> {
        let told = self.limited_routes(now).into_iter();
        let told = told.map(|(route, (refusal, most, _))| LimitedRoute {
            namespace: route.service.namespace.clone(),
            service: route.service.name.clone(),
            reason: refusal.reason().to_owned(),
            most,
        });
        told.collect()
    }

    fn limited_routes(&self, now: Instant) -> Vec<(&Route, (Refusal, u32, String))> {
        let mut by_service: BTreeMap<&ServiceKey, &Route> = BTreeMap::new();
        by_service.extend(self.by_name.values().map(|route| (&route.service, &**route)));
        let limited = by_service.into_values().flat_map(|route| {
            let because = route.meter.limited(route.limits, now);
            because.into_iter().map(move |because| (route, because))
        });
        limited.collect()
    }
}

impl Table {
    /// Names lead to `route` that lead nowhere yet.
    fn lead(&mut self, names: &[Box<str>], route: &Arc<Route>) {
        for name in names {
            match self.by_name.get(&**name) {
                Some(other) if other.service != route.service => {
                    let (name, by) = (name.to_string(), other.service.clone());
                    let problem = ClaimProblem::NameTaken { name, by };
                    self.refused.push(RefusedName { service: route.service.clone(), problem });
                }
                _ => drop(self.by_name.insert(name.clone(), Arc::clone(route))),
            }
        }
    }
}

impl Routes {
    /// None yet; what a Service's annotations do not say is in `defaults`.
    #[must_use]
    pub fn new(defaults: Limits) -> Self {
        Self { defaults, claims: BTreeMap::new(), meters: HashMap::new() }
    }

    /// A Service is so now.
    pub fn set(&mut self, claim: Claim) {
        self.claims.insert(claim.service.clone(), claim);
    }

    /// A Service is no route any more. What it has goes on, and comes back with it.
    pub fn remove(&mut self, service: &ServiceKey) {
        self.claims.remove(service);
    }

    /// All Services are these.
    pub fn replace(&mut self, claims: impl IntoIterator<Item = Claim>) {
        self.claims = claims.into_iter().map(|claim| (claim.service.clone(), claim)).collect();
    }

    /// Whether a Service is a route.
    #[must_use]
    pub fn has(&self, service: &ServiceKey) -> bool {
        self.claims.contains_key(service)
    }

    /// Services that are no routes any more and still have connections.
    pub fn departed(&self) -> impl Iterator<Item = (&ServiceKey, &Arc<Meter>)> {
        self.meters.iter().filter(|(service, meter)| !self.has(service) && meter.open() > 0)
    }

    /// The table of now. A name that two Services claim is the older one's: it cannot be taken by making another, and it
    /// does not go to and fro, whatever the order in which they are seen. But the first name of a Service comes before
    /// further ones of all others: it is the endpoint, and kubelets have it.
    pub fn table(&mut self) -> Table {
        self.meters.retain(|service, meter| self.claims.contains_key(service) || meter.open() > 0);
        let mut by_age: Vec<&Claim> = self.claims.values().collect();
        by_age.sort_by(|one, other| {
            (one.created, &one.service).cmp(&(other.created, &other.service))
        });
        let mut table = Table::default();
        let mut routes = Vec::with_capacity(by_age.len());
        for claim in by_age {
            let refused = |problem| RefusedName { service: claim.service.clone(), problem };
            table.refused.extend(claim.problems.iter().cloned().map(refused));
            let Some(backend) = claim.backend else { continue };
            let meter = self.meters.entry(claim.service.clone()).or_default();
            let route = Arc::new(Route {
                service: claim.service.clone(),
                tenant: claim.tenant.clone(),
                backend,
                limits: Limits {
                    connections: claim.connections.unwrap_or(self.defaults.connections),
                    rate: claim.rate.unwrap_or(self.defaults.rate),
                },
                meter: Arc::clone(meter),
            });
            let first = claim.names.len().min(1);
            routes.push((route, claim.names.split_at(first)));
        }
        for (route, (first, _)) in &routes {
            table.lead(first, route);
        }
        for (route, (_, further)) in &routes {
            table.lead(further, route);
        }
        table
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests;
