//! One sandbox for the demo and the real ring: what makes it, and what the ring finds in it.

use std::time::{Duration, Instant};

use super::report::{Counts, Report};
use super::witness::Witness;
use super::{Form, logs, ring_tests};
use crate::components::{KUBERNETES_MINORS, NEWEST_MINOR, ensure_all, for_control_plane, for_node};
use crate::error::{Error, Result};
use crate::{demo, host, images, install, interrupt, network, sandbox};

/// What `make demo` promises whoever runs it again.
const A_SECOND_DEMO: Duration = Duration::from_mins(1);

/// One sandbox for both: making it takes a minute. It goes down at the end, whatever came of the tests.
pub(super) fn run(report: &mut Report, demo: bool, ring: Option<Form>) -> Result<()> {
    let witness = Witness::start();
    let tested = sandbox_tests(report, demo, ring);
    report.ran = witness.testimony();
    if !report.passed() || tested.is_err() {
        interrupt::shielded(logs::keep);
    }
    let down = interrupt::shielded(|| {
        report.part("sandbox down, nothing left", || sandbox::down().map(|()| Counts::check()))
    });
    tested.and(down)
}

fn sandbox_tests(report: &mut Report, demo: bool, ring: Option<Form>) -> Result<()> {
    let parts: [(bool, &[Part]); 4] = [
        (true, &A_NEW_SANDBOX),
        (demo, &THE_DEMO),
        (demo && ring.is_some(), &[("the demo's tenant and machine removed", demo::leave)]),
        (ring.is_some(), &BEFORE_THE_RING),
    ];
    for (_, parts) in parts.into_iter().filter(|(wanted, _)| *wanted) {
        if !all_pass(report, parts)? {
            return Ok(());
        }
    }
    ring.map_or(Ok(()), |form| ring_tests(report, form))
}

type Part = (&'static str, fn() -> Result<()>);

const A_NEW_SANDBOX: [Part; 2] =
    [("no sandbox of before", sandbox::down), ("sandbox up", sandbox::up)];

const THE_DEMO: [Part; 3] = [
    ("the demo, from nothing to a page on a virtual machine", demo::up),
    ("the demo again", demo_again),
    ("the demo's machine rebooted", demo::reboot),
];

/// It finds everything there.
fn demo_again() -> Result<()> {
    let began = Instant::now();
    demo::up()?;
    if began.elapsed() < A_SECOND_DEMO {
        return Ok(());
    }
    let (what, hint) = ("the end of a second demo".to_owned(), "what did it do again?".to_owned());
    Err(Error::Timeout { what, seconds: A_SECOND_DEMO.as_secs(), hint })
}

const BEFORE_THE_RING: [Part; 3] = [
    ("components and images of every minor", make_images),
    ("images of every minor's control plane loaded", load_images),
    ("Nagaya built and installed", install::install),
];

/// Whether all of it succeeded; what comes after a failure is left out.
fn all_pass(report: &mut Report, parts: &[Part]) -> Result<bool> {
    for (name, work) in parts {
        report.part(name, || work().map(|()| Counts::check()))?;
        if !report.last_passed() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn make_images() -> Result<()> {
    images::management()?;
    images::metallb()?;
    for minor in KUBERNETES_MINORS {
        ensure_all(&[for_node(minor)?, for_control_plane(minor)?].concat())?;
        images::control_plane(minor)?;
        images::node(minor)?;
    }
    Ok(())
}

/// `up` has loaded the newest.
fn load_images() -> Result<()> {
    let host = host::open(network::MANAGEMENT)?;
    for minor in KUBERNETES_MINORS.into_iter().filter(|minor| *minor != NEWEST_MINOR) {
        sandbox::load(host.as_ref(), &images::control_plane(minor)?)?;
    }
    Ok(())
}
