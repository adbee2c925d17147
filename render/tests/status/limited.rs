//! What is said of a tenant whose connections the gateway refuses.

use super::*;

const WORDS: &str = "connections are refused: 5 of 5 connections are open at gateway pod a";

fn limited() -> Pass {
    let limited = Verdict::new(State::True, "TooManyConnections", WORDS);
    Pass { limited: Some(limited), ..valid() }
}

#[test]
fn it_is_a_condition_that_is_there_only_while_it_is_true() {
    let mut pass = limited();
    let status = pass.status();
    assert_eq!(says(&status, "ConnectionsLimited"), "True TooManyConnections");
    assert_eq!(says(&status, "Ready"), "True Joinable", "the probe got through");
    pass.raw.status = Some(status);
    pass.limited = None;
    assert_eq!(says(&pass.status(), "ConnectionsLimited"), "absent");
}

#[test]
fn the_probe_is_refused_as_everybody_is_and_ready_says_why() {
    let of = |reason| {
        let endpoint = Finding::failed(reason, "no");
        Pass { probed: Some(ProbeReport { endpoint, ..joinable() }), ..limited() }.status()
    };
    let refused = of(Reason::GatewayRefuses);
    for kind in ["Ready", "EndpointReachable"] {
        assert_eq!(says(&refused, kind), "False GatewayRefuses");
        assert_eq!(condition(&refused, kind).unwrap().message, WORDS, "{kind}");
    }
    let away = of(Reason::EndpointTimeout);
    assert_eq!(condition(&away, "EndpointReachable").unwrap().message, "no");
}
