//! One tenant of Nagaya, from its object to its end, with what is timed and counted on the way.

use std::time::{Duration, Instant};

use serde_json::json;

use super::MINOR;
use super::candidate::{Candidate, Identity};
use super::figures::Figures;
use crate::ring::kubectl::each;
use crate::ring::tenant::spec_for_namespaces;
use crate::ring::{
    JoinSecret, JoinToken, Look, Machine, Outcome, Project, Tenant, ensure, invariants, manager,
    wait_until,
};

const NODE_READY: Duration = Duration::from_mins(1);
const BIRTH: Duration = Duration::from_mins(3);
const GONE: Duration = Duration::from_mins(1);

/// A tenant and a token for it.
pub struct Round<'p> {
    tenant: Tenant<'p>,
    token: JoinToken<'p>,
    secret: JoinSecret,
    /// From its object to an issued certificate.
    pub joinable: Duration,
    /// What the manager asked of the management side until it was Ready, token included.
    pub api_calls: u64,
}

impl<'p> Round<'p> {
    /// Creates `TenantCluster` and `JoinToken` in one go, and becomes a node of it.
    ///
    /// # Errors
    /// It never gets joinable, or a container restarts on the way.
    pub fn begin(project: &'p Project, number: usize, identity: &Identity) -> Outcome<Self> {
        let tenant = Tenant { project, name: format!("tenant{number}") };
        let token = JoinToken { project, name: format!("tenant{number}") };
        let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
            tenant.manifest(&spec_for_namespaces(MINOR)),
            token.manifest(&tenant.name, "1h"),
        ]});
        let asked_before = manager::settled_requests()?;
        let started = Instant::now();
        project.management.apply(&objects)?;
        await_issued(&token)?;
        let secret = token.secret()?;
        let (endpoint, token_value) = (&secret.endpoint, &secret.token);
        Candidate { endpoint, token: token_value, identity }.become_a_node()?;
        let joinable = started.elapsed();
        tenant.await_ready()?;
        let api_calls = manager::settled_requests()?.since(&asked_before).count();
        Ok(Self { tenant, token, secret, joinable, api_calls })
    }

    /// Stock `kubeadm join`, until the node is Ready.
    ///
    /// # Errors
    /// It fails.
    pub fn join(&self, machine: &Machine, figures: &mut Figures) -> Outcome {
        let cluster = self.tenant.admin()?;
        let started = Instant::now();
        machine.join(&self.secret)?;
        machine.await_ready(&cluster, NODE_READY)?;
        figures.join_to_ready.push(started.elapsed().as_secs_f64());
        Ok(())
    }

    /// Wakes the controller with a change that asks for nothing.
    ///
    /// # Errors
    /// The management cluster does not answer.
    pub fn change_nothing(&self, figures: &mut Figures) -> Outcome {
        let before = manager::settled_requests()?;
        self.tenant.patch(&json!({"metadata": {"annotations": {"example.com/touched": "yes"}}}))?;
        let asked = manager::settled_requests()?.since(&before);
        figures.manager_api_calls_noop.push(asked.count());
        Ok(())
    }

    /// The control-plane namespace.
    ///
    /// # Errors
    /// The status does not say.
    pub fn plane(&self) -> Outcome<String> {
        self.tenant.plane()
    }

    /// Deletes it and waits until nothing is left; looks before whether anything restarted.
    ///
    /// # Errors
    /// Something stays.
    pub fn end(self, figures: &mut Figures) -> Outcome {
        figures.restarts += restarts(&self.tenant)?;
        self.token.delete()?;
        let started = Instant::now();
        self.tenant.delete()?;
        wait_until("nothing of the tenant is left", GONE, || {
            let (object, planes) =
                (self.tenant.object()?, invariants::planes(self.tenant.project)?);
            let left = format!("object {}, {planes:?}", object.is_some());
            Ok(Look::done_if(object.is_none() && planes.is_empty(), || left))
        })?;
        figures.delete.push(started.elapsed().as_secs_f64());
        Ok(())
    }
}

/// One watching kubectl: a new one every quarter of a second would take a third of a core from the birth.
fn await_issued(token: &JoinToken<'_>) -> Outcome {
    let project = token.project;
    let name = format!("jointoken/{}", token.name);
    let issued = "--for=jsonpath={.status.state}=Issued";
    let words = ["wait", issued, &name, "-n", &project.name, "--timeout=9s"];
    wait_until("the JoinToken is issued", BIRTH, || {
        project.management.run(&words).map(|_| Look::Done(()))
    })
}

/// How often a container of the plane was started again.
pub fn restarts(tenant: &Tenant<'_>) -> Outcome<u64> {
    let pods = tenant.project.management.list(&["pods", "-n", &tenant.plane()?])?;
    ensure(!pods.is_empty(), || format!("{} has no pods", tenant.name))?;
    let of = |pod| each(pod, "/status/containerStatuses").map(|one| one["restartCount"].as_u64());
    Ok(pods.iter().flat_map(of).flatten().sum())
}
