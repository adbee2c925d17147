//! Kinds of a tenant's own: as many as asked for, each like one of Nagaya's, in a group that is not.

use serde_json::{Value, json};

use super::kubectl::text;
use super::{Kubectl, Outcome};
use crate::progress::step;

/// What kubectl sends in one go.
const AT_ONCE: usize = 20;

/// Makes `count` kinds like `like`, a definition of the management cluster, and waits until they are served.
///
/// # Errors
/// One is refused, or never served.
pub fn create(cluster: &Kubectl, count: usize, like: &str) -> Outcome {
    let like = Kubectl::management().get(&["customresourcedefinition", like])?;
    let kinds: Vec<Value> = (0..count).map(|number| kind(&like, number)).collect();
    step(format!("{count} kinds"), || {
        kinds.chunks(AT_ONCE).try_for_each(|some| cluster.create_all(some))
    })?;
    let all = ["wait", "crd", "--all", "--for=condition=Established", "--timeout=60s"];
    cluster.run(&[&all[..], &["--request-timeout=0"]].concat()).map(drop)
}

/// A kind like `like`, in a group with this number.
#[must_use]
pub fn kind(like: &Value, number: usize) -> Value {
    let group = format!("kind{number}.example.com");
    let name = format!("{}.{group}", text(like, "/spec/names/plural"));
    let mut spec = like["spec"].clone();
    spec["group"] = json!(group);
    json!({
        "apiVersion": like["apiVersion"], "kind": like["kind"], "metadata": {"name": name}, "spec": spec,
    })
}
