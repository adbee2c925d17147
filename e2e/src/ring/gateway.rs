//! A gateway for a test, and clusters behind it.

use crate::install::{GATEWAY_DOMAIN, GATEWAY_PORT, install_gateway, remove_gateway};
use crate::network::MANAGEMENT_ADDRESS;
use crate::progress::say;

use super::{Kubectl, Machine, Outcome, Tenant};

/// Goes when the test ends.
pub struct Gateway;

impl Gateway {
    /// This checkout's.
    ///
    /// # Errors
    /// It does not get ready.
    pub fn install() -> Outcome<Self> {
        let gateway = Self;
        install_gateway()?;
        Ok(gateway)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Err(error) = remove_gateway() {
            say(&format!("could not remove the gateway: {error}"));
        }
    }
}

impl Tenant<'_> {
    /// Its name at the gateway.
    #[must_use]
    pub fn host(&self) -> String {
        format!("{}.{}.{GATEWAY_DOMAIN}", self.name, self.project.name)
    }

    /// kubectl by the kubeconfig that the owner is handed.
    ///
    /// # Errors
    /// There is no kubeconfig yet.
    pub fn through_the_gateway(&self) -> Outcome<Kubectl> {
        self.admin_at(&format!("{MANAGEMENT_ADDRESS}:{GATEWAY_PORT}"), &self.host())
    }
}

impl Machine {
    /// `host` is the gateway.
    ///
    /// # Errors
    /// The machine is off.
    pub fn knows_the_gateway_as(&self, host: &str) -> Outcome {
        self.knows(MANAGEMENT_ADDRESS, host)
    }
}
