//! The rule, against real requests: honest ones and such as a hostile node would make.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{NodeAddress, NodeStatus};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

use super::*;

const NEW: Duration = Duration::from_secs(1);
const OLD: Duration = Duration::from_mins(1);

/// What a node asks for, honest unless changed.
struct Asked {
    user: &'static str,
    common_name: &'static str,
    organization: &'static str,
    sans: Vec<SanType>,
    usages: Vec<&'static str>,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            user: "system:node:worker-1",
            common_name: "system:node:worker-1",
            organization: "system:nodes",
            sans: vec![dns("worker-1"), ip("172.30.0.21")],
            usages: vec!["digital signature", "server auth"],
        }
    }
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn ip(address: &str) -> SanType {
    SanType::IpAddress(address.parse().unwrap())
}

impl Asked {
    fn pem(&self) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.common_name);
        params.distinguished_name.push(DnType::OrganizationName, self.organization);
        params.subject_alt_names.clone_from(&self.sans);
        params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap()
    }

    fn spec(&self) -> CertificateSigningRequestSpec {
        CertificateSigningRequestSpec {
            request: ByteString(self.pem().into_bytes()),
            signer_name: KUBELET_SERVING.to_owned(),
            username: Some(self.user.to_owned()),
            groups: Some(vec!["system:nodes".to_owned(), "system:authenticated".to_owned()]),
            usages: Some(self.usages.iter().map(|usage| (*usage).to_owned()).collect()),
            ..CertificateSigningRequestSpec::default()
        }
    }

    fn reviewed(&self) -> Decision {
        review(&self.spec(), Some(&worker()), OLD)
    }

    fn denied_because_of(&self, words: &str) {
        match self.reviewed() {
            Decision::Deny(why) => assert!(why.contains(words), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

fn worker() -> NodeAddresses {
    let address = |type_: &str, address: &str| NodeAddress {
        type_: type_.to_owned(),
        address: address.to_owned(),
    };
    NodeAddresses::of(&Node {
        status: Some(NodeStatus {
            addresses: Some(vec![
                address("InternalIP", "172.30.0.21"),
                address("InternalIP", "fd00::21"),
                address("Hostname", "worker-1"),
                address("InternalDNS", "worker-1.example.com"),
            ]),
            ..NodeStatus::default()
        }),
        ..Node::default()
    })
}

#[test]
fn a_node_gets_its_own_name_and_addresses() {
    assert_eq!(Asked::default().reviewed(), Decision::Approve);
    let sans = vec![dns("worker-1.example.com"), ip("fd00::21")];
    assert_eq!(Asked { sans, ..Asked::default() }.reviewed(), Decision::Approve);
    let usages = vec!["key encipherment", "server auth", "digital signature"];
    assert_eq!(Asked { usages, ..Asked::default() }.reviewed(), Decision::Approve);
}

#[test]
fn a_request_for_another_signer_is_none_of_our_business() {
    let mut spec = Asked::default().spec();
    spec.signer_name = "kubernetes.io/kube-apiserver-client-kubelet".to_owned();
    assert_eq!(review(&spec, Some(&worker()), OLD), Decision::Ignore);
}

#[test]
fn the_address_or_name_of_another_machine_is_denied() {
    for foreign in [ip("172.30.0.22"), dns("worker-2"), dns("kubernetes.default.svc"), dns("*")] {
        let sans = vec![dns("worker-1"), foreign];
        Asked { sans, ..Asked::default() }
            .denied_because_of("not among the node's status.addresses");
    }
}

#[test]
fn a_node_may_not_ask_in_the_name_of_another() {
    Asked { common_name: "system:node:worker-2", ..Asked::default() }
        .denied_because_of("common name");
    Asked { common_name: "worker-1", ..Asked::default() }.denied_because_of("common name");
}

#[test]
fn only_nodes_may_ask() {
    for user in [
        "alice",
        "system:serviceaccount:kube-system:default",
        "system:node:",
        "system:node:../pods/a",
    ] {
        Asked { user, common_name: user, ..Asked::default() }.denied_because_of("only a node");
    }
    let mut spec = Asked::default().spec();
    spec.groups = Some(vec!["system:authenticated".to_owned()]);
    assert!(
        matches!(review(&spec, Some(&worker()), OLD), Decision::Deny(why) if why.contains("group"))
    );
}

#[test]
fn another_organization_is_denied() {
    Asked { organization: "system:masters", ..Asked::default() }.denied_because_of("organization");
}

#[test]
fn usages_have_to_be_exact() {
    for usages in [
        vec!["digital signature", "server auth", "client auth"],
        vec!["server auth"],
        vec!["digital signature", "client auth"],
        vec![],
    ] {
        Asked { usages, ..Asked::default() }.denied_because_of("usages");
    }
}

#[test]
fn mail_addresses_and_uris_are_denied() {
    for other in [
        SanType::Rfc822Name("root@example.com".try_into().unwrap()),
        SanType::URI("spiffe://example.com/admin".try_into().unwrap()),
    ] {
        let sans = vec![dns("worker-1"), other];
        Asked { sans, ..Asked::default() }.denied_because_of("only DNS names and IP addresses");
    }
}

#[test]
fn a_request_for_no_name_at_all_is_denied() {
    Asked { sans: vec![], ..Asked::default() }.denied_because_of("at least one");
}

#[test]
fn a_node_that_has_not_said_its_addresses_yet_is_waited_for_but_not_for_ever() {
    let spec = Asked::default().spec();
    for node in [None, Some(&NodeAddresses::default())] {
        assert_eq!(review(&spec, node, NEW), Decision::Wait);
        assert!(matches!(review(&spec, node, OLD), Decision::Deny(_)));
    }
}

#[test]
fn what_is_no_signed_request_is_denied() {
    let honest = Asked::default().pem();
    let with_request = |pem: String| {
        let spec = CertificateSigningRequestSpec {
            request: ByteString(pem.into_bytes()),
            ..Asked::default().spec()
        };
        matches!(review(&spec, Some(&worker()), NEW), Decision::Deny(_))
    };
    assert!(with_request(String::new()));
    assert!(with_request(
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n".to_owned()
    ));
    assert!(with_request(honest.replace("CERTIFICATE REQUEST", "CERTIFICATE")));
    assert!(with_request(format!("{honest}{honest}")), "two requests, of which only one is judged");
    assert!(with_request(with_another_signature(&honest)));
    assert!(!with_request(honest));
}

/// The same request, its last byte changed: it belongs to the signature.
fn with_another_signature(pem: &str) -> String {
    let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
    let mut der = block.contents;
    *der.last_mut().unwrap() ^= 1;
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
    format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n")
}
