//! The way into a machine: ssh, from the bridge's own namespace, with a key of this sandbox.

use std::io::{IsTerminal, stdin, stdout};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;

use crate::command::{command, run};
use crate::error::Result;
use crate::{lock, network, paths};

/// Nobody but us is on the bridge, and each new machine has the image's host key: there is nothing
/// to remember or to ask.
const OPTIONS: [&str; 6] = [
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "LogLevel=ERROR",
    "BatchMode=yes",
    "ConnectTimeout=10",
    "ServerAliveInterval=30",
];

fn key() -> PathBuf {
    paths::state().join("vm-key")
}

/// The public half of the sandbox's key, made first if it is not there.
///
/// # Errors
/// ssh-keygen fails.
pub fn public_key() -> Result<String> {
    paths::make_folder(&paths::state())?;
    let _held = lock::exclusive(&paths::state().join("vm-key.lock"))?;
    if !key().exists() {
        let words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "nagaya-sandbox", "-f"];
        run(command(&words).arg(key()))?;
    }
    paths::read_text(&key().with_extension("pub"))
}

/// A command that runs `words` as root in the machine of an address; streams and exit code pass
/// through.
#[must_use]
pub fn build_ssh(address: Ipv4Addr, words: &[impl AsRef<str>]) -> Command {
    let mut ssh = command(&network::enter(network::SWITCH));
    ssh.args(["ssh", "-i"]).arg(key());
    for option in OPTIONS {
        ssh.args(["-o", option]);
    }
    if stdin().is_terminal() && stdout().is_terminal() {
        ssh.arg("-t");
    }
    ssh.arg(format!("root@{address}")).arg("--");
    ssh.args(words.iter().map(|word| quote(word.as_ref())));
    ssh
}

/// ssh hands its words to a shell over there as one text.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_machine_unchanged_through_a_shell() {
        let word = "it's \"a\" $HOME; `b` *\n";
        let text = format!("printf %s {}", quote(word));
        let read = crate::command::output(&mut command(&["sh", "-c", &text])).unwrap();
        assert_eq!(read, word);
    }

    #[test]
    fn the_machine_is_reached_from_the_switch() {
        let ssh = build_ssh(Ipv4Addr::new(172, 30, 0, 50), &["uname", "-r"]);
        let line = crate::command::command_line(&ssh);
        assert!(line.starts_with("nsenter --net=/run/netns/nagaya-switch -- ssh"), "{line}");
        assert!(line.ends_with("root@172.30.0.50 -- 'uname' '-r'"), "{line}");
    }
}
