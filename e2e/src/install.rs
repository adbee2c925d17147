//! Nagaya in the sandbox: this checkout's manager in an image of its own, and the manifests that
//! users install, with the sandbox's configuration (`e2e/manifests/nagaya`).
//!
//! The demo, the tests and the benchmark all start with [`install`].

mod gateway;
mod manager;
mod metallb;
mod previous;

use std::path::Path;

pub use gateway::{GATEWAY_DOMAIN, GATEWAY_PORT, install_gateway, remove_gateway};
pub use manager::{
    build_doctor, build_forwarder_image, build_gateway_image, build_image, build_manager,
};
pub use metallb::{apply_pool, install_metallb, remove_metallb};
pub use previous::install_previous;

use crate::error::{Error, Result};
use crate::kubectl::{apply, kubectl, kustomize};
use crate::progress::{say, step};
use crate::{management, sandbox};

/// Where the manager runs.
pub const NAMESPACE: &str = "nagaya-system";
/// How long the manager may take to be Ready, for kubectl.
const PATIENCE: &str = "--timeout=120s";
/// What `e2e/manifests/nagaya` has in the place of the image's content.
const IMAGE: &str = "@IMAGE@";
const INSTALLED_IMAGE: &str =
    "jsonpath={.spec.template.metadata.annotations.sandbox\\.nagaya\\.dev/image}";

/// Builds this checkout's manager, loads its image into the management hosts, applies the manifests
/// and waits until the manager is Ready. Done again, it changes only what is different.
///
/// # Errors
/// The sandbox is not up, the manager does not compile, or it does not get Ready; the text ends
/// with its last words then.
pub fn install() -> Result<()> {
    let archive = build_image()?;
    let content = content_of(&archive);
    if installed("nagaya")?.as_deref() == Some(content.as_str()) {
        say(&format!("Nagaya is installed ({content})"));
    } else {
        step("load the manager's image", || {
            management::hosts()?
                .iter()
                .try_for_each(|host| sandbox::load(host.as_ref(), &[&archive]))
        })?;
    }
    step("apply the manifests", || apply(&kustomize("nagaya")?.replace(IMAGE, &content)))?;
    step("wait for the definitions and the manager", await_ready)
}

/// What the image holds, told by the name of its archive.
fn content_of(archive: &Path) -> String {
    archive.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The content of the image that a Deployment was last told to run; none if there is no such Deployment.
fn installed(deployment: &str) -> Result<Option<String>> {
    let words = ["get", "deployment", deployment, "-n", NAMESPACE, "--ignore-not-found"];
    let content = kubectl(&[&words[..], &["-o", INSTALLED_IMAGE]].concat())?;
    Ok(Some(content).filter(|content| !content.is_empty()))
}

fn await_ready() -> Result<()> {
    let definitions = ["crd/tenantclusters.nagaya.dev", "crd/jointokens.nagaya.dev"];
    kubectl(&[&["wait", "--for=condition=Established", PATIENCE][..], &definitions].concat())?;
    let rollout = ["rollout", "status", "-n", NAMESPACE, "deployment/nagaya", PATIENCE];
    kubectl(&rollout).map(drop).map_err(with_last_words)
}

/// A failure with what the managers' pods say about themselves.
fn with_last_words(error: Error) -> Error {
    if matches!(error, Error::Interrupted) {
        return error;
    }
    let pods = kubectl(&["get", "pods", "-n", NAMESPACE, "-o", "wide"]).unwrap_or_default();
    let words =
        ["logs", "-n", NAMESPACE, "-l", "app.kubernetes.io/name=nagaya", "--prefix", "--tail=20"];
    let log = kubectl(&words).unwrap_or_else(|error| error.to_string());
    Error::Refused(format!("{error}\n{pods}\nthe managers' last words:\n{log}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubectl::manifests;
    use crate::network;
    use crate::paths::read_text;

    #[test]
    fn the_manager_is_told_the_management_hosts_address() {
        let text = read_text(&manifests().join("nagaya/nagaya.yaml")).unwrap();
        let line = format!("nodePortHost: {}", network::MANAGEMENT_ADDRESS);
        assert!(text.lines().any(|found| found == line), "{text}");
    }

    #[test]
    fn a_newly_built_image_changes_the_deployment() {
        let text = read_text(&manifests().join("nagaya/kustomization.yaml")).unwrap();
        assert!(text.contains(&format!("sandbox.nagaya.dev/image: \"{IMAGE}\"")), "{text}");
    }
}
