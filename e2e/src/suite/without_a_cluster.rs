//! What needs no cluster: lint, the tests of everything but the ring, and the fault ring.

use std::process::Command;

use super::cargo_tests::run_tests;
use super::check;
use super::report::{Counts, Report};
use crate::cargo::cargo;
use crate::components::{Component, KUBERNETES_MINORS, NEWEST_MINOR, ensure};
use crate::error::Result;
use crate::{paths, prerequisites};

/// How many stories the fault ring tells, and for how many seconds at most: as long as it takes.
const STORIES: &str = "100000";
const TIME_FOR_STORIES: &str = "1000000";
/// Told by `make test` too, unoptimised: half a minute of two cores.
const A_FEW_STORIES: [(&str, &str); 2] =
    [("NAGAYA_STORIES", "40"), ("NAGAYA_STORIES_SECONDS", "600")];
/// What of `tests/controllers` plays the same again and again, for longer than `make test` may take.
const TOO_LONG: [&str; 2] = ["crashes::no_fault_of_any_write", "stories::bugs"];
/// All of it.
const FAULT_RING: [&str; 2] = ["crashes::no_fault_of_any_write", "stories::"];

pub(super) fn lint(report: &mut Report) -> Result<()> {
    report.part("rustfmt", || check(&mut cargo(&["fmt", "--all", "--check"])))?;
    let clippy = ["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
    report.part("clippy, pedantic", || check(&mut cargo(&clippy)))?;
    report.part("cargo-deny: bans, licenses, sources", || {
        let words = ["--log-level", "error", "check", "bans", "licenses", "sources"];
        let mut deny = Command::new(prerequisites::cargo_deny()?);
        check(deny.args(words).current_dir(paths::checkout()))
    })
}

/// Units, goldens, generated files, and parity with what kubeadm of each minor writes and reads.
pub(super) fn units(report: &mut Report) -> Result<()> {
    let mut programs = Vec::new();
    report.part(
        "kubeadm of each minor and an API server, to compare with; an S3 server",
        || {
            let kubernetes = Component::kubernetes(NEWEST_MINOR)?;
            for (variable, component, binary) in [
                ("VERSITYGW", &Component::versitygw(), "versitygw"),
                ("ETCD", &Component::etcd(), "etcd"),
                ("KUBE_APISERVER", &kubernetes, "kube-apiserver"),
            ] {
                programs.push((variable.to_owned(), ensure(component, binary)?));
            }
            for minor in KUBERNETES_MINORS {
                let path = ensure(&Component::kubernetes(minor)?, "kubeadm")?;
                programs.push((format!("KUBEADM_{}", minor.replace('.', "_")), path.clone()));
                if minor == NEWEST_MINOR {
                    programs.push(("KUBEADM".to_owned(), path));
                }
            }
            Ok(Counts::check())
        },
    )?;
    report.part("tests of the crates, goldens, drift, kubeadm parity", || {
        let mut tests = cargo(&["test", "--locked", "--workspace", "--exclude", "e2e"]);
        tests.args(["--no-fail-fast", "--"]);
        tests.args(TOO_LONG.iter().flat_map(|module| ["--skip", module]));
        run_tests(tests.envs(programs.iter().cloned()).envs(A_FEW_STORIES))
    })?;
    report.part("tests of the sandbox's own code", || {
        let words = ["test", "--locked", "--package", "e2e", "--lib", "--bins", "--no-fail-fast"];
        run_tests(&mut cargo(&words))
    })
}

/// Each write of each flow with each fault, and stories.
pub(super) fn fault_ring(report: &mut Report) -> Result<()> {
    report.part("the fault ring", || {
        let words = ["test", "--locked", "--profile", "stories", "--package", "nagaya"];
        let mut tests = cargo(&words);
        tests.args(["--test", "controllers", "--"]).args(FAULT_RING);
        tests.env("NAGAYA_STORIES", STORIES).env("NAGAYA_STORIES_SECONDS", TIME_FOR_STORIES);
        run_tests(&mut tests)
    })
}
