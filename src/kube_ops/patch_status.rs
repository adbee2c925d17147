//! Writes a status, once per pass and only if it says something new.

use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use nagaya_api::labels;
use serde::Serialize;
use serde_json::{Value, json};

use super::error::{Error, to_json};
use super::{Object, reread};

/// Members that tell when, not what.
const TIMES: [&str; 3] = ["lastTransitionTime", "lastProbeTime", "lastUpdateTime"];

/// Makes `status` the status of `live`, unless the two differ in times only.
///
/// Returns whether it was written. The status is applied as a whole: what `status` does not have goes.
///
/// If the object has changed since `live`, it is read once, and compared with what is there then.
///
/// # Errors
/// [`Error::ObjectChanged`] if the object was made again since it was read, or changes all the time.
pub async fn patch_status<K: Object>(
    api: &Api<K>,
    live: &K,
    status: &impl Serialize,
) -> Result<bool, Error> {
    let status = to_json(status)?;
    match write(api, live, &status).await {
        Err(Error::ObjectChanged { object }) => {
            let newer = Box::pin(reread::again(api, live, object)).await?;
            Box::pin(write(api, &newer, &status)).await
        }
        done => done,
    }
}

async fn write<K: Object>(api: &Api<K>, live: &K, status: &Value) -> Result<bool, Error> {
    let live_json = to_json(live)?;
    let previous = live_json.get("status").cloned().unwrap_or_else(|| json!({}));
    if without_times(previous) == without_times(status.clone()) {
        return Ok(false);
    }
    let patch = json!({
        "apiVersion": live_json["apiVersion"],
        "kind": live_json["kind"],
        "metadata": {
            "name": live.name_any(), "namespace": live.namespace(),
            "uid": live.uid(), "resourceVersion": live.resource_version(),
        },
        "status": status,
    });
    let params = PatchParams::apply(labels::MANAGER).force();
    api.patch_status(&live.name_any(), &params, &Patch::Apply(&patch))
        .await
        .map_err(|source| Error::of_call("write the status of", &live_json, source))?;
    Ok(true)
}

fn without_times(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(name, _)| !TIMES.contains(&name.as_str()))
            .map(|(name, member)| (name, without_times(member)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_times).collect(),
        scalar => scalar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_alone_are_no_news() {
        let at = |time| json!({"conditions": [{"type": "Ready", "lastTransitionTime": time}]});
        assert_eq!(without_times(at("10:00")), without_times(at("11:00")));
    }

    #[test]
    fn an_expiration_is_news() {
        let at = |time| json!({"expirationTime": time});
        assert_ne!(without_times(at("10:00")), without_times(at("11:00")));
    }
}
