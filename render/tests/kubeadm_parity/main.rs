//! Compares what Nagaya writes into a tenant cluster with what the real kubeadm of the same minor writes
//! into a cluster of the same shape. Every difference must be in `differences.yaml`, with its reason, and
//! every entry there must still be a difference.
//!
//! Needs each minor's kubeadm: `KUBEADM_1_35=/path/to/kubeadm`, and so on.

// A test fails by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod allowed;
mod compare;
#[path = "../fixture/mod.rs"]
mod fixture;
mod kubeadm;
mod scenarios;
#[path = "../tenant_objects/mod.rs"]
mod tenant_objects;

use std::collections::BTreeSet;

use jiff::Timestamp;
use nagaya_render::join_token::build_bootstrap_token_secret;
use nagaya_render::minors::Minor;
use nagaya_render::settings::Settings;
use serde_json::{Value, json};

use allowed::Allowed;
use kubeadm::Kubeadm;
use scenarios::Scenario;

#[test]
fn a_tenant_of_1_35_holds_what_kubeadm_1_35_writes() {
    check_minor(35);
}

#[test]
fn a_tenant_of_1_36_holds_what_kubeadm_1_36_writes() {
    check_minor(36);
}

#[test]
fn a_tenant_of_1_37_holds_what_kubeadm_1_37_writes() {
    check_minor(37);
}

fn check_minor(minor: u16) {
    let minor = Minor::find(minor).unwrap();
    let kubeadm = Kubeadm::of(minor.minor);
    let allowed: Vec<Allowed> =
        allowed::read().into_iter().filter(|entry| entry.applies_to(minor.minor)).collect();
    let mut used = BTreeSet::new();
    let mut unexplained = Vec::new();
    for scenario in scenarios::all(minor) {
        let theirs = kubeadm.writes(&scenario);
        let ours = nagaya_writes(&scenario, kubeadm::token_expiration(&theirs));
        for difference in compare::differences(&theirs, &ours) {
            match allowed.iter().position(|entry| entry.explains(&difference)) {
                Some(index) => {
                    used.insert(index);
                }
                None => unexplained.push(format!("{}: {difference}", scenario.name)),
            }
        }
    }
    assert!(
        unexplained.is_empty(),
        "Nagaya and kubeadm 1.{} differ; make them agree, or say why not in differences.yaml:\n{}",
        minor.minor,
        unexplained.join("\n")
    );
    let unused: Vec<&Allowed> = (0..allowed.len())
        .filter(|index| !used.contains(index))
        .map(|index| &allowed[index])
        .collect();
    assert!(unused.is_empty(), "no longer a difference in 1.{}: {unused:#?}", minor.minor);
}

fn nagaya_writes(scenario: &Scenario, expiration: Timestamp) -> Vec<Value> {
    let mut objects =
        tenant_objects::tenant_objects(&scenario.tenant, &Settings::default(), &scenario.ca_pem);
    let token = kubeadm::TOKEN.parse().unwrap();
    let secret = build_bootstrap_token_secret(&token, expiration, kubeadm::TOKEN_DESCRIPTION);
    objects.push(json!(secret));
    objects
}

/// kubeadm decodes component configurations strictly: a field or type that it does not know is an error.
#[test]
fn every_field_that_fragments_may_set_is_known_to_kubeadm() {
    for minor in [35, 36, 37] {
        let kubeadm = Kubeadm::of(minor);
        let minor = Minor::find(minor).unwrap();
        let documents = scenarios::every_field(minor);
        assert_eq!(kubeadm.strict_decoding_errors(minor, &documents), "");
        let mut broken = documents;
        broken[0]["evictionHrad"] = json!({});
        let errors = kubeadm.strict_decoding_errors(minor, &broken);
        assert!(errors.contains("unknown field \"evictionHrad\""), "{errors}");
    }
}
