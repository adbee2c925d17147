//! The signature on cluster-info, byte for byte as `k8s.io/cluster-bootstrap/token/jws` makes it.
//!
//! A node that knows the bootstrap token but not yet the CA checks with it that cluster-info is
//! genuine. The form is a JWS with detached content (RFC 7515 appendix F) over HMAC-SHA-256.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::BootstrapToken;

/// The detached signature: value of the key `jws-kubeconfig-<token id>` of cluster-info, where
/// `kubeconfig` is the value of its key `kubeconfig`.
#[must_use]
pub fn sign(kubeconfig: &[u8], token: &BootstrapToken) -> String {
    compute(kubeconfig, token.id(), token.secret())
}

/// Whether `signature` is what [`sign`] makes, compared in constant time.
#[must_use]
pub fn verify(signature: &str, kubeconfig: &[u8], token: &BootstrapToken) -> bool {
    let expected = sign(kubeconfig, token);
    verify_slices_are_equal(signature.as_bytes(), expected.as_bytes()).is_ok()
}

fn compute(content: &[u8], token_id: &str, token_secret: &str) -> String {
    // kubeadm compares whole strings, so the header's key order is part of the format. A token id
    // is [a-z0-9]{6} and needs no JSON escaping.
    let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"HS256","kid":"{token_id}"}}"#));
    let mut signing =
        hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, token_secret.as_bytes()));
    signing.update(header.as_bytes());
    signing.update(b".");
    signing.update(URL_SAFE_NO_PAD.encode(content).as_bytes());
    format!("{header}..{}", URL_SAFE_NO_PAD.encode(signing.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: &[u8] = b"Hello from the other side. I must have called a thousand times.";

    #[test]
    fn signatures_equal_the_vectors_of_cluster_bootstrap() {
        // k8s.io/cluster-bootstrap v0.37.1, token/jws/jws_test.go.
        let header = "eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..";
        for (content, secret, signature) in [
            (CONTENT, "my voice is my passcode", "VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8"),
            (b"", "my voice is my passcode", "7Ui1ALizW4jXphVUB7xUqC9vLYLL9RZeOFfVLoB7Tgk"),
            (CONTENT, "", "UfkqvDGiIFxrMnFseDj9LYJOLNrvjW8aHhF71mvvAs8"),
        ] {
            assert_eq!(compute(content, "joshua", secret), format!("{header}{signature}"));
        }
    }

    #[test]
    fn a_signature_holds_only_for_its_content_and_its_token() {
        let token: BootstrapToken = "abcdef.0123456789abcdef".parse().expect("valid token");
        let other: BootstrapToken = "abcdef.0123456789abcdeg".parse().expect("valid token");
        let signature = sign(CONTENT, &token);
        assert!(verify(&signature, CONTENT, &token));
        assert!(!verify(&signature, b"something else", &token));
        assert!(!verify(&signature, CONTENT, &other));
        assert!(!verify(&format!("{signature}foo"), CONTENT, &token));
        assert!(!verify("", CONTENT, &token));
    }
}
