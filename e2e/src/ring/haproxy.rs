//! A load balancer outside of the management cluster: HAProxy where no host of it is, at the bridge's own address, with the
//! configuration that `docs/how-to/expose.md` has.

use std::fs;
use std::net::Ipv6Addr;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::{Failure, Look, Outcome, wait_until};
use crate::command::{command, run};
use crate::network::{self, GATEWAY, MANAGEMENT_ADDRESS, SWITCH};
use crate::paths;

const STARTS: Duration = Duration::from_secs(10);
const GUIDE: &str = "docs/how-to/expose.md";
/// The guide's own example, and what stands there for what a reader has.
const BEGIN: &str = "```haproxy\n";
const PORT_OF_THE_GUIDE: &str = ":31234";
const NODES_OF_THE_GUIDE: [&str; 2] = ["192.0.2.1", "192.0.2.2"];

/// Ends when this is dropped.
pub struct HaProxy(Child);

impl HaProxy {
    /// One that leads port 6443 of the bridge's address to a node port of the management host.
    ///
    /// # Errors
    /// It does not listen, or the guide's example is not there.
    pub fn start(node_port: &str) -> Outcome<Self> {
        Self::listening(&configuration(node_port)?, &GATEWAY.to_string())
    }

    /// The same at an address of IPv6, which the bridge has from then on.
    ///
    /// # Errors
    /// As above, or the kernel has no IPv6.
    pub fn start_on(address: Ipv6Addr, node_port: &str) -> Outcome<Self> {
        network::give_switch(address)?;
        let (any, only) = ("bind :6443", format!("bind [{address}]:6443"));
        Self::listening(&configuration(node_port)?.replace(any, &only), &address.to_string())
    }

    fn listening(configuration: &str, host: &str) -> Outcome<Self> {
        let folder = paths::state();
        let (file, log) =
            (folder.join("haproxy.cfg"), fs::File::create(folder.join("haproxy.log"))?);
        paths::write_whole(&file, configuration.as_bytes())?;
        let mut haproxy = command(&network::enter(SWITCH));
        // It ends with the test's thread, also when that panics.
        haproxy.args(["setpriv", "--pdeathsig=KILL", "/usr/sbin/haproxy", "-db", "-f"]).arg(&file);
        let haproxy = haproxy.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let started = Self(haproxy);
        let script = format!("exec 3<>/dev/tcp/{host}/6443");
        wait_until("HAProxy listens", STARTS, || {
            let done = run(command(&network::enter(SWITCH)).args(["bash", "-c", &script]));
            let log = || fs::read_to_string(folder.join("haproxy.log")).unwrap_or_default();
            Ok(Look::done_if(done.is_ok(), log))
        })?;
        Ok(started)
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What the guide tells to write, with the sandbox's one node in the place of its nodes.
fn configuration(node_port: &str) -> Outcome<String> {
    let guide = paths::read_text(&paths::checkout().join(GUIDE))?;
    let example = guide.split_once(BEGIN).and_then(|(_, rest)| rest.split_once("```"));
    let (example, _) = example.ok_or_else(|| Failure::new(format!("{GUIDE} has no {BEGIN:?}")))?;
    let other = |line: &&str| !line.contains(NODES_OF_THE_GUIDE[1]);
    let lines: Vec<&str> = example.lines().filter(other).collect();
    let own = lines.join("\n").replace(NODES_OF_THE_GUIDE[0], &MANAGEMENT_ADDRESS.to_string());
    Ok(own.replace(PORT_OF_THE_GUIDE, &format!(":{node_port}")) + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guides_example_leads_to_the_one_node() {
        let made = configuration("30007").unwrap();
        assert!(made.contains(&format!("server one {MANAGEMENT_ADDRESS}:30007 check")), "{made}");
        assert!(!made.contains("192.0.2."), "{made}");
    }
}
