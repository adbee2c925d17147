//! Bootstrap tokens and kubeconfigs: the exact text, and what is refused.

use nagaya_pki::{BootstrapToken, BootstrapTokenError as Refusal, Kubeconfig, Trust};

const SERVER: &str = "https://172.30.0.1:31000";

#[test]
fn a_generated_token_has_the_form_of_kubernetes_and_parses_back() {
    let token = BootstrapToken::generate().expect("a token");
    let text = token.to_string();
    assert_eq!((token.id().len(), token.secret().len(), text.len()), (6, 16, 23));
    assert!(text.bytes().all(|b| b == b'.' || b.is_ascii_lowercase() || b.is_ascii_digit()));
    assert_eq!(text.parse(), Ok(token.clone()));
    assert_ne!(BootstrapToken::generate().expect("a token"), token);
}

#[test]
fn a_malformed_token_is_refused_with_the_part_that_is_wrong() {
    for (text, refusal) in [
        ("abcdef", Refusal::NotTwoParts { parts: 1 }),
        ("abcdef.0123456789abcdef.x", Refusal::NotTwoParts { parts: 3 }),
        ("abcde.0123456789abcdef", Refusal::IdLength { length: 5 }),
        ("abcdeF.0123456789abcdef", Refusal::IdCharacters { id: "abcdeF".into() }),
        ("abcdef.0123456789abcde", Refusal::SecretLength { length: 15 }),
        ("abcdef.0123456789abcdé0", Refusal::SecretCharacters),
        ("abcdef.0123456789abcde\n", Refusal::SecretCharacters),
    ] {
        let refused = text.parse::<BootstrapToken>().expect_err(text);
        assert_eq!(refused, refusal, "{text:?}");
        assert!(!refused.to_string().contains("0123456789"), "the secret is in {refused}");
    }
}

#[test]
fn debug_output_of_a_token_shows_only_its_id() {
    let token: BootstrapToken = "abcdef.0123456789abcdef".parse().expect("a token");
    assert_eq!(format!("{token:?}"), "BootstrapToken(abcdef.<redacted>)");
}

#[test]
fn cluster_info_has_one_nameless_cluster_and_nothing_else() {
    let yaml = Kubeconfig::cluster_info(SERVER, "CA").to_yaml().expect("yaml");
    // As client-go 1.37 writes it for kubeadm.
    assert_eq!(
        yaml,
        "\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: Q0E=
    server: https://172.30.0.1:31000
  name: ''
contexts: null
current-context: ''
kind: Config
users: null
"
    );
}

#[test]
fn a_component_finds_its_certificate_by_path_so_that_it_can_reload_it() {
    let yaml = Kubeconfig::new("kubernetes", SERVER, Trust::File("/pki/ca.crt".into()))
        .with_file_paths("system:kube-scheduler", "/pki/tls.crt", "/pki/tls.key")
        .to_yaml()
        .expect("yaml");
    assert_eq!(
        yaml,
        "\
apiVersion: v1
clusters:
- cluster:
    certificate-authority: /pki/ca.crt
    server: https://172.30.0.1:31000
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: system:kube-scheduler
  name: system:kube-scheduler@kubernetes
current-context: system:kube-scheduler@kubernetes
kind: Config
users:
- name: system:kube-scheduler
  user:
    client-certificate: /pki/tls.crt
    client-key: /pki/tls.key
"
    );
}

#[test]
fn embedded_credentials_are_in_the_file_but_not_in_debug_output() {
    let config = || Kubeconfig::new("c", SERVER, Trust::Bundle("CA".into()));
    for (kubeconfig, secret, expected) in [
        (
            config().with_client_certificate("u", "CERT", "KEY"),
            "S0VZ",
            "    client-certificate-data: Q0VSVA==\n    client-key-data: S0VZ\n",
        ),
        (config().with_token("u", "abcdef.secret"), "secret", "    token: abcdef.secret\n"),
    ] {
        let yaml = kubeconfig.to_yaml().expect("yaml");
        assert!(yaml.ends_with(&format!("- name: u\n  user:\n{expected}")), "{yaml}");
        assert!(!format!("{kubeconfig:?}").contains(secret));
    }
}
