//! The check for incompatible changes can fail: each kind of change is made, and is found, and only it.

use serde_json::{Value, json};

use crate::compatibility::breaks;

fn definition() -> Value {
    json!({"spec": {
        "group": "nagaya.dev",
        "scope": "Namespaced",
        "names": {"kind": "Thing", "plural": "things", "shortNames": ["th"], "categories": ["nagaya"]},
        "versions": [{
            "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec()}}},
        }],
    }})
}

fn spec() -> Value {
    json!({
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 5, "nullable": true},
            "name": {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^a"},
            "mode": {"type": "string", "enum": ["On", "Off"], "default": "On"},
            "tags": {
                "type": "array", "maxItems": 2, "x-kubernetes-list-type": "set",
                "items": {"type": "string", "maxLength": 3},
            },
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "map": {"type": "object", "additionalProperties": {"type": "string"}},
            "nested": {
                "type": "object", "default": {"a": 1},
                "properties": {"a": {"type": "integer", "default": 1}},
                "x-kubernetes-validations": [{"rule": "self == oldSelf"}],
            },
        },
    })
}

/// What is found when the value at `pointer` becomes `value` (`Null`: is taken away).
fn after(pointer: &str, value: Value) -> Vec<String> {
    let mut now = definition();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = now.pointer_mut(parent).unwrap();
    if value.is_null() {
        parent.as_object_mut().unwrap().remove(name).unwrap();
    } else {
        parent[name] = value;
    }
    breaks(&definition(), &now)
}

fn in_spec(path: &str, value: Value) -> Vec<String> {
    after(&format!("/spec/versions/0/schema/openAPIV3Schema/properties/spec/{path}"), value)
}

#[test]
fn each_incompatible_change_of_a_field_is_found_once() {
    let null = Value::Null;
    let changes = [
        ("properties/free", null.clone(), "v1.spec.free: field is gone"),
        ("properties/size/type", json!("string"), "v1.spec.size: type changed"),
        ("required", json!(["size", "name"]), "v1.spec: \"name\" is newly required"),
        ("properties/size/minimum", json!(2), "v1.spec.size: minimum added or raised"),
        ("properties/size/maximum", json!(4), "v1.spec.size: maximum added or lowered"),
        ("properties/size/nullable", json!(false), "v1.spec.size: nullable is gone"),
        ("properties/size/multipleOf", json!(2), "v1.spec.size: multipleOf added or changed"),
        ("properties/name/minLength", json!(2), "v1.spec.name: minLength added or raised"),
        ("properties/name/maxLength", json!(8), "v1.spec.name: maxLength added or lowered"),
        ("properties/name/pattern", json!("^ab"), "v1.spec.name: pattern added or changed"),
        ("properties/mode/pattern", json!("^O"), "v1.spec.mode: pattern added or changed"),
        ("properties/name/format", json!("cidr"), "v1.spec.name: format added or changed"),
        ("properties/name/enum", json!(["a"]), "v1.spec.name: enum added"),
        ("properties/mode/enum", json!(["On"]), "v1.spec.mode: enum value \"Off\" is gone"),
        ("properties/mode/default", json!("Off"), "v1.spec.mode: default changed"),
        ("properties/mode/default", null.clone(), "v1.spec.mode: default changed"),
        ("properties/name/default", json!("a"), "v1.spec.name: default changed"),
        ("properties/nested/default", json!({"a": 2}), "v1.spec.nested: default changed"),
        ("properties/tags/maxItems", json!(1), "v1.spec.tags: maxItems added or lowered"),
        ("properties/tags/minItems", json!(1), "v1.spec.tags: minItems added or raised"),
        ("properties/tags/items/maxLength", json!(2), "v1.spec.tags[]: maxLength added or lowered"),
        (
            "properties/tags/x-kubernetes-list-type",
            json!("atomic"),
            "v1.spec.tags: x-kubernetes-list-type changed",
        ),
        (
            "properties/free/x-kubernetes-preserve-unknown-fields",
            null.clone(),
            "v1.spec.free: x-kubernetes-preserve-unknown-fields is gone",
        ),
        (
            "properties/map/additionalProperties/type",
            json!("integer"),
            "v1.spec.map[]: type changed",
        ),
        (
            "properties/map/additionalProperties",
            null.clone(),
            "v1.spec.map: additionalProperties added or gone",
        ),
        ("properties/nested/properties/a", null, "v1.spec.nested.a: field is gone"),
        (
            "properties/size/x-kubernetes-validations",
            json!([{"rule": "self > 1"}]),
            "v1.spec.size: new rule \"self > 1\"",
        ),
    ];
    for (path, value, expected) in changes {
        assert_eq!(in_spec(path, value), [expected], "{path}");
    }
}

#[test]
fn each_incompatible_change_of_the_definition_is_found_once() {
    let changes = [
        ("/spec/group", json!("other.dev"), "/spec/group: changed"),
        ("/spec/scope", json!("Cluster"), "/spec/scope: changed"),
        ("/spec/names/kind", json!("Other"), "/spec/names/kind: changed"),
        ("/spec/names/plural", json!("others"), "/spec/names/plural: changed"),
        ("/spec/names/shortNames", json!([]), "/spec/names/shortNames: \"th\" is gone"),
        ("/spec/names/categories", json!([]), "/spec/names/categories: \"nagaya\" is gone"),
        ("/spec/versions", json!([]), "v1: version is gone"),
        ("/spec/versions/0/served", json!(false), "v1: no longer served"),
        ("/spec/versions/0/subresources", json!({}), "v1: no status subresource any more"),
    ];
    for (path, value, expected) in changes {
        assert_eq!(after(path, value), [expected], "{path}");
    }
}

#[test]
fn growth_is_no_break() {
    let changes = [
        ("properties/new", json!({"type": "string", "default": "a", "pattern": "^a"})),
        ("properties/nested/default", json!({"a": 1, "b": 2})),
        ("properties/size/minimum", json!(0)),
        ("properties/size/maximum", Value::Null),
        ("properties/name/pattern", Value::Null),
        ("properties/mode/enum", json!(["On", "Off", "Auto"])),
        ("properties/mode/enum", Value::Null),
        ("properties/nested/x-kubernetes-validations", json!([])),
        ("properties/name/description", json!("words")),
        ("required", json!([])),
    ];
    for (path, value) in changes {
        assert_eq!(in_spec(path, value), Vec::<String>::new(), "{path}");
    }
}
