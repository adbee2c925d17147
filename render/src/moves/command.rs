//! What is run on a machine so that its kubelet uses another endpoint.

use nagaya_api::labels;

use crate::tenant::Endpoint;

/// One line for a shell of root. It needs curl, and nothing of the node's name: the API server says who the kubelet is. As
/// long as the new endpoint does not answer to the kubelet's credential nothing is changed, and a second time it does the
/// same again. Paths are kubeadm's.
#[must_use]
pub fn command(endpoint: &Endpoint) -> String {
    let (url, authority, key) = (endpoint.url(), endpoint.authority(), labels::NODE_ENDPOINT);
    format!(
        "sh -ec '\
         api() {{ curl -fsS --max-time 20 --cacert /etc/kubernetes/pki/ca.crt \
         --cert /var/lib/kubelet/pki/kubelet-client-current.pem -H \"Content-Type: application/$1\" -d \"$2\" {url}$3 $4; }}; \
         node=$(api json \"{{\\\"apiVersion\\\":\\\"authentication.k8s.io/v1\\\",\\\"kind\\\":\\\"SelfSubjectReview\\\"}}\" \
         /apis/authentication.k8s.io/v1/selfsubjectreviews | grep -o \"system:node:[^\\\"]*\" | cut -d: -f3); \
         test -n \"$node\"; \
         sed -i \"s|^\\( *server: \\).*|\\1{url}|\" /etc/kubernetes/kubelet.conf; \
         grep -qF \"server: {url}\" /etc/kubernetes/kubelet.conf; \
         systemctl restart kubelet; \
         api merge-patch+json \"{{\\\"metadata\\\":{{\\\"annotations\\\":{{\\\"{key}\\\":\\\"{authority}\\\"}}}}}}\" \
         /api/v1/nodes/$node -XPATCH >/dev/null; \
         echo \"$node uses {authority}\"'"
    )
}
