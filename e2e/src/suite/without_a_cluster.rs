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
const STORIES: [(&str, &str); 2] =
    [("NAGAYA_STORIES", "100000"), ("NAGAYA_STORIES_SECONDS", "1000000")];
/// Those of them that `make test` tells too: about three minutes of two cores.
const FIRST_STORIES: [(&str, &str); 2] =
    [("NAGAYA_STORIES", "2000"), ("NAGAYA_STORIES_SECONDS", "900")];
/// What of `tests/controllers` plays the same again and again: optimised, and apart from the others.
const FAULT_RING: [&str; 2] = ["crashes::no_fault_of_any_write", "stories::"];
/// What `make test` has time for of it.
const STORIES_ALONE: [&str; 1] = ["stories::every_story"];
/// Makes an optimised Nagaya out of the same libraries.
const OPTIMISED: &str = "tests/controllers/stories.toml";

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
        tests.args(FAULT_RING.iter().flat_map(|module| ["--skip", module]));
        run_tests(tests.envs(programs.iter().cloned()))
    })?;
    report.part("stories of faults", || tell(&STORIES_ALONE, FIRST_STORIES))?;
    report.part("tests of the sandbox's own code", || {
        let words = ["test", "--locked", "--package", "e2e", "--lib", "--bins", "--no-fail-fast"];
        run_tests(&mut cargo(&words))
    })
}

/// Each write of each flow with each fault, and stories.
pub(super) fn fault_ring(report: &mut Report) -> Result<()> {
    report.part("the fault ring", || tell(&FAULT_RING, STORIES))
}

/// With the features that the tests of the crates have: others are other libraries.
fn tell(tests_called: &[&str], how_many: [(&str, &str); 2]) -> Result<Counts> {
    let crates = ["test", "--locked", "--config", OPTIMISED, "--workspace", "--exclude", "e2e"];
    let mut tests = cargo(&crates);
    tests.args(["--test", "controllers", "--"]).args(tests_called);
    run_tests(tests.envs(how_many))
}
