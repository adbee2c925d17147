//! Each check but `privileges` and `proxy` is provoked: on a machine that is a folder, by servers of our own that go wrong, and on a real kube-apiserver
//! (`ETCD` and `KUBE_APISERVER` name the binaries; `make test` sets them).
//!
//! | what | file |
//! |---|---|
//! | a machine that is well, as a folder | `machine.rs`; its container runtime in `runtime.rs` |
//! | servers that go wrong | `servers.rs` |
//! | an API server with a cluster that nodes may join | `kubernetes.rs` |
//! | what goes wrong | `on_the_machine.rs`, `on_the_way.rs`, `on_the_server.rs`; somebody in between in `in_between.rs` |

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails the test")]

#[path = "../../../tests/loopback/certificate.rs"]
mod certificate;
mod in_between;
mod kubernetes;
mod machine;
mod on_the_machine;
mod on_the_server;
mod on_the_way;
#[path = "../../../tests/loopback/processes.rs"]
mod processes;
mod runtime;
mod servers;

use std::time::Duration;

use clap::Parser as _;
use nagaya_doctor::{Arguments, Check, Ground, Report, Verdict, examine};

use machine::Machine;

const TOKEN: &str = "abcdef.0123456789abcdef";

/// The arguments of a join; no CA has a hash of nothing but zeros.
fn join(endpoint: &str, token: &str, hash: Option<&str>) -> Arguments {
    let nobody = format!("sha256:{}", "0".repeat(64));
    let hash = hash.unwrap_or(&nobody);
    let words = ["nagaya-doctor", endpoint, "--token", token];
    let pinned = ["--discovery-token-ca-cert-hash", hash];
    Arguments::try_parse_from(words.into_iter().chain(pinned)).unwrap()
}

/// With more patience than a user has: a real server beside compilers may take long.
fn ground(machine: &Machine) -> Ground {
    let patience = Duration::from_mins(1);
    Ground { patience, ..Ground::below(machine.root().to_owned()) }
}

/// What is found on a machine whose API server does not matter.
fn found(machine: &Machine) -> Report {
    let nobody = processes::free_address().to_string();
    examine(&join(&nobody, TOKEN, None), &ground(machine))
}

/// That a check came out so, with these words.
#[track_caller]
fn is(report: &Report, check: Check, verdict: Verdict, says: &str) {
    let finding = report.of(check).unwrap();
    assert_eq!(finding.verdict, verdict, "{}", report.text());
    assert!(finding.message.contains(says), "{says:?} is not in {:?}", finding.message);
}
