//! `make test`: lint, the tests without a cluster, and the real ring in a sandbox of its own, in
//! order; a table of what each took, and what really ran.

mod cargo_tests;
mod in_a_sandbox;
mod logs;
mod report;
mod without_a_cluster;
mod witness;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use cargo_tests::run_tests_beside_others;
use report::{Counts, Report};

use crate::cargo::cargo;
use crate::components::{
    KUBERNETES_MINORS, NEWEST_MINOR, for_control_plane, for_management, for_node, while_fetching,
};
use crate::error::{Error, IoContext, Result};
use crate::progress::say;
use crate::{interrupt, paths, sandbox};

/// Test programs of the real ring that run at once: most of their time is waiting.
const LANES: usize = 3;
/// Emulating a machine takes both cores, and so does starting API servers under load: nothing else beside them. And there is
/// one gateway, one MetalLB and one address for HAProxy, which those that want them install and remove.
const ALONE: [&str; 11] = [
    "defragmentation",
    "etcd_members",
    "expose_balancers",
    "expose_move",
    "forwarder",
    "gateway",
    REACH,
    "tunnel",
    "upgrade",
    "virtual_machine",
    VM,
];
/// The longest first; those that want the sandbox to themselves at last, when nobody is held up. `blocking` asks for
/// more than the node has, beside what `ready_truth` runs.
const FIRST: [&str; 1] = ["ready_truth"];
const LAST: [&str; 5] = ["blocking", "two_managers", "deletion", "steady_state", "join_tokens"];

/// What `make test` consists of, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Section {
    /// rustfmt, clippy, cargo-deny.
    Lint,
    /// What needs no cluster: units, goldens, generated files, parity with kubeadm.
    Units,
    /// The demo, twice: from nothing to a page on a tenant's virtual machine.
    Demo,
    /// Nagaya in a sandbox, and the tests of `e2e/tests`.
    Ring,
    /// What changes a running tenant, in its long form ([`LONG`]); only if it is named.
    Lifecycle,
    /// The tunnel over a bad line, and with each of its parts pulled; only if it is named.
    Reach,
    /// Two virtual machines that nobody can reach, and what becomes of them; only if it is named.
    Vm,
    /// The fault ring, whole; only if it is named.
    Stories,
}

/// Programs of the ring that have a long form, which this variable asks them for.
const LONG: [&str; 3] = ["etcd_members", "repairs", "upgrade"];
/// Those that run only beside them. (The demo has a virtual machine of its own.)
const ONLY_LONG: [&str; 15] = [
    "defragmentation",
    "disasters",
    "durability",
    "faults",
    "forwarder",
    "join_doctor",
    "laden",
    "manager_upgrade",
    "meltdown",
    "nospace",
    "one_api_server",
    REACH,
    "skew",
    "virtual_machine",
    VM,
];
/// Sections of their own, too.
const REACH: &str = "reach";
const VM: &str = "vms";
/// Those that want three management nodes, after them.
const ON_THREE_NODES: [&str; 1] = ["drains"];
const LONG_FORM: (&str, &str) = ("NAGAYA_RING_LONG", "1");

/// How much a test of the ring that changes a running tenant does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Short,
    Long,
    /// Nothing but this program.
    Only(&'static str),
}

/// Runs the sections (all but the long forms if none is named), prints the table and returns whether all passed.
///
/// # Errors
/// The user interrupts. Whatever else fails is a failed part.
pub fn run(sections: &[Section]) -> Result<bool> {
    let mut needs = Vec::new();
    let needs_none = |section: &Section| matches!(section, Section::Lint | Section::Stories);
    if sections.is_empty() || !sections.iter().all(needs_none) {
        needs.extend(for_management(NEWEST_MINOR)?);
        for minor in KUBERNETES_MINORS {
            needs.extend(for_node(minor)?.into_iter().chain(for_control_plane(minor)?));
        }
    }
    while_fetching(&needs, || run_sections(sections))
}

fn run_sections(sections: &[Section]) -> Result<bool> {
    let wanted = |section| sections.is_empty() || sections.contains(&section);
    let mut report = Report::default();
    if wanted(Section::Lint) {
        without_a_cluster::lint(&mut report)?;
    }
    if wanted(Section::Units) {
        without_a_cluster::units(&mut report)?;
    }
    if sections.contains(&Section::Stories) {
        without_a_cluster::fault_ring(&mut report)?;
    }
    let ring = match sections {
        named if named.contains(&Section::Lifecycle) => Some(Form::Long),
        named if named.contains(&Section::Reach) => Some(Form::Only(REACH)),
        named if named.contains(&Section::Vm) => Some(Form::Only(VM)),
        _ => wanted(Section::Ring).then_some(Form::Short),
    };
    if wanted(Section::Demo) || ring.is_some() {
        in_a_sandbox::run(&mut report, wanted(Section::Demo), ring)?;
    }
    println!("{}", report.told());
    Ok(report.passed())
}

/// Every program, a few at once; in their long form only those that have one.
fn ring_tests(report: &mut Report, form: Form) -> Result<()> {
    report.part("tests of the real ring compiled", || {
        check(&mut cargo(&["test", "--locked", "--package", "e2e", "--tests", "--no-run"]))
    })?;
    let is_of = |names: &[&str], name: &String| names.contains(&name.as_str());
    let (on_three_nodes, mut programs): (Vec<_>, Vec<_>) =
        ring_programs()?.into_iter().partition(|name| is_of(&ON_THREE_NODES, name));
    programs.retain(|name| match form {
        Form::Short => !is_of(&ONLY_LONG, name),
        Form::Long => is_of(&LONG, name) || is_of(&ONLY_LONG, name),
        Form::Only(one) => name == one,
    });
    let (alone, others) = programs.into_iter().partition(|name| is_of(&ALONE, name));
    in_lanes(report, 1, alone, form)?;
    let lanes = if form == Form::Long { 1 } else { LANES };
    in_lanes(report, lanes, others, form)?;
    if form == Form::Long {
        let up = || sandbox::up_with(3).map(|()| Counts::check());
        report.part("two more management nodes, each in a zone of its own", up)?;
        in_lanes(report, 1, on_three_nodes, form)?;
    }
    Ok(())
}

/// Runs test programs, `lanes` of them at once.
fn in_lanes(report: &mut Report, lanes: usize, programs: Vec<String>, form: Form) -> Result<()> {
    let programs = Mutex::new(programs);
    let next =
        || programs.lock().ok().and_then(|mut left| (!left.is_empty()).then(|| left.remove(0)));
    let report = Mutex::new(report);
    let lane = || -> Result<()> {
        while let Some(name) = next() {
            let started = Instant::now();
            let words = ["test", "--locked", "--quiet", "--package", "e2e", "--test", &name, "--"];
            let mut tests = cargo(&words);
            if form == Form::Long {
                tests.env(LONG_FORM.0, LONG_FORM.1);
            }
            let result = run_tests_beside_others(&name, tests.arg("--test-threads=1"));
            let part = format!("real ring: {}", name.replace('_', " "));
            report.lock().unwrap_or_else(PoisonError::into_inner).note(
                &part,
                started.elapsed(),
                result,
            )?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        lanes.into_iter().try_for_each(|lane| lane.join().unwrap_or(Err(Error::Interrupted)))
    })
}

/// The test programs of `e2e/tests`, as cargo finds them: a file, or a folder with a `main.rs`.
fn ring_programs() -> Result<Vec<String>> {
    let folder = paths::checkout().join("e2e/tests");
    let entries = fs::read_dir(&folder).on("list", &folder)?;
    let paths = entries.flatten().map(|entry| entry.path());
    let is_rust = |path: &Path| path.extension().is_some_and(|extension| extension == "rs");
    let programs = paths.filter(|path| is_rust(path) || path.join("main.rs").exists());
    let stems = programs.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()));
    let mut names: Vec<String> = stems.collect();
    let place = |name: &str| match (
        FIRST.iter().position(|first| *first == name),
        LAST.iter().position(|last| *last == name),
    ) {
        (Some(place), _) => (0, place),
        (None, None) => (1, 0),
        (None, Some(place)) => (2, place),
    };
    names.sort_by(|one, other| place(one).cmp(&place(other)).then_with(|| one.cmp(other)));
    Ok(names)
}

/// A command whose words the reader sees as they come, and that passes or fails as a whole.
fn check(command: &mut Command) -> Result<Counts> {
    let line = crate::command::command_line(command);
    say(&format!("  {line}"));
    let status = command.stdin(std::process::Stdio::null()).status();
    let status =
        status.map_err(|source| Error::CommandMissing { command: line.clone(), source })?;
    interrupt::check()?;
    if status.success() {
        return Ok(Counts::check());
    }
    let output = "its words are above".to_owned();
    Err(Error::CommandFailed { command: line, status: status.to_string(), output })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_of_the_real_ring_is_a_part() {
        let names = ring_programs().unwrap();
        assert!(names.iter().any(|name| name == "lifecycle"), "{names:?}");
        assert_eq!(names[..FIRST.len()], FIRST);
        for alone in ALONE.iter().chain(&LONG).chain(&ONLY_LONG).chain(&ON_THREE_NODES) {
            assert!(names.iter().any(|name| name == *alone), "{names:?}");
        }
        assert_eq!(names[names.len() - LAST.len()..], LAST);
    }
}
