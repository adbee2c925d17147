//! The rights of a bootstrap token against an API server in memory, with each thing broken in turn.

use super::super::test_api::Api;
use super::*;

impl Api {
    async fn look(&self) -> BootstrapRights {
        look(&self.target()).await
    }
}

fn reason(finding: &Finding) -> Option<Reason> {
    match finding {
        Finding::Failed { reason, .. } => Some(*reason),
        _ => None,
    }
}

#[tokio::test]
async fn configurations_are_read_as_a_bootstrap_token_would() {
    let api = Api::default();
    assert_eq!(api.look().await, BootstrapRights::WELL);
    let seen = api.seen.lock().unwrap();
    let reads: Vec<_> = seen.iter().filter(|line| line.contains("/configmaps/")).collect();
    assert_eq!(reads.len(), 3);
    assert!(reads.iter().all(|line| line.ends_with("as system:bootstrap:nagaya")), "{reads:?}");
}

#[tokio::test]
async fn a_configuration_that_is_missing_or_may_not_be_read_says_which() {
    for (status, expected) in [(404, Reason::ObjectMissing), (403, Reason::ObjectForbidden)] {
        let api = Api { refused: [("kubelet-config", status)].into(), ..Api::default() };
        let found = api.look().await;
        assert_eq!(reason(&found.kubelet_config), Some(expected));
        assert_eq!(BootstrapRights { kubelet_config: Finding::Ok, ..found }, BootstrapRights::WELL);
    }
}

#[tokio::test]
async fn kube_proxy_may_be_missing_or_forbidden() {
    for status in [404, 403] {
        let api = Api { refused: [("kube-proxy", status)].into(), ..Api::default() };
        assert_eq!(api.look().await, BootstrapRights::WELL);
    }
}

#[tokio::test]
async fn every_right_that_is_needed_is_missed() {
    for right in [
        "get nodes",
        "create certificatesigningrequests",
        "list certificatesigningrequests",
        "watch certificatesigningrequests",
        "create certificatesigningrequests/nodeclient",
    ] {
        let api = Api { denied: [right].into(), ..Api::default() };
        match api.look().await.permissions {
            Finding::Failed { reason: Reason::PermissionMissing, message } => {
                assert!(message.contains(right), "{message}");
            }
            other => panic!("{right}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_api_server_that_refuses_the_manager_is_told_apart() {
    let api = Api { refused: [("kubeadm-config", 500)].into(), ..Api::default() };
    assert_eq!(reason(&api.look().await.kubeadm_config), Some(Reason::AdminConnectionFailed));
}
