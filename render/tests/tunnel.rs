//! The tunnel of a tenant behind the gateway: what its server, its agents and kube-apiserver have to agree on, and who has what.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod fixture;
mod tenant_objects;

use std::collections::{BTreeMap, BTreeSet};

use fixture::objects;
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec, Secret};
use nagaya_pki::CertificateInfo;
use nagaya_render::certificates::{
    Authorities, LeafPlan, build_authority_secret, missing_authorities, plan_leaves,
    tunnel_certificate_digest,
};
use nagaya_render::membership::EtcdShape;
use nagaya_render::minors::{MINORS, Minor};
use nagaya_render::plane::{PlaneObjects, build_foundation, build_plane};
use nagaya_render::settings::{ImageSource, Settings};
use nagaya_render::tenant::Tenant;
use nagaya_render::turns::template_revision;
use nagaya_render::upgrade::Versions;
use serde_json::{Value, json};

const HOST: &str = "konnectivity.demo.acme.k8s.example.com";
const SECRET: &str = "konnectivity-server-certs";

fn tenant() -> Tenant {
    fixture::tenant_behind_the_gateway()
}

fn plane(tenant: &Tenant) -> PlaneObjects {
    build_plane(tenant, &Versions::done(tenant), &EtcdShape::newborn(), &Settings::default())
}

fn template(plane: PlaneObjects) -> PodTemplateSpec {
    plane.api_server.spec.expect("a spec").template
}

fn containers(tenant: &Tenant) -> [Container; 2] {
    let template = template(plane(tenant));
    template.spec.expect("a pod").containers.try_into().expect("two containers")
}

fn flag(container: &Container, name: &str) -> Option<String> {
    let all = container.command.iter().flatten();
    all.filter_map(|word| word.strip_prefix(&format!("--{name}="))).map(str::to_owned).next()
}

fn content(tenant: &Tenant) -> Vec<Value> {
    tenant_objects::tenant_objects(tenant, &Settings::default(), "a CA")
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
    objects.iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name)
}

fn agent(tenant: &Tenant) -> Value {
    let objects = content(tenant);
    let set = named(&objects, "DaemonSet", "konnectivity-agent").expect("agents");
    set["spec"]["template"]["spec"].clone()
}

fn agent_flag(agent: &Value, name: &str) -> String {
    let command = agent["containers"][0]["command"].as_array().expect("a command");
    let mut all = command.iter().filter_map(Value::as_str);
    let found = all.find_map(|word| word.strip_prefix(&format!("--{name}=")));
    found.unwrap_or_else(|| panic!("no {name}")).to_owned()
}

#[test]
fn both_ends_meet_at_the_gateway_and_at_the_socket() {
    let [api_server, server] = containers(&tenant());
    let agent = agent(&tenant());
    assert_eq!(agent_flag(&agent, "proxy-server-host"), HOST);
    assert_eq!(agent_flag(&agent, "proxy-server-port"), "443");
    assert_eq!(agent["hostAliases"], json!([{"ip": "198.51.100.7", "hostnames": [HOST]}]));
    let service = json!(build_foundation(&tenant(), &EtcdShape::newborn()).tunnel);
    assert_eq!(service["metadata"]["annotations"]["nagaya.dev/gateway-hosts"], HOST);
    assert_eq!(service["metadata"]["labels"]["nagaya.dev/gateway"], "true");
    let port = flag(&server, "agent-port").expect("a port");
    assert_eq!(service["spec"]["ports"][0]["targetPort"].to_string(), port);
    let path = flag(&server, "uds-name").expect("a socket");
    let egress = plane(&tenant()).api_server_authentication.data.expect("files");
    let file = flag(&api_server, "egress-selector-config-file").expect("a file");
    let egress = &egress[file.rsplit('/').next().expect("a name")];
    assert!(egress.contains(&format!("udsName: {path}\n")), "{egress}");
    for container in [&api_server, &server] {
        let mounts = container.volume_mounts.as_ref().expect("mounts");
        assert!(mounts.iter().any(|mount| path.starts_with(&mount.mount_path)), "{mounts:?}");
    }
}

/// Names are upstream's, so that a tenant's own agents find what they expect.
#[test]
fn an_agent_is_known_by_a_token_for_the_tunnel_and_may_do_nothing_else() {
    let [_, server] = containers(&tenant());
    let objects = content(&tenant());
    let agent = agent(&tenant());
    let token = &agent["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"];
    let audience = flag(&server, "authentication-audience");
    assert_eq!(token["audience"].as_str(), audience.as_deref());
    assert_eq!(flag(&server, "agent-namespace").as_deref(), Some("kube-system"));
    assert_eq!(
        agent["serviceAccountName"].as_str(),
        flag(&server, "agent-service-account").as_deref()
    );
    assert_eq!(agent["automountServiceAccountToken"], false);
    let bound = objects.iter().filter(|one| {
        let subjects = one["subjects"].as_array().into_iter().flatten();
        subjects.into_iter().any(|subject| subject["name"] == "konnectivity-agent")
    });
    assert_eq!(bound.count(), 0, "an agent has no right in the cluster");
    let own = named(&objects, "ClusterRoleBinding", "system:konnectivity-server").expect("bound");
    assert_eq!(own["roleRef"]["name"], "system:auth-delegator");
    assert_eq!(own["subjects"][0]["name"], "system:konnectivity-server");
    assert!(flag(&server, "cluster-ca-cert").is_none(), "no certificate makes an agent");
}

#[test]
fn agents_run_where_nothing_else_does_yet() {
    let agent = agent(&tenant());
    assert_eq!(agent["hostNetwork"], true);
    assert_eq!(agent["tolerations"], json!([{"operator": "Exists"}]));
    assert_eq!(agent["priorityClassName"], "system-node-critical");
    assert_eq!(agent["securityContext"]["runAsNonRoot"], true);
    for flag in ["health-server-host", "admin-bind-address"] {
        assert_eq!(agent_flag(&agent, flag), "127.0.0.1", "the node's network is not the agent's");
    }
    // Upstream's server ends a connection that asks more often than every 30 s.
    for keepalive in [agent_flag(&agent, "keepalive-time"), {
        flag(&containers(&tenant())[1], "keepalive-time").expect("a time")
    }] {
        let seconds: u32 = keepalive.strip_suffix('s').unwrap().parse().unwrap();
        assert!((31..=60).contains(&seconds), "{keepalive}");
    }
}

#[test]
fn an_agent_meets_as_many_servers_as_there_are() {
    for replicas in [1, 3] {
        let tenant = Tenant { api_server_replicas: replicas, ..tenant() };
        let count = flag(&containers(&tenant)[1], "server-count");
        assert_eq!(count, Some(replicas.to_string()));
    }
}

#[test]
fn only_what_is_in_the_tenant_goes_through_it() {
    let egress = plane(&tenant()).api_server_authentication.data.expect("files");
    let egress: Value = serde_yaml_ng::from_str(&egress["egress.yaml"]).expect("YAML");
    let selections = egress["egressSelections"].as_array().expect("selections");
    let names: Vec<&Value> = selections.iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["cluster"]);
}

#[test]
fn each_container_has_what_it_needs_and_no_key_of_the_other() {
    let template = template(plane(&tenant()));
    let spec = template.spec.as_ref().expect("a pod");
    let secrets_of = |container: &Container| -> BTreeSet<String> {
        let mounts = container.volume_mounts.iter().flatten();
        let names: Vec<&str> = mounts.map(|mount| mount.name.as_str()).collect();
        let volumes = spec.volumes.iter().flatten();
        let volumes = volumes.filter(|volume| names.contains(&volume.name.as_str()));
        let sources = volumes.filter_map(|volume| volume.projected.as_ref());
        let sources = sources.flat_map(|projected| projected.sources.iter().flatten());
        sources.filter_map(|source| Some(source.secret.as_ref()?.name.clone())).collect()
    };
    let [api_server, server] = containers(&tenant());
    let own = BTreeSet::from([SECRET.to_owned(), "cluster-ca-1".to_owned()]);
    assert_eq!(secrets_of(&server), own);
    assert!(!secrets_of(&api_server).contains(SECRET));
    let mounted = objects::mounted_secrets(&template).into_iter();
    let keys: Vec<String> =
        mounted.filter(|(secret, ..)| *secret == "cluster-ca-1").map(|(_, key, _)| key).collect();
    assert_eq!(keys, ["tls.crt"], "the CA's certificate, and not its key");
    let security = server.security_context.expect("a security context");
    assert_eq!(security.allow_privilege_escalation, Some(false));
    assert_eq!(security.read_only_root_filesystem, Some(true));
    assert_eq!(security.capabilities.expect("capabilities").drop, Some(vec!["ALL".to_owned()]));
    assert_ne!(security.run_as_user, spec.security_context.as_ref().expect("one").run_as_user);
    assert!(
        server.readiness_probe.is_none(),
        "it is ready once there is an agent, which waits for that"
    );
}

#[test]
fn who_is_not_behind_the_gateway_has_none_of_it() {
    let tenant = fixture::newest_tenant();
    let everything = objects::all(&tenant, &Settings::default());
    let everything = json!([everything, content(&tenant)]).to_string();
    assert!(!everything.contains("konnectivity") && !everything.contains("egress"));
    assert!(!everything.contains("enable-aggregator-routing"));
}

#[test]
fn agents_that_are_not_managed_are_neither_written_nor_claimed_and_the_server_stays() {
    let unmanaged = Tenant { tunnel_agents: false, ..tenant() };
    let objects = content(&unmanaged);
    assert_eq!(named(&objects, "DaemonSet", "konnectivity-agent"), None);
    assert_eq!(named(&objects, "ServiceAccount", "konnectivity-agent"), None);
    assert!(named(&objects, "ClusterRoleBinding", "system:konnectivity-server").is_some());
    assert_eq!(plane(&unmanaged), plane(&tenant()), "nothing restarts");
}

#[test]
fn images_are_of_the_minor_and_come_from_the_operators_mirror() {
    let mirror = ImageSource {
        rewrite: [("registry.k8s.io".to_owned(), "mirror.example.com".to_owned())].into(),
        ..ImageSource::default()
    };
    let settings = Settings {
        control_plane_images: mirror.clone(),
        addon_images: mirror,
        ..Settings::default()
    };
    for minor in MINORS {
        let Minor { konnectivity, .. } = minor;
        let tenant = Tenant { exposure: tenant().exposure, ..fixture::tenant(minor) };
        let plane =
            build_plane(&tenant, &Versions::done(&tenant), &EtcdShape::newborn(), &settings);
        let server = template(plane).spec.expect("a pod").containers[1].image.clone();
        let folder = "mirror.example.com/kas-network-proxy";
        assert_eq!(server, Some(format!("{folder}/proxy-server:{konnectivity}")));
        let content = tenant_objects::tenant_objects(&tenant, &settings, "a CA");
        let set = named(&content, "DaemonSet", "konnectivity-agent").expect("agents");
        let agent = &set["spec"]["template"]["spec"]["containers"][0]["image"];
        assert_eq!(*agent, format!("{folder}/proxy-agent:{konnectivity}"));
    }
}

type Secrets = BTreeMap<String, Secret>;

fn by_name(secrets: impl IntoIterator<Item = Secret>) -> Secrets {
    let named = |secret: Secret| (secret.metadata.name.clone().expect("a name"), secret);
    secrets.into_iter().map(named).collect()
}

fn plan(tenant: &Tenant, authorities: &Secrets, existing: &Secrets) -> LeafPlan {
    let authorities = Authorities::read(authorities).expect("readable");
    plan_leaves(tenant, &authorities, existing, fixture::noon()).expect("a plan")
}

fn authorities() -> Secrets {
    by_name(missing_authorities(&Secrets::new()).into_iter().map(|authority| {
        build_authority_secret(&tenant(), authority, fixture::noon()).expect("made")
    }))
}

#[test]
fn its_server_shows_a_certificate_of_the_cluster_ca_for_its_own_name_and_asks_as_its_own_user() {
    let authorities = authorities();
    let made = by_name(plan(&tenant(), &authorities, &Secrets::new()).to_write);
    let data = made[SECRET].data.as_ref().expect("data");
    let text = |key: &str| String::from_utf8(data[key].0.clone()).expect("text");
    let serving = CertificateInfo::parse(&text("serving.crt")).expect("a certificate");
    let cluster = Authorities::read(&authorities).expect("readable");
    assert!(serving.signed_by(cluster.cluster_ca_pem()).expect("readable"));
    assert_eq!(serving.dns_names, BTreeSet::from([HOST.to_owned()]));
    let client = CertificateInfo::parse(&text("client.crt")).expect("a certificate");
    assert!(client.signed_by(cluster.client.cert_pem()).expect("readable"));
    assert_eq!(client.common_name, "system:konnectivity-server");
    assert!(text("kubeconfig").contains("server: https://localhost:6443"));
    let by_port = plan(&fixture::newest_tenant(), &authorities, &Secrets::new());
    assert!(!by_name(by_port.to_write).contains_key(SECRET));
    assert!(plan(&tenant(), &authorities, &made).to_write.is_empty(), "made once");
}

/// Each takes new pods of kube-apiserver.
#[test]
fn tenants_that_got_their_certificates_together_do_not_renew_them_together() {
    let authorities = authorities();
    let days = |uid: &str| {
        let tenant = Tenant { uid: uid.to_owned(), ..tenant() };
        let due = plan(&tenant, &authorities, &Secrets::new()).next_due;
        fixture::noon().duration_until(due).as_hours() / 24
    };
    let all: BTreeSet<i64> = (0..20).map(|number| days(&format!("uid-{number}"))).collect();
    assert!(all.len() > 10, "{all:?}");
    let (first, last) = (*all.first().expect("one"), *all.last().expect("one"));
    assert!(first >= 266 && last <= 292 && last - first > 15, "{all:?}");
}

/// Upstream reads it once.
#[test]
fn another_certificate_replaces_the_pods_and_is_no_other_template() {
    let secret = |text: &str| -> Secrets {
        let data = json!({"metadata": {"name": SECRET}, "data": {"serving.crt": text}});
        by_name([serde_json::from_value(data).expect("a Secret")])
    };
    let first = tunnel_certificate_digest(&secret("Zmlyc3Q=")).expect("a digest");
    let second = tunnel_certificate_digest(&secret("c2Vjb25k")).expect("a digest");
    assert_ne!(first, second);
    let with = |digest: &str| template(plane(&tenant()).with_tunnel_certificate(Some(digest)));
    assert_ne!(with(&first), with(&second));
    assert_eq!(template_revision(&with(&first)), template_revision(&with(&second)));
    assert_eq!(tunnel_certificate_digest(&Secrets::new()), None);
    assert_eq!(plane(&tenant()).with_tunnel_certificate(None), plane(&tenant()));
}
