//! Init containers out of Nagaya's own image: what has to be done before a component starts, where no image has a
//! shell.

use k8s_openapi::api::core::v1::Container;

use super::pod;
use super::resources::Defaults;
use crate::settings::Settings;
use crate::tenant::Tenant;

const RESOURCES: Defaults = Defaults { cpu: "5m", memory: "16Mi", memory_limit: "64Mi" };

/// The image's program; what it is to do is up to `args`.
pub(super) fn build_helper(name: &str, tenant: &Tenant, settings: &Settings) -> Container {
    Container {
        name: name.to_owned(),
        image: Some(tenant.wait_image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        resources: Some(RESOURCES.or_configured(name, settings)),
        security_context: Some(pod::container_security(&[])),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}
