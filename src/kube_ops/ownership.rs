//! Which objects are ours to touch.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nagaya_api::labels;
use serde_json::Value;

use super::error::{Error, describe};
use super::owned_fields;

/// Labels that name whose an object is. The owner's UID is not among them: a plane that was retained,
/// or restored from a backup, carries an older one; who may adopt it is decided once, on its namespace.
const IDENTITY: [&str; 3] = [labels::MANAGED_BY, labels::TENANT_NAME, labels::TENANT_NAMESPACE];

/// Refuses a live object that is not the one `desired` stands for.
///
/// It is the same one if it has the controller owner that `desired` asks for; where `desired` asks for
/// none (an owner cannot be in another namespace), if it has the identity labels of `desired`, or lacks some that
/// somebody took off an object that we had applied.
///
/// # Errors
/// [`Error::ForeignObject`], saying what tells that it is not ours.
pub fn check(live: &ObjectMeta, desired: &Value) -> Result<(), Error> {
    let foreign = |why: String| Error::ForeignObject { object: describe(desired), why };
    if let Some(owner) = controller_owner(desired) {
        let is_owned = live.owner_references.iter().flatten().any(|have| have.uid == owner.uid);
        return if is_owned {
            Ok(())
        } else {
            Err(foreign(format!("it has no owner reference to {} {}", owner.kind, owner.name)))
        };
    }
    for label in IDENTITY {
        let have = live.labels.as_ref().and_then(|all| all.get(label)).map(String::as_str);
        let want = desired["metadata"]["labels"][label].as_str();
        let taken_off = have.is_none() && owned_fields::has_ours(live);
        if have != want && !taken_off {
            let (have, want) = (have.unwrap_or("missing"), want.unwrap_or("missing"));
            return Err(foreign(format!("its label {label} is {have}, not {want}")));
        }
    }
    Ok(())
}

struct Owner<'a> {
    kind: &'a str,
    name: &'a str,
    uid: &'a str,
}

fn controller_owner(desired: &Value) -> Option<Owner<'_>> {
    let references = desired.pointer("/metadata/ownerReferences")?.as_array()?;
    let owner = references.iter().find(|owner| owner["controller"] == Value::Bool(true))?;
    Some(Owner {
        kind: owner["kind"].as_str()?,
        name: owner["name"].as_str()?,
        uid: owner["uid"].as_str()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn meta(value: Value) -> ObjectMeta {
        serde_json::from_value(value).unwrap()
    }

    fn of_tenant(name: &str) -> Value {
        json!({"labels": {
            labels::MANAGED_BY: "nagaya", labels::TENANT_NAME: name, labels::TENANT_NAMESPACE: "acme",
        }})
    }

    fn owned_by(uid: &str) -> Value {
        json!({"name": "demo-kubeconfig", "ownerReferences": [{
            "apiVersion": "nagaya.dev/v1alpha1", "kind": "TenantCluster", "name": "demo",
            "uid": uid, "controller": true,
        }]})
    }

    #[test]
    fn an_object_with_our_labels_is_ours() {
        let desired = json!({"metadata": of_tenant("demo")});
        assert!(check(&meta(of_tenant("demo")), &desired).is_ok());
    }

    #[test]
    fn an_object_of_another_tenant_is_refused_by_label() {
        let desired = json!({"kind": "Secret", "metadata": of_tenant("demo")});
        let error = check(&meta(of_tenant("other")), &desired).unwrap_err();
        assert!(error.to_string().contains("nagaya.dev/tenant-name is other, not demo"), "{error}");
    }

    #[test]
    fn an_object_without_labels_is_refused() {
        let desired = json!({"metadata": of_tenant("demo")});
        assert!(check(&ObjectMeta::default(), &desired).is_err());
    }

    #[test]
    fn an_object_that_we_applied_is_ours_without_its_labels_but_not_with_another_tenants() {
        let applied = |manager: &str, labels: Value| {
            let entry = json!({"manager": manager, "operation": "Apply", "fieldsV1": {}});
            meta(json!({"labels": labels, "managedFields": [entry]}))
        };
        let desired = json!({"metadata": of_tenant("demo")});
        assert!(check(&applied("nagaya", json!({})), &desired).is_ok());
        assert!(check(&applied("kubectl", json!({})), &desired).is_err());
        let others = of_tenant("other")["labels"].clone();
        assert!(check(&applied("nagaya", others), &desired).is_err());
    }

    #[test]
    fn where_an_owner_is_asked_for_labels_alone_do_not_make_an_object_ours() {
        let mut desired = json!({"metadata": owned_by("u1")});
        desired["metadata"]["labels"] = of_tenant("demo")["labels"].clone();
        assert!(check(&meta(of_tenant("demo")), &desired).is_err());
        assert!(check(&meta(owned_by("u2")), &desired).is_err());
        assert!(check(&meta(owned_by("u1")), &desired).is_ok());
    }
}
