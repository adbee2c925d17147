//! Answers requests for serving certificates: reads the node, asks [`review`], approves or denies. Those that machines
//! make with a join token are noted (`attempts.rs`).

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::certificates::v1::{
    CertificateSigningRequest, CertificateSigningRequestCondition,
};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::time::sleep;

use super::Watcher;
use super::retry::Retry;
use crate::tenant::approver::{Decision, KUBELET_SERVING, NodeAddresses, node_name, review};

/// Requests of a tenant that are worked on at once.
const AT_ONCE: usize = 64;
/// Pause before a node is looked at again that has not said its addresses yet. Logs and exec of a node
/// work only after its certificate, so this is short.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// While the API server does not answer, a request is tried again for so long; by then the kubelet has
/// made another one.
const GIVE_UP_AFTER: Duration = Duration::from_mins(15);
const APPROVED: &str = "the names and addresses are those of the node";

/// Answers for ever.
pub(super) async fn answer(watcher: &Watcher) {
    let api: Api<CertificateSigningRequest> = Api::all(watcher.client.clone());
    // A selector would take one signer alone, and a second watch costs more than what else a tenant has signed.
    // Of the largest requests that there can be, no more fit into an answer (`tenant/connection.rs`).
    let config = watcher::Config::default().page_size(10);
    self::watcher(api.clone(), config)
        .backoff(Retry::default())
        .filter_map(async |event| match event {
            Ok(Event::Apply(csr) | Event::InitApply(csr)) => {
                watcher.note_attempt(&csr);
                Some(csr).filter(is_ours_to_answer)
            }
            Ok(Event::Delete(_) | Event::Init | Event::InitDone) => None,
            Err(error) => {
                tracing::debug!(tenant = %watcher.tenant, %error, "watch of certificate requests broke");
                None
            }
        })
        .for_each_concurrent(AT_ONCE, async |csr| answer_one(watcher, &api, &csr).await)
        .await;
}

/// Whether nobody has answered it yet, and nobody else does.
fn is_ours_to_answer(csr: &CertificateSigningRequest) -> bool {
    let conditions = csr.status.as_ref().and_then(|status| status.conditions.as_ref());
    csr.spec.signer_name == KUBELET_SERVING && conditions.is_none_or(Vec::is_empty)
}

/// Why a request is not answered yet.
#[derive(Debug, thiserror::Error)]
enum NotYet {
    #[error("the node has not said its addresses")]
    Addresses,
    #[error(transparent)]
    Call(#[from] kube::Error),
}

async fn answer_one(
    watcher: &Watcher,
    api: &Api<CertificateSigningRequest>,
    csr: &CertificateSigningRequest,
) {
    let mut pause = FIRST_PAUSE;
    while let Err(why) = try_to_answer(watcher, api, csr).await {
        if age(csr) > GIVE_UP_AFTER {
            tracing::warn!(tenant = %watcher.tenant, csr = csr.name_any(), %why, "cannot answer a certificate request");
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn try_to_answer(
    watcher: &Watcher,
    api: &Api<CertificateSigningRequest>,
    csr: &CertificateSigningRequest,
) -> Result<(), NotYet> {
    let nodes: Api<Node> = Api::all(watcher.client.clone());
    let node = match csr.spec.username.as_deref().and_then(node_name) {
        Some(name) => nodes.get_opt(name).await?.map(|node| NodeAddresses::of(&node)),
        None => None,
    };
    match review(&csr.spec, node.as_ref(), age(csr)) {
        Decision::Approve => write(api, csr, "Approved", APPROVED).await?,
        Decision::Deny(why) => {
            tracing::warn!(tenant = %watcher.tenant, csr = csr.name_any(), why, "denied a certificate request");
            write(api, csr, "Denied", &why).await?;
        }
        Decision::Wait => return Err(NotYet::Addresses),
        Decision::Ignore => {}
    }
    Ok(())
}

fn age(csr: &CertificateSigningRequest) -> Duration {
    let since = csr.creation_timestamp().map(|created| Timestamp::now().duration_since(created.0));
    since.and_then(|since| since.try_into().ok()).unwrap_or_default()
}

async fn write(
    api: &Api<CertificateSigningRequest>,
    csr: &CertificateSigningRequest,
    type_: &str,
    message: &str,
) -> Result<(), kube::Error> {
    let condition = CertificateSigningRequestCondition {
        type_: type_.to_owned(),
        status: "True".to_owned(),
        reason: Some("NagayaKubeletServing".to_owned()),
        message: Some(message.to_owned()),
        ..CertificateSigningRequestCondition::default()
    };
    // With the version that was judged: a request that was made again under the same name is not hit.
    let patch = json!({
        "metadata": {"uid": csr.uid(), "resourceVersion": csr.resource_version()},
        "status": {"conditions": [condition]},
    });
    let answer =
        api.patch_approval(&csr.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await;
    match answer {
        Ok(_) => Ok(()),
        // Somebody else answered, or it is gone.
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}
