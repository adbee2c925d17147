//! Keys and types of the Secrets that hold certificates, and reading text out of them.

use k8s_openapi::api::core::v1::Secret;

/// Type of a Secret with a certificate and its key; further keys are allowed in it.
pub(crate) const TLS: &str = "kubernetes.io/tls";
/// Type of any other Secret.
pub(crate) const OPAQUE: &str = "Opaque";

/// Keys that the type kubernetes.io/tls demands.
pub(crate) const CERTIFICATE: &str = "tls.crt";
pub(crate) const PRIVATE_KEY: &str = "tls.key";
/// What a server's certificate is verified with, named as cert-manager names it.
pub(crate) const CA_CERTIFICATE: &str = "ca.crt";
/// The service-account key pair, named as kubeadm names the files.
pub(crate) const SA_PRIVATE_KEY: &str = "sa.key";
pub(crate) const SA_PUBLIC_KEY: &str = "sa.pub";
/// A kubeconfig that names the files of the pair beside it.
pub(crate) const KUBECONFIG: &str = "kubeconfig";

/// Key, or file, of the certificate of a pair that is not alone in its place.
pub(crate) fn certificate(pair: &str) -> String {
    format!("{pair}.crt")
}

/// The same of its private key.
pub(crate) fn private_key(pair: &str) -> String {
    format!("{pair}.key")
}

/// Every certificate in a Secret.
pub(super) fn certificates(secret: &Secret) -> impl Iterator<Item = &str> {
    let data = secret.data.iter().flatten().filter(|(key, _)| key.strip_suffix(".crt").is_some());
    data.filter_map(|(_, value)| std::str::from_utf8(&value.0).ok())
}

/// The value of `key`, if it is there and is text.
pub(crate) fn text<'a>(secret: &'a Secret, key: &str) -> Option<&'a str> {
    std::str::from_utf8(&secret.data.as_ref()?.get(key)?.0).ok()
}
