//! A host that somebody no longer wants while it is being added leaves nothing behind, nor does one that is removed.

use std::process::Command;
use std::thread;
use std::time::Duration;

use e2e::ring::{Outcome, ensure, scenario};
use e2e::{leftovers, paths, processes, state};

const NAME: &str = "ring-given-up";
/// Adding one takes 2 s and more.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(1500),
];

#[test]
fn a_host_that_is_given_up_or_removed_leaves_nothing_behind() -> Outcome {
    scenario("interruption", |_| {
        let mut interrupted = 0;
        for pause in PAUSES {
            let mut adds = sandbox(&["host", "add", NAME]).spawn()?;
            thread::sleep(pause);
            Command::new("kill").args(["-INT", &adds.id().to_string()]).status()?;
            if adds.wait()?.success() {
                removed()?;
            } else {
                interrupted += 1;
            }
            nothing_is_left(&format!("interrupted after {pause:?}"))?;
        }
        ensure(interrupted > 0, || "it was never fast enough".to_owned())?;
        let added = sandbox(&["host", "add", NAME]).status()?;
        ensure(added.success(), || format!("the host is not added: {added}"))?;
        removed()?;
        nothing_is_left("removed")
    })
}

fn sandbox(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandbox"));
    command.args(words);
    command
}

fn removed() -> Outcome {
    let status = sandbox(&["host", "rm", NAME]).status()?;
    ensure(status.success(), || format!("it is not removed: {status}"))
}

fn nothing_is_left(when: &str) -> Outcome {
    let of_it = processes::of_hosts_below(&paths::host(NAME)).into_iter();
    let mut left: Vec<String> = of_it.map(processes::Process::command_line).collect();
    left.extend(leftovers::find().into_iter().filter(|line| line.contains(NAME)));
    left.extend(state::hosts()?.into_iter().map(|record| record.name).filter(|name| name == NAME));
    ensure(left.is_empty(), || format!("{when}, these are left: {left:?}"))
}
