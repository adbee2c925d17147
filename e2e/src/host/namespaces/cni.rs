//! The host's pod network: the bridge plug-in with the podCIDR that the cluster gave the node.

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use super::routes;
use crate::command::command;
use crate::error::{Error, IoContext, Result};
use crate::paths;

/// Where containerd looks for the network's configuration.
pub const CONFIG: &str = "/etc/cni/net.d/10-bridge.conflist";
/// How the host itself speaks to its cluster, once it has joined.
pub const KUBECONFIG: &str = "/etc/kubernetes/kubelet.conf";
/// A watch that saw nothing in this many seconds ends; the supervisor starts another.
const WATCH_SECONDS: u32 = 60;

/// Waits until the cluster has given the node its podCIDRs, then writes the network's
/// configuration and tells the other hosts. Runs inside the host; a watch, since join → Ready is measured.
///
/// # Errors
/// The cluster does not answer, or closes the watch before there was a podCIDR.
pub fn configure(node: &str, address: Ipv4Addr) -> Result<()> {
    let path = format!(
        "/api/v1/nodes?watch=true&timeoutSeconds={WATCH_SECONDS}&fieldSelector=metadata.name%3D{node}"
    );
    let mut watch = command(&["kubectl", "--kubeconfig", KUBECONFIG, "get", "--raw", &path])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .doing(|| "start kubectl".to_owned())?;
    let events = watch.stdout.take().map(BufReader::new);
    let found = events.into_iter().flat_map(BufRead::lines).map_while(std::result::Result::ok);
    let cidrs = found.map(|line| pod_cidrs(&line)).find(|cidrs| !cidrs.is_empty());
    // It would go on watching; whether it still runs does not matter.
    let _ = watch.kill();
    let _ = watch.wait();
    let cidrs = cidrs.ok_or_else(|| {
        Error::Refused(format!("node {node} has no podCIDR yet, or its cluster does not answer"))
    })?;
    routes::announce(node, address, &cidrs)?;
    paths::write_whole(Path::new(CONFIG), build_conflist(&cidrs).to_string().as_bytes())
}

/// The podCIDRs in one event of a watch on nodes.
fn pod_cidrs(event: &str) -> Vec<String> {
    let event: Value = serde_json::from_str(event).unwrap_or_default();
    let cidrs = event["object"]["spec"]["podCIDRs"].as_array().cloned().unwrap_or_default();
    cidrs.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn build_conflist(cidrs: &[String]) -> Value {
    let ranges: Vec<_> = cidrs.iter().map(|cidr| json!([{ "subnet": cidr }])).collect();
    let default = |cidr: &String| if cidr.contains(':') { "::/0" } else { "0.0.0.0/0" };
    let routes: Vec<_> = cidrs.iter().map(|cidr| json!({ "dst": default(cidr) })).collect();
    json!({
        "cniVersion": "0.4.0",
        "name": "nagaya-sandbox",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": true,
                "ipMasq": true,
                "hairpinMode": true,
                "ipam": { "type": "host-local", "ranges": ranges, "routes": routes },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_without_a_cidr_is_waited_for() {
        assert!(pod_cidrs(r#"{"type":"ADDED","object":{"spec":{}}}"#).is_empty());
        assert!(pod_cidrs("not json").is_empty());
    }

    #[test]
    fn two_cidrs_give_two_ranges_and_a_route_for_each_family() {
        let event = r#"{"object":{"spec":{"podCIDRs":["10.244.0.0/24","fd00::/64"]}}}"#;
        let ipam = &build_conflist(&pod_cidrs(event))["plugins"][0]["ipam"];
        assert_eq!(ipam["ranges"][1][0]["subnet"], "fd00::/64");
        assert_eq!(ipam["routes"], json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]));
    }
}
