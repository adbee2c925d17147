//! The firewall before a virtual machine that nobody can reach: on its link, outside of the machine, where nothing that runs in
//! it can change it.

use std::net::Ipv4Addr;

use crate::command::{command, feed, output};
use crate::error::Result;
use crate::install::GATEWAY_PORT;
use crate::network::{self, GATEWAY, MANAGEMENT_ADDRESS, SWITCH};

/// What it lets through, for whoever reads the rules below it.
#[must_use]
pub fn words() -> String {
    format!(
        "out: DNS to {GATEWAY}, and {MANAGEMENT_ADDRESS}:{GATEWAY_PORT}, which is the gateway; in: nothing but what answers that.\n\
         (The sandbox itself enters by ssh from the switch, as a cloud does by the serial console.)"
    )
}

/// The rules as iptables prints them, for the machine of an address; none where its link is open.
///
/// # Errors
/// iptables refuses.
pub fn rules(address: Ipv4Addr) -> Result<String> {
    let tap = network::interface("tap", address);
    let all = output(&mut enter(&["iptables", "-w", "-t", "mangle", "-S"]))?;
    let its = |line: &&str| line.split(' ').any(|word| word == tap || is_chain_of(word, &tap));
    Ok(all.lines().filter(its).collect::<Vec<_>>().join("\n"))
}

/// Shuts the link of the machine of an address.
///
/// # Errors
/// The kernel refuses.
pub fn shut(address: Ipv4Addr) -> Result<()> {
    let tap = network::interface("tap", address);
    // Without these, what a bridge passes on is never shown to iptables.
    for setting in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] {
        let path = format!("/proc/sys/net/bridge/{setting}");
        feed(&mut enter(&["tee", &path]), &b"1"[..])?;
    }
    open(address)?;
    restore("iptables-restore", &build_table(&tap, &allowed()))?;
    restore("ip6tables-restore", &build_table(&tap, &[]))
}

/// Takes the rules away; none there is as good.
///
/// # Errors
/// The kernel refuses.
pub fn open(address: Ipv4Addr) -> Result<()> {
    let tap = network::interface("tap", address);
    for program in ["iptables", "ip6tables"] {
        let all = output(&mut enter(&[program, "-w", "-t", "mangle", "-S"]))?;
        let of_tap = |line: &&str| line.split(' ').any(|word| is_chain_of(word, &tap));
        let its: Vec<&str> = all.lines().filter(of_tap).collect();
        let jumps = its.iter().filter_map(|line| line.strip_prefix("-A "));
        let undone = jumps.map(|rule| format!("-D {rule}"));
        let chains = its.iter().filter_map(|line| line.strip_prefix("-N "));
        let gone = chains.map(|chain| format!("-X {chain}"));
        let lines: Vec<String> = undone.chain(gone).collect();
        if !lines.is_empty() {
            let table = format!("*mangle\n{}\nCOMMIT\n", lines.join("\n"));
            restore(&format!("{program}-restore"), &table)?;
        }
    }
    Ok(())
}

fn allowed() -> [String; 3] {
    [
        format!("-p tcp -d {MANAGEMENT_ADDRESS} --dport {GATEWAY_PORT}"),
        format!("-p udp -d {GATEWAY} --dport 53"),
        format!("-p tcp -d {GATEWAY} --dport 53"),
    ]
}

/// In the mangle table: its first chain sees what a machine sends to another one and what it sends to the bridge itself.
fn build_table(tap: &str, allowed: &[String]) -> String {
    let (out, into) = (format!("{tap}-out"), format!("{tap}-in"));
    let answers = "-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN";
    let mut lines = vec![
        "*mangle".to_owned(),
        format!(":{out} - [0:0]\n:{into} - [0:0]"),
        format!("-A {out} {answers}"),
    ];
    lines.extend(allowed.iter().map(|what| format!("-A {out} {what} -j RETURN")));
    lines.extend([
        format!("-A {out} -j DROP"),
        format!("-A {into} {answers}"),
        format!("-A {into} -j DROP"),
        format!("-A PREROUTING -m physdev --physdev-in {tap} -j {out}"),
        format!("-A FORWARD -m physdev --physdev-is-bridged --physdev-out {tap} -j {into}"),
        "COMMIT\n".to_owned(),
    ]);
    lines.join("\n")
}

fn is_chain_of(word: &str, tap: &str) -> bool {
    matches!(word.strip_prefix(tap), Some("-in" | "-out"))
}

fn restore(program: &str, table: &str) -> Result<()> {
    feed(&mut enter(&[program, "--wait", "--noflush"]), table.as_bytes()).map(drop)
}

fn enter(words: &[&str]) -> std::process::Command {
    let mut all = network::enter(SWITCH);
    all.extend(words.iter().map(|&word| word.to_owned()));
    command(&all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_allowed_is_dropped_in_both_directions() {
        let table = build_table("tap10", &allowed());
        let gateway =
            format!("-A tap10-out -p tcp -d 172.30.0.1 --dport {GATEWAY_PORT} -j RETURN\n");
        assert!(table.contains(&gateway), "{table}");
        let last = |chain: &str| {
            let prefix = format!("-A {chain} ");
            table.lines().rfind(|line| line.starts_with(&prefix)).unwrap().to_owned()
        };
        assert_eq!(last("tap10-out"), "-A tap10-out -j DROP");
        assert_eq!(last("tap10-in"), "-A tap10-in -j DROP");
    }

    #[test]
    fn a_machine_has_no_chain_of_another_one() {
        assert!(is_chain_of("tap1-in", "tap1"));
        assert!(!is_chain_of("tap10-in", "tap1"));
    }
}
