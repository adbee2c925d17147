//! A certificate that vouches for itself, for a server of a test.

use std::path::Path;

use super::Outcome;
use crate::command::{command, run};

/// `for_whom` is a subject alternative name such as `IP:172.30.0.1`.
pub(super) fn make_certificate(for_whom: &str, certificate: &Path, key: &Path) -> Outcome {
    let mut openssl = command(&["openssl", "req", "-x509", "-days", "2", "-nodes"]);
    openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=test"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    openssl.args(["-addext", &format!("subjectAltName={for_whom}")]);
    Ok(run(openssl.arg("-out").arg(certificate).arg("-keyout").arg(key))?)
}
