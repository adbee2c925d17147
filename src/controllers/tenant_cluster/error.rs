//! Why a pass failed: one variant per step. Names are reasons of conditions and metric labels.

use nagaya_render::certificates::CertificateError;
use nagaya_render::content::ContentError;
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
    /// The administrator's kubeconfig could not be made.
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
        match self {
            Self::Call(error) | Self::Keys(keyring::Error::Call(error)) => error.reason(),
            Self::Keys(keyring::Error::KeysLost { .. }) => "KeysLost",
            Self::Keys(_) | Self::Certificate(_) => "CertificatesFailed",
            Self::Content(_) => "ContentFailed",
            Self::Connection(_) => "ConnectionFailed",
            Self::ObjectIncomplete => "ObjectIncomplete",
            Self::KubeconfigForeign { .. } => "KubeconfigForeign",
        }
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self { reason: error.reason(), message: error.to_string() }
    }
}
