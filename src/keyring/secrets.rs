//! Where the keys of a tenant are kept: Secrets of its control-plane namespace, read by name, made where missing.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use nagaya_pki::BootstrapToken;
use nagaya_render::certificates::{
    Authority, LeafSecret, build_authority_secret, missing_authorities,
};
use nagaya_render::signing_token::{SIGNING_TOKEN_SECRET, build_signing_token_secret};
use nagaya_render::tenant::Tenant;

use super::Error;
use crate::kube_ops::{self, Applied, apply, create_once};

/// Secrets by name.
pub(super) type Secrets = BTreeMap<String, Secret>;

/// Each with its uid and resourceVersion: what is the same in all is the same.
pub(super) fn versions(secrets: &Secrets) -> Vec<[Option<&str>; 3]> {
    secrets
        .values()
        .map(|secret| {
            let metadata = &secret.metadata;
            [&metadata.name, &metadata.uid, &metadata.resource_version].map(Option::as_deref)
        })
        .collect()
}

pub(super) async fn read(secrets: &Api<Secret>, tenant: &Tenant) -> Result<Secrets, Error> {
    let names = Authority::all()
        .map(Authority::secret_name)
        .chain(LeafSecret::of(tenant).map(LeafSecret::secret_name))
        .chain([SIGNING_TOKEN_SECRET, LeafSecret::LAST_FORMER.secret_name()]);
    let mut existing = read_all(secrets, names).await?;
    if existing.contains_key(LeafSecret::LAST_FORMER.secret_name()) {
        let former = LeafSecret::former().map(LeafSecret::secret_name);
        existing.append(&mut read_all(secrets, former).await?);
    }
    Ok(existing)
}

async fn read_all(
    secrets: &Api<Secret>,
    names: impl Iterator<Item = &'static str>,
) -> Result<Secrets, Error> {
    let found = try_join_all(names.map(|name| kube_ops::get(secrets, name))).await?;
    Ok(by_name(found.into_iter().flatten()).collect())
}

fn by_name(secrets: impl IntoIterator<Item = Secret>) -> impl Iterator<Item = (String, Secret)> {
    secrets.into_iter().filter_map(|secret| Some((secret.metadata.name.clone()?, secret)))
}

/// Makes them as `wanted`; `existing` has them then as they were written.
pub(super) async fn write(
    secrets: &Api<Secret>,
    wanted: &[Secret],
    existing: &mut Secrets,
) -> Result<(), Error> {
    let applied = try_join_all(wanted.iter().map(|leaf| {
        let live = leaf.metadata.name.as_ref().and_then(|name| existing.get(name));
        apply(secrets, live, leaf)
    }))
    .await?;
    existing.extend(by_name(applied.into_iter().filter_map(|applied| match applied {
        Applied::Written(written) => Some(written),
        Applied::Unchanged => None,
    })));
    Ok(())
}

pub(super) async fn make_missing(
    secrets: &Api<Secret>,
    tenant: &Tenant,
    existing: &mut Secrets,
    born: bool,
    now: Timestamp,
) -> Result<(), Error> {
    let missing = missing_authorities(existing);
    if born && !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|authority| authority.secret_name()).collect();
        return Err(Error::KeysLost {
            missing: names.join(", "),
            namespace: tenant.plane_namespace.clone(),
        });
    }
    let mut to_make = missing
        .into_iter()
        .map(|authority| build_authority_secret(tenant, authority, now))
        .collect::<Result<Vec<_>, _>>()?;
    if !existing.contains_key(SIGNING_TOKEN_SECRET) {
        to_make.push(build_signing_token_secret(tenant, &BootstrapToken::generate()?));
    }
    let made = try_join_all(to_make.iter().map(|secret| create_once(secrets, secret))).await?;
    existing.extend(by_name(made.into_iter().map(kube_ops::Created::into_inner)));
    Ok(())
}
