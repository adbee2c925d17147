//! The tenant's virtual machine: nothing configures it but the user-data that the tenant was handed.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::Value;

use super::wait::{Look, await_that};
use crate::components::NEWEST_MINOR;
use crate::error::{Error, Result};
use crate::progress::{say, step};
use crate::state::Link;
use crate::tenant::{Tenant, condition};
use crate::{host, install, sandbox, state};

/// Its host name, and its node's name.
pub const MACHINE: &str = "demo-vm";
/// From the tenant's Ready to a token that is in the tenant cluster.
const ISSUE: Duration = Duration::from_mins(1);
/// From the end of `kubeadm join`, or of a reboot, on: an emulated CPU is slow.
const NODE_READY: Duration = Duration::from_mins(3);

/// The machine, whether it is there or not.
pub struct Machine {
    tenant: Tenant,
}

impl Machine {
    /// The machine that joins a tenant; nothing is started.
    pub fn new(tenant: Tenant) -> Self {
        Self { tenant }
    }

    /// Boots it with the user-data of a `JoinToken` unless its node is there already, waits until the
    /// node is Ready and says what the node says about itself.
    ///
    /// # Errors
    /// The token is not issued, the machine does not boot, or its node does not get Ready.
    pub fn join(&self, join_token: &str) -> Result<String> {
        let is_there = state::hosts()?.iter().any(|record| record.name == MACHINE);
        if is_there && self.node()?.is_some() {
            say(&format!("virtual machine {MACHINE} is already there"));
        } else {
            if is_there {
                say(&format!("{MACHINE} belongs to a tenant cluster that is gone: replacing it"));
                sandbox::remove_host(MACHINE)?;
            }
            let user_data = self.user_data(join_token)?;
            // The one image that is not on its disk already: it is of this checkout.
            let forwarder = install::build_forwarder_image()?;
            let (minor, link) = (Some(NEWEST_MINOR), Link::OutboundOnly);
            let machine = sandbox::add_virtual_machine(MACHINE, minor, &user_data, link)?;
            sandbox::load(machine.as_ref(), &[forwarder])?;
        }
        self.await_ready()?;
        let node = self.node()?.unwrap_or_default();
        let about = |key: &str| node["status"]["nodeInfo"][key].as_str().unwrap_or_default();
        Ok(format!(
            "{MACHINE} ({}, kernel {}, {}, kubelet {}) joined by its user-data alone, from behind a firewall that lets nobody in",
            about("osImage"),
            about("kernelVersion"),
            about("containerRuntimeVersion"),
            about("kubeletVersion"),
        ))
    }

    /// Switches it off and on, and waits until its node is Ready again; nobody helps it.
    ///
    /// # Errors
    /// It does not boot, or its node does not come back.
    pub fn reboot(&self) -> Result<()> {
        let before = self.boot_id()?;
        step(format!("reboot {MACHINE}"), || host::open(MACHINE)?.boot())?;
        await_that(&format!("wait until {MACHINE} has booted again"), NODE_READY, || {
            let now = self.boot_id()?;
            let same = format!("its node's boot ID is still {now}");
            Ok(if now == before { Look::NotYet(same) } else { Look::Done })
        })?;
        self.await_ready()
    }

    /// What kubelet says about the kernel's boot: before that changes, `Ready` may be an old word.
    fn boot_id(&self) -> Result<String> {
        let node = self.node()?.unwrap_or_default();
        Ok(node["status"]["nodeInfo"]["bootID"].to_string())
    }

    fn user_data(&self, join_token: &str) -> Result<String> {
        let mut found = None;
        await_that(&format!("wait for the user-data of JoinToken {join_token}"), ISSUE, || {
            found = self.tenant.user_data(join_token)?;
            Ok(if found.is_some() { Look::Done } else { Look::NotYet("not issued yet".to_owned()) })
        })?;
        found.ok_or_else(|| Error::Refused(format!("JoinToken {join_token} has no user-data")))
    }

    fn await_ready(&self) -> Result<()> {
        await_that(&format!("wait until node {MACHINE} is Ready"), NODE_READY, || {
            let Some(node) = self.node()? else { return Ok(Look::NotYet("no node yet".into())) };
            let ready = condition(&node, "Ready").filter(|ready| ready.status != "True");
            Ok(ready.map_or(Look::Done, |ready| Look::NotYet(ready.message)))
        })
    }

    fn node(&self) -> Result<Option<Value>> {
        let words = ["get", "node", MACHINE, "--ignore-not-found", "-o", "json"];
        Ok(serde_json::from_str(&self.tenant.kubectl(&words)?).ok())
    }
}

/// The address of the machine.
///
/// # Errors
/// There is no such machine.
pub fn address() -> Result<Ipv4Addr> {
    Ok(state::host(MACHINE)?.address)
}
