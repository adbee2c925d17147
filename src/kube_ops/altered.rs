//! Which field of an object has another value than we wrote, though nobody else has written it: admission changes an
//! object within our own write, and the API server then names us as the owner of what came out.

use nagaya_render::quantity::is_same;
use serde_json::Value;

/// The first field of `wanted` that `live` has with another value. What `live` has not got does not count: an API
/// server drops fields that it does not know. Neither does what it writes otherwise, such as `1024Mi` as `1Gi`.
#[must_use]
pub fn first_altered(wanted: &Value, live: &Value) -> Option<String> {
    let members = wanted.as_object()?;
    members.iter().find_map(|(name, wanted)| match name.as_str() {
        "apiVersion" | "kind" | "status" => None,
        "metadata" => ["labels", "annotations"].into_iter().find_map(|part| {
            let below = difference(wanted.get(part)?, live[name].get(part)?)?;
            Some(format!("metadata.{part}{below}"))
        }),
        name => Some(format!("{name}{}", difference(wanted, live.get(name)?)?)),
    })
}

/// The way from here to the first difference. Nothing is put into words until there is one: every pass looks at every
/// field.
fn difference(wanted: &Value, live: &Value) -> Option<String> {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => wanted.iter().find_map(|(name, wanted)| {
            let below = difference(wanted, live.get(name)?)?;
            Some(format!(".{name}{below}"))
        }),
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.iter().enumerate().find_map(|(index, item)| {
                // Others may add items, and the API server may order them.
                if live.iter().any(|other| difference(item, other).is_none()) {
                    return None;
                }
                let name = item.get("name").and_then(Value::as_str);
                let same = |other: &&Value| other.get("name").and_then(Value::as_str) == name;
                let other = match name {
                    Some(_) => live.iter().find(same)?,
                    None => live.get(index)?,
                };
                let step = name.map_or_else(|| index.to_string(), str::to_owned);
                let below = difference(item, other)?;
                Some(format!("[{step}]{below}"))
            })
        }
        (Value::Null, _) => None,
        (Value::String(wanted), Value::String(live)) if is_same(wanted, live) => None,
        _ => (wanted != live).then(String::new),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_that_came_out_otherwise_is_named_by_its_path() {
        let wanted = json!({"kind": "StatefulSet", "spec": {"template": {"spec": {"containers": [
            {"name": "etcd", "image": "etcd:1", "command": ["etcd", "--a=1"]},
        ]}}}});
        let mut live = wanted.clone();
        let at = "/spec/template/spec/containers";
        live.pointer_mut(at).unwrap().as_array_mut().unwrap().insert(0, json!({"name": "mesh"}));
        assert_eq!(first_altered(&wanted, &live), None, "what others add is theirs");
        *live.pointer_mut(&format!("{at}/1/image")).unwrap() = json!("mirror/etcd:1");
        let image = "spec.template.spec.containers[etcd].image";
        assert_eq!(first_altered(&wanted, &live).as_deref(), Some(image));
        let mut live = wanted.clone();
        *live.pointer_mut(&format!("{at}/0/command/1")).unwrap() = json!("--a=2");
        let flag = "spec.template.spec.containers[etcd].command[1]";
        assert_eq!(first_altered(&wanted, &live).as_deref(), Some(flag));
    }

    #[test]
    fn what_the_api_server_writes_otherwise_adds_or_drops_is_not_altered() {
        let wanted = json!({
            "metadata": {"name": "etcd", "labels": {"a": "1"}},
            "spec": {"memory": "1024Mi", "cpu": "0.05", "unknown": 1, "none": null, "ports": [{"port": 1}]},
        });
        let live = json!({
            "metadata": {"name": "etcd", "uid": "u", "labels": {"a": "1", "b": "2"}},
            "spec": {"memory": "1Gi", "cpu": "50m", "ports": [{"port": 1, "protocol": "TCP"}]},
            "status": {"ready": 1},
        });
        assert_eq!(first_altered(&wanted, &live), None);
    }
}
