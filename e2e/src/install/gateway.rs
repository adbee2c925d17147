//! The gateway in the sandbox: `manifests/gateway/` at the management host's address, by `externalIPs` (`e2e/manifests/gateway`).

use super::{IMAGE, NAMESPACE, PATIENCE, build_gateway_image, content_of, installed};
use crate::error::Result;
use crate::kubectl::{apply, kubectl, kustomize, manifests};
use crate::progress::{say, step};
use crate::{management, resolver, sandbox};

/// Its port at the management host's address.
pub const GATEWAY_PORT: u16 = 443;
/// Tenants are `NAME.NAMESPACE.` and this.
pub const GATEWAY_DOMAIN: &str = "k8s.example.com";

/// Builds this checkout's gateway, loads its image, applies the manifests and waits until its pods are ready. From then on
/// [`GATEWAY_DOMAIN`] is in the sandbox's DNS.
///
/// # Errors
/// The sandbox is not up, the gateway does not compile, or it does not get ready.
pub fn install_gateway() -> Result<()> {
    let archive = build_gateway_image()?;
    let content = content_of(&archive);
    if installed("nagaya-gateway")?.as_deref() == Some(content.as_str()) {
        say(&format!("the gateway is installed ({content})"));
    } else {
        step("load the gateway's image", || {
            let hosts = management::hosts()?;
            hosts.iter().try_for_each(|host| sandbox::load(host.as_ref(), &[&archive]))
        })?;
    }
    step("apply the gateway's manifests", || {
        apply(&kustomize("gateway")?.replace(IMAGE, &content))
    })?;
    let words = ["rollout", "status", "-n", NAMESPACE, "deployment/nagaya-gateway", PATIENCE];
    step("wait for the gateway", || kubectl(&words).map(drop))?;
    resolver::start()
}

/// Takes it away, also where it is not.
///
/// # Errors
/// The sandbox is not up.
pub fn remove_gateway() -> Result<()> {
    resolver::end()?;
    let folder = manifests().join("gateway");
    let how = ["--ignore-not-found", "--wait=false", "--cascade=foreground"];
    kubectl(&[&["delete", "-k", &folder.to_string_lossy()][..], &how].concat())?;
    // What is open through them would hold them for a quarter of an hour.
    let label = "app.kubernetes.io/name=nagaya-gateway";
    let pods = ["delete", "pods", "-n", NAMESPACE, "-l", label, "--grace-period=1", "--wait=true"];
    kubectl(&pods).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::MANAGEMENT_ADDRESS;
    use crate::paths::read_text;

    #[test]
    fn the_manager_is_told_where_the_gateway_is() {
        let text = read_text(&manifests().join("nagaya/nagaya.yaml")).unwrap();
        let gateway = format!(
            "gateway:\n  domain: {GATEWAY_DOMAIN}\n  port: {GATEWAY_PORT}\n  addresses: [{MANAGEMENT_ADDRESS}]\n"
        );
        assert!(text.contains(&gateway), "{text}");
        let text = read_text(&manifests().join("gateway/kustomization.yaml")).unwrap();
        assert!(text.contains(&format!("value: [{MANAGEMENT_ADDRESS}]\n")), "{text}");
    }
}
