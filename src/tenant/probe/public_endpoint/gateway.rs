//! What is said of an endpoint that the gateway leads to: whether it is there, and whether it leads there.

use std::fmt::Display;

use nagaya_render::probe::{Finding, NOT_THROUGH, Reason};
use rustls::AlertDescription;

use super::super::ProbeTarget;

const WHERE_TO_LOOK: &str = "look whether the gateway's pods are ready (kubectl -n nagaya-system get pods -l \
                             app.kubernetes.io/name=nagaya-gateway), and whether gateway.addresses in the manager's \
                             configuration leads to them";

/// Nothing listens at its address, or what does hangs up.
pub(super) fn unreachable(target: &ProbeTarget, why: &dyn Display) -> Finding {
    let (address, endpoint) = (target.address, target.endpoint.authority());
    Finding::failed(
        Reason::EndpointUnreachable,
        format!("cannot connect to the gateway for {endpoint} ({address}): {why}; {WHERE_TO_LOOK}"),
    )
}

/// Packets are dropped on the way there, or from there to the API server.
pub(super) fn timed_out(target: &ProbeTarget) -> Finding {
    let (address, endpoint) = (target.address, target.endpoint.authority());
    Finding::failed(
        Reason::EndpointTimeout,
        format!(
            "{endpoint} does not answer in time through the gateway ({address}): {WHERE_TO_LOOK}; and at the log of \
             kube-apiserver"
        ),
    )
}

/// The answers of the gateway (`gateway/src/refusal.rs`). kube-apiserver, which is behind it, sends none of them before
/// it has shown its certificate.
pub(super) fn refuses(target: &ProbeTarget, alert: AlertDescription) -> Finding {
    let (address, host) = (target.address, &target.endpoint.host);
    let why = match alert {
        AlertDescription::UnrecognisedName => format!(
            "has no route to {host}: the Service kube-apiserver-public of the control plane has that name in its \
             annotation nagaya.dev/gateway-hosts; the gateway's log and its /routes say whether it has seen that, \
             and whether an older Service has the name"
        ),
        AlertDescription::InternalError => format!(
            "{NOT_THROUGH} of {host}: none is ready (see APIServerReady), or the tenant has \
             as many connections as it may, which the gateway's /limited says"
        ),
        other => format!("ends TLS for {host} with the alert {other:?}; its log says why"),
    };
    Finding::failed(Reason::GatewayRefuses, format!("the gateway at {address} {why}"))
}
