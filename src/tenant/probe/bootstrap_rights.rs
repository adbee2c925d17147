//! What a bootstrap token may read and do, and what it reads. No real token is used: the manager's own
//! connection lends its rights, by impersonation for what is read and by `SubjectAccessReview` for what
//! cannot be tried.

use futures::future::{join_all, join4};
use http::{HeaderName, HeaderValue, Request, header};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use kube::{Api, Client};
use nagaya_render::probe::{Finding, Reason};

use super::ProbeTarget;
use super::node_configs::{check_kube_proxy, check_kubeadm_config, check_kubelet_config};

/// User of a bootstrap token, and its groups by kubeadm's default; the API server adds
/// `system:authenticated`.
const USER: &str = "system:bootstrap:nagaya";
const GROUPS: [&str; 2] =
    ["system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token"];

/// Rights besides reading the configurations, in the order in which a join needs them. What a node needs
/// only later, such as the renewal of its certificate, is not among them: a join succeeds without.
const NEEDS: [Need; 5] = [
    // kubeadm: is there a node of that name already?
    Need { verb: "get", group: "", resource: "nodes", subresource: None },
    // kubelet: ask for a certificate, and wait for it.
    Need { verb: "create", ..REQUEST },
    Need { verb: "list", ..REQUEST },
    Need { verb: "watch", ..REQUEST },
    // kube-controller-manager: may the one who asked have it?
    Need { verb: "create", subresource: Some("nodeclient"), ..REQUEST },
];
const REQUEST: Need = Need {
    verb: "",
    group: "certificates.k8s.io",
    resource: "certificatesigningrequests",
    subresource: None,
};

struct Need {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: Option<&'static str>,
}

/// What was found with the rights of a bootstrap token.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct BootstrapRights {
    pub(super) kubeadm_config: Finding,
    pub(super) kubelet_config: Finding,
    pub(super) kube_proxy_config: Finding,
    pub(super) permissions: Finding,
}

impl BootstrapRights {
    pub(super) const WELL: Self = Self {
        kubeadm_config: Finding::Ok,
        kubelet_config: Finding::Ok,
        kube_proxy_config: Finding::Ok,
        permissions: Finding::Ok,
    };
}

/// Everything at once: streams of one connection.
pub(super) async fn look(target: &ProbeTarget) -> BootstrapRights {
    let client = &target.client;
    let (kubeadm, kubelet, kube_proxy, permissions) = join4(
        read(client, "kubeadm-config"),
        read(client, "kubelet-config"),
        read(client, "kube-proxy"),
        check_needs(client),
    )
    .await;
    let minor = target.version.minor;
    BootstrapRights {
        kubeadm_config: finding("kubeadm-config", kubeadm, |map| {
            check_kubeadm_config(&map.data.unwrap_or_default(), minor)
        }),
        kubelet_config: finding("kubelet-config", kubelet, |map| {
            check_kubelet_config(&map.data.unwrap_or_default())
        }),
        kube_proxy_config: match kube_proxy {
            // A warning to kubeadm: the tenant may run something else.
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_forbidden() => {
                Finding::Ok
            }
            answer => {
                finding("kube-proxy", answer, |map| check_kube_proxy(&map.data.unwrap_or_default()))
            }
        },
        permissions,
    }
}

/// Reads a ConfigMap of kube-system as a bootstrap token would.
async fn read(client: &Client, name: &str) -> Result<ConfigMap, kube::Error> {
    let mut request = Request::get(format!("/api/v1/namespaces/kube-system/configmaps/{name}"))
        .header(header::ACCEPT, HeaderValue::from_static("application/json"))
        .header(HeaderName::from_static("impersonate-user"), USER);
    for group in GROUPS {
        request = request.header(HeaderName::from_static("impersonate-group"), group);
    }
    client.request(request.body(Vec::new()).map_err(kube::Error::HttpError)?).await
}

fn finding(
    name: &str,
    answer: Result<ConfigMap, kube::Error>,
    check: impl FnOnce(ConfigMap) -> Finding,
) -> Finding {
    match answer {
        Ok(map) => check(map),
        Err(kube::Error::Api(status)) if status.is_not_found() => Finding::failed(
            Reason::ObjectMissing,
            format!(
                "ConfigMap kube-system/{name} does not exist; Nagaya makes it again unless spec.paused"
            ),
        ),
        Err(kube::Error::Api(status)) if status.is_forbidden() => Finding::failed(
            Reason::ObjectForbidden,
            format!(
                "bootstrap tokens may not read ConfigMap kube-system/{name}: its Role or RoleBinding is \
                 missing; Nagaya makes them again unless spec.paused"
            ),
        ),
        Err(error) => admin_failed(&error),
    }
}

async fn check_needs(client: &Client) -> Finding {
    let answers = join_all(NEEDS.iter().map(|need| is_granted(client, need))).await;
    for (need, answer) in NEEDS.iter().zip(answers) {
        match answer {
            Ok(true) => {}
            Ok(false) => return Finding::failed(Reason::PermissionMissing, need.missing()),
            Err(error) => return admin_failed(&error),
        }
    }
    Finding::Ok
}

async fn is_granted(client: &Client, need: &Need) -> Result<bool, kube::Error> {
    let owned = |text: &str| Some(text.to_owned());
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: owned(USER),
            groups: Some(GROUPS.map(str::to_owned).into()),
            resource_attributes: Some(ResourceAttributes {
                verb: owned(need.verb),
                group: owned(need.group),
                resource: owned(need.resource),
                subresource: need.subresource.map(str::to_owned),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

impl Need {
    fn missing(&self) -> String {
        let Self { verb, resource, .. } = self;
        let subresource = self.subresource.map(|name| format!("/{name}")).unwrap_or_default();
        format!(
            "bootstrap tokens may not {verb} {resource}{subresource}: a ClusterRoleBinding of kubeadm's is \
             missing; Nagaya makes it again unless spec.paused"
        )
    }
}

/// The text of such an error may differ each time, and a report that differs wakes a reconcile.
fn admin_failed(error: &kube::Error) -> Finding {
    tracing::debug!(%error, "the manager's connection to a tenant fails");
    let why = match error {
        kube::Error::Api(status) => format!("it answers {} {}", status.code, status.reason),
        _ => "it does not answer".to_owned(),
    };
    Finding::failed(
        Reason::AdminConnectionFailed,
        format!("the manager cannot ask the API server through the Service kube-apiserver: {why}"),
    )
}

#[cfg(test)]
mod tests;
