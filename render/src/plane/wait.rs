//! The init containers that let a component wait for what it talks to, instead of crashing or asking with
//! growing pauses.

use k8s_openapi::api::core::v1::Container;

use super::mounts::{CLIENT_CONFIG, CLIENT_CONFIG_DIR, mount};
use super::{helper, names};
use crate::settings::Settings;
use crate::tenant::Tenant;

const FOR_API: &str = "wait-for-api";
const FOR_ETCD: &str = "wait-for-etcd";

/// Ends when kube-apiserver is healthy. Needs the volume of [`super::mounts::client_config_volume`].
pub(super) fn build_wait_for_api(tenant: &Tenant, settings: &Settings) -> Container {
    let url = format!("--url=https://{}:{}/livez", names::API_SERVER, names::API_SERVER_PORT);
    let ca_file = format!("--ca-file={CLIENT_CONFIG_DIR}/ca.crt");
    Container {
        volume_mounts: Some(vec![mount(CLIENT_CONFIG, CLIENT_CONFIG_DIR)]),
        ..build_wait(FOR_API, vec![url, ca_file], tenant, settings)
    }
}

/// Ends when etcd accepts connections. kube-apiserver would ask by itself, but with pauses that grow by 1.6
/// from 1 s on (gRPC's connection back-off).
pub(super) fn build_wait_for_etcd(tenant: &Tenant, settings: &Settings) -> Container {
    let url = format!("--url=tcp://{}:{}", names::ETCD_CLIENT, names::ETCD_CLIENT_PORT);
    build_wait(FOR_ETCD, vec![url], tenant, settings)
}

fn build_wait(name: &str, options: Vec<String>, tenant: &Tenant, settings: &Settings) -> Container {
    Container {
        args: Some(std::iter::once("wait".to_owned()).chain(options).collect()),
        ..helper::build_helper(name, tenant, settings)
    }
}
