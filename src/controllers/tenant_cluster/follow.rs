//! The follow step: hands what the tenant now is to the tasks that talk to it. Nothing here waits.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use kube::Client;
use nagaya_api::TenantCluster;
use nagaya_render::content::{ContentInputs, build_content};
use nagaya_render::plane::names;
use nagaya_render::status::ContentState;
use nagaya_render::tenant::{Endpoint, Tenant, Way};
use nagaya_render::workloads::Workload;

use super::Error;
use super::apply::Progress;
use super::observe::Observed;
use crate::controllers::{Context, Plane};
use crate::keyring::Keys;
use crate::tenant::{ProbeTarget, SignerView, TenantIdentity, TenantKey, Wanted};

/// Tells prober, content keeper and watches about the tenant.
pub fn follow(
    context: &Context,
    raw: &TenantCluster,
    key: &TenantKey,
    progress: &Progress,
    observed: &Observed,
) -> Result<(), Error> {
    let Progress {
        tenant,
        versions,
        members: _,
        endpoint: Some(endpoint),
        api_server: Some(api_server),
        keys,
        stopped,
        next_snapshot: _,
        trouble: _,
    } = progress
    else {
        return Ok(());
    };
    // What nodes meet: on the way to another version it is still the one before.
    let tenant = &tenant.at(versions.content);
    let identity = identity(*api_server, keys);
    let client = context.connections.client(key, &identity)?;
    if *stopped {
        // What comes back is what was written long ago: all is looked at anew.
        context.watches.forget(key);
    }
    if raw.spec.paused || *stopped {
        context.content.forget(key);
    } else {
        keep_content(context, key, tenant, (endpoint, keys), &client)?;
    }
    if raw.spec.paused || context.content.state(key) == ContentState::Applied {
        context.watches.watch(key, &identity, &client);
    }
    let move_ = tenant.exposure.moves.former.clone().map(|former| (former, endpoint.authority()));
    context.watches.follow_move(key, move_);
    let plane = Plane {
        tenant: tenant.clone(),
        endpoint: endpoint.clone(),
        keys: Arc::clone(keys),
        client,
    };
    if let Some(address) = tenant.exposure.addresses.first() {
        context.prober.watch(probe_target(context, raw, key, *address, &plane, observed));
    }
    context.planes.put(key.clone(), plane);
    Ok(())
}

/// Of what the last pass has built it from, the same would come out: then nothing is built.
fn keep_content(
    context: &Context,
    key: &TenantKey,
    tenant: &Tenant,
    (endpoint, keys): (&Endpoint, &Arc<Keys>),
    client: &Client,
) -> Result<(), Error> {
    let drift = context.watches.drift(key);
    let is_same = context.planes.get(key).is_some_and(|last| {
        last.tenant == *tenant && last.endpoint == *endpoint && Arc::ptr_eq(&last.keys, keys)
    });
    if is_same && context.content.goes_on(key, client, drift) {
        return Ok(());
    }
    let build = {
        let manager = Arc::clone(&context.manager);
        let (tenant, endpoint, keys) = (tenant.clone(), endpoint.clone(), Arc::clone(keys));
        move || {
            let inputs = ContentInputs {
                endpoint: &endpoint,
                cluster_ca_bundle_pem: keys.authorities.cluster_ca_pem(),
                signing_token: &keys.signing_token,
            };
            build_content(&tenant, &manager.config.render, &inputs)
        }
    };
    let wanted = Wanted::new(client.clone(), &build()?, build, drift)?;
    context.content.keep(key, wanted);
    Ok(())
}

/// The manager towards the tenant's API server.
fn identity(api_server: IpAddr, keys: &Keys) -> TenantIdentity {
    TenantIdentity {
        address: SocketAddr::new(api_server, names::API_SERVER_PORT),
        server_name: names::API_SERVER.to_owned(),
        ca_pem: keys.authorities.cluster_ca_pem().to_owned(),
        cert_pem: keys.identity.cert_pem().to_owned(),
        key_pem: keys.identity.key_pem().to_owned(),
    }
}

fn probe_target(
    context: &Context,
    raw: &TenantCluster,
    key: &TenantKey,
    address: IpAddr,
    plane: &Plane,
    observed: &Observed,
) -> ProbeTarget {
    let Plane { tenant, endpoint, keys, client } = plane;
    ProbeTarget {
        tenant: key.clone(),
        address: SocketAddr::new(address, endpoint.port),
        through_gateway: matches!(tenant.exposure.way, Way::Gateway { .. }),
        suspect: tenant.exposure.suspect(),
        dial: Arc::clone(&context.manager.dial),
        endpoint: endpoint.clone(),
        cluster_ca_pem: keys.authorities.cluster_ca_pem().to_owned(),
        client_ca_pem: keys.authorities.client.cert_pem().to_owned(),
        version: tenant.version,
        signing_token: keys.signing_token.clone(),
        client: client.clone(),
        signer: SignerView {
            ready: observed.workloads.controller_manager.as_ref().is_some_and(Workload::serves),
            generation: observed.signer_generation.clone(),
        },
        api_servers: observed.api_servers.clone(),
        changes: context.watches.changes(key),
        established: raw.is_ready(),
    }
}
