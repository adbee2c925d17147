//! What is made of the `TenantCluster`: its conditions say it, and most say what to do.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use nagaya_api::{ExposeType, TenantCluster, conditions as types};
use nagaya_doctor::{Finding, OperatorCheck};
use nagaya_render::limited;
use nagaya_render::probe::Reason;

use super::{Place, Seen, failed, not_checked, passed, warning};

const MANAGER: &str = "kubectl -n nagaya-system get pods -l app.kubernetes.io/name=nagaya    # does it run? its log says why not";

pub(super) fn findings(of: &Place, seen: &Seen) -> Vec<Finding> {
    let parts = [
        OperatorCheck::Spec,
        OperatorCheck::Ready,
        OperatorCheck::PublicEndpoint,
        OperatorCheck::Connections,
    ];
    let Ok(Some(cluster)) = &seen.cluster else {
        let mut all = vec![missing(of, seen)];
        let because = format!("{} failed", OperatorCheck::TenantCluster.name());
        all.extend(parts.map(|check| not_checked(check, &because)));
        return all;
    };
    vec![
        tenant_cluster(of, cluster),
        spec(of, cluster),
        ready(of, cluster),
        public_endpoint(of, cluster),
        connections(cluster),
    ]
}

fn missing(of: &Place, seen: &Seen) -> Finding {
    let Place { namespace, name } = of;
    let check = OperatorCheck::TenantCluster;
    match &seen.cluster {
        Err(why) => failed(
            check,
            format!("TenantCluster {of} cannot be read: {why}"),
            format!("kubectl auth can-i get tenantclusters.nagaya.dev -n {namespace}"),
        ),
        Ok(_) => failed(
            check,
            format!("there is no TenantCluster {of}"),
            format!("kubectl get tnc -A    # where is {name}?"),
        ),
    }
}

fn tenant_cluster(of: &Place, cluster: &TenantCluster) -> Finding {
    let Place { namespace, name } = of;
    let check = OperatorCheck::TenantCluster;
    let status = cluster.status.clone().unwrap_or_default();
    if cluster.metadata.deletion_timestamp.is_some() {
        let mend =
            format!("kubectl describe tnc {name} -n {namespace}    # what its deletion waits for");
        return failed(check, format!("TenantCluster {of} is being deleted"), mend);
    }
    if status.observed_generation != cluster.metadata.generation {
        let words = format!("the manager has not looked at the newest spec of {of} yet");
        return warning(check, words, MANAGER);
    }
    let version = status.version.unwrap_or_else(|| "no version yet".to_owned());
    let endpoint = status.endpoint.unwrap_or_else(|| "no endpoint yet".to_owned());
    passed(check, format!("{of}, {version}, {endpoint}"))
}

fn spec(of: &Place, cluster: &TenantCluster) -> Finding {
    let Place { namespace, name } = of;
    let check = OperatorCheck::Spec;
    let edit = format!("kubectl edit tnc {name} -n {namespace}");
    if let Some(stalled) = cluster.condition(types::STALLED) {
        return failed(check, said(stalled), edit);
    }
    match cluster.condition(types::ACCEPTED) {
        Some(accepted) if accepted.status == "False" => failed(check, said(accepted), edit),
        Some(_) => passed(check, "it is served"),
        None => not_checked(check, "nobody has looked at it yet"),
    }
}

fn ready(of: &Place, cluster: &TenantCluster) -> Finding {
    let Place { namespace, name } = of;
    let check = OperatorCheck::Ready;
    match cluster.condition(types::READY) {
        Some(ready) if ready.status == "True" => passed(check, &ready.message),
        Some(ready) => failed(
            check,
            said(ready),
            format!("nagaya explain {name} -n {namespace}    # each part, and what it waits for"),
        ),
        None => failed(check, "the manager has not said anything yet", MANAGER),
    }
}

fn public_endpoint(of: &Place, cluster: &TenantCluster) -> Finding {
    let Place { namespace, name } = of;
    let check = OperatorCheck::PublicEndpoint;
    match cluster.condition(types::ENDPOINT_REACHABLE) {
        Some(reachable) if reachable.status == "True" => passed(check, &reachable.message),
        Some(unknown) if unknown.status == "Unknown" => not_checked(check, said(unknown)),
        Some(away) if away.reason == <&str>::from(Reason::GatewayRefuses) => failed(
            check,
            said(away),
            "kubectl -n nagaya-system port-forward deployment/nagaya-gateway 8080 & sleep 2; curl localhost:8080/routes localhost:8080/limited",
        ),
        Some(away) => {
            let plane = "{.status.controlPlaneNamespace}";
            let plane = format!("$(kubectl get tnc {name} -n {namespace} -o jsonpath='{plane}')");
            let mend = format!("kubectl get pods,services,endpointslices -n \"{plane}\"");
            failed(check, said(away), mend)
        }
        None => not_checked(check, "the manager has not looked yet"),
    }
}

fn connections(cluster: &TenantCluster) -> Finding {
    let check = OperatorCheck::Connections;
    match cluster.condition(types::CONNECTIONS_LIMITED) {
        Some(limited) if limited.status == "True" => {
            let mend = limited::command(&limited.message).unwrap_or("kubectl describe tnc");
            failed(check, &limited.message, mend)
        }
        _ if !is_behind_gateway(cluster) => passed(check, "it is not behind the gateway"),
        _ => passed(
            check,
            "the manager has heard of no refusal; if it hears no gateway at all, the alert NagayaGatewaySilent and its log say so",
        ),
    }
}

/// By one of its endpoints, maybe the former one, whose type is not told.
fn is_behind_gateway(cluster: &TenantCluster) -> bool {
    let moves = cluster.status.as_ref().is_some_and(|status| status.former_endpoint.is_some());
    cluster.spec.expose.type_ == ExposeType::Gateway || moves
}

fn said(condition: &Condition) -> String {
    format!("{}: {}", condition.reason, condition.message)
}
