//! The demo: a management cluster, Nagaya, a tenant's control plane, the tenant's own virtual machine
//! and a web page on it, one after the other. What is there already is looked at, not made again.

mod machine;
mod story;
mod wait;
mod web;
mod words;

use std::time::Duration;

use machine::Machine;
use story::Story;
use wait::{Look, await_that};

use crate::components::{Component, NEWEST_MINOR};
use crate::error::{Error, Result};
use crate::progress::{say, step};
use crate::tenant::Tenant;
use crate::{firewall, host, install, kubectl, network, paths, sandbox};

/// The project and the tenant of `manifests/samples`.
const PROJECT: &str = "acme";
const TENANT: &str = "demo";
const JOIN_TOKEN: &str = "demo-vms";
/// An idle machine takes a tenth of that.
const BIRTH: Duration = Duration::from_mins(3);

/// Tells and does all of it.
///
/// # Errors
/// A step fails. What was made stays, so that one can look at it and run the demo again.
pub fn up() -> Result<()> {
    println!("{}", words::introduction());
    let tenant = Tenant::new(PROJECT, TENANT);
    let mut story = Story::begin();
    story.chapter("A management cluster", management_cluster)?;
    story.chapter("Nagaya and its gateway on it", installed)?;
    story.chapter("A control plane for the tenant acme/demo", || control_plane(&tenant))?;
    let machine = Machine::new(tenant.clone());
    story.chapter("A virtual machine of the tenant's own", || machine.join(JOIN_TOKEN))?;
    story.chapter("A web page on that machine", || {
        web::serve(&tenant)?;
        web::fetch(&tenant)
    })?;
    println!("{}", story.told());
    println!("{}", words::before_the_machine(&firewall::rules(machine::address()?)?));
    println!("{}", views(&tenant)?);
    println!("{}", words::next_commands());
    Ok(())
}

/// Reboots the tenant's machine, and looks whether it serves the page again by itself.
///
/// # Errors
/// It does not.
pub fn reboot() -> Result<()> {
    let tenant = Tenant::new(PROJECT, TENANT);
    Machine::new(tenant.clone()).reboot()?;
    web::serve(&tenant)?;
    web::fetch(&tenant).map(drop)
}

/// Removes the tenant, its machine and the gateway; Nagaya and the management cluster stay.
///
/// # Errors
/// One of them stays.
pub fn leave() -> Result<()> {
    sandbox::remove_host(machine::MACHINE)?;
    step("delete the project acme", || {
        kubectl::kubectl(&["delete", "namespace", PROJECT, "--timeout=60s"]).map(drop)
    })?;
    step("remove the gateway", install::remove_gateway)
}

/// Removes all of it, and looks whether anything is left.
///
/// # Errors
/// Something is left; the text lists it.
pub fn down() -> Result<()> {
    sandbox::down()?;
    let cache = paths::cache();
    say(&format!("What was built stays in {}: the next `make demo` is quick.", cache.display()));
    Ok(())
}

fn management_cluster() -> Result<String> {
    sandbox::up()?;
    let version = Component::kubernetes(NEWEST_MINOR)?.version()?;
    let address = host::open(network::MANAGEMENT)?.address();
    Ok(format!("Kubernetes {version} by stock `kubeadm init`, at {address}"))
}

fn installed() -> Result<String> {
    install::install()?;
    install::install_gateway()?;
    let (address, port) = (network::MANAGEMENT_ADDRESS, install::GATEWAY_PORT);
    let domain = install::GATEWAY_DOMAIN;
    Ok(format!("installed from manifests/; the gateway for all of {domain} is at {address}:{port}"))
}

/// Applies the samples and waits until a stock `kubeadm join` would succeed.
fn control_plane(tenant: &Tenant) -> Result<String> {
    if tenant.object()?.is_some() {
        say("TenantCluster acme/demo is already there");
    }
    kubectl::apply(&kubectl::kustomize("demo")?)?;
    await_that("wait until acme/demo is Ready: `kubeadm join` would succeed", BIRTH, || {
        let ready = tenant.condition("Ready")?;
        let Some(ready) = ready else { return Ok(Look::NotYet("no condition yet".to_owned())) };
        let seen = format!("{}: {}", ready.reason, ready.message);
        Ok(if ready.status == "True" { Look::Done } else { Look::NotYet(seen) })
    })?;
    let object = tenant.object()?.ok_or_else(|| Error::Refused("acme/demo is gone".to_owned()))?;
    let text = |key: &str| object["status"][key].as_str().unwrap_or_default().to_owned();
    Ok(format!("Kubernetes {}, Ready at {}", text("version"), text("endpoint")))
}

/// What kubectl shows now: of the management cluster, and of the tenant's.
fn views(tenant: &Tenant) -> Result<String> {
    let wide = ["get", "nodes,pods", "-A"];
    let views = [
        ("kubectl get tnc -A", kubectl::kubectl(&["get", "tnc", "-A"])?),
        ("kubectl get pods -A", kubectl::kubectl(&["get", "pods", "-A"])?),
        ("kubectl get nodes,pods -A, as the tenant's administrator", tenant.kubectl(&wide)?),
    ];
    let shown = views.map(|(title, text)| format!("{title}\n{}", words::indented(&text)));
    Ok(shown.join("\n"))
}
