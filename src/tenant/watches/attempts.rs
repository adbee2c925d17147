//! Which machines have shown a join token to the API server, and what became of their requests for a certificate.
//!
//! kubelet asks as `system:bootstrap:ID` (`k8s.io/cluster-bootstrap/token/api`, `BootstrapUserPrefix`). A token that the API
//! server does not know is refused before it is told whose it is, and leaves nothing that could be seen.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::certificates::v1::{
    CertificateSigningRequest, CertificateSigningRequestCondition,
};
use nagaya_api::{JoinAttempt, JoinOutcome};

use crate::tenant::TenantKey;
use crate::tenant::approver::{CertificateRequest, KUBELET_CLIENT, node_name};

const BOOTSTRAP_USER_PREFIX: &str = "system:bootstrap:";
/// Of how many tokens the last attempt is kept for each tenant: it may make tokens of its own without end.
const TOKENS: usize = 64;
/// Characters of a message: the tenant writes it, and it goes into the management cluster.
const LONGEST_MESSAGE: usize = 256;
const NOBODY_APPROVED: &str = "nobody has approved it: kube-controller-manager does while it runs, and while the \
                               ClusterRoleBinding kubeadm:node-autoapprove-bootstrap is there";
const NOBODY_SIGNED: &str = "approved, and kube-controller-manager has not signed it";

/// A token that a machine has shown to a tenant's API server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ShownToken {
    /// Whose API server.
    pub tenant: TenantKey,
    /// Its public half.
    pub token_id: String,
}

/// The last attempt by token id.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<String, JoinAttempt>>);

impl Attempts {
    /// Notes a request if a machine made it with a token; tells with which if that is news.
    pub(super) fn note(&self, csr: &CertificateSigningRequest) -> Option<String> {
        let (token_id, attempt) = read(csr)?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&token_id);
        if known.is_some_and(|known| *known == attempt || attempt.is_before(known)) {
            return None;
        }
        all.insert(token_id.clone(), attempt);
        if all.len() > TOKENS {
            let oldest = all.iter().min_by_key(|(_, attempt)| attempt.time.0);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                all.remove(&oldest);
            }
        }
        Some(token_id)
    }

    pub(super) fn get(&self, token_id: &str) -> Option<JoinAttempt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(token_id).cloned()
    }
}

fn read(csr: &CertificateSigningRequest) -> Option<(String, JoinAttempt)> {
    let token_id = csr.spec.username.as_deref()?.strip_prefix(BOOTSTRAP_USER_PREFIX)?;
    if csr.spec.signer_name != KUBELET_CLIENT || !is_token_id(token_id) {
        return None;
    }
    let request = CertificateRequest::parse(&csr.spec.request.0).ok();
    let user = request.as_ref().and_then(|request| request.common_names.first());
    let (outcome, message) = judge(csr);
    let attempt = JoinAttempt {
        time: csr.metadata.creation_timestamp.clone()?,
        node: user.and_then(|user| node_name(user)).unwrap_or_default().to_owned(),
        outcome,
        message: message.map(|message| message.chars().take(LONGEST_MESSAGE).collect()),
    };
    Some((token_id.to_owned(), attempt))
}

/// Who may impersonate in the tenant makes up others, of any length (`bootstrapapi.BootstrapTokenIDPattern`).
fn is_token_id(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn judge(csr: &CertificateSigningRequest) -> (JoinOutcome, Option<&str>) {
    let status = csr.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let find = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind);
    if status.is_some_and(|status| status.certificate.is_some()) {
        return (JoinOutcome::Issued, None);
    }
    if let Some(denied) = find("Denied") {
        return (JoinOutcome::Denied, why(denied));
    }
    if let Some(failed) = find("Failed") {
        return (JoinOutcome::Failed, why(failed));
    }
    let waits_for = if find("Approved").is_some() { NOBODY_SIGNED } else { NOBODY_APPROVED };
    (JoinOutcome::Pending, Some(waits_for))
}

fn why(condition: &CertificateSigningRequestCondition) -> Option<&str> {
    let said = [condition.message.as_deref(), condition.reason.as_deref()];
    said.into_iter().flatten().find(|words| !words.is_empty())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
    use serde_json::{Value, json};

    use super::*;

    fn request(user: &str) -> k8s_openapi::ByteString {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, user);
        let pem = params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap();
        k8s_openapi::ByteString(pem.into_bytes())
    }

    fn csr(node: &str, second: u32, status: Value) -> CertificateSigningRequest {
        let body = json!({
            "metadata": {
                "name": format!("csr-{node}"), "creationTimestamp": format!("2026-11-27T10:00:{second:02}Z"),
            },
            "spec": {"signerName": KUBELET_CLIENT, "username": "system:bootstrap:abcdef", "request": ""},
        });
        let mut csr: CertificateSigningRequest = serde_json::from_value(body).unwrap();
        csr.spec.request = request(&format!("system:node:{node}"));
        csr.status = serde_json::from_value(status).unwrap();
        csr
    }

    fn said(type_: &str, message: &str) -> Value {
        json!({"conditions": [{"type": type_, "status": "True", "message": message}]})
    }

    fn outcome(status: Value) -> (JoinOutcome, Option<String>) {
        let (token, attempt) = read(&csr("vm-1", 1, status)).unwrap();
        assert_eq!((token.as_str(), attempt.node.as_str()), ("abcdef", "vm-1"));
        (attempt.outcome, attempt.message)
    }

    #[test]
    fn what_became_of_a_request_is_told_with_the_reason() {
        assert_eq!(outcome(json!({"certificate": "eA=="})), (JoinOutcome::Issued, None));
        assert_eq!(
            outcome(said("Denied", "not this one")),
            (JoinOutcome::Denied, Some("not this one".to_owned()))
        );
        assert_eq!(
            outcome(said("Failed", "no key")),
            (JoinOutcome::Failed, Some("no key".to_owned()))
        );
        assert_eq!(outcome(json!({})), (JoinOutcome::Pending, Some(NOBODY_APPROVED.to_owned())));
        assert_eq!(
            outcome(said("Approved", "")),
            (JoinOutcome::Pending, Some(NOBODY_SIGNED.to_owned()))
        );
    }

    #[test]
    fn a_message_of_the_tenants_is_cut_and_a_name_that_no_node_has_is_left_out() {
        let long = "é".repeat(LONGEST_MESSAGE + 1);
        let (_, message) = outcome(said("Denied", &long));
        assert_eq!(message.unwrap().chars().count(), LONGEST_MESSAGE);
        for nobody in ["../vm".to_owned(), "a".repeat(254)] {
            let (_, attempt) = read(&csr(&nobody, 1, json!({}))).unwrap();
            assert_eq!(attempt.node, "");
        }
    }

    #[test]
    fn requests_of_others_are_no_attempts_with_a_token() {
        let mut node = csr("vm-1", 1, json!({}));
        node.spec.username = Some("system:node:vm-1".to_owned());
        let mut serving = csr("vm-1", 1, json!({}));
        serving.spec.signer_name = "kubernetes.io/kubelet-serving".to_owned();
        let mut made_up = csr("vm-1", 1, json!({}));
        made_up.spec.username = Some(format!("system:bootstrap:{}", "a".repeat(1 << 20)));
        assert_eq!((read(&node), read(&serving), read(&made_up)), (None, None, None));
    }

    #[test]
    fn the_newest_attempt_is_kept_in_whatever_order_they_are_seen() {
        let attempts = Attempts::default();
        let news = |node, second, status| attempts.note(&csr(node, second, status)).is_some();
        assert!(news("b", 5, json!({})));
        assert!(!news("b", 5, json!({})));
        assert!(news("b", 5, json!({"certificate": "eA=="})));
        assert!(!news("c", 4, json!({})));
        assert!(!news("a", 5, json!({})));
        assert_eq!(attempts.get("abcdef").unwrap().node, "b");
        assert!(news("a", 6, json!({})));
        assert_eq!(attempts.get("abcdef").unwrap().node, "a");
    }

    #[test]
    fn a_tenant_that_makes_tokens_without_end_has_the_newest_kept() {
        let attempts = Attempts::default();
        let mut one = csr("vm", 0, json!({}));
        for second in 0..=TOKENS {
            let created = one.metadata.creation_timestamp.as_mut().unwrap();
            created.0 += jiff::SignedDuration::from_secs(1);
            one.spec.username = Some(format!("system:bootstrap:{second:06}"));
            attempts.note(&one).unwrap();
        }
        assert_eq!(attempts.get("000000"), None);
        assert!(attempts.get("000001").is_some());
    }
}
