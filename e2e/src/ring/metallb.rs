//! A load balancer of the management cluster for a test, and what it has given.

use std::net::IpAddr;
use std::time::Duration;

use super::{Look, Outcome, wait_until};
use crate::install::{apply_pool, install_metallb, remove_metallb};
use crate::progress::{say, step};

/// Its webhook, which has to agree to addresses, answers a moment after its pod is ready.
const AGREES: Duration = Duration::from_secs(30);

/// Goes when the test ends.
pub struct MetalLb;

impl MetalLb {
    /// One without any address to give.
    ///
    /// # Errors
    /// It does not get ready.
    pub fn install() -> Outcome<Self> {
        step("no MetalLB of before", remove_metallb)?;
        let balancer = Self;
        install_metallb()?;
        Ok(balancer)
    }

    /// The addresses that it may give from now on.
    ///
    /// # Errors
    /// It does not agree.
    pub fn gives(&self, addresses: &[impl Into<IpAddr> + Copy]) -> Outcome {
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| (*address).into()).collect();
        wait_until(&format!("MetalLB may give {addresses:?}"), AGREES, || {
            let applied = apply_pool(&addresses);
            Ok(Look::done_if(applied.is_ok(), || {
                applied.err().map(|error| error.to_string()).unwrap_or_default()
            }))
        })
    }
}

impl Drop for MetalLb {
    fn drop(&mut self) {
        if let Err(error) = remove_metallb() {
            say(&format!("could not remove MetalLB: {error}"));
        }
    }
}
