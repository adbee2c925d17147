//! The plan of a control plane's certificates: what is made, what is kept, what is replaced.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod fixture;

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use nagaya_pki::CertificateInfo;
use nagaya_render::certificates::{
    AdminKubeconfig, Authorities, Authority, CertificateError, LeafPlan, build_admin_kubeconfig,
    build_authority_secret, mint_manager_identity, missing_authorities, plan_admin_kubeconfig,
    plan_leaves,
};
use nagaya_render::content::admin_user_name;
use nagaya_render::tenant::Tenant;

type Secrets = BTreeMap<String, Secret>;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn by_name(secrets: impl IntoIterator<Item = Secret>) -> Secrets {
    secrets
        .into_iter()
        .map(|secret| (secret.metadata.name.clone().expect("a name"), secret))
        .collect()
}

fn make_authorities(tenant: &Tenant) -> Secrets {
    by_name(
        missing_authorities(&Secrets::new()).into_iter().map(|authority| {
            build_authority_secret(tenant, authority, fixture::noon()).expect("made")
        }),
    )
}

fn plan(tenant: &Tenant, authorities: &Secrets, existing: &Secrets, now: Timestamp) -> LeafPlan {
    let authorities = Authorities::read(authorities).expect("readable");
    plan_leaves(tenant, &authorities, existing, now).expect("a plan")
}

fn written(plan: &LeafPlan) -> Vec<&str> {
    plan.to_write.iter().filter_map(|secret| secret.metadata.name.as_deref()).collect()
}

fn text(secret: &Secret, key: &str) -> String {
    let data = secret.data.as_ref().expect("data");
    String::from_utf8(data[key].0.clone()).expect("text")
}

/// A tenant with all its Secrets.
fn made() -> (Tenant, Secrets, Secrets) {
    let tenant = fixture::newest_tenant();
    let authorities = make_authorities(&tenant);
    let leaves = by_name(plan(&tenant, &authorities, &Secrets::new(), fixture::noon()).to_write);
    (tenant, authorities, leaves)
}

fn leaf(secret: &Secret, pair: &str) -> serde_json::Value {
    let info = CertificateInfo::parse(&text(secret, &format!("{pair}.crt"))).expect("readable");
    serde_json::json!({
        "issuer": info.issuer_common_name,
        "commonName": info.common_name,
        "organizations": info.organizations,
        "usage": format!("{:?}", info.usage),
        "dnsNames": info.dns_names,
        "ipAddresses": info.ip_addresses,
        "notBefore": info.not_before.to_string(),
        "notAfter": info.not_after.to_string(),
    })
}

#[test]
fn every_leaf_is_as_reviewed() {
    let (tenant, authorities, leaves) = made();
    let summary: BTreeMap<&str, serde_json::Value> = leaves
        .iter()
        .map(|(name, secret)| {
            let data = secret.data.as_ref().expect("data");
            let certificates = data.keys().filter_map(|key| key.strip_suffix(".crt"));
            let leaves = certificates.filter(|pair| data.contains_key(&format!("{pair}.key")));
            let summary = serde_json::json!({
                "type": secret.type_,
                "keys": data.keys().collect::<Vec<_>>(),
                "leaves": leaves.map(|pair| (pair, leaf(secret, pair))).collect::<BTreeMap<_, _>>(),
                "kubeconfig": data.get("kubeconfig").map(|_| text(secret, "kubeconfig")),
            });
            (name.as_str(), summary)
        })
        .collect();
    insta::with_settings!({
        snapshot_path => "snapshots/plane",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_yaml_snapshot!("leaf-certificates", summary);
    });
    assert_eq!(
        tenant.plane_namespace,
        leaves["etcd-certs"].metadata.namespace.clone().expect("one")
    );
    for secret in authorities.values() {
        assert_eq!(secret.immutable, Some(true));
    }
}

#[test]
fn a_second_pass_writes_nothing() {
    let (tenant, authorities, leaves) = made();
    assert_eq!(missing_authorities(&authorities), []);
    let second = plan(&tenant, &authorities, &leaves, fixture::noon() + DAY);
    assert_eq!(written(&second), Vec::<&str>::new());
}

#[test]
fn leaves_are_replaced_when_80_percent_of_their_life_are_over() {
    let (tenant, authorities, leaves) = made();
    let due = plan(&tenant, &authorities, &leaves, fixture::noon()).next_due;
    let days = fixture::noon().duration_until(due).as_hours() / 24;
    assert!((291..=292).contains(&days), "{days}");
    let second = SignedDuration::from_secs(1);
    assert_eq!(written(&plan(&tenant, &authorities, &leaves, due - second)).len(), 0);
    let renewed = plan(&tenant, &authorities, &leaves, due);
    assert_eq!(renewed.to_write.len(), leaves.len());
    assert!(renewed.next_due > due + 290 * DAY);
}

/// Keys whose value differs from before.
fn changed<'a>(before: &Secrets, secret: &'a Secret) -> Vec<&'a str> {
    let before = before[secret.metadata.name.as_ref().expect("a name")].data.as_ref();
    let data = secret.data.iter().flatten();
    let differs = data.filter(|(key, value)| before.and_then(|data| data.get(*key)) != Some(value));
    differs.map(|(key, _)| key.as_str()).collect()
}

#[test]
fn leaves_that_a_clock_ahead_has_dated_are_replaced_when_the_clock_is_right_again() {
    let (tenant, authorities, leaves) = made();
    let ahead = plan(&tenant, &authorities, &BTreeMap::new(), fixture::noon() + DAY);
    let from_tomorrow = by_name(ahead.to_write);
    assert_eq!(from_tomorrow.len(), leaves.len());
    let again = plan(&tenant, &authorities, &from_tomorrow, fixture::noon());
    assert_eq!(again.to_write.len(), leaves.len());
    let second = plan(&tenant, &authorities, &by_name(again.to_write), fixture::noon());
    assert_eq!(written(&second), Vec::<&str>::new());
}

#[test]
fn a_clock_that_is_behind_the_authorities_replaces_nothing() {
    let (tenant, authorities, leaves) = made();
    let behind = plan(&tenant, &authorities, &leaves, fixture::noon() - DAY);
    assert_eq!(written(&behind), Vec::<&str>::new());
}

#[test]
fn another_endpoint_reissues_only_the_serving_certificate() {
    let (mut tenant, authorities, leaves) = made();
    tenant.exposure.extra_names.push("api.example.com".to_owned());
    let second = plan(&tenant, &authorities, &leaves, fixture::noon());
    assert_eq!(written(&second), ["kube-apiserver-certs"]);
    assert_eq!(changed(&leaves, &second.to_write[0]), ["apiserver.crt", "apiserver.key"]);
    let served = text(&second.to_write[0], "apiserver.crt");
    let info = CertificateInfo::parse(&served).expect("readable");
    assert!(info.dns_names.contains("api.example.com"));
}

#[test]
fn an_endpoint_with_a_name_is_served_under_that_name() {
    let (mut tenant, authorities, leaves) = made();
    tenant.exposure.host = Some("demo.acme.clouds.example".to_owned());
    let second = plan(&tenant, &authorities, &leaves, fixture::noon());
    assert_eq!(written(&second), ["kube-apiserver-certs"]);
    assert_eq!(changed(&leaves, &second.to_write[0]), ["apiserver.crt", "apiserver.key"]);
    let served = text(&second.to_write[0], "apiserver.crt");
    let info = CertificateInfo::parse(&served).expect("readable");
    assert!(info.dns_names.contains("demo.acme.clouds.example"), "{:?}", info.dns_names);
    assert!(info.ip_addresses.contains(&tenant.exposure.addresses[0]), "{:?}", info.ip_addresses);
}

#[test]
fn both_endpoints_of_a_cluster_that_moves_are_in_the_certificate() {
    let (_, authorities, leaves) = made();
    let tenant = fixture::tenant_that_moved_to_the_gateway();
    let second = plan(&tenant, &authorities, &leaves, fixture::noon());
    let served = text(&second.to_write[0], "apiserver.crt");
    let info = CertificateInfo::parse(&served).expect("readable");
    for name in ["demo.acme.k8s.example.com", "demo.acme.clouds.example", "old.demo.example"] {
        assert!(info.dns_names.contains(name), "{name}: {:?}", info.dns_names);
    }
    for address in ["198.51.100.7", "172.30.0.1"] {
        assert!(info.ip_addresses.contains(&address.parse().expect("an address")), "{address}");
    }
}

#[test]
fn growing_etcd_reissues_nothing() {
    let (mut tenant, authorities, leaves) = made();
    tenant.etcd.replicas = 5;
    assert_eq!(plan(&tenant, &authorities, &leaves, fixture::noon()).to_write.len(), 0);
}

#[test]
fn a_leaf_that_is_garbage_or_of_another_key_or_ca_is_replaced() {
    let (tenant, authorities, leaves) = made();
    let replaced = |leaves: &Secrets| -> Vec<String> {
        let second = plan(&tenant, &authorities, leaves, fixture::noon());
        written(&second).into_iter().map(str::to_owned).collect()
    };
    let mut garbage = leaves.clone();
    set(&mut garbage, "etcd-certs", "peer.crt", "garbage");
    assert_eq!(replaced(&garbage), ["etcd-certs"]);
    let second = plan(&tenant, &authorities, &garbage, fixture::noon());
    assert_eq!(changed(&leaves, &second.to_write[0]), ["peer.crt", "peer.key"], "no other leaf");

    let mut foreign_key = leaves.clone();
    set(&mut foreign_key, "etcd-certs", "peer.key", &text(&leaves["etcd-certs"], "server.key"));
    assert_eq!(replaced(&foreign_key), ["etcd-certs"]);

    let mut changed_kubeconfig = leaves.clone();
    set(&mut changed_kubeconfig, "kube-scheduler-certs", "kubeconfig", "elsewhere");
    assert_eq!(replaced(&changed_kubeconfig), ["kube-scheduler-certs"]);

    let others = by_name(
        plan(&tenant, &make_authorities(&tenant), &Secrets::new(), fixture::noon()).to_write,
    );
    assert_eq!(replaced(&others).len(), leaves.len());
}

/// A leaf in a Secret of its own, as planes were born with before.
fn former(name: &str, from: &Secret, pair: &str) -> Secret {
    let mut secret = from.clone();
    secret.metadata.name = Some(name.to_owned());
    secret.type_ = Some("kubernetes.io/tls".to_owned());
    let value = |end: &str| ByteString(text(from, &format!("{pair}.{end}")).into_bytes());
    secret.data = Some(["crt", "key"].map(|end| (format!("tls.{end}"), value(end))).into());
    secret
}

#[test]
fn a_former_secret_is_renewed_while_it_is_there_and_never_made() {
    let (tenant, authorities, leaves) = made();
    let mut existing = leaves.clone();
    let peer = former("etcd-peer", &leaves["etcd-certs"], "peer");
    existing.extend(by_name([peer.clone()]));
    let first = plan(&tenant, &authorities, &existing, fixture::noon());
    assert_eq!(first.to_write.iter().filter(|one| one.data != peer.data).count(), 0);
    existing.extend(by_name(first.to_write));
    let renewed = plan(&tenant, &authorities, &existing, first.next_due);
    assert_eq!(renewed.to_write.len(), leaves.len() + 1);
    let again = renewed.to_write.iter().find(|one| one.metadata.name == peer.metadata.name);
    assert_eq!(changed(&existing, again.expect("written")), ["tls.crt", "tls.key"]);
}

fn set(secrets: &mut Secrets, name: &str, key: &str, value: &str) {
    let data = secrets.get_mut(name).and_then(|secret| secret.data.as_mut()).expect("the Secret");
    data.insert(key.to_owned(), ByteString(value.as_bytes().to_vec()));
}

#[test]
fn adopting_a_plane_keeps_every_certificate_and_moves_only_labels() {
    let (mut tenant, authorities, leaves) = made();
    tenant.uid = "another".to_owned();
    assert_eq!(missing_authorities(&authorities), []);
    let second = plan(&tenant, &authorities, &leaves, fixture::noon());
    assert_eq!(second.to_write.len(), leaves.len());
    for secret in &second.to_write {
        let name = secret.metadata.name.as_ref().expect("a name");
        assert_eq!(secret.data, leaves[name].data, "{name}");
        assert_ne!(secret.metadata.labels, leaves[name].metadata.labels, "{name}");
    }
}

#[test]
fn an_unusable_ca_is_an_error_that_names_its_secret_and_is_never_replaced() {
    let (_, authorities, _) = made();
    let error = |secrets: &Secrets| Authorities::read(secrets).expect_err("refused").to_string();

    let mut garbage = authorities.clone();
    set(&mut garbage, "client-ca-1", "tls.crt", "garbage");
    assert!(error(&garbage).contains("client-ca-1"), "{}", error(&garbage));
    assert_eq!(missing_authorities(&garbage), []);

    let mut foreign = authorities.clone();
    set(&mut foreign, "service-account-1", "sa.pub", "another key");
    assert!(error(&foreign).contains("service-account-1"), "{}", error(&foreign));

    let mut absent = authorities;
    absent.remove("etcd-ca-1");
    assert_eq!(missing_authorities(&absent), [Authority::Etcd]);
    assert!(matches!(
        Authorities::read(&absent),
        Err(CertificateError::AuthorityMissing { secret: "etcd-ca-1" })
    ));
}

#[test]
fn the_managers_identity_lasts_a_day() {
    let (_, authorities, _) = made();
    let authorities = Authorities::read(&authorities).expect("readable");
    let leaf = mint_manager_identity(&authorities, fixture::noon()).expect("minted");
    let info = CertificateInfo::parse(leaf.cert_pem()).expect("readable");
    assert!(info.signed_by(authorities.client.cert_pem()).expect("readable"));
    assert_eq!(info.organizations, ["system:masters"]);
    assert_eq!(info.not_after, fixture::noon() + DAY);
}

#[test]
fn the_administrator_is_a_user_without_a_group_whose_rights_can_be_taken_away() {
    let (tenant, authorities, _) = made();
    let authorities = Authorities::read(&authorities).expect("readable");
    let endpoint = tenant.endpoint().expect("a port");
    let made = build_admin_kubeconfig(&tenant, &endpoint, &authorities, fixture::noon());
    let kubeconfig: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(&text(&made.expect("made"), "value")).expect("YAML");
    let encoded = kubeconfig["users"][0]["user"]["client-certificate-data"].as_str();
    let pem = STANDARD.decode(encoded.expect("a certificate")).expect("base64");
    let info = CertificateInfo::parse(&String::from_utf8(pem).expect("PEM")).expect("readable");
    assert_eq!(info.common_name, admin_user_name(&tenant));
    assert_eq!(info.organizations, [""; 0]);
}

#[test]
fn the_admin_kubeconfig_is_kept_while_it_says_what_a_new_one_would() {
    let (mut tenant, authorities, _) = made();
    let authorities = Authorities::read(&authorities).expect("readable");
    let decide = |tenant: &Tenant, existing: Option<&Secret>, now| {
        let endpoint = tenant.endpoint().expect("a port");
        plan_admin_kubeconfig(tenant, &endpoint, &authorities, existing, now).expect("a plan")
    };
    let AdminKubeconfig::Write(secret) = decide(&tenant, None, fixture::noon()) else {
        panic!("nothing was written");
    };
    let kubeconfig = text(&secret, "value");
    assert!(kubeconfig.contains("https://172.30.0.1:30443"));
    assert!(kubeconfig.contains(&admin_user_name(&tenant)));

    let AdminKubeconfig::Current { due } = decide(&tenant, Some(&secret), fixture::noon()) else {
        panic!("written again");
    };
    assert!(matches!(decide(&tenant, Some(&secret), due), AdminKubeconfig::Write(_)));

    let mut foreign = (*secret).clone();
    foreign.metadata.owner_references = None;
    assert!(matches!(decide(&tenant, Some(&foreign), fixture::noon()), AdminKubeconfig::Foreign));

    tenant.exposure.port = Some(30_444);
    assert!(matches!(decide(&tenant, Some(&secret), fixture::noon()), AdminKubeconfig::Write(_)));
}
