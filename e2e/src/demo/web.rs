//! A web server on the tenant's machine, and a look at its page through the tunnel: there is no other way to it.

use std::cell::RefCell;
use std::time::Duration;

use super::machine;
use super::wait::{Look, await_that};
use crate::command::output;
use crate::error::{Error, Result};
use crate::ring::{Forward, Kubectl};
use crate::tenant::Tenant;
use crate::{host, network};

const MANIFEST: &str = include_str!("../../manifests/demo/web.yaml");
/// A line of the page in [`MANIFEST`].
const GREETING: &str = "Hello from the tenant acme/demo";
/// An emulated CPU on a busy machine is slow.
const ANSWER: Duration = Duration::from_mins(5);
/// Where the kubelet listens, whom the control plane has to reach for a port-forward.
const KUBELET: &str = "10250";

/// Deploys the web server as the tenant's administrator and waits until it is ready.
///
/// # Errors
/// The tenant cluster refuses it, or the pod does not get ready.
pub fn serve(tenant: &Tenant) -> Result<()> {
    tenant.apply(MANIFEST)?;
    await_available(tenant, "the web server", &["deployment", "web"])?;
    await_available(tenant, "the cluster's DNS", &["deployment", "coredns", "-n", "kube-system"])
}

fn await_available(tenant: &Tenant, what: &str, deployment: &[&str]) -> Result<()> {
    await_that(&format!("wait until {what} runs"), ANSWER, || {
        let path = "jsonpath={.status.availableReplicas}/{.spec.replicas}";
        let counts = tenant.kubectl(&[&["get"], deployment, &["-o", path]].concat())?;
        let (available, wanted) = counts.split_once('/').unwrap_or_default();
        if available == wanted {
            return Ok(Look::Done);
        }
        // A count of none is left out.
        let available = if available.is_empty() { "0" } else { available };
        Ok(Look::NotYet(format!("{available} of {wanted} pods are ready")))
    })
}

/// Fetches the page by `kubectl port-forward` until it is the tenant's, and looks that the machine cannot be reached otherwise.
///
/// # Errors
/// Another page or none is served, or the machine can be reached.
pub fn fetch(tenant: &Tenant) -> Result<String> {
    let page = RefCell::new(String::new());
    let cluster = Kubectl::with_kubeconfig(&tenant.kubeconfig()?);
    await_that("fetch the page by `kubectl port-forward`, through the tunnel", ANSWER, || {
        let answer = Forward::start(&cluster, "deployment/web").and_then(|mut way| way.fetch());
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => return Ok(Look::NotYet(failure.to_string())),
        };
        page.replace(answer);
        let seen = page.borrow();
        Ok(if seen.contains(GREETING) { Look::Done } else { Look::NotYet(seen.clone()) })
    })?;
    nobody_gets_in()?;
    let page = page.into_inner();
    let line = page.lines().find(|line| line.contains(GREETING));
    let line = line.ok_or_else(|| Error::Refused("another page is served".to_owned()))?;
    Ok(format!("fetched through the tunnel: {}", line.trim()))
}

/// From where the control plane is.
fn nobody_gets_in() -> Result<()> {
    let address = machine::address()?.to_string();
    let words = ["timeout", "2", "busybox", "nc", &address, KUBELET].map(str::to_owned);
    let knocked = output(&mut host::open(network::MANAGEMENT)?.exec(&words)?);
    match knocked {
        // `timeout` ended it: not even a refusal came back.
        Err(error) if error.to_string().contains("124") => Ok(()),
        other => Err(Error::Refused(format!("{address}:{KUBELET} answers: {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_is_on_the_page_that_is_deployed() {
        assert!(MANIFEST.contains(GREETING));
    }
}
