//! What is said of a tenant whose connections the gateway refuses.

use super::*;

const WORDS: &str =
    "connections were refused within the last minutes: no more than 5 may be open at gateway pod a";
const OF_THE_TUNNEL: &str =
    "connections of the tunnel were refused within the last minutes: no more than 5";

fn limited() -> Pass {
    with_limit(&format!("{WORDS}. {OF_THE_TUNNEL}"))
}

fn with_limit(words: &str) -> Pass {
    let limited = Verdict::new(State::True, "TooManyConnections", words);
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
fn the_probe_is_refused_as_everybody_is_and_ready_says_why_besides() {
    let of = |limited: Pass, reason, says: &str| {
        let endpoint = Finding::failed(reason, says);
        let status =
            Pass { probed: Some(ProbeReport { endpoint, ..joinable() }), ..limited }.status();
        ["Ready", "EndpointReachable"].map(|kind| {
            let said = condition(&status, kind).unwrap();
            assert_eq!((&*said.status, said.reason.as_str()), ("False", <&str>::from(reason)));
            said.message.trim_start_matches("endpoint: ").to_owned()
        })
    };
    let through =
        "the gateway at 10.0.0.1 does not get through to the API server of a: none is ready";
    let both = format!("{through}; {WORDS}");
    assert_eq!(of(limited(), Reason::GatewayRefuses, through), [&*both; 2]);
    let of_the_tunnel = with_limit(OF_THE_TUNNEL);
    assert_eq!(of(of_the_tunnel, Reason::GatewayRefuses, through), [through; 2]);
    let route = "the gateway at 10.0.0.1 has no route to a";
    assert_eq!(of(limited(), Reason::GatewayRefuses, route), [route; 2]);
    assert_eq!(of(limited(), Reason::EndpointTimeout, "no"), ["no"; 2]);
}
