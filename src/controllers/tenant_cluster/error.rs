//! Why a pass failed: one variant per step, each with its reason in conditions and metrics.

use jiff::Timestamp;
use nagaya_api::{TenantCluster, reasons};
use nagaya_render::certificates::CertificateError;
use nagaya_render::content::ContentError;
use nagaya_render::diagnosis::{Blockage, of_refusal};
use nagaya_render::status::Failure;

use crate::tenant::TlsError;
use crate::{keyring, kube_ops};

/// Why a pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call to the management cluster failed.
    #[error(transparent)]
    Call(#[from] kube_ops::Error),
    /// Keys or certificates are not to be had.
    #[error(transparent)]
    Keys(#[from] keyring::Error),
    /// The administrator's kubeconfig, or the certificate that snapshots are taken with, could not be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The content of the tenant cluster could not be rendered.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The connection to the tenant could not be set up.
    #[error(transparent)]
    Connection(#[from] TlsError),
    /// The object has no namespace, name or UID.
    #[error("the object has no namespace, name or UID")]
    ObjectIncomplete,
    /// The Service of the endpoint is to be made again.
    #[error("{words}")]
    ServiceHeld {
        /// Which, and why, or what holds the one of before.
        words: String,
    },
    /// Something of somebody else's is in the way.
    #[error(
        "Secret {namespace}/{name} exists and is not Nagaya's; rename or delete it, and the kubeconfig is \
         written there"
    )]
    KubeconfigForeign {
        /// Namespace of the Secret.
        namespace: String,
        /// Name of the Secret.
        name: String,
    },
}

impl Error {
    /// The reason in conditions, events and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        if let Some(blockage) = self.blockage() {
            return blockage.reason();
        }
        match self {
            Self::Call(error) | Self::Keys(keyring::Error::Call(error)) => error.reason(),
            Self::Keys(keyring::Error::KeysLost { .. }) => reasons::KEYS_LOST,
            Self::Keys(_) | Self::Certificate(_) => reasons::CERTIFICATES_FAILED,
            Self::Content(_) => reasons::CONTENT_FAILED,
            Self::Connection(_) => reasons::CONNECTION_FAILED,
            Self::ObjectIncomplete => reasons::OBJECT_INCOMPLETE,
            Self::ServiceHeld { .. } => reasons::SERVICE_HELD,
            Self::KubeconfigForeign { .. } => reasons::KUBECONFIG_FOREIGN,
        }
    }

    /// As the status of `raw` tells it.
    pub fn failure(&self, raw: &TenantCluster, now: Timestamp) -> Failure {
        match self.blockage() {
            Some(blockage) => Failure::of_refusal(blockage, raw, now),
            None => Failure { reason: self.reason(), message: self.to_string() },
        }
    }

    /// What the API server refuses a write for, if that has a name.
    fn blockage(&self) -> Option<Blockage> {
        match self {
            Self::Call(error) | Self::Keys(keyring::Error::Call(error)) => {
                let (object, words) = error.refusal()?;
                of_refusal(object, words)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn a_write_that_the_api_server_refuses_by_name_has_that_name_and_a_next_step() {
        let words = "Service \"kube-apiserver-public\" is invalid: spec.ports[0].nodePort: Invalid value: \
                     30001: provided port is already allocated";
        let status = kube::core::Status::failure(words, "Invalid").with_code(422);
        let error = Error::Call(kube_ops::Error::ApiCall {
            verb: "apply",
            object: "Service plane/kube-apiserver-public".to_owned(),
            source: Box::new(kube::Error::Api(Box::new(status))),
        });
        let condition = json!({
            "type": "Reconciling", "status": "True", "reason": "Progressing", "message": "",
            "lastTransitionTime": "2026-11-26T04:10:00Z",
        });
        let raw: TenantCluster = from_value(json!({
            "metadata": {"name": "demo"}, "spec": {"version": "1.37"}, "status": {"conditions": [condition]},
        }))
        .unwrap();
        let failure = error.failure(&raw, "2026-11-26T04:11:00Z".parse().unwrap());
        assert_eq!(failure.reason, "PortTaken");
        assert!(failure.message.contains("(since 2026-11-26T04:10:00Z)"));
        assert!(failure.message.starts_with("spec.expose.nodePort.port: node port 30001"));
        assert!(failure.message.ends_with("choose another port while the cluster is new"));
    }
}
