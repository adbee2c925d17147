//! What is made of the machines that came further: their requests for certificates, and their nodes.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kube::ResourceExt;
use nagaya_api::{JoinAttempt, conditions as types};
use nagaya_doctor::{Finding, OperatorCheck};
use nagaya_render::nodes::Trouble;

use super::see::{Inside, joined};
use super::token::worst;
use super::{Place, Seen, failed, is_subdomain, not_checked, passed, warning};
use crate::tenant::approver::{KUBELET_CLIENT, KUBELET_SERVING};

/// Approval and signing take less than a second where all is well.
const SOON: SignedDuration = SignedDuration::from_secs(5);
/// From a certificate to a node that is Ready, where all is well.
const GRACE: SignedDuration = SignedDuration::from_mins(1);
const SHOWN: usize = 5;

/// What is wrong with a request.
pub(super) enum Ill {
    Unapproved,
    Unsigned,
    Denied(String),
    Failed(String),
}

pub(super) fn requests(of: &Place, seen: &Seen, now: Timestamp) -> Finding {
    let check = OperatorCheck::Requests;
    let inside = match &seen.inside {
        Ok(inside) => inside,
        Err(why) => return not_checked(check, why),
    };
    let ill: Vec<_> = inside
        .requests
        .iter()
        .filter(|one| [KUBELET_CLIENT, KUBELET_SERVING].contains(&&*one.spec.signer_name))
        .filter_map(|one| Some((one, ill(one, now)?)))
        .collect();
    if ill.is_empty() {
        return passed(
            check,
            format!("{} requests, none waits or was denied", inside.requests.len()),
        );
    }
    let told: Vec<String> = ill.iter().take(SHOWN).map(|(one, ill)| words(one, ill)).collect();
    let more = ill.len().saturating_sub(SHOWN);
    let and = if more > 0 { format!("; and {more} more") } else { String::new() };
    let told = told.join("; ") + &and;
    // One that was denied is over; and without a serving certificate only logs and exec do not work.
    let is_grave = |(one, ill): &(&CertificateSigningRequest, Ill)| {
        one.spec.signer_name == KUBELET_CLIENT && !matches!(ill, Ill::Denied(_))
    };
    let mend = match ill.iter().find(|one| is_grave(one)).or(ill.first()) {
        Some((one, Ill::Unapproved)) if is_subdomain(&one.name_any()) => {
            let approve = format!("certificate approve {}", one.name_any());
            as_tenant(
                of,
                &format!("{approve}    # if {:?}, who asks, is a machine of yours", by(one)),
            )
        }
        Some((_, Ill::Unsigned)) => format!(
            "nagaya explain {} -n {}    # kube-controller-manager signs",
            of.name, of.namespace
        ),
        Some((one, _)) if is_subdomain(&one.name_any()) => {
            as_tenant(of, &format!("describe csr {}", one.name_any()))
        }
        Some(_) => as_tenant(of, "get csr"),
        None => String::new(),
    };
    if ill.iter().any(is_grave) { failed(check, told, mend) } else { warning(check, told, mend) }
}

/// What is wrong with requests that machines made with that token; none: nothing, or they are gone.
pub(super) fn ill_by_token(inside: &Inside, token_id: &str, now: Timestamp) -> Vec<Ill> {
    let user = format!("system:bootstrap:{token_id}");
    let of_token = inside
        .requests
        .iter()
        .filter(|one| one.spec.signer_name == KUBELET_CLIENT && by(one) == user);
    of_token.filter_map(|one| ill(one, now)).collect()
}

fn by(request: &CertificateSigningRequest) -> &str {
    request.spec.username.as_deref().unwrap_or("somebody")
}

fn ill(request: &CertificateSigningRequest, now: Timestamp) -> Option<Ill> {
    let status = request.status.clone().unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let of = |kind: &str| conditions.iter().find(|one| one.type_ == kind);
    let said = |one: &k8s_openapi::api::certificates::v1::CertificateSigningRequestCondition| {
        one.message.clone().unwrap_or_else(|| "no reason is given".to_owned())
    };
    if let Some(denied) = of("Denied") {
        return Some(Ill::Denied(said(denied)));
    }
    if let Some(failed) = of("Failed") {
        return Some(Ill::Failed(said(failed)));
    }
    let made = request.creation_timestamp()?.0;
    if status.certificate.is_some() || now.duration_since(made) < SOON {
        return None;
    }
    Some(if of("Approved").is_some() { Ill::Unsigned } else { Ill::Unapproved })
}

fn words(request: &CertificateSigningRequest, ill: &Ill) -> String {
    let name = request.name_any();
    let by = by(request);
    let what = if request.spec.signer_name == KUBELET_SERVING { "serving" } else { "client" };
    let since =
        request.creation_timestamp().map_or_else(String::new, |time| format!(" since {}", time.0));
    match ill {
        Ill::Unapproved => {
            format!("{name} ({what} certificate, by {by}) has waited for approval{since}")
        }
        Ill::Unsigned => {
            format!("{name} ({what} certificate, by {by}) is approved, and not signed{since}")
        }
        Ill::Denied(why) => format!("{name} ({what} certificate, by {by}) was denied: {why}"),
        Ill::Failed(why) => {
            format!("{name} ({what} certificate, by {by}) could not be signed: {why}")
        }
    }
}

pub(super) fn nodes(of: &Place, seen: &Seen, now: Timestamp) -> Finding {
    let check = OperatorCheck::Nodes;
    if let (Some(attempt), Ok(inside)) = (joined(&seen.token), &seen.inside)
        && let Some((words, mend)) = trouble(of, attempt, inside)
    {
        return if now.duration_since(attempt.time.0) < GRACE {
            warning(
                check,
                format!("{words}; its certificate is not a minute old"),
                "sleep 60    # and again",
            )
        } else {
            worst(attempt, now)(check, format!("{words}, since {}", attempt.time.0), mend)
        };
    }
    let cluster = seen.cluster.as_ref().ok().and_then(Option::as_ref);
    match cluster.and_then(|cluster| cluster.condition(types::NODES_READY)) {
        Some(all) if all.status == "True" => passed(check, &all.message),
        Some(some) => {
            let mend = match seen.inside {
                Ok(_) => as_tenant(of, "get nodes"),
                Err(_) => format!("kubectl describe tnc {} -n {}", of.name, of.namespace),
            };
            warning(check, &some.message, mend)
        }
        None => passed(check, "no machine has joined yet"),
    }
}

/// What is wrong with the node of the machine that joined last, and what mends it.
fn trouble(of: &Place, attempt: &JoinAttempt, inside: &Inside) -> Option<(String, String)> {
    let name = &attempt.node;
    let Some(node) = &inside.node else {
        let mend = "journalctl -u kubelet -n 50    # on the machine: its kubelet does not run, or does not reach the endpoint";
        let words = format!("{name} got its certificate, and there is no node of that name");
        return Some((words, mend.to_owned()));
    };
    let conditions = node.status.as_ref().and_then(|status| status.conditions.clone());
    let trouble = Trouble::of(&conditions.unwrap_or_default())?;
    let words = format!("{name}, which joined last, is not Ready: {trouble}");
    Some((words, as_tenant(of, &format!("describe node {name}"))))
}

/// A command that the tenant's administrator may give; only where his kubeconfig is known to be Nagaya's.
fn as_tenant(of: &Place, words: &str) -> String {
    let Place { namespace, name } = of;
    format!(
        "kubectl get secret {name}-kubeconfig -n {namespace} -o jsonpath='{{.data.value}}' | base64 -d > {name}.kubeconfig && \
         kubectl --kubeconfig {name}.kubeconfig {words}"
    )
}
