//! A NAT between a machine and the gateway, whose address outside can change, and whose line can be long and bad.

use std::cell::Cell;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::process::{Child, Stdio};

use super::{Machine, Outcome, ensure};
use crate::cargo::built;
use crate::command::{command, output};
use crate::install::GATEWAY_PORT;
use crate::network::{self, MANAGEMENT_ADDRESS, PREFIX, SPARE_ADDRESSES};
use crate::progress::say;

const NAME: &str = "ring-nat";
/// The machine's way to the gateway.
const INSIDE: Ipv4Addr = SPARE_ADDRESSES[0];
/// From where its connections come, the one or the other.
const OUTSIDE: [Ipv4Addr; 2] = [SPARE_ADDRESSES[1], SPARE_ADDRESSES[2]];
/// Of the queue for [`SlowLine`], in the NAT's own network.
const QUEUE: &str = "7";

/// A router with a network namespace of its own; it goes with its handle.
pub struct Nat {
    namespace: String,
    machine: String,
    outside: Cell<usize>,
}

impl Nat {
    /// Has a machine's packets for the gateway's address go through it. A packet that belongs to no connection it knows is
    /// dropped, in either direction.
    ///
    /// # Errors
    /// The kernel refuses something.
    pub fn before(machine: &Machine) -> Outcome<Self> {
        let namespace = network::namespace(NAME);
        network::remove_namespace(&namespace)?;
        network::attach_namespace(NAME, INSIDE)?;
        let nat = Self { namespace, machine: machine.address(), outside: Cell::new(0) };
        let [one, other] = OUTSIDE;
        let from_inside = format!("-s {} -d {MANAGEMENT_ADDRESS} -p tcp", nat.machine);
        nat.run(&[
            "echo 1 > /proc/sys/net/ipv4/ip_forward",
            "echo 0 > /proc/sys/net/ipv4/conf/all/send_redirects",
            "echo 0 > /proc/sys/net/ipv4/conf/eth0/send_redirects",
            // What comes in the middle of a connection does not begin one.
            "echo 0 > /proc/sys/net/netfilter/nf_conntrack_tcp_loose",
            &format!("ip address add {one}/{PREFIX} dev eth0"),
            &format!("ip address add {other}/{PREFIX} dev eth0"),
            "iptables -w -P FORWARD DROP",
            "iptables -w -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
            &format!(
                "iptables -w -A FORWARD {from_inside} --dport {GATEWAY_PORT} -m conntrack --ctstate NEW -j ACCEPT"
            ),
            "iptables -w -A INPUT -p tcp -j DROP",
            &nat.rule("-A"),
        ])?;
        let way = ["ip", "route", "add", &MANAGEMENT_ADDRESS.to_string(), "via"];
        machine.run(&[&way[..], &[&INSIDE.to_string()]].concat())?;
        Ok(nat)
    }

    /// Connections are closed to both sides, and the next ones come from another address.
    ///
    /// # Errors
    /// The kernel refuses something.
    pub fn change_with_a_reset(&self, machine: &Machine) -> Outcome {
        self.change()?;
        let gateway = format!("{MANAGEMENT_ADDRESS}");
        machine.run(&["ss", "--kill", "--tcp", "--numeric", "dst", &gateway])?;
        self.forget()
    }

    /// Connections are forgotten, nobody is told, and the next ones come from another address.
    ///
    /// # Errors
    /// The kernel refuses something.
    pub fn change_silently(&self) -> Outcome {
        self.change()?;
        self.forget()
    }

    /// Each packet takes so long from then on, and of a hundred so many are lost, in either direction.
    ///
    /// # Errors
    /// The program that does it does not start.
    pub fn slow_down(&self, milliseconds: u32, percent: u8) -> Outcome<SlowLine<'_>> {
        let program =
            built(&["--package", "e2e", "--example", "slow_line"], "debug/examples/slow_line")?;
        let mut line = command(&network::enter(&self.namespace));
        line.arg(program).args(["--queue", QUEUE]);
        line.args(["--milliseconds", &milliseconds.to_string()]);
        line.args(["--percent", &percent.to_string()]);
        let child = line.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut slow = SlowLine { nat: self, child };
        let mut said = String::new();
        if let Some(output) = slow.child.stdout.take() {
            BufReader::new(output).read_line(&mut said)?;
        }
        ensure(said == "ready\n", || format!("slow_line says {said:?}"))?;
        self.run(&[&into_the_queue("-A")])?;
        Ok(slow)
    }

    fn change(&self) -> Outcome {
        let before = self.rule("-D");
        self.outside.set(1 - self.outside.get());
        self.run(&[&self.rule("-A"), &before])
    }

    fn forget(&self) -> Outcome {
        self.run(&["conntrack --flush"])
    }

    fn rule(&self, verb: &str) -> String {
        let to = OUTSIDE[self.outside.get()];
        format!(
            "iptables -w -t nat {verb} POSTROUTING -s {} -j SNAT --to-source {to}",
            self.machine
        )
    }

    fn run(&self, script: &[&str]) -> Outcome {
        let mut words = network::enter(&self.namespace);
        words.extend(["sh", "-ec", &script.join("\n")].map(str::to_owned));
        output(&mut command(&words)).map(drop)?;
        Ok(())
    }
}

impl Drop for Nat {
    fn drop(&mut self) {
        if let Err(error) = network::remove_namespace(&self.namespace) {
            say(&format!("could not remove the NAT: {error}"));
        }
    }
}

fn into_the_queue(verb: &str) -> String {
    format!("iptables -w -t mangle {verb} FORWARD -j NFQUEUE --queue-num {QUEUE}")
}

/// A line that is long and bad until this is dropped.
pub struct SlowLine<'n> {
    nat: &'n Nat,
    child: Child,
}

impl Drop for SlowLine<'_> {
    fn drop(&mut self) {
        if let Err(failure) = self.nat.run(&[&into_the_queue("-D")]) {
            say(&format!("the line stays slow: {failure}"));
        }
        // Closes its input first.
        let _ = self.child.wait();
    }
}
