//! Hands out the administrator's kubeconfig, and reads it again only when the keys are.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use nagaya_render::certificates::{AdminKubeconfig, admin_secret_name, plan_admin_kubeconfig};
use nagaya_render::tenant::{Endpoint, Tenant};

use super::Error;
use crate::controllers::Context;
use crate::keyring::Keys;
use crate::kube_ops::{self, Fingerprint};

/// That it was found to serve, until the keys are read again.
#[derive(Default)]
pub struct HandedOut(Mutex<Option<Serves>>);

/// For whom, and from when until when it does.
#[derive(Clone, Copy)]
struct Serves {
    what: Fingerprint,
    since: Timestamp,
    until: Timestamp,
}

impl HandedOut {
    fn serves(&self, what: Option<Fingerprint>, now: Timestamp) -> bool {
        self.lock().is_some_and(|known| {
            Some(known.what) == what && (known.since..known.until).contains(&now)
        })
    }

    /// It is looked at anew.
    pub fn forget(&self) {
        self.lock().take();
    }

    fn note(&self, what: Option<Fingerprint>, since: Timestamp, until: Timestamp) {
        *self.lock() = what.map(|what| Serves { what, since, until });
    }

    fn lock(&self) -> MutexGuard<'_, Option<Serves>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes it as it should be.
pub async fn hand_out_kubeconfig(
    context: &Context,
    tenant: &Tenant,
    endpoint: &Endpoint,
    keys: &Keys,
    now: Timestamp,
) -> Result<(), Error> {
    let what = (endpoint.authority(), &tenant.name, &tenant.uid, &tenant.namespace);
    let what = context.fingerprints.of(&what);
    if keys.handed_out.serves(what, now) {
        return Ok(());
    }
    let clients = &context.manager.clients;
    let secrets = Api::<Secret>::namespaced(clients.projects.clone(), &tenant.namespace);
    let name = admin_secret_name(&tenant.name);
    let live = kube_ops::get(&secrets, &name).await?;
    match plan_admin_kubeconfig(tenant, endpoint, &keys.authorities, live.as_ref(), now)? {
        AdminKubeconfig::Current { due } => {
            // By a clock that is behind its CA nothing is known of later.
            if now >= keys.authorities.client.not_before() {
                keys.handed_out.note(what, now, due);
            }
            Ok(())
        }
        AdminKubeconfig::Foreign => {
            Err(Error::KubeconfigForeign { namespace: tenant.namespace.clone(), name })
        }
        AdminKubeconfig::Write(secret) => {
            kube_ops::apply_in_project(&secrets, live.as_ref(), secret.as_ref()).await?;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube_ops::Fingerprints;

    #[test]
    fn what_serves_is_read_again_for_another_outside_of_its_time_and_when_told() {
        let fingerprints = Fingerprints::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let (one, other) = (fingerprints.of(&"one"), fingerprints.of(&"other"));
        let handed_out = HandedOut::default();
        assert!(!handed_out.serves(one, at(5)));
        handed_out.note(one, at(5), at(9));
        assert!(handed_out.serves(one, at(5)) && handed_out.serves(one, at(8)));
        assert!(!handed_out.serves(other, at(5)));
        assert!(!handed_out.serves(one, at(4)) && !handed_out.serves(one, at(9)));
        handed_out.forget();
        assert!(!handed_out.serves(one, at(5)));
    }
}
