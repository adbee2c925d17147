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
const ANSWER: Duration = Duration::from_mins(2);

/// Deploys the web server as the tenant's administrator and waits until it is ready; returns the
/// page's address at the node's port.
///
/// # Errors
/// The tenant cluster refuses it, or the pod does not get ready.
pub fn serve(tenant: &Tenant) -> Result<String> {
    tenant.apply(MANIFEST)?;
    await_that("wait until the web server is ready", ANSWER, || {
        let path =
            "jsonpath={.items[0].status.phase} {.items[0].status.containerStatuses[0].ready}";
        let seen = tenant.kubectl(&["get", "pods", "-l", "app=web", "-o", path])?;
        Ok(if seen == "Running true" { Look::Done } else { Look::NotYet(seen) })
    })?;
    let path = "jsonpath={.spec.ports[0].nodePort}";
    let port = tenant.kubectl(&["get", "service", "web", "-o", path])?;
    Ok(format!("http://{}:{port}/", machine::address()?))
}

/// Fetches the page from the management host until it is the tenant's, and says where it is.
///
/// # Errors
/// Another page or none is served.
pub fn fetch(url: &str) -> Result<String> {
    let page = RefCell::new(String::new());
    await_that(&format!("fetch {url} from another machine"), ANSWER, || {
        let words = ["timeout", "5", "busybox", "wget", "-q", "-O", "-", url].map(str::to_owned);
        page.replace(output(&mut host::open(network::MANAGEMENT)?.exec(&words)?)?);
        let seen = page.borrow();
        Ok(if seen.contains(GREETING) { Look::Done } else { Look::NotYet(seen.clone()) })
    })?;
    let page = page.into_inner();
    let line = page.lines().find(|line| line.contains(GREETING));
    let line = line.ok_or_else(|| Error::Refused(format!("{url} serves another page")))?;
    Ok(format!("{url} says {}", line.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_is_on_the_page_that_is_deployed() {
        assert!(MANIFEST.contains(GREETING));
    }
}
