//! The init container that lets a component wait for kube-apiserver instead of crashing.

use k8s_openapi::api::core::v1::Container;

use super::mounts::{CLIENT_CONFIG, CLIENT_CONFIG_DIR, mount};
use super::resources::Defaults;
use super::{names, pod};
use crate::settings::Settings;

const NAME: &str = "wait-for-api";

const RESOURCES: Defaults = Defaults {
    cpu: "5m",
    memory: "16Mi",
    memory_limit: "64Mi",
};

/// The checks that end last, about a second after kube-apiserver works: until they pass, kube-controller-manager
/// waits by itself (10 s, `cmd/kube-controller-manager/app.WaitForAPIServer`), and that second is what the kubelet
/// takes to see this container's end.
const LATE_CHECKS: [&str; 2] = [
    "poststarthook/rbac/bootstrap-roles",
    "poststarthook/scheduling/bootstrap-system-priority-classes",
];

/// Ends when kube-apiserver is alive. Needs the volume of [`super::mounts::client_config_volume`].
pub(super) fn build_wait_for_api(settings: &Settings) -> Container {
    let exclude: Vec<String> = LATE_CHECKS
        .iter()
        .map(|check| format!("exclude={check}"))
        .collect();
    let url = format!(
        "https://{}:{}/livez?{}",
        names::API_SERVER,
        names::API_SERVER_PORT,
        exclude.join("&")
    );
    Container {
        name: NAME.to_owned(),
        image: Some(
            settings
                .control_plane_images
                .resolve(&settings.manager_image),
        ),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: Some(vec![
            "wait".to_owned(),
            format!("--url={url}"),
            format!("--ca-file={CLIENT_CONFIG_DIR}/ca.crt"),
        ]),
        resources: Some(RESOURCES.or_configured(NAME, settings)),
        security_context: Some(pod::container_security(&[])),
        volume_mounts: Some(vec![mount(CLIENT_CONFIG, CLIENT_CONFIG_DIR)]),
        ..Container::default()
    }
}
