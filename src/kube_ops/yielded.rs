//! Fields that are ours only until somebody else sets them: what of an object is applied beside others' fields.

use std::borrow::Cow;

use kube::api::ObjectMeta;
use serde_json::{Map, Value};

use super::owned_fields::{fields_of, has_keys, is_ours};

/// `desired` without those of `fields` (steps as in `FieldsV1`) that a field manager besides us owns in `live`.
pub(super) fn without(live: &ObjectMeta, desired: &Value, fields: &[&[&str]]) -> Value {
    let others = live.managed_fields.iter().flatten().filter(|entry| !is_ours(entry));
    let others: Vec<Cow<'_, Value>> = others.filter_map(fields_of).collect();
    let mut desired = desired.clone();
    for field in fields.iter().filter(|field| others.iter().any(|set| owns(set, field))) {
        take_away(&mut desired, field);
    }
    desired
}

fn owns(set: &Value, field: &[&str]) -> bool {
    field.iter().try_fold(set, |set, step| set.get(step)).is_some()
}

/// Whether nothing is left of `value`: an empty map would be applied as one.
fn take_away(value: &mut Value, field: &[&str]) -> bool {
    let Some((step, rest)) = field.split_first() else { return true };
    match (step.split_once(':'), value) {
        (Some(("f", name)), Value::Object(members)) => {
            if members.get_mut(name).is_some_and(|member| take_away(member, rest)) {
                members.remove(name);
            }
            members.is_empty()
        }
        (Some(("k", keys)), Value::Array(items)) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            if let Some(item) = items.iter_mut().find(|item| has_keys(item, &keys)) {
                take_away(item, rest);
            }
            false
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const REPLICAS: &[&str] = &["f:spec", "f:replicas"];
    const LIMIT: &[&str] =
        &["f:spec", "f:containers", r#"k:{"name":"dns"}"#, "f:resources", "f:limits", "f:memory"];

    fn desired() -> Value {
        let resources = json!({"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}});
        let containers = json!([{"name": "other"}, {"name": "dns", "resources": resources}]);
        json!({"spec": {"replicas": 2, "paused": false, "containers": containers}})
    }

    fn live(manager: &str, subresource: &str, fields: &Value) -> ObjectMeta {
        serde_json::from_value(json!({"managedFields": [{
            "manager": manager, "operation": "Update", "apiVersion": "apps/v1", "subresource": subresource,
            "fieldsType": "FieldsV1", "fieldsV1": fields,
        }]}))
        .unwrap()
    }

    #[test]
    fn a_field_that_somebody_else_owns_is_not_applied_and_the_others_are() {
        let scaled = live("kubectl", "scale", &json!({"f:spec": {"f:replicas": {}}}));
        let applied = without(&scaled, &desired(), &[REPLICAS, LIMIT]);
        let mut wanted = desired();
        wanted["spec"].as_object_mut().unwrap().remove("replicas");
        assert_eq!(applied, wanted);
    }

    #[test]
    fn a_containers_field_is_found_by_its_name_and_leaves_no_empty_map() {
        let fields = json!({"f:memory": {}});
        let fields = json!({"k:{\"name\":\"dns\"}": {"f:resources": {"f:limits": fields}}});
        let set = live("vpa", "", &json!({"f:spec": {"f:containers": fields}}));
        let applied = without(&set, &desired(), &[LIMIT]);
        assert_eq!(
            applied["spec"]["containers"][1]["resources"],
            json!({"requests": {"cpu": "1"}})
        );
        assert_eq!(applied["spec"]["replicas"], 2);
    }

    #[test]
    fn what_only_we_own_and_what_is_not_yielded_is_applied() {
        let own = live("nagaya", "", &json!({"f:spec": {"f:replicas": {}}}));
        assert_eq!(without(&own, &desired(), &[REPLICAS]), desired());
        let foreign = live("kubectl", "", &json!({"f:spec": {"f:replicas": {}}}));
        assert_eq!(without(&foreign, &desired(), &[]), desired());
        assert_eq!(without(&ObjectMeta::default(), &desired(), &[REPLICAS]), desired());
    }
}
