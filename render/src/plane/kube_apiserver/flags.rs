//! The command line of kube-apiserver: kubeadm's (`phases/controlplane.getAPIServerCommand`) with separate
//! CAs, and what the CIS benchmark asks for where it costs nothing.

use std::net::IpAddr;

use super::{authentication, tunnel};
use crate::certificates::secret_data::{SA_PRIVATE_KEY, SA_PUBLIC_KEY};
use crate::membership::EtcdShape;
use crate::plane::mounts::PKI_DIR;
use crate::plane::{names, networks};
use crate::tenant::Tenant;

pub(super) fn build_command(tenant: &Tenant, members: &EtcdShape) -> Vec<String> {
    let mut command = vec!["kube-apiserver".to_owned()];
    command.extend(FILES.iter().map(|(flag, file)| format!("--{flag}={PKI_DIR}/{file}")));
    command.extend([
        format!("--authentication-config={}/{}", authentication::DIR, authentication::FILE),
        format!("--etcd-servers={}", etcd_servers(tenant, members)),
        format!("--requestheader-allowed-names={}", names::FRONT_PROXY_USER),
        format!("--secure-port={}", names::API_SERVER_PORT),
        format!(
            "--service-account-issuer=https://kubernetes.default.svc.{}",
            tenant.cluster_domain
        ),
        format!("--service-cluster-ip-range={}", networks::joined(&tenant.service_cidrs)),
    ]);
    command.extend(advertised(tenant).map(|address| format!("--advertise-address={address}")));
    command.extend(CONSTANT.map(str::to_owned));
    command.extend(tunnel::build_api_server_flags(tenant));
    command
}

/// Each by its name, and only those that stay: a Service would spread its connections over whatever is there, and
/// none of them could be taken off a member that is to leave.
fn etcd_servers(tenant: &Tenant, members: &EtcdShape) -> String {
    let url = |ordinal| names::etcd_client_url(&tenant.plane_namespace, ordinal);
    (0..members.serving).map(url).collect::<Vec<_>>().join(",")
}

/// What kube-apiserver calls its own address towards the tenant.
fn advertised(tenant: &Tenant) -> Option<&IpAddr> {
    tenant.exposure.addresses.first()
}

/// Flags whose value is a file of the Secrets.
const FILES: [(&str, &str); 14] = [
    ("client-ca-file", "client-ca.crt"),
    ("etcd-cafile", "etcd-ca.crt"),
    ("etcd-certfile", "apiserver-etcd-client.crt"),
    ("etcd-keyfile", "apiserver-etcd-client.key"),
    ("kubelet-certificate-authority", "kubelet-serving-ca.crt"),
    ("kubelet-client-certificate", "apiserver-kubelet-client.crt"),
    ("kubelet-client-key", "apiserver-kubelet-client.key"),
    ("proxy-client-cert-file", "front-proxy-client.crt"),
    ("proxy-client-key-file", "front-proxy-client.key"),
    ("requestheader-client-ca-file", "front-proxy-ca.crt"),
    ("service-account-key-file", SA_PUBLIC_KEY),
    ("service-account-signing-key-file", SA_PRIVATE_KEY),
    ("tls-cert-file", "apiserver.crt"),
    ("tls-private-key-file", "apiserver.key"),
];

const CONSTANT: [&str; 13] = [
    "--allow-privileged=true",
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--enable-bootstrap-token-auth=true",
    // Nodes reach the API by the endpoint; the manager writes default/kubernetes itself.
    "--endpoint-reconciler-type=none",
    // Node names do not resolve on the management side.
    "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-username-headers=X-Remote-User",
    // CIS 1.2.15.
    "--profiling=false",
    // CIS 1.2.30: a token ends when it says so. Every client library since 2021 reads it again.
    "--service-account-extend-token-expiration=false",
    // A replica that ends serves until every management node has taken it out of the Service.
    "--shutdown-delay-duration=5s",
    "--shutdown-send-retry-after=true",
];
