//! Somebody in between, who has neither the token nor the key of the pinned CA, and is not to see the token.

use jiff::{SignedDuration, Timestamp};
use nagaya_doctor::Check;
use nagaya_doctor::Verdict::{Failed, NotChecked, Passed};
use nagaya_doctor::{Report, examine};
use nagaya_pki::{BootstrapToken, CertificateAuthority, Kubeconfig, Leaf, LeafRequest, Usage, jws};
use serde_json::json;

use crate::machine::Machine;
use crate::servers::{Https, https};
use crate::{TOKEN, ground, is, join};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The cluster's CA, and that of somebody else.
struct Cas {
    pinned: CertificateAuthority,
    other: CertificateAuthority,
}

impl Cas {
    fn new() -> Self {
        let make = |name| CertificateAuthority::generate(name, Timestamp::now(), DAY).unwrap();
        Self { pinned: make("pinned"), other: make("other") }
    }

    fn both(&self) -> String {
        format!("{}{}", self.pinned.cert_pem(), self.other.cert_pem())
    }

    fn look(&self, server: &Https) -> Report {
        let endpoint = server.address.to_string();
        let join = join(&endpoint, TOKEN, Some(self.pinned.spki_hash()));
        examine(&join, &ground(&Machine::well()))
    }
}

fn certificate(ca: &CertificateAuthority) -> Leaf {
    let request = LeafRequest {
        common_name: "kube-apiserver".to_owned(),
        organization: None,
        dns_names: Vec::new(),
        ip_addresses: vec![[127, 0, 0, 1].into()],
        usage: Usage::ServerAuth,
        validity: DAY,
    };
    ca.issue(&request, Timestamp::now()).unwrap()
}

fn cluster_info(server: &str, bundle: &str, token: Option<&str>) -> String {
    let kubeconfig = Kubeconfig::cluster_info(server, bundle).to_yaml().unwrap();
    let mut data = json!({});
    if let Some(token) = token.map(|token| token.parse::<BootstrapToken>().unwrap()) {
        let signature = jws::sign(kubeconfig.as_bytes(), &token);
        data[format!("jws-kubeconfig-{}", token.id())] = signature.into();
    }
    data["kubeconfig"] = kubeconfig.into();
    json!({"data": data}).to_string()
}

#[test]
fn a_ca_beside_the_pinned_one_vouches_for_nobody_unless_the_token_has_signed_for_it() {
    let cas = Cas::new();
    let serving = |ca: &CertificateAuthority, token: Option<&'static str>| {
        let bundle = cas.both();
        https(&certificate(ca), move |address, _| {
            cluster_info(&format!("https://{address}"), &bundle, token)
        })
    };
    for token in [None, Some("abcdef.0000000000000000")] {
        let server = serving(&cas.other, token);
        let report = cas.look(&server);
        is(&report, Check::Pin, Passed, cas.pinned.spki_hash());
        is(&report, Check::Certificate, Failed, "signed by another CA");
        assert!(!server.was_shown(TOKEN), "{token:?}: {}", report.text());
    }
    // As of a cluster whose CA is being changed.
    let server = serving(&cas.other, Some(TOKEN));
    is(&cas.look(&server), Check::Certificate, Passed, "");
    assert!(server.was_shown(TOKEN));
    // Without a signature it is found out why there is none.
    let server = serving(&cas.pinned, None);
    is(&cas.look(&server), Check::Certificate, Passed, "");
    assert!(server.was_shown(TOKEN));
}

#[test]
fn the_server_that_is_asked_is_not_one_that_came_before_the_answer_was_verified() {
    let cas = Cas::new();
    let stranger = https(&certificate(&cas.other), |_, _| String::new());
    let strangers = format!("https://{}", stranger.address);
    let bundle = cas.both();
    let server = https(&certificate(&cas.pinned), move |address, asked_before| {
        // The first question is one that anybody may have answered.
        let named = if asked_before == 0 { &strangers } else { &format!("https://{address}") };
        cluster_info(named, &bundle, None)
    });
    let report = cas.look(&server);
    is(&report, Check::Certificate, Failed, "somebody in between answered first");
    is(&report, Check::Endpoint, NotChecked, "because certificate failed");
    assert!(!stranger.was_shown(TOKEN) && !server.was_shown(TOKEN), "{}", report.text());
}
