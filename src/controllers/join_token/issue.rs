//! What is done with a token in each phase of its life: issued, expired, revoked.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Resource, ResourceExt};
use nagaya_api::{JoinToken, secret_keys};
use nagaya_pki::BootstrapToken;
use nagaya_render::join_token::{
    JoinInputs, bootstrap_token_secret_name, build_bootstrap_token_secret, build_join_secret,
    join_secret_name,
};

use super::{Context, Error, Found, Plane, plane_of};
use crate::kube_ops::{self, finalizer};

/// Held while the token may be in the tenant cluster.
const FINALIZER: &str = "nagaya.dev/join-token";

/// Makes the token usable; returns its ID. The Secret `NAME-join` is where the token is remembered: it is
/// written first, so that a crash in between never makes a second one.
pub(super) async fn issue(
    context: &Context,
    token: &JoinToken,
    plane: &Plane,
    expires: Timestamp,
) -> Result<String, Error> {
    finalizer::hold(&tokens_of(context, token), token, FINALIZER).await?;
    let secrets = secrets_of(context, token);
    let name = join_secret_name(&token.name_any());
    let live = kube_ops::get(&secrets, &name).await?;
    let bootstrap = match &live {
        // One without data was claimed by an older manager that ended before it wrote it.
        Some(secret) if is_owned(secret, token) && secret.data.is_some() => {
            read_token(secret).ok_or_else(|| Error::TokenUnreadable(name.clone()))?
        }
        _ => BootstrapToken::generate()?,
    };
    let inputs = JoinInputs {
        join_token: token,
        tenant: &plane.tenant,
        endpoint: &plane.endpoint,
        token: &bootstrap,
        ca_cert_hash: plane.keys.authorities.cluster.spki_hash(),
    };
    let secret = build_join_secret(&inputs, context.settings())?;
    kube_ops::apply_in_project(&secrets, live.as_ref(), &secret).await?;
    // Somebody deleted the Secret, perhaps because the token in it got known.
    let before = token.status.as_ref().and_then(|status| status.token_id.as_deref());
    if let Some(before) = before.filter(|before| *before != bootstrap.id()) {
        end_in_tenant(plane, before).await?;
    }
    let description = format!(
        "issued by Nagaya for JoinToken {}/{}",
        token.namespace().unwrap_or_default(),
        token.name_any()
    );
    let wanted = build_bootstrap_token_secret(&bootstrap, expires, &description);
    let in_tenant = Api::<Secret>::namespaced(plane.client.clone(), "kube-system");
    let there = kube_ops::get(&in_tenant, &wanted.name_any()).await?;
    kube_ops::take_over(&in_tenant, there.as_ref(), &wanted, &[]).await?;
    Ok(bootstrap.id().to_owned())
}

/// Takes the token away from the tenant and from the project. The object stays, and says so.
pub(super) async fn withdraw(context: &Context, token: &JoinToken) -> Result<(), Error> {
    // Held before anything is issued.
    if !finalizer::is_held(token, FINALIZER) {
        return Ok(());
    }
    let plane = match plane_of(context, token).await? {
        Found::Plane(_, plane) => Some(plane),
        // kube-controller-manager removes an expired token, and a cluster that is gone took it along.
        Found::NotYet | Found::NoCluster => None,
    };
    take_away(context, token, plane.as_deref()).await?;
    Ok(finalizer::release(&tokens_of(context, token), token, FINALIZER).await?)
}

/// The object is being deleted: the token goes first. Returns whether it is gone; a cluster that cannot be
/// asked now has to be asked again, until the token's own end.
pub(super) async fn revoke(
    context: &Context,
    token: &JoinToken,
    has_ended: bool,
) -> Result<bool, Error> {
    if !finalizer::is_held(token, FINALIZER) {
        return Ok(true);
    }
    let plane = match plane_of(context, token).await? {
        Found::Plane(_, plane) => Some(plane),
        Found::NotYet if !has_ended => return Ok(false),
        Found::NotYet | Found::NoCluster => None,
    };
    take_away(context, token, plane.as_deref()).await?;
    finalizer::release(&tokens_of(context, token), token, FINALIZER).await?;
    Ok(true)
}

/// From the tenant, if there is one to ask, then from the project.
async fn take_away(
    context: &Context,
    token: &JoinToken,
    plane: Option<&Plane>,
) -> Result<(), Error> {
    let secrets = secrets_of(context, token);
    let live = match kube_ops::get(&secrets, &join_secret_name(&token.name_any())).await {
        // The rights on Secrets end with the project, or with the operator's label on it. The Secret goes with
        // its owner then, and what it holds is worth nothing without the token.
        Err(error) if error.is_forbidden() && is_out_of_reach(context, token) => None,
        found => found?,
    };
    let live = live.filter(|secret| is_owned(secret, token));
    let id = live.as_ref().and_then(read_token).map(|bootstrap| bootstrap.id().to_owned());
    let id = id.or_else(|| token.status.as_ref().and_then(|status| status.token_id.clone()));
    if let (Some(plane), Some(id)) = (plane, id) {
        end_in_tenant(plane, &id).await?;
    }
    if let Some(live) = live {
        kube_ops::delete(&secrets, &live).await?;
    }
    Ok(())
}

/// That a credential is gone is seen, and not only answered. One that goes is refused already, whoever holds its Secret.
async fn end_in_tenant(plane: &Plane, token_id: &str) -> Result<(), Error> {
    let in_tenant = Api::<Secret>::namespaced(plane.client.clone(), "kube-system");
    let name = bootstrap_token_secret_name(token_id);
    let Some(there) = kube_ops::get(&in_tenant, &name).await? else { return Ok(()) };
    kube_ops::delete(&in_tenant, &there).await?;
    let left = kube_ops::get(&in_tenant, &name).await?;
    if left.is_some_and(|left| left.metadata.deletion_timestamp.is_none()) {
        let object = format!("Secret kube-system/{name}");
        return Err(kube_ops::Error::ObjectChanged { object }.into());
    }
    Ok(())
}

fn is_out_of_reach(context: &Context, token: &JoinToken) -> bool {
    let project = token.namespace().unwrap_or_default();
    token.meta().deletion_timestamp.is_some() || !context.caches.project_enabled(&project)
}

fn secrets_of(context: &Context, token: &JoinToken) -> Api<Secret> {
    let client = context.manager.clients.projects.clone();
    Api::namespaced(client, &token.namespace().unwrap_or_default())
}

fn tokens_of(context: &Context, token: &JoinToken) -> Api<JoinToken> {
    let client = context.manager.clients.projects.clone();
    Api::namespaced(client, &token.namespace().unwrap_or_default())
}

fn is_owned(secret: &Secret, token: &JoinToken) -> bool {
    let uid = token.uid().unwrap_or_default();
    secret.owner_references().iter().any(|owner| owner.uid == uid)
}

fn read_token(secret: &Secret) -> Option<BootstrapToken> {
    let bytes = &secret.data.as_ref()?.get(secret_keys::TOKEN)?.0;
    std::str::from_utf8(bytes).ok()?.parse().ok()
}
