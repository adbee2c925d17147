//! Joins the certificates' plan to Secrets: reads what exists by name, makes what is missing, writes what is due.
//!
//! What was read is kept for a while, so that an unchanged tenant costs no request; a CA that is missing
//! from a plane that was healthy once is a loss to be reported, never made anew.

mod secrets;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use nagaya_pki::{BootstrapToken, Leaf};
use nagaya_render::certificates::{
    Authorities, CertificateError, LeafInputs, LeafSecret, first_expiry, mint_etcd_identity,
    mint_manager_identity, plan_leaves, tunnel_certificate_digest,
};
use nagaya_render::signing_token::{SIGNING_TOKEN_SECRET, read_signing_token};
use nagaya_render::tenant::Tenant;
use tokio::time::Instant;

use crate::controllers::HandedOut;
use crate::kube_ops::{self, Fingerprint, Fingerprints};
use crate::tenant::TenantKey;
use secrets::{Secrets, make_missing, read, versions, write};

/// Somebody who deletes a Secret sees it come back within five minutes: nobody may watch Secrets.
pub const READ_AGAIN: Duration = Duration::from_secs(285);

/// Everything secret about one tenant.
pub struct Keys {
    /// CAs and the service-account key.
    pub authorities: Authorities,
    /// The manager's own token.
    pub signing_token: BootstrapToken,
    /// The manager's client certificate, in memory only.
    pub identity: Leaf,
    /// The manager's client certificate for etcd, in memory only.
    pub etcd_identity: Leaf,
    /// When a certificate has to be renewed.
    pub next_due: Timestamp,
    /// When the first certificate that is in the control-plane namespace expires.
    pub first_expiry: Option<Timestamp>,
    /// Of the certificate that the tunnel's server shows; `None`: there is no tunnel.
    pub tunnel_certificate: Option<String>,
    /// Whether the administrator has a kubeconfig that was found to be made of them.
    pub handed_out: HandedOut,
}

/// Why the keys of a tenant are not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// See [`kube_ops::Error`].
    #[error(transparent)]
    Call(#[from] kube_ops::Error),
    /// See [`CertificateError`].
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// No randomness.
    #[error("cannot make a token: {0}")]
    Token(#[from] nagaya_pki::Error),
    /// A key of a plane that was healthy is gone.
    #[error(
        "Secrets {missing} are missing from {namespace}, whose nodes trust them; restore them from a backup: \
         making new ones would lock out every node"
    )]
    KeysLost {
        /// Names of the Secrets.
        missing: String,
        /// The control-plane namespace.
        namespace: String,
    },
    /// The Secret of the signing token holds none.
    #[error("Secret {SIGNING_TOKEN_SECRET} holds no token; delete it and it is made anew")]
    TokenUnreadable,
}

/// What may be done about missing or old keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: the tenant is paused.
    Read,
    /// Make and renew them; authorities only while the plane has not been `born`, that is healthy.
    Write {
        /// The plane was healthy once.
        born: bool,
        /// Its namespace was made a moment ago: no Secret can be in it, and none is looked for.
        newborn: bool,
    },
}

/// The keys of every tenant that was worked on lately.
#[derive(Default)]
pub struct Keyring {
    fingerprints: Fingerprints,
    known: Mutex<HashMap<TenantKey, Known>>,
}

struct Known {
    keys: Arc<Keys>,
    inputs: LeafInputs,
    /// The Secrets that they were made from, if nothing is to be done about any.
    versions: Option<Fingerprint>,
    /// Secrets of former kinds that are still there, in the order in which they go.
    former: Vec<Secret>,
    read: Instant,
    /// The clock when they were made or looked into: by an earlier one a certificate may be from the future.
    as_of: Timestamp,
    /// Paused since: whoever pauses a tenant may change its Secrets by hand.
    looked_on: bool,
}

impl Keyring {
    /// The keys of `tenant`, made or renewed where needed and allowed.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn keys(
        &self,
        planes: &Client,
        key: &TenantKey,
        tenant: &Tenant,
        access: Access,
        now: Timestamp,
    ) -> Result<Arc<Keys>, Error> {
        let inputs = LeafInputs::of(tenant);
        let secrets = Api::<Secret>::namespaced(planes.clone(), &tenant.plane_namespace);
        let mut existing = if matches!(access, Access::Write { newborn: true, .. }) {
            Secrets::new()
        } else {
            if let Some(keys) = self.current(key, &inputs, access, now) {
                return Ok(keys);
            }
            read(&secrets, tenant).await?
        };
        let found = self.fingerprints.of(&versions(&existing));
        if let Some(keys) = self.unchanged(key, &inputs, found, access, now) {
            return Ok(keys);
        }
        if let Access::Write { born, .. } = access {
            make_missing(&secrets, tenant, &mut existing, born, now).await?;
        }
        let authorities = Authorities::read(&existing)?;
        let plan = plan_leaves(tenant, &authorities, &existing, now)?;
        // What has to wait, or may be dated ahead of the clock, is looked into by the next reading.
        let unsettled =
            (access == Access::Read && !plan.to_write.is_empty()) || !authorities.are_valid_by(now);
        if access != Access::Read {
            write(&secrets, &plan.to_write, &mut existing).await?;
        }
        let signing_token = existing
            .get(SIGNING_TOKEN_SECRET)
            .and_then(read_signing_token)
            .ok_or(Error::TokenUnreadable)?;
        let identity = mint_manager_identity(&authorities, now)?;
        // Ends with the other one.
        let etcd_identity = mint_etcd_identity(&authorities, now)?;
        let next_due = plan.next_due.min(identity_due(&identity, now));
        let former = LeafSecret::former().filter_map(|one| existing.get(one.secret_name()));
        let former = former.cloned().collect();
        let first_expiry = first_expiry(&existing);
        let keys = Arc::new(Keys {
            authorities,
            signing_token,
            identity,
            etcd_identity,
            next_due,
            first_expiry,
            // The Secret of a tunnel of before may still be there.
            tunnel_certificate: tenant
                .tunnel_host()
                .and_then(|_| tunnel_certificate_digest(&existing)),
            handed_out: HandedOut::default(),
        });
        let known = Known {
            keys: Arc::clone(&keys),
            inputs,
            versions: self.fingerprints.of(&versions(&existing)).filter(|_| !unsettled),
            former,
            read: Instant::now(),
            as_of: now,
            looked_on: access == Access::Read,
        };
        self.lock().insert(key.clone(), known);
        Ok(keys)
    }

    /// Removes Secrets that no pod of the plane mounts any more. Not to be able to is no failure of anything.
    pub async fn drop_former(&self, planes: &Client, key: &TenantKey, tenant: &Tenant) {
        let former = self.lock().get(key).map(|known| known.former.clone()).unwrap_or_default();
        let secrets = Api::<Secret>::namespaced(planes.clone(), &tenant.plane_namespace);
        for secret in &former {
            if let Err(error) = kube_ops::delete(&secrets, secret).await {
                tracing::warn!(tenant = %key, %error, "cannot remove a Secret that nothing needs");
                return;
            }
        }
        if let Some(known) = self.lock().get_mut(key) {
            known.former.clear();
        }
    }

    /// The keys as they were last seen, whatever their age.
    #[must_use]
    pub fn last_seen(&self, key: &TenantKey) -> Option<Arc<Keys>> {
        self.lock().get(key).map(|known| Arc::clone(&known.keys))
    }

    /// When the Secrets are to be read again, whoever may have touched them.
    #[must_use]
    pub fn read_again(&self, key: &TenantKey, now: Timestamp) -> Option<Timestamp> {
        let left = READ_AGAIN.saturating_sub(self.lock().get(key)?.read.elapsed());
        now.checked_add(left).ok()
    }

    /// The tenant is gone.
    pub fn forget(&self, key: &TenantKey) {
        self.lock().remove(key);
    }

    fn current(
        &self,
        key: &TenantKey,
        inputs: &LeafInputs,
        access: Access,
        now: Timestamp,
    ) -> Option<Arc<Keys>> {
        let mut all = self.lock();
        let known = all.get_mut(key)?;
        known.looked_on |= access == Access::Read;
        let fresh = known.read.elapsed() < READ_AGAIN && now < known.keys.next_due;
        let trusted = access == Access::Read || !known.looked_on;
        (fresh && trusted && known.inputs == *inputs).then(|| Arc::clone(&known.keys))
    }

    /// What was read is what the keys were made from: they stay, and with them the connection that the manager has opened.
    fn unchanged(
        &self,
        key: &TenantKey,
        inputs: &LeafInputs,
        versions: Option<Fingerprint>,
        access: Access,
        now: Timestamp,
    ) -> Option<Arc<Keys>> {
        let mut all = self.lock();
        let known = all.get_mut(key).filter(|known| {
            let same = versions.is_some() && known.versions == versions;
            let serve = (known.as_of..known.keys.next_due).contains(&now);
            same && serve && known.inputs == *inputs
        })?;
        known.read = Instant::now();
        known.looked_on = access == Access::Read;
        known.keys.handed_out.forget();
        Some(Arc::clone(&known.keys))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TenantKey, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Half of its short life: a new one is minted long before the old one ends.
fn identity_due(identity: &Leaf, now: Timestamp) -> Timestamp {
    let left = identity.not_after().duration_since(now);
    now + left / 2
}
