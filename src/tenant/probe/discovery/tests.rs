//! cluster-info as Nagaya writes it, and each way in which it can be broken.

use jiff::{SignedDuration, Timestamp};
use nagaya_pki::{CertificateAuthority, Kubeconfig};

use super::*;

struct Tenant {
    ca: CertificateAuthority,
    endpoint: Endpoint,
    token: BootstrapToken,
}

fn authority(name: &str) -> CertificateAuthority {
    CertificateAuthority::generate(name, Timestamp::now(), SignedDuration::from_hours(24)).unwrap()
}

impl Tenant {
    fn new() -> Self {
        Self {
            ca: authority("kubernetes"),
            endpoint: Endpoint { host: "172.30.0.1".to_owned(), port: 30443 },
            token: BootstrapToken::generate().unwrap(),
        }
    }

    fn kubeconfig(&self) -> String {
        Kubeconfig::cluster_info(&self.endpoint.url(), self.ca.cert_pem()).to_yaml().unwrap()
    }

    fn signed(&self, kubeconfig: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("kubeconfig".to_owned(), kubeconfig.to_owned()),
            (
                format!("jws-kubeconfig-{}", self.token.id()),
                jws::sign(kubeconfig.as_bytes(), &self.token),
            ),
        ])
    }

    fn check(&self, data: &BTreeMap<String, String>) -> Discovery {
        check(data, &self.endpoint, self.ca.cert_pem(), &self.token)
    }
}

fn reason(finding: &Finding) -> Option<Reason> {
    match finding {
        Finding::Failed { reason, .. } => Some(*reason),
        _ => None,
    }
}

#[test]
fn what_nagaya_writes_and_the_bootstrapsigner_signs_is_accepted() {
    let tenant = Tenant::new();
    let found = tenant.check(&tenant.signed(&tenant.kubeconfig()));
    assert_eq!(
        found,
        Discovery { endpoint: Finding::Ok, cluster_info: Finding::Ok, signature: Finding::Ok }
    );
}

#[test]
fn a_bundle_with_an_older_authority_beside_is_accepted() {
    let tenant = Tenant::new();
    let bundle = format!("{}{}", authority("old").cert_pem(), tenant.ca.cert_pem());
    let kubeconfig = Kubeconfig::cluster_info(&tenant.endpoint.url(), &bundle).to_yaml().unwrap();
    assert_eq!(tenant.check(&tenant.signed(&kubeconfig)).cluster_info, Finding::Ok);
}

#[test]
fn another_authority_is_a_mismatch() {
    let tenant = Tenant::new();
    let kubeconfig =
        Kubeconfig::cluster_info(&tenant.endpoint.url(), authority("kubernetes").cert_pem())
            .to_yaml()
            .unwrap();
    let found = tenant.check(&tenant.signed(&kubeconfig));
    assert_eq!(reason(&found.cluster_info), Some(Reason::AuthorityMismatch));
    assert_eq!(found.signature, Finding::Ok);
}

#[test]
fn another_server_is_a_mismatch() {
    let tenant = Tenant::new();
    let kubeconfig =
        Kubeconfig::cluster_info("https://evil:443", tenant.ca.cert_pem()).to_yaml().unwrap();
    let found = tenant.check(&tenant.signed(&kubeconfig));
    assert_eq!(reason(&found.cluster_info), Some(Reason::ServerMismatch));
}

#[test]
fn garbage_is_invalid() {
    let tenant = Tenant::new();
    for garbage in ["[", "clusters: []", "clusters: 1", "apiVersion: v1\nkind: Config\n"] {
        let found = tenant.check(&tenant.signed(garbage));
        assert_eq!(reason(&found.cluster_info), Some(Reason::ObjectInvalid), "{garbage}");
    }
    assert_eq!(reason(&tenant.check(&BTreeMap::new()).cluster_info), Some(Reason::ObjectInvalid));
}

#[test]
fn a_missing_signature_and_one_of_older_content_are_told_apart() {
    let tenant = Tenant::new();
    let kubeconfig = tenant.kubeconfig();
    let mut unsigned = tenant.signed(&kubeconfig);
    unsigned.retain(|key, _| key == "kubeconfig");
    assert_eq!(reason(&tenant.check(&unsigned).signature), Some(Reason::SignatureMissing));

    let mut changed = tenant.signed(&kubeconfig);
    changed.insert("kubeconfig".to_owned(), format!("{kubeconfig}\n"));
    assert_eq!(reason(&tenant.check(&changed).signature), Some(Reason::SignatureMismatch));
}
