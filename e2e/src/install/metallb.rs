//! MetalLB in the sandbox: the manifest of its own release, with images that are made from the same Go module.

use std::net::IpAddr;

use serde_json::json;

use super::PATIENCE;
use crate::command::feed;
use crate::components::Component;
use crate::error::{Error, Result};
use crate::kubectl::{apply, command, kubectl};
use crate::progress::step;
use crate::{images, management, paths, sandbox};

const MANIFEST: &str = "config/manifests/metallb-native.yaml";
const NAMESPACE: &str = "metallb-system";
/// kubeadm has load balancers leave out control-plane nodes, by a label; the sandbox has no others. So a speaker is told to
/// overlook that, behind the arguments that all of them have.
const SPEAKER: &str = "- --log-level=info\n        env:\n        - name: METALLB_NODE_NAME";
const OVERLOOKING: &str = "- --log-level=info\n        - --ignore-exclude-lb\n        env:\n        - name: METALLB_NODE_NAME";

/// Builds it, loads its images, applies its manifest and waits until its pods are ready. It has no addresses to give yet.
///
/// # Errors
/// The sandbox is not up, MetalLB cannot be built, or it does not get ready.
pub fn install_metallb() -> Result<()> {
    let archives = images::metallb()?;
    step("load MetalLB's images", || {
        management::hosts()?.iter().try_for_each(|host| sandbox::load(host.as_ref(), &archives))
    })?;
    step("apply MetalLB's manifest", || apply(&manifest()?))?;
    step("wait for MetalLB", || {
        // The speaker's key is made by the controller.
        for workload in ["deployment/controller", "daemonset/speaker"] {
            kubectl(&["rollout", "status", "-n", NAMESPACE, workload, PATIENCE])?;
        }
        Ok(())
    })
}

/// The addresses that it may give from now on, which it says by ARP and NDP are the node's.
///
/// # Errors
/// The sandbox is not up, or MetalLB refuses.
pub fn apply_pool(addresses: &[IpAddr]) -> Result<()> {
    let each: Vec<_> = addresses.iter().map(|address| format!("{address}-{address}")).collect();
    let metadata = json!({"name": "sandbox", "namespace": NAMESPACE});
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": metadata, "spec": {"addresses": each}},
        {"apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement", "metadata": metadata},
    ]});
    apply(&objects.to_string()).map(drop)
}

/// Takes it away, also where it is not.
///
/// # Errors
/// The sandbox is not up.
pub fn remove_metallb() -> Result<()> {
    let words = ["delete", "-f", "-", "--ignore-not-found", "--timeout=60s"];
    feed(&mut command(&words)?, manifest()?.as_bytes()).map(drop)
}

fn manifest() -> Result<String> {
    let path = Component::metallb().sources()?.join(MANIFEST);
    let text = paths::read_text(&path)?;
    if text.contains(SPEAKER) {
        return Ok(text.replace(SPEAKER, OVERLOOKING));
    }
    Err(Error::Malformed { path, reason: "the speaker's arguments are not there".to_owned() })
}
