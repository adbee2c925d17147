//! What `kubeadm join` reads without a credential: cluster-info, and the token that signs it.
//! Source: `cmd/kubeadm/app/phases/bootstraptoken/clusterinfo`.

use k8s_openapi::api::core::v1::Secret;
use nagaya_pki::{BootstrapToken, Kubeconfig};

use super::manifest::{KUBE_PUBLIC, build_config_map, meta};
use super::objects::Discovery;
use super::rbac::{build_config_map_reader, build_role_binding, user};
use super::{ContentError, ContentInputs};
use crate::join_token::build_token_secret;

const CLUSTER_INFO: &str = "cluster-info";
const CLUSTER_INFO_READER: &str = "kubeadm:bootstrap-signer-clusterinfo";

pub(super) fn build_discovery(inputs: &ContentInputs<'_>) -> Result<Discovery, ContentError> {
    let kubeconfig =
        Kubeconfig::cluster_info(&inputs.endpoint.url(), inputs.cluster_ca_bundle_pem).to_yaml()?;
    Ok(Discovery {
        signing_token: build_signing_token(inputs.signing_token),
        cluster_info: build_config_map(
            meta(KUBE_PUBLIC, CLUSTER_INFO),
            [("kubeconfig", kubeconfig)],
        ),
        cluster_info_role: build_config_map_reader(KUBE_PUBLIC, CLUSTER_INFO_READER, CLUSTER_INFO),
        cluster_info_role_binding: build_role_binding(
            KUBE_PUBLIC,
            CLUSTER_INFO_READER,
            vec![user("system:anonymous")],
        ),
    })
}

/// A token that signs and never expires, and that authenticates nobody: cluster-info stays signed, and so
/// checkable, while no `JoinToken` is alive.
fn build_signing_token(token: &BootstrapToken) -> Secret {
    build_token_secret(
        token,
        &[
            ("usage-bootstrap-authentication", "false"),
            ("usage-bootstrap-signing", "true"),
            ("description", "Signs kube-public/cluster-info for Nagaya's probes; lets nobody in."),
        ],
    )
}
