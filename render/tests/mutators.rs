//! Which mutating webhooks and policies the API server asks about an update.

#![allow(clippy::unwrap_used, reason = "a test's helper fails the test")]

use std::collections::BTreeMap;

use nagaya_render::diagnosis::mutators::{Mutators, Update, who};
use serde_json::{Value, json};

const NAMED: &str = "webhook inject.example.com of MutatingWebhookConfiguration mesh";
const BOUND: &str = "MutatingAdmissionPolicy pin (bound by pin-all)";

#[test]
fn a_webhook_is_asked_by_group_version_resource_and_operation() {
    let asked = [
        json!({}),
        json!({"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "operations": ["*"]}),
        json!({"resources": ["pods", "statefulsets"], "operations": ["CREATE", "UPDATE"]}),
        json!({"resources": ["*/*"]}),
        json!({"resources": ["statefulsets/*"]}),
        json!({"scope": "Namespaced"}),
        json!({"scope": "*"}),
        // Equivalent: another version of the same kind is converted.
        json!({"apiVersions": ["v1beta2"]}),
    ];
    for change in asked {
        assert_eq!(asked_by(&change, &json!({})), [NAMED], "{change}");
    }
    let others = [
        json!({"apiGroups": ["serving.knative.dev", ""]}),
        json!({"resources": ["deployments"]}),
        json!({"resources": ["statefulsets/scale"]}),
        json!({"resources": ["*/status"]}),
        json!({"resources": []}),
        // What comes out of a creation is altered once, not again and again.
        json!({"operations": ["CREATE"]}),
        json!({"scope": "Cluster"}),
    ];
    for change in others {
        assert_eq!(asked_by(&change, &json!({})), [""; 0], "{change}");
    }
    let exact = json!({"matchPolicy": "Exact"});
    assert_eq!(asked_by(&json!({}), &exact), [NAMED]);
    assert_eq!(asked_by(&json!({"apiVersions": ["v1beta2"]}), &exact), [""; 0]);
}

#[test]
fn a_webhook_is_asked_about_what_its_selectors_select() {
    let without = |operator: &str, key: &str| json!({"matchExpressions": [{"key": key, "operator": operator}]});
    let asked = [
        json!({"namespaceSelector": {}, "objectSelector": {}}),
        json!({"namespaceSelector": {"matchLabels": {"plane": "true"}}}),
        json!({"namespaceSelector": without("DoesNotExist", "excepted")}),
        json!({"objectSelector": {"matchLabels": {"app": "etcd"}}}),
        json!({"objectSelector": {"matchLabels": {"app": "was"}}}),
        json!({"matchConditions": [{"name": "never", "expression": "false"}]}),
    ];
    for change in asked {
        assert_eq!(asked_by(&json!({}), &change), [NAMED], "{change}");
    }
    let others = [
        json!({"namespaceSelector": {"matchLabels": {"plane": "false"}}}),
        json!({"namespaceSelector": without("DoesNotExist", "plane")}),
        json!({"objectSelector": without("Exists", "mesh")}),
    ];
    for change in others {
        assert_eq!(asked_by(&json!({}), &change), [""; 0], "{change}");
    }
}

#[test]
fn a_namespace_is_cluster_wide_and_selected_by_its_own_labels() {
    let update = Update { group: String::new(), resource: "namespaces".into(), ..update() };
    let asked = |scope: &str| {
        let of_namespaces = json!({"apiGroups": [""], "resources": ["namespaces"], "scope": scope});
        let selector = json!({"namespaceSelector": {"matchLabels": {"plane": "true"}}});
        webhooks(&merged(rule(), &of_namespaces), &selector).of(&update).len()
    };
    assert_eq!(asked("Cluster"), 1);
    assert_eq!(asked("Namespaced"), 0);
}

#[test]
fn a_policy_is_asked_where_both_it_and_its_binding_match() {
    let all = json!({});
    let mine = json!({"resourceRules": [rule()]});
    assert_eq!(bound(&mine, &all), [BOUND]);
    assert_eq!(bound(&json!({"resourceRules": [named("etcd")]}), &all), [BOUND]);
    assert_eq!(bound(&json!({"resourceRules": [named("other")]}), &all), [""; 0]);
    let excepted = json!({"resourceRules": [rule()], "excludeResourceRules": [named("etcd")]});
    assert_eq!(bound(&excepted, &all), [""; 0]);
    let elsewhere = json!({"namespaceSelector": {"matchLabels": {"plane": "false"}}});
    assert_eq!(bound(&mine, &elsewhere), [""; 0]);
    let mut unbound = policies(&mine, &all);
    unbound.bindings[0].spec.policy_name = Some("another".into());
    assert_eq!(unbound.of(&update()), [""; 0]);
}

#[test]
fn the_words_name_a_handful_and_say_why_nobody_is_named() {
    let names = |count: usize| Ok((1..=count).map(|number| format!("w{number}")).collect());
    assert_eq!(who(&names(1)), "w1");
    assert_eq!(who(&names(4)), "w1, or w2, or w3, or w4");
    assert_eq!(who(&names(6)), "w1, or w2, or w3, or w4, or 2 more");
    let none = "a mutating admission webhook or policy (none that the API server lists asks for such an object)";
    assert_eq!(who(&names(0)), none);
    let forbidden = "a mutating admission webhook or policy (which one is not known: forbidden)";
    assert_eq!(who(&Err("forbidden".into())), forbidden);
}

/// Of StatefulSet etcd, whose label another value is given.
fn update() -> Update {
    let labels = |of: &[(&str, &str)]| -> BTreeMap<String, String> {
        of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    Update {
        group: "apps".into(),
        version: "v1".into(),
        resource: "statefulsets".into(),
        name: "etcd".into(),
        namespace_labels: Some(labels(&[("plane", "true")])),
        labels: [labels(&[("app", "was")]), labels(&[("app", "etcd")])],
    }
}

fn rule() -> Value {
    json!({
        "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["statefulsets"], "operations": ["UPDATE"],
    })
}

fn named(name: &str) -> Value {
    merged(rule(), &json!({"resourceNames": [name]}))
}

/// Who is asked about [`update`] if a webhook's rule, or the webhook, is changed so.
fn asked_by(rule: &Value, webhook: &Value) -> Vec<String> {
    webhooks(&merged(self::rule(), rule), webhook).of(&update())
}

fn webhooks(rule: &Value, webhook: &Value) -> Mutators {
    let usual = json!({
        "name": "inject.example.com", "rules": [rule], "clientConfig": {},
        "sideEffects": "None", "admissionReviewVersions": ["v1"],
    });
    let configuration = json!({"metadata": {"name": "mesh"}, "webhooks": [merged(usual, webhook)]});
    let configurations = vec![serde_json::from_value(configuration).unwrap()];
    Mutators { configurations, ..Mutators::default() }
}

fn bound(constraints: &Value, binding: &Value) -> Vec<String> {
    policies(constraints, binding).of(&update())
}

fn policies(constraints: &Value, binding: &Value) -> Mutators {
    let policy = json!({
        "metadata": {"name": "pin"}, "spec": {"matchConstraints": constraints, "mutations": []},
    });
    let binding = json!({
        "metadata": {"name": "pin-all"}, "spec": {"policyName": "pin", "matchResources": binding},
    });
    Mutators {
        policies: vec![serde_json::from_value(policy).unwrap()],
        bindings: vec![serde_json::from_value(binding).unwrap()],
        ..Mutators::default()
    }
}

fn merged(mut object: Value, change: &Value) -> Value {
    let members = change.as_object().unwrap().clone();
    object.as_object_mut().unwrap().extend(members);
    object
}
