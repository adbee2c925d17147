//! What a configuration file and environment may say.

use std::io::Write as _;

use super::*;

fn load(yaml: &str, variables: &[(&str, &str)]) -> Result<Config, Error> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(yaml.as_bytes()).unwrap();
    let variables =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::load(Some(file.path()), &variables)
}

fn refusal(yaml: &str, variables: &[(&str, &str)]) -> String {
    load(yaml, variables).unwrap_err().to_string()
}

#[test]
fn keys_of_manager_and_control_planes_stand_side_by_side() {
    let config = load("managerImage: m:1\nlogFormat: text\ndomain: example.com", &[]).unwrap();
    assert_eq!(config.manager.log_format, LogFormat::Text);
    assert_eq!(config.render.domain.as_deref(), Some("example.com"));
    assert_eq!(config.manager.listen.port(), 8080);
}

#[test]
fn an_environment_variable_wins_over_the_file() {
    let config = load("managerImage: m:1", &[("NAGAYA_MANAGER_IMAGE", "m:2")]).unwrap();
    assert_eq!(config.render.manager_image, "m:2");
}

#[test]
fn a_nested_key_has_an_environment_variable_and_the_rest_of_the_file_stays() {
    let config = load(
        "managerImage: m:1\naddonImages: {pullSecrets: [a]}",
        &[("NAGAYA_ADDON_IMAGES__REWRITE", r#"{"registry.k8s.io": "mirror/k8s"}"#)],
    )
    .unwrap();
    assert_eq!(config.render.addon_images.rewrite["registry.k8s.io"], "mirror/k8s");
    assert_eq!(config.render.addon_images.pull_secrets, ["a"]);
}

#[test]
fn where_the_gateway_is_can_be_said_in_the_file_and_in_the_environment() {
    let yaml = "managerImage: m:1\ngateway: {domain: k8s.example.com, addresses: [198.51.100.7]}";
    let gateway = load(yaml, &[("NAGAYA_GATEWAY__PORT", "6443")]).unwrap().render.gateway;
    assert_eq!(gateway.domain.as_deref(), Some("k8s.example.com"));
    assert_eq!((gateway.port.get(), gateway.addresses.len()), (6443, 1));
    let nothing = load("managerImage: m:1", &[]).unwrap().render.gateway;
    assert_eq!((nothing.domain, nothing.port.get()), (None, 443));
}

#[test]
fn a_text_that_looks_like_a_number_stays_a_text() {
    let config = load("managerImage: m:1", &[("NAGAYA_STORAGE_CLASS", "1.0")]).unwrap();
    assert_eq!(config.render.storage_class.as_deref(), Some("1.0"));
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    let message = refusal("managerImage: m:1\nnodeportHost: a", &[]);
    assert!(message.contains("no configuration key nodeportHost"), "{message}");
    assert!(message.contains("nodePortHost"), "{message}");
}

#[test]
fn an_unknown_environment_variable_is_refused_by_name() {
    let message = refusal("managerImage: m:1", &[("NAGAYA_DOMIAN", "a")]);
    assert!(message.contains("NAGAYA_DOMIAN"), "{message}");
}

#[test]
fn an_unknown_nested_key_is_refused_with_its_path() {
    let message = refusal("managerImage: m:1\naddonImages: {rewrites: {}}", &[]);
    assert!(message.contains("key addonImages"), "{message}");
    assert!(message.contains("rewrites"), "{message}");
}

#[test]
fn a_wrong_value_is_refused_with_its_path() {
    let message = refusal("managerImage: m:1\nnodePortAddresses: [10.0.0.1, nowhere]", &[]);
    assert!(message.contains("nodePortAddresses[1]"), "{message}");
}

#[test]
fn no_pass_at_a_time_is_refused() {
    let message = refusal("managerImage: m:1\nconcurrentReconciles: 0", &[]);
    assert!(message.contains("concurrentReconciles"), "{message}");
}

#[test]
fn the_manager_image_must_be_given() {
    let message = refusal("", &[]);
    assert!(message.contains("managerImage"), "{message}");
}

#[test]
fn what_would_break_every_tenant_is_refused_by_its_key() {
    for (key, yaml) in [
        ("domain", "domain: Clusters.example.com"),
        ("domain", "domain: 10.0.0.1.5"),
        ("gateway.domain", "gateway: {domain: 192.0.2.1, addresses: [192.0.2.1]}"),
        ("gateway.addresses", "gateway: {domain: k8s.example.com}"),
        ("gateway.port", "gateway: {port: 0}"),
        ("nodePortHost", "nodePortHost: '*.example.com'"),
        ("storageClass", "storageClass: 'a b'"),
        ("resources.kube-apisever", "resources: {kube-apisever: {}}"),
    ] {
        let message = refusal(&format!("managerImage: m:1\n{yaml}"), &[]);
        assert!(message.starts_with(&format!("configuration key {key}: ")), "{message}");
    }
}

#[test]
fn a_missing_file_is_refused_by_name() {
    let error = Config::load(Some(Path::new("/nowhere/nagaya.yaml")), &BTreeMap::new());
    assert!(error.unwrap_err().to_string().contains("/nowhere/nagaya.yaml"));
}
