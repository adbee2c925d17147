//! What the token is good for, and whether the node's name is free.

use serde_json::Value;

use super::trust::excerpt;
use super::{Judgement, failed, not_checked, passed, warning};
use crate::Arguments;
use crate::cluster_info::Signature;
use crate::facts::{Asked, Machine, Way, WithToken};

/// A new `JoinToken`, by whoever may make some.
const NEW_TOKEN: &str =
    "kubectl create -f - <<'END'    # with the kubeconfig of the management cluster
apiVersion: nagaya.dev/v1alpha1
kind: JoinToken
metadata: {generateName: nodes-, namespace: NAMESPACE}
spec: {clusterName: NAME, ttl: 1h}
END
kubectl get jointoken -n NAMESPACE    # and the join command is in the Secret TOKEN-join";

pub fn token(join: &Arguments, way: &Way) -> Judgement {
    let Some(Ok(info)) = &way.cluster_info else {
        return not_checked("there is no cluster-info");
    };
    let id = join.token.id();
    let answer = way.with_token.as_ref().map(status_with_token);
    match (info.signature, answer) {
        (Signature::Right, Some(Some(401))) => failed(
            format!(
                "the token {id} is signed for, and no longer taken: it has expired, or was deleted moments ago"
            ),
            NEW_TOKEN,
        ),
        (Signature::Right, _) => passed(format!("cluster-info is signed for the token {id}")),
        (Signature::Wrong, _) => failed(
            format!(
                "the cluster knows a token {id}, with another secret: mistyped, or the token was made anew"
            ),
            NEW_TOKEN,
        ),
        (Signature::Missing, Some(Some(200..=299 | 403 | 404))) => failed(
            format!(
                "the token {id} is taken, and cluster-info is not signed for it yet: kube-controller-manager does that, within seconds if it runs"
            ),
            "sleep 10    # and again; for the operator: nagaya explain NAME -n NAMESPACE",
        ),
        (Signature::Missing, _) => failed(
            format!(
                "the cluster knows no token {id}: it has expired, was deleted, or is of another cluster"
            ),
            NEW_TOKEN,
        ),
    }
}

/// None if there was no answer.
fn status_with_token(with_token: &WithToken) -> Option<u16> {
    with_token.kubeadm_config.as_ref().ok().map(|(status, _)| *status)
}

pub fn rights(way: &Way) -> Judgement {
    const GRANT: &str = "kubeadm init phase bootstrap-token && kubeadm init phase upload-config all    # a cluster of Nagaya's gets them back by itself";
    const GROUP: &str = "kubectl patch secret -n kube-system bootstrap-token-ID -p '{\"stringData\":{\"auth-extra-groups\":\"system:bootstrappers:kubeadm:default-node-token\"}}'";
    let Some(with_token) = &way.with_token else {
        return not_checked("the API server is not believed");
    };
    let questions: [(&str, &Asked, bool); 3] = [
        ("ConfigMap kube-system/kubeadm-config", &with_token.kubeadm_config, true),
        ("ConfigMap kube-system/kubelet-config", &with_token.kubelet_config, true),
        ("the node of this name", &with_token.node, false),
    ];
    for (what, asked, has_to_be_there) in questions {
        match asked {
            Ok((200..=299, _)) => {}
            Ok((404, _)) if !has_to_be_there => {}
            Ok((404, _)) => return failed(format!("{what} is not there"), GRANT),
            Ok((403, body)) => {
                let why = excerpt(body);
                return failed(format!("the token may not read {what}: {why}"), GROUP);
            }
            Ok((status, body)) => {
                let why = excerpt(body);
                return failed(
                    format!("asked for {what}, the API server says {status}: {why}"),
                    "sleep 10    # and again",
                );
            }
            Err(why) => return failed(format!("{what}: {why}"), "sleep 10    # and again"),
        }
    }
    match &with_token.csr_review {
        Ok((201, body)) if review(body) == Some(false) => {
            failed("the token may not create certificate signing requests", GRANT)
        }
        Ok((201, _)) => passed("the token may read what kubeadm reads, and ask for a certificate"),
        // Whether it may is not worth a failure: kubeadm does not ask.
        _ => passed("the token may read what kubeadm reads"),
    }
}

fn review(body: &[u8]) -> Option<bool> {
    let review: Value = serde_json::from_slice(body).ok()?;
    review["status"]["allowed"].as_bool()
}

pub fn node_name(join: &Arguments, machine: &Machine, way: &Way) -> Judgement {
    let name = super::node_name(join, &machine.host_name);
    let Some(Ok((status, body))) = way.with_token.as_ref().map(|with_token| &with_token.node)
    else {
        return not_checked("the API server was not asked for it");
    };
    if *status == 404 {
        return passed(format!("no node is called {name} yet"));
    }
    let node: Value = serde_json::from_slice(body).unwrap_or_default();
    let conditions = node["status"]["conditions"].as_array();
    let is_ready = conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    let mend = format!(
        "kubectl delete node {name}    # if it is this machine; else: hostnamectl set-hostname ANOTHER"
    );
    if is_ready {
        return failed(
            format!("the cluster has a node {name} that is Ready: another machine has the name"),
            mend,
        );
    }
    warning(
        format!("the cluster has a node {name}, which is not Ready: this machine would become it"),
        mend,
    )
}
