//! Probes: every second until a component is up, rarely afterwards.

use k8s_openapi::api::core::v1::{HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// How a component is asked for its health.
#[derive(Clone, Copy)]
pub(super) struct Endpoint {
    /// `HTTP` or `HTTPS`; the kubelet does not check the certificate.
    pub scheme: &'static str,
    pub port: u16,
}

/// Four minutes to start, as kubeadm's static pods get. The kubelet asks for readiness right after it succeeds.
pub(super) fn startup(endpoint: Endpoint, path: &str) -> Probe {
    Probe { period_seconds: Some(1), failure_threshold: Some(240), ..probe(endpoint, path, 5) }
}

/// Out of the Service after 5 to 10 seconds; each question costs etcd a read.
pub(super) fn readiness(endpoint: Endpoint, path: &str) -> Probe {
    Probe { period_seconds: Some(5), failure_threshold: Some(2), ..probe(endpoint, path, 5) }
}

/// Restarted after 80 seconds, as kubeadm's static pods are (`util/staticpod.LivenessProbe`).
pub(super) fn liveness(endpoint: Endpoint, path: &str) -> Probe {
    Probe { period_seconds: Some(10), failure_threshold: Some(8), ..probe(endpoint, path, 15) }
}

fn probe(endpoint: Endpoint, path: &str, timeout_seconds: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(i32::from(endpoint.port)),
            scheme: Some(endpoint.scheme.to_owned()),
            ..HTTPGetAction::default()
        }),
        timeout_seconds: Some(timeout_seconds),
        ..Probe::default()
    }
}
