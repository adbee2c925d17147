//! What of kube-proxy and CoreDNS is accepted, and how it is resolved.

use super::*;

fn asked(addons: Value) -> Result<Tenant, Refusal> {
    check(&object(json!({"version": "1.37", "addons": addons})), &[])
}

fn refused(addons: Value) -> String {
    asked(addons).unwrap_err().to_string()
}

#[test]
fn what_is_not_asked_for_is_kubeadms() {
    let tenant = asked(json!({})).unwrap();
    assert_eq!(tenant.core_dns, Some(nagaya_render::tenant::CoreDns::default()));
    assert_eq!(tenant.kube_proxy, Some(nagaya_render::tenant::KubeProxy::default()));
}

#[test]
fn sizes_of_core_dns_are_put_over_kubeadms() {
    let resources = json!({"limits": {"memory": "300Mi", "cpu": 1}});
    let tenant = asked(json!({"coreDNS": {"resources": resources}})).unwrap();
    let all = json!(tenant.core_dns.unwrap().resources.unwrap());
    assert_eq!(
        all,
        json!({
            "requests": {"cpu": "100m", "memory": "70Mi"},
            "limits": {"cpu": "1", "memory": "300Mi"},
        })
    );
}

#[test]
fn a_request_beyond_its_limit_is_refused_by_the_field_that_was_given() {
    let of = |addon: &str, resources: Value| refused(json!({addon: {"resources": resources}}));
    for (addon, resources, field) in [
        ("coreDNS", json!({"requests": {"memory": "1Gi"}}), "coreDNS.resources.requests.memory"),
        ("coreDNS", json!({"limits": {"memory": "50Mi"}}), "coreDNS.resources.limits.memory"),
        (
            "kubeProxy",
            json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1500m"}}),
            "kubeProxy.resources.requests.cpu",
        ),
    ] {
        let words = of(addon, resources);
        assert!(words.starts_with(&format!("spec.addons.{field}: ")), "{words}");
    }
    asked(json!({"coreDNS": {"resources": {"limits": {"memory": "0.07Gi"}}}})).unwrap();
}

#[test]
fn what_a_container_cannot_ask_for_is_refused() {
    for (resources, field) in [
        (json!({"requests": {"cpu": -1}}), "requests.cpu"),
        (json!({"requests": {"gpu": 1}}), "requests.gpu"),
        (json!({"limits": {"example.com/card": 1}}), "limits.example.com/card"),
    ] {
        let words = refused(json!({"kubeProxy": {"resources": resources}}));
        let named = format!("spec.addons.kubeProxy.resources.{field}: ");
        assert!(words.starts_with(&named), "{words}");
    }
}

#[test]
fn braces_that_would_change_the_corefile_around_them_are_refused_with_their_line() {
    for (text, why) in [
        ("}\n.:53 {\n", "line 1 has a `}` that closes nothing"),
        ("hosts {\n  192.0.2.1 a\n", "line 1 has a `{` that nothing closes"),
        ("}#\nevil:53 {#\n", "line 1 has a `}` that closes nothing"),
        ("respond \"}\"\n", "line 1 has a `}` that closes nothing"),
        ("log\nrewrite name \"a\n b", "line 2 has a quote that nothing closes"),
    ] {
        for field in ["plugins", "servers"] {
            let words = refused(json!({"coreDNS": {"corefile": {field: text}}}));
            assert_eq!(words, format!("spec.addons.coreDNS.corefile.{field}: {why}"));
        }
    }
}

#[test]
fn braces_in_quotes_in_comments_and_within_words_are_none() {
    let plugins = "template IN A corp {\n  match \"^(?P<a>[0-9]{1,3}\\\"})\"\n  # } not yet\n  \
                   answer \"{{ .Name }} 60 IN A {{ .Group.a }}\"\n}\nforward . {$UPSTREAM}\n";
    asked(json!({"coreDNS": {"corefile": {"plugins": plugins}}})).unwrap();
    let plugins = "hosts {# of the office\n  192.0.2.1 a\n}\n";
    asked(json!({"coreDNS": {"corefile": {"plugins": plugins}}})).unwrap();
}

#[test]
fn a_mode_that_kube_proxy_does_not_have_is_refused() {
    for mode in ["", "iptables", "ipvs", "nftables"] {
        asked(json!({"kubeProxy": {"config": {"mode": mode}}})).unwrap();
    }
    let words = refused(json!({"kubeProxy": {"config": {"mode": "userspace"}}}));
    let wanted = "spec.addons.kubeProxy.config.mode: must be iptables, ipvs or nftables";
    assert!(words.starts_with(wanted), "{words}");
}
