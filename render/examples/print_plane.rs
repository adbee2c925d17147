//! Prints every object of one control plane as a JSON List for `kubectl apply`, certificates included: what
//! remains of Nagaya without Nagaya, which is the floor that `make bench` measures.
//!
//! `cargo run -p nagaya-render --example print_plane -- NAME VERSION HOST PORT MANAGER_IMAGE`

use std::collections::BTreeMap;
use std::error::Error;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use nagaya_render::certificates::{Authorities, Authority, build_authority_secret, plan_leaves};
use nagaya_render::membership::EtcdShape;
use nagaya_render::minors::{KubernetesVersion, Minor};
use nagaya_render::moves::Moves;
use nagaya_render::plane::{
    Foundation, PlaneObjects, build_etcd_state, build_foundation, build_plane, plane_namespace_name,
};
use nagaya_render::settings::Settings;
use nagaya_render::snapshots::Snapshots;
use nagaya_render::tenant::{EtcdMembers, Exposure, Tenant, Way};
use nagaya_render::turns::Templates;
use nagaya_render::upgrade::Versions;
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, version, host, port, manager_image] = arguments.as_slice() else {
        return Err("usage: print_plane NAME VERSION HOST PORT MANAGER_IMAGE".into());
    };
    let tenant = tenant(name, version, host, port.parse()?, manager_image)?;
    let settings = Settings::default();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects(&tenant, &settings)?});
    println!("{list}");
    Ok(())
}

fn tenant(
    name: &str,
    version: &str,
    host: &str,
    port: u16,
    wait_image: &str,
) -> Result<Tenant, Box<dyn Error>> {
    let version: KubernetesVersion = version.parse().map_err(|()| "VERSION is not like v1.37.1")?;
    let project = "bench";
    Ok(Tenant {
        name: name.to_owned(),
        namespace: project.to_owned(),
        spec: serde_json::from_value(json!({ "version": version.to_string() }))?,
        uid: "00000000-0000-0000-0000-000000000000".to_owned(),
        plane_namespace: plane_namespace_name(project, name),
        version,
        minor: Minor::find(version.minor)
            .ok_or("VERSION is of a minor that Nagaya does not run")?,
        pod_cidrs: vec!["10.244.0.0/16".parse()?],
        service_cidrs: vec!["10.96.0.0/12".parse()?],
        cluster_domain: "cluster.local".to_owned(),
        exposure: Exposure {
            host: Some(host.to_owned()),
            addresses: vec![host.parse()?],
            port: Some(port),
            way: Way::NodePort,
            extra_names: Vec::new(),
            moves: Moves::default(),
        },
        wait_image: wait_image.to_owned(),
        upgrading_from: None,
        api_server_replicas: 1,
        etcd: EtcdMembers {
            replicas: 1,
            storage_class: None,
            storage_size: "2Gi".to_owned(),
            quota: 1 << 30,
        },
        snapshots: Snapshots::asked_for(&nagaya_api::Snapshots::default()),
        kubelet_patch: None,
        kube_proxy: None,
        core_dns: None,
        forwarder: None,
        tunnel_agents: false,
        templates: Templates::default(),
        cut_off_since: None,
    })
}

/// In an order in which each finds what it needs.
fn objects(tenant: &Tenant, settings: &Settings) -> Result<Vec<Value>, Box<dyn Error>> {
    let Foundation {
        namespace,
        role_binding,
        etcd,
        etcd_client,
        api_server,
        api_server_public,
        api_server_other,
        tunnel,
    } = build_foundation(tenant, &EtcdShape::newborn());
    let mut objects = vec![json!(namespace), json!(role_binding)];
    objects
        .extend([etcd, etcd_client, api_server, api_server_public].map(|service| json!(service)));
    objects.extend([api_server_other, tunnel].into_iter().flatten().map(|service| json!(service)));
    objects.extend(secrets(tenant)?.iter().map(|secret| json!(secret)));
    objects.push(json!(build_etcd_state(tenant, false, &EtcdShape::newborn())));
    let PlaneObjects {
        etcd,
        api_server_authentication,
        api_server,
        controller_manager,
        scheduler,
        etcd_budget,
        api_server_budget,
    } = build_plane(tenant, &Versions::done(tenant), &EtcdShape::newborn(), settings);
    objects.extend([json!(api_server_authentication), json!(etcd), json!(api_server)]);
    objects.extend([json!(controller_manager), json!(scheduler)]);
    objects.extend([etcd_budget, api_server_budget].into_iter().flatten().map(|one| json!(one)));
    Ok(objects)
}

#[allow(clippy::disallowed_methods, reason = "a program has a clock, what it calls has none")]
fn secrets(tenant: &Tenant) -> Result<Vec<Secret>, Box<dyn Error>> {
    let now = Timestamp::now();
    let mut made = BTreeMap::new();
    for authority in Authority::all() {
        let secret = build_authority_secret(tenant, authority, now)?;
        made.insert(authority.secret_name().to_owned(), secret);
    }
    let leaves = plan_leaves(tenant, &Authorities::read(&made)?, &BTreeMap::new(), now)?;
    Ok(made.into_values().chain(leaves.to_write).collect())
}
