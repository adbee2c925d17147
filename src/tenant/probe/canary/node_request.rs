//! A certificate request as a joining kubelet posts it, for a node that does not exist: approved by
//! kube-controller-manager's csrapproving, signed by its csrsigning, and compared with the client CA.
//!
//! The key is thrown away before the request is sent, so nobody can ever use the certificate.

use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::certificates::v1::{
    CertificateSigningRequest, CertificateSigningRequestSpec,
};
use kube::api::{DeleteParams, PostParams};
use kube::core::ObjectMeta;
use kube::{Api, ResourceExt};
use nagaya_api::labels;
use nagaya_pki::CertificateInfo;
use nagaya_render::probe::{Finding, Reason};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use tokio::time::{Instant, sleep};

use super::super::ProbeTarget;
use crate::tenant::approver::KUBELET_CLIENT;

const NODE: &str = "nagaya-canary";
/// A joining kubelet waits longer, but a healthy controller needs a fraction of a second.
const DEADLINE: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_millis(100);
/// The shortest life that the API allows (`certificates.k8s.io/v1`, `expirationSeconds`), in seconds.
const LIFE: i32 = 600;

/// Whether a node's request is approved and signed with the right CA.
pub(super) async fn is_signed(target: &ProbeTarget) -> Finding {
    let api: Api<CertificateSigningRequest> = Api::all(target.client.clone());
    let finding = match try_once(&api, &target.client_ca_pem).await {
        Ok(finding) => finding,
        Err(Error::Request(error)) => Finding::failed(
            Reason::AdminConnectionFailed,
            format!("no certificate request could be made: {error}"),
        ),
        Err(Error::Call(error)) => {
            tracing::debug!(tenant = %target.tenant, %error, "the canary's certificate request failed");
            Finding::failed(
                Reason::AdminConnectionFailed,
                "the API server did not take a certificate request to try the signer with",
            )
        }
    };
    // Left behind, it would be in the way of the next one, which then deletes it.
    let _ = api.delete(NODE, &DeleteParams::default()).await;
    finding
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Request(#[from] rcgen::Error),
    #[error(transparent)]
    Call(#[from] kube::Error),
}

async fn try_once(
    api: &Api<CertificateSigningRequest>,
    client_ca_pem: &str,
) -> Result<Finding, Error> {
    let wanted = build_request()?;
    let started = Instant::now();
    let mut current = match api.create(&PostParams::default(), &wanted).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            api.delete(NODE, &DeleteParams::default()).await?;
            api.create(&PostParams::default(), &wanted).await?
        }
        answer => answer?,
    };
    let uid = current.uid();
    loop {
        if let Some(finding) = judge(&current, client_ca_pem) {
            return Ok(finding);
        }
        if started.elapsed() >= DEADLINE {
            return Ok(overdue(&current));
        }
        sleep(PAUSE).await;
        current = api.get(NODE).await?;
        if current.uid() != uid {
            return Ok(Finding::Unknown);
        }
    }
}

fn build_request() -> Result<CertificateSigningRequest, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "system:nodes");
    params.distinguished_name.push(DnType::CommonName, format!("system:node:{NODE}"));
    let pem = params.serialize_request(&KeyPair::generate()?)?.pem()?;
    Ok(CertificateSigningRequest {
        metadata: ObjectMeta {
            name: Some(NODE.to_owned()),
            labels: Some([(labels::MANAGED_BY.to_owned(), labels::MANAGER.to_owned())].into()),
            ..ObjectMeta::default()
        },
        spec: CertificateSigningRequestSpec {
            request: ByteString(pem.into_bytes()),
            signer_name: KUBELET_CLIENT.to_owned(),
            usages: Some(vec!["digital signature".to_owned(), "client auth".to_owned()]),
            expiration_seconds: Some(LIFE),
            ..CertificateSigningRequestSpec::default()
        },
        status: None,
    })
}

/// `None` while it is not decided.
fn judge(csr: &CertificateSigningRequest, client_ca_pem: &str) -> Option<Finding> {
    let not_approved = || Finding::failed(Reason::RequestNotApproved, DENIED);
    if let Some(certificate) = csr.status.as_ref().and_then(|status| status.certificate.as_ref()) {
        return Some(judge_certificate(&certificate.0, client_ca_pem));
    }
    if let Some(failed) = condition(csr, "Failed") {
        let why = failed.message.as_deref().unwrap_or("it does not say why");
        let message =
            format!("kube-controller-manager could not sign a node's certificate request: {why}");
        return Some(Finding::failed(Reason::RequestNotSigned, message));
    }
    condition(csr, "Denied").map(|_| not_approved())
}

const DENIED: &str =
    "somebody denied a node's certificate request that kube-controller-manager has to approve";

fn judge_certificate(certificate: &[u8], client_ca_pem: &str) -> Finding {
    let signed = std::str::from_utf8(certificate)
        .ok()
        .and_then(|pem| CertificateInfo::parse(pem).ok())
        .and_then(|certificate| certificate.signed_by(client_ca_pem).ok());
    if signed == Some(true) {
        return Finding::Ok;
    }
    Finding::failed(
        Reason::SignerMismatch,
        "kube-controller-manager signs nodes' certificates with another CA than the client CA that \
         kube-apiserver trusts: look at its --cluster-signing flags and the Secret that it mounts",
    )
}

fn overdue(csr: &CertificateSigningRequest) -> Finding {
    let seconds = DEADLINE.as_secs();
    if condition(csr, "Approved").is_some() {
        return Finding::failed(
            Reason::RequestNotSigned,
            format!(
                "kube-controller-manager did not sign a node's approved certificate request within {seconds} s"
            ),
        );
    }
    Finding::failed(
        Reason::RequestNotApproved,
        format!(
            "kube-controller-manager did not approve a node's certificate request within {seconds} s: it \
             hangs, or its controller csrapproving is off"
        ),
    )
}

fn condition<'a>(
    csr: &'a CertificateSigningRequest,
    type_: &str,
) -> Option<&'a k8s_openapi::api::certificates::v1::CertificateSigningRequestCondition> {
    csr.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == type_)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use k8s_openapi::api::certificates::v1::{
        CertificateSigningRequestCondition, CertificateSigningRequestStatus,
    };
    use nagaya_pki::{CertificateAuthority, LeafRequest, Usage};

    use super::*;

    fn authority(name: &str) -> CertificateAuthority {
        let day = SignedDuration::from_hours(24);
        CertificateAuthority::generate(name, Timestamp::now(), day).unwrap()
    }

    fn answered(conditions: &[&str], certificate: Option<&str>) -> CertificateSigningRequest {
        let condition = |type_: &&str| CertificateSigningRequestCondition {
            type_: (*type_).to_owned(),
            message: Some("no such key".to_owned()),
            ..CertificateSigningRequestCondition::default()
        };
        CertificateSigningRequest {
            status: Some(CertificateSigningRequestStatus {
                conditions: Some(conditions.iter().map(condition).collect()),
                certificate: certificate.map(|pem| ByteString(pem.as_bytes().to_vec())),
            }),
            ..build_request().unwrap()
        }
    }

    fn reason(finding: &Finding) -> Option<Reason> {
        match finding {
            Finding::Failed { reason, .. } => Some(*reason),
            _ => None,
        }
    }

    #[test]
    fn a_certificate_of_the_client_ca_is_what_we_want_and_of_another_is_not() {
        let (client_ca, other) = (authority("client"), authority("other"));
        let request = LeafRequest {
            common_name: "system:node:nagaya-canary".to_owned(),
            organization: Some("system:nodes".to_owned()),
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            usage: Usage::ClientAuth,
            validity: SignedDuration::from_mins(10),
        };
        let leaf = client_ca.issue(&request, Timestamp::now()).unwrap();
        let signed = answered(&["Approved"], Some(leaf.cert_pem()));
        assert_eq!(judge(&signed, client_ca.cert_pem()), Some(Finding::Ok));
        let found = judge(&signed, other.cert_pem()).unwrap();
        assert_eq!(reason(&found), Some(Reason::SignerMismatch));
    }

    #[test]
    fn a_request_that_failed_or_was_denied_is_judged_at_once() {
        let failed = judge(&answered(&["Approved", "Failed"], None), "").unwrap();
        assert_eq!(reason(&failed), Some(Reason::RequestNotSigned));
        assert!(
            matches!(failed, Finding::Failed { message, .. } if message.contains("no such key"))
        );
        let denied = judge(&answered(&["Denied"], None), "").unwrap();
        assert_eq!(reason(&denied), Some(Reason::RequestNotApproved));
    }

    #[test]
    fn an_overdue_request_tells_which_controller_did_not_do_its_part() {
        assert_eq!(judge(&answered(&[], None), ""), None);
        assert_eq!(reason(&overdue(&answered(&[], None))), Some(Reason::RequestNotApproved));
        assert_eq!(judge(&answered(&["Approved"], None), ""), None);
        assert_eq!(
            reason(&overdue(&answered(&["Approved"], None))),
            Some(Reason::RequestNotSigned)
        );
    }
}
