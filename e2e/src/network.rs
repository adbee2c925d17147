//! The sandbox's network: one bridge in a namespace of its own, no route outside.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use crate::command::{command, feed, run};
use crate::error::{Error, Result};

/// Network namespace that holds nothing but the bridge (and virtual machines' taps).
pub const SWITCH: &str = "nagaya-switch";
/// The bridge in [`SWITCH`].
pub const BRIDGE: &str = "br0";
/// Prefix length of 172.30.0.0/24.
pub const PREFIX: u8 = 24;
/// The bridge's own address: every host's gateway and nameserver. Nothing is routed, nothing is
/// resolved; it refuses at once, so that nothing hangs.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 254);
/// The management host: its address is where tenants' endpoints are.
pub const MANAGEMENT_ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 1);
/// The management host's name.
pub const MANAGEMENT: &str = "mgmt";
/// The hosts that a management cluster may consist of; the first is [`MANAGEMENT`]. Their addresses are 172.30.0.1
/// and the next ones.
pub const MANAGEMENT_HOSTS: [&str; 3] = [MANAGEMENT, "mgmt-2", "mgmt-3"];

/// No host gets these: for a test that has a load balancer or a router, and no other such test beside it.
pub const SPARE_ADDRESSES: [Ipv4Addr; 3] = [
    Ipv4Addr::new(172, 30, 0, 251),
    Ipv4Addr::new(172, 30, 0, 252),
    Ipv4Addr::new(172, 30, 0, 253),
];

const FIRST: u8 = 10;
const LAST: u8 = 250;

/// The address for a new host, given those in use.
///
/// # Errors
/// All are in use.
pub fn free_address(name: &str, taken: &[Ipv4Addr]) -> Result<Ipv4Addr> {
    let numbered = (1_u8..).zip(MANAGEMENT_HOSTS);
    if let Some((last, _)) = numbered.into_iter().find(|(_, host)| *host == name) {
        return Ok(Ipv4Addr::new(172, 30, 0, last));
    }
    (FIRST..=LAST)
        .map(|last| Ipv4Addr::new(172, 30, 0, last))
        .find(|address| !taken.contains(address))
        .ok_or_else(|| {
            Error::Refused("all addresses are in use; remove hosts with `sandbox host rm`".into())
        })
}

/// A host's network namespace.
#[must_use]
pub fn namespace(host: &str) -> String {
    format!("nagaya-{host}")
}

/// Where `ip netns` keeps a namespace.
#[must_use]
pub fn namespace_path(namespace: &str) -> PathBuf {
    Path::new("/run/netns").join(namespace)
}

/// A name for an interface of a host: `prefix` and the address's last number, since the kernel
/// takes 15 characters.
#[must_use]
pub fn interface(prefix: &str, address: Ipv4Addr) -> String {
    format!("{prefix}{}", address.octets()[3])
}

/// Makes the bridge's namespace and the bridge; those that are there stay.
///
/// # Errors
/// The kernel or the `ip` command refuses.
pub fn make_switch() -> Result<()> {
    if !namespace_path(SWITCH).exists() {
        ip(&["netns", "add", SWITCH])?;
    }
    if ip(&["-n", SWITCH, "link", "show", BRIDGE]).is_err() {
        ip(&["-n", SWITCH, "link", "add", BRIDGE, "type", "bridge", "forward_delay", "0"])?;
    }
    let gateway = format!("{GATEWAY}/{PREFIX}");
    ip(&["-n", SWITCH, "address", "replace", &gateway, "dev", BRIDGE])?;
    ip(&["-n", SWITCH, "link", "set", BRIDGE, "up"])?;
    ip(&["-n", SWITCH, "link", "set", "lo", "up"])?;
    refuse_the_rest()
}

/// Answers "unreachable" to whatever is not for a host. Silence would cost more than time: a
/// connection to a Service that kube-proxy does not know yet would stay untranslated for good.
fn refuse_the_rest() -> Result<()> {
    ip(&["-n", SWITCH, "route", "replace", "unreachable", "default"])?;
    for (setting, value) in [("ip_forward", "1"), ("icmp_ratelimit", "0")] {
        let mut words = enter(SWITCH);
        words.extend(["tee".to_owned(), format!("/proc/sys/net/ipv4/{setting}")]);
        feed(&mut command(&words), value.as_bytes())?;
    }
    Ok(())
}

/// Makes a host's network namespace, with `eth0` on the bridge and a default route.
///
/// # Errors
/// The kernel or the `ip` command refuses.
pub fn attach_namespace(host: &str, address: Ipv4Addr) -> Result<()> {
    let (namespace, port) = (namespace(host), interface("p", address));
    let (own, gateway) = (format!("{address}/{PREFIX}"), GATEWAY.to_string());
    let n = namespace.as_str();
    ip(&["netns", "add", n])?;
    // The kernel removes a namespace's interfaces a while after the namespace: that of the host which had this
    // address before may still be there.
    remove_port(&port)?;
    ip(&["-n", SWITCH, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", n])?;
    ip(&["-n", SWITCH, "link", "set", &port, "master", BRIDGE, "up"])?;
    ip(&["-n", n, "link", "set", "lo", "up"])?;
    ip(&["-n", n, "address", "add", &own, "dev", "eth0"])?;
    ip(&["-n", n, "link", "set", "eth0", "up"])?;
    ip(&["-n", n, "route", "add", "default", "via", &gateway, "dev", "eth0"])
}

/// Makes a tap on the bridge for a virtual machine and returns its name; qemu must run inside
/// [`SWITCH`] (`nsenter --net`).
///
/// # Errors
/// The kernel or the `ip` command refuses.
pub fn attach_tap(address: Ipv4Addr) -> Result<String> {
    let tap = interface("tap", address);
    ip(&["-n", SWITCH, "tuntap", "add", &tap, "mode", "tap"])?;
    ip(&["-n", SWITCH, "link", "set", &tap, "master", BRIDGE, "up"])?;
    Ok(tap)
}

/// Removes a virtual machine's tap; none there is as good.
///
/// # Errors
/// The kernel or the `ip` command refuses.
pub fn detach_tap(address: Ipv4Addr) -> Result<()> {
    remove_port(&interface("tap", address))
}

fn remove_port(port: &str) -> Result<()> {
    let is_there =
        || namespace_path(SWITCH).exists() && ip(&["-n", SWITCH, "link", "show", port]).is_ok();
    if !is_there() {
        return Ok(());
    }
    // It may go by itself in between.
    let deleted = ip(&["-n", SWITCH, "link", "delete", port]);
    deleted.or_else(|error| if is_there() { Err(error) } else { Ok(()) })
}

/// Removes a network namespace and every interface in it; none there is as good.
///
/// # Errors
/// The `ip` command refuses.
pub fn remove_namespace(namespace: &str) -> Result<()> {
    if !namespace_path(namespace).exists() {
        return Ok(());
    }
    ip(&["netns", "delete", namespace])
}

/// The words that run something inside a network namespace. Not `ip netns exec`: that remounts
/// /sys and hides the cgroup mounts.
#[must_use]
pub fn enter(namespace: &str) -> Vec<String> {
    vec!["nsenter".into(), format!("--net={}", namespace_path(namespace).display()), "--".into()]
}

/// The bridge has an address of IPv6 too, of a /64 that hosts may have others of.
///
/// # Errors
/// The kernel has no IPv6.
pub fn give_switch(address: Ipv6Addr) -> Result<()> {
    give(SWITCH, BRIDGE, address)
}

/// As the bridge, a host.
///
/// # Errors
/// The kernel has no IPv6.
pub fn give_host(host: &str, address: Ipv6Addr) -> Result<()> {
    give(&namespace(host), "eth0", address)
}

fn give(namespace: &str, device: &str, address: Ipv6Addr) -> Result<()> {
    let own = format!("{address}/64");
    ip(&["-n", namespace, "address", "replace", &own, "dev", device, "nodad"])
}

fn ip(words: &[&str]) -> Result<()> {
    run(command(&["ip"]).args(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_management_host_always_has_its_address() {
        assert_eq!(free_address(MANAGEMENT, &[]).unwrap(), MANAGEMENT_ADDRESS);
    }

    #[test]
    fn no_machine_of_a_tenant_gets_the_address_of_a_management_host() {
        let last = MANAGEMENT_HOSTS[MANAGEMENT_HOSTS.len() - 1];
        assert!(free_address(last, &[]).unwrap() < free_address("vm1", &[]).unwrap());
    }

    #[test]
    fn no_host_gets_a_spare_address() {
        assert!(SPARE_ADDRESSES.iter().all(|address| address.octets()[3] > LAST));
    }

    #[test]
    fn a_gap_between_addresses_is_used_again() {
        let taken = [10, 12].map(|last| Ipv4Addr::new(172, 30, 0, last));
        assert_eq!(free_address("a", &taken).unwrap(), Ipv4Addr::new(172, 30, 0, 11));
    }

    #[test]
    fn a_full_network_is_refused_with_the_way_out() {
        let taken: Vec<_> = (0..=255).map(|last| Ipv4Addr::new(172, 30, 0, last)).collect();
        assert!(free_address("a", &taken).unwrap_err().to_string().contains("sandbox host rm"));
    }

    #[test]
    fn an_interface_name_fits_the_kernel() {
        assert!(interface("tap", Ipv4Addr::new(172, 30, 0, 250)).len() <= 15);
    }
}
