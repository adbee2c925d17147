//! `nagaya explain NAME`: what a tenant's control plane is made of, with the one line about each part that
//! matters now. For people and scripts: it fails when the cluster is not Ready.

use std::fmt::Write as _;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, ResourceExt};
use nagaya_api::{TenantCluster, conditions as types};

use crate::cli::management_cluster::{self, ManagementCluster};

/// Whom to explain, and where he is.
#[derive(Clone, Debug, clap::Args)]
pub struct ExplainOptions {
    /// Name of the `TenantCluster`.
    name: String,

    #[command(flatten)]
    management: ManagementCluster,
}

/// Why there is nothing good to say.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// See [`management_cluster::Error`].
    #[error(transparent)]
    Management(#[from] management_cluster::Error),
    /// The management cluster does not answer, or refuses.
    #[error("cannot read TenantCluster {name}: {source}")]
    Read {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// It was explained, and is not Ready.
    #[error("{0} is not Ready")]
    NotReady(String),
}

/// Prints the parts.
///
/// # Errors
/// [`Error::NotReady`], after it was printed; or there is nothing to print.
pub fn explain(options: &ExplainOptions) -> Result<(), Error> {
    let cluster = options.management.ask(async |client, namespace| {
        let of = |source| Error::Read { name: options.name.clone(), source: Box::new(source) };
        Api::<TenantCluster>::namespaced(client, &namespace).get(&options.name).await.map_err(of)
    })?;
    print!("{}", in_words(&cluster, Timestamp::now()));
    let name = format!("{}/{}", cluster.namespace().unwrap_or_default(), cluster.name_any());
    if cluster.is_ready() { Ok(()) } else { Err(Error::NotReady(name)) }
}

/// The whole first, what is going on with it, then its parts in the order in which they need each other.
fn in_words(cluster: &TenantCluster, now: Timestamp) -> String {
    let status = cluster.status.clone().unwrap_or_default();
    let mut text =
        format!("TenantCluster {}/{}", cluster.namespace().unwrap_or_default(), cluster.name_any());
    let facts = [
        status.version.clone(),
        status.endpoint.clone(),
        status.nodes.map(|nodes| format!("{nodes} node{}", if nodes == 1 { "" } else { "s" })),
        status.control_plane_namespace.map(|namespace| format!("control plane in {namespace}")),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        ": {}",
        if facts.is_empty() { "nothing yet".to_owned() } else { facts.join(", ") }
    );
    if status.observed_generation != cluster.metadata.generation {
        text.push_str("  the manager has not looked at the newest spec yet; is it running?\n");
    }
    let (whole, parts): (Vec<_>, Vec<_>) = status
        .conditions
        .iter()
        .partition(|one| [types::READY, types::RECONCILING, types::STALLED].contains(&&*one.type_));
    for one in &whole {
        let _ = writeln!(text, "{}", line(one, now));
    }
    for (index, one) in parts.iter().enumerate() {
        let branch = if index + 1 == parts.len() { "└─" } else { "├─" };
        let _ = writeln!(text, "{branch} {}", line(one, now));
    }
    text
}

fn line(condition: &Condition, now: Timestamp) -> String {
    let Condition { type_, status, reason, message, .. } = condition;
    let is_well = match type_.as_str() {
        // Of these two, to be there is the news.
        types::STALLED => false,
        types::RECONCILING => true,
        // What it says is bad.
        types::NODES_CUT_OFF | types::CONNECTIONS_LIMITED => status == "False",
        _ => status == "True",
    };
    let mark = match (is_well, status.as_str()) {
        (true, _) => "✓",
        (false, "Unknown") => "?",
        (false, _) => "✗",
    };
    let since = since(condition, now);
    format!("{mark} {type_} ({reason}, for {since}): {message}")
}

fn since(condition: &Condition, now: Timestamp) -> String {
    let seconds = now.duration_since(condition.last_transition_time.0).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cluster(ready: &str) -> TenantCluster {
        let condition = |kind: &str, status: &str, reason: &str, message: &str| {
            json!({
                "type": kind, "status": status, "reason": reason, "message": message,
                "lastTransitionTime": "2026-11-22T12:00:00Z",
            })
        };
        serde_json::from_value(json!({
            "apiVersion": "nagaya.dev/v1alpha1", "kind": "TenantCluster",
            "metadata": {"name": "demo", "namespace": "acme", "generation": 2},
            "spec": {"version": "1.37"},
            "status": {
                "observedGeneration": 2, "version": "v1.37.1", "nodes": 1,
                "conditions": [
                    condition("Ready", ready, "EndpointUnreachable", "endpoint: connection refused"),
                    condition("EtcdReady", "False", "NotReady", "pod etcd-0 cannot be scheduled"),
                    condition("APIServerReady", "True", "Ready", "1 of 1 replicas"),
                ],
            },
        }))
        .unwrap()
    }

    #[test]
    fn every_part_has_a_line_that_says_how_it_is_and_since_when() {
        let now = "2026-11-22T12:05:00Z".parse().unwrap();
        assert_eq!(
            in_words(&cluster("False"), now),
            "TenantCluster acme/demo: v1.37.1, 1 node\n\
             ✗ Ready (EndpointUnreachable, for 5m): endpoint: connection refused\n\
             ├─ ✗ EtcdReady (NotReady, for 5m): pod etcd-0 cannot be scheduled\n\
             └─ ✓ APIServerReady (Ready, for 5m): 1 of 1 replicas\n"
        );
    }

    #[test]
    fn a_spec_that_nobody_has_looked_at_is_told() {
        let mut cluster = cluster("True");
        cluster.metadata.generation = Some(3);
        assert!(in_words(&cluster, Timestamp::UNIX_EPOCH).contains("is it running?"));
    }

    #[test]
    fn only_true_is_ready() {
        assert!(cluster("True").is_ready());
        assert!(!cluster("False").is_ready());
        assert!(!cluster("Unknown").is_ready());
    }
}
