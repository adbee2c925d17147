//! Compares two sets of objects by meaning: text in a ConfigMap that is itself a document counts as that
//! document.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// One place where the two sides differ.
pub struct Difference {
    /// `Kind/namespace/name`, or `Kind/name`.
    pub object: String,
    /// Path in the object; empty: the whole object.
    pub path: String,
    /// What kubeadm writes there.
    pub kubeadm: Option<Value>,
    /// What Nagaya writes there.
    pub nagaya: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side =
            |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), Value::to_string);
        write!(
            f,
            "{} at {:?}: kubeadm writes {}, Nagaya {}",
            self.object,
            self.path,
            side(&self.kubeadm),
            side(&self.nagaya)
        )
    }
}

pub fn differences(kubeadm: &[Value], nagaya: &[Value]) -> Vec<Difference> {
    let (theirs, ours) = (by_name(kubeadm), by_name(nagaya));
    let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        compare(name, "", theirs.get(name), ours.get(name), &mut found);
    }
    found
}

fn by_name(objects: &[Value]) -> BTreeMap<String, Value> {
    let named = objects.iter().map(|object| {
        let meta = &object["metadata"];
        let words = [&object["kind"], &meta["namespace"], &meta["name"]];
        let words: Vec<&str> = words.into_iter().filter_map(Value::as_str).collect();
        (words.join("/"), read_embedded(object))
    });
    let map: BTreeMap<_, _> = named.collect();
    assert_eq!(map.len(), objects.len(), "an object was written twice");
    map
}

/// `object` with each text of a ConfigMap that is a YAML map replaced by that map.
fn read_embedded(object: &Value) -> Value {
    let mut object = object.clone();
    if object["kind"] == "ConfigMap" {
        for text in object["data"].as_object_mut().unwrap().values_mut() {
            let read = serde_yaml_ng::from_str::<Value>(text.as_str().unwrap());
            if let Ok(document @ Value::Object(_)) = read {
                *text = document;
            }
        }
    }
    object
}

fn compare(
    object: &str,
    path: &str,
    theirs: Option<&Value>,
    ours: Option<&Value>,
    found: &mut Vec<Difference>,
) {
    match (theirs, ours) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                compare(object, &format!("{path}/{key}"), a.get(key), b.get(key), found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for index in 0..a.len().max(b.len()) {
                compare(object, &format!("{path}/{index}"), a.get(index), b.get(index), found);
            }
        }
        (a, b) if a == b => {}
        (a, b) => found.push(Difference {
            object: object.to_owned(),
            path: path.to_owned(),
            kubeadm: a.cloned(),
            nagaya: b.cloned(),
        }),
    }
}
