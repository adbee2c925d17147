//! What goes wrong before an API server is reached.

use std::time::Duration;

use nagaya_doctor::Check;
use nagaya_doctor::Verdict::{Failed, NotChecked, Passed};
use nagaya_doctor::{Ground, Report, examine};

use crate::machine::Machine;
use crate::{TOKEN, ground, is, join, processes, servers};

fn towards(endpoint: &str) -> Report {
    examine(&join(endpoint, TOKEN, None), &ground(&Machine::well()))
}

#[test]
fn a_name_that_nobody_knows_has_no_address() {
    // No resolver asks anybody for it.
    let report = towards("a..b:6443");
    is(&report, Check::Dns, Failed, "a..b has no address here");
    is(&report, Check::Tcp, NotChecked, "because dns failed");
    is(&report, Check::Rights, NotChecked, "because token was not checked");
}

#[test]
fn a_port_where_nobody_listens_refuses() {
    let report = towards(&processes::free_address().to_string());
    is(&report, Check::Dns, Passed, "127.0.0.1 is an address");
    is(&report, Check::Tcp, Failed, "nobody listens at 127.0.0.1:");
}

/// The alerts of `gateway/src/refusal.rs`: a record of TLS 1.2, fatal, 112 and 80.
#[test]
fn what_the_gateway_refuses_is_told_apart() {
    let refusing = |alert| towards(&servers::plain(alert).to_string());
    let report = refusing("\x15\x03\x03\x00\x02\x02\x70");
    is(&report, Check::Tls, Failed, "serves no cluster of the name \"127.0.0.1\"");
    let report = refusing("\x15\x03\x03\x00\x02\x02\x50");
    is(&report, Check::Tls, Failed, "does not get through to the API server of 127.0.0.1");
}

#[test]
fn what_says_nothing_or_no_tls_is_no_api_server() {
    let patience = Duration::from_secs(1);
    let machine = Machine::well();
    let ground = Ground { patience, ..ground(&machine) };
    let report = examine(&join(&servers::silent().to_string(), TOKEN, None), &ground);
    is(&report, Check::Tls, Failed, "says nothing within 1 s, not by small packets either");
    is(&report, Check::Mtu, NotChecked, "because tls failed");
    let report = towards(&servers::plain("HTTP/1.0 400 Bad Request\r\n\r\n").to_string());
    is(&report, Check::Tcp, Passed, "accepts connections");
    is(&report, Check::Tls, Failed, "is no API server");
}
