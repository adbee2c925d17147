//! Writing what kubeadm and nodes read into the tenants: in order, only what differs, and without
//! looking at what nobody has touched since.

mod ledger;
mod objects;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt, stream};
use kube::Client;
use kube::api::{Api, DynamicObject};
use nagaya_render::content::ContentObjects;

pub(super) use ledger::{Ledger, Version};
use objects::TenantObject;
pub(super) use objects::{WATCHED_KINDS, id};

use super::TenantKey;
use crate::kube_ops::{self, Applied};

/// Objects of a group that are applied at once; streams of the tenant's one connection.
const AT_ONCE: usize = 16;

/// What was written into which tenant. Shared with the watches, which note foreign changes in it.
#[derive(Debug, Default)]
pub struct Contents {
    ledgers: Mutex<HashMap<TenantKey, Arc<Ledger>>>,
}

impl Contents {
    /// Applies everything, group after group, each group at once. In steady state nothing is called.
    ///
    /// # Errors
    /// The first error of the first group that failed; the groups after it were not tried.
    pub async fn apply(
        &self,
        tenant: &TenantKey,
        client: &Client,
        content: &ContentObjects,
    ) -> Result<(), kube_ops::Error> {
        let ledger = self.ledger(tenant);
        for group in objects::groups(content)? {
            let due = group.into_iter().filter(|object| ledger.is_due(&object.id, object.digest));
            stream::iter(due)
                .map(|object| apply_one(&ledger, client, object))
                .buffer_unordered(AT_ONCE)
                .try_collect::<()>()
                .await?;
        }
        Ok(())
    }

    /// The tenant is gone, or everything in it has to be looked at again.
    pub fn forget(&self, tenant: &TenantKey) {
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }

    pub(super) fn ledger(&self, tenant: &TenantKey) -> Arc<Ledger> {
        let mut ledgers = self.ledgers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(ledgers.entry(tenant.clone()).or_default())
    }
}

async fn apply_one(
    ledger: &Ledger,
    client: &Client,
    object: TenantObject,
) -> Result<(), kube_ops::Error> {
    let api: Api<DynamicObject> = match &object.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &object.resource),
        None => Api::all_with(client.clone(), &object.resource),
    };
    let live = api
        .get_metadata_opt(&object.name)
        .await
        .map_err(|source| kube_ops::Error::ApiCall {
            verb: "read",
            object: object.id.clone(),
            source: Box::new(source),
        })?
        .map(|live| DynamicObject {
            types: None,
            metadata: live.metadata,
            data: serde_json::Value::Null,
        });
    let applied = kube_ops::take_over(&api, live.as_ref(), &object.body, &object.yields).await?;
    let metadata = match (applied, live) {
        (Applied::Written(written), _) => written.metadata,
        (Applied::Unchanged, Some(live)) => live.metadata,
        // Nothing can be unchanged that does not exist.
        (Applied::Unchanged, None) => return Ok(()),
    };
    ledger.applied(object.id, object.digest, Version::of(&object.resource.kind, &metadata));
    Ok(())
}
