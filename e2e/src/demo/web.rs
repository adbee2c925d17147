//! A web server on the tenant's machine, and a look at its page from another machine.

use std::cell::RefCell;
use std::time::Duration;

use super::machine;
use super::wait::{Look, await_that};
use crate::command::output;
use crate::error::{Error, Result};
use crate::tenant::Tenant;
use crate::{host, network};

const MANIFEST: &str = include_str!("../../manifests/demo/web.yaml");
/// A line of the page in [`MANIFEST`].
const GREETING: &str = "Hello from the tenant acme/demo";
/// An emulated CPU on a busy machine is slow.
const ANSWER: Duration = Duration::from_mins(5);

/// Deploys the web server as the tenant's administrator and waits until it is ready; returns the
/// page's address at the node's port.
///
/// # Errors
/// The tenant cluster refuses it, or the pod does not get ready.
pub fn serve(tenant: &Tenant) -> Result<String> {
    tenant.apply(MANIFEST)?;
    await_available(tenant, "the web server", &["deployment", "web"])?;
    await_available(tenant, "the cluster's DNS", &["deployment", "coredns", "-n", "kube-system"])?;
    let path = "jsonpath={.spec.ports[0].nodePort}";
    let port = tenant.kubectl(&["get", "service", "web", "-o", path])?;
    Ok(format!("http://{}:{port}/", machine::address()?))
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

/// Fetches the page from the management host until it is the tenant's, and says where it is.
///
/// # Errors
/// Another page or none is served.
pub fn fetch(url: &str) -> Result<String> {
    let page = RefCell::new(String::new());
    await_that(&format!("fetch {url} from another machine"), ANSWER, || {
        let words = ["timeout", "5", "busybox", "wget", "-q", "-O", "-", url].map(str::to_owned);
        let mut fetch = host::open(network::MANAGEMENT)?.exec(&words)?;
        let Ok(answer) = output(&mut fetch) else { return Ok(Look::NotYet("no answer".into())) };
        page.replace(answer);
        let seen = page.borrow();
        Ok(if seen.contains(GREETING) { Look::Done } else { Look::NotYet(seen.clone()) })
    })?;
    let page = page.into_inner();
    let line = page.lines().find(|line| line.contains(GREETING));
    let line = line.ok_or_else(|| Error::Refused(format!("{url} serves another page")))?;
    Ok(format!("{url} says: {}", line.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_is_on_the_page_that_is_deployed() {
        assert!(MANIFEST.contains(GREETING));
    }
}
