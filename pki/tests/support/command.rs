//! Running a foreign command: openssl or kubeadm.

use std::process::Command;

/// Runs a command to its end: whether it succeeded, and all that it wrote.
pub fn try_run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Runs a command that must succeed; what it wrote.
pub fn run(command: &mut Command) -> String {
    let (succeeded, text) = try_run(command);
    assert!(succeeded, "{command:?} failed:\n{text}");
    text
}
