//! A tenant's etcd: what it says of its members, and the steps that its membership takes.
//!
//! What is to be done is decided in [`nagaya_render::membership`]; here it is asked for and done.

mod client;
mod keeper;
mod upkeep;

use futures::future::BoxFuture;
use nagaya_render::membership::{EtcdView, Step, Store};

pub use client::{EtcdClient, LiveEtcds};
pub use keeper::{Errand, EtcdKeeper, Seen};

use crate::metrics::EtcdSize;
use crate::tenant::TlsError;

/// Where a tenant's etcd is and who we are to it.
#[derive(Clone, PartialEq, Eq)]
pub struct EtcdAccess {
    /// The control-plane namespace, in which the members have their names.
    pub namespace: String,
    /// etcd CA.
    pub ca_pem: String,
    /// The manager's client certificate for this etcd.
    pub cert_pem: String,
    /// Its key.
    pub key_pem: String,
}

/// One look at all of an etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Its members.
    pub view: EtcdView,
    /// The databases of those that answer.
    pub stores: Vec<Store>,
    /// Of the newest write.
    pub revision: u64,
    /// It takes no writes until it is compacted, defragmented and disarmed.
    pub no_space: bool,
}

impl Look {
    /// Of the member whose database is the largest; `None`: nobody answers.
    #[must_use]
    pub fn size(&self) -> Option<EtcdSize> {
        let bytes = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let largest = self.stores.iter().max_by_key(|store| store.size)?;
        Some(EtcdSize {
            total: bytes(largest.size),
            in_use: bytes(largest.in_use),
            quota: bytes(largest.quota),
        })
    }
}

/// Why a member did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The identity cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No answer.
    #[error("{member} does not answer: {why}")]
    Unreachable {
        /// Whom was asked.
        member: String,
        /// What went wrong.
        why: String,
    },
    /// etcd said no.
    #[error("{member} refuses: {message}")]
    Refused {
        /// Whom was asked.
        member: String,
        /// etcd's words.
        message: String,
    },
}

/// Every etcd that the manager looks after; tests bring their own.
pub trait Etcds: Send + Sync {
    /// Asks everyone in `ordinals`, and whoever else they call a member.
    ///
    /// # Errors
    /// [`Error::Tls`]: nobody was asked.
    fn look<'a>(
        &'a self,
        access: &'a EtcdAccess,
        ordinals: &'a [u8],
    ) -> BoxFuture<'a, Result<Look, Error>>;

    /// Takes a step through the member `through`; nothing if the step is no action.
    ///
    /// # Errors
    /// [`Error`].
    fn take<'a>(
        &'a self,
        access: &'a EtcdAccess,
        through: u8,
        step: &'a Step,
    ) -> BoxFuture<'a, Result<(), Error>>;
}
