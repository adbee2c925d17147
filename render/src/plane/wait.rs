//! The init container that lets a component wait for kube-apiserver instead of crashing.

use k8s_openapi::api::core::v1::Container;

use super::mounts::{CLIENT_CONFIG, CLIENT_CONFIG_DIR, mount};
use super::resources::Defaults;
use super::{names, pod};
use crate::settings::Settings;
use crate::tenant::Tenant;

const NAME: &str = "wait-for-api";

const RESOURCES: Defaults = Defaults { cpu: "5m", memory: "16Mi", memory_limit: "64Mi" };

/// Ends when kube-apiserver answers; the rest of its start (10 s are allowed, `WaitForAPIServer` in
/// `cmd/kube-controller-manager/app`) passes while the kubelet notices and starts the next
/// container. Needs the volume of [`super::mounts::client_config_volume`].
pub(super) fn build_wait_for_api(tenant: &Tenant, settings: &Settings) -> Container {
    let url = format!("https://{}:{}/livez", names::API_SERVER, names::API_SERVER_PORT);
    Container {
        name: NAME.to_owned(),
        image: Some(tenant.wait_image.clone()),
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
