//! What the kernel says in `/proc` and `/sys`.

use std::fs;
use std::path::Path;

use crate::facts::Cgroups;

/// Devices and files that are swapped to: `/proc/swaps` without its head.
pub fn swaps(root: &Path) -> Vec<String> {
    let text = read(root, "proc/swaps").unwrap_or_default();
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    text.lines().skip(1).filter_map(first).collect()
}

/// A switch of `/proc/sys`; None if it is not there.
pub fn switch(root: &Path, path: &str) -> Option<bool> {
    read(root, &format!("proc/sys/{path}")).map(|text| text.trim() == "1")
}

pub fn cgroups(root: &Path) -> Cgroups {
    if let Some(controllers) = read(root, "sys/fs/cgroup/cgroup.controllers") {
        return Cgroups::V2(controllers.split_whitespace().map(str::to_owned).collect());
    }
    if root.join("sys/fs/cgroup/memory").is_dir() || root.join("sys/fs/cgroup/cpu").is_dir() {
        return Cgroups::V1;
    }
    Cgroups::None
}

/// The inode of whoever listens on a port, by `/proc/net/tcp` and `tcp6`.
pub fn listener(root: &Path, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    let port = format!("{port:04X}");
    ["proc/net/tcp", "proc/net/tcp6"].into_iter().find_map(|file| {
        let text = read(root, file)?;
        text.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (address, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            let is_it = address.rsplit(':').next() == Some(&port) && *state == LISTEN;
            is_it.then(|| inode.parse().ok())?
        })
    })
}

/// The network device of the way to an IPv4 address, by `/proc/net/route`: the longest of the prefixes that fit.
pub fn device(root: &Path, address: std::net::Ipv4Addr) -> Option<String> {
    let (text, address) = (read(root, "proc/net/route")?, u32::from(address));
    // Numbers are printed as they lie in memory.
    let number = |field: &str| u32::from_str_radix(field, 16).ok().map(u32::from_be);
    let routes = text.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (network, mask) = (number(fields.get(1)?)?, number(fields.get(7)?)?);
        (address & mask == network).then(|| (mask, fields[0].to_owned()))
    });
    routes.max_by_key(|(mask, _)| *mask).map(|(_, device)| device)
}

/// A file's text, without an error where it cannot be read: that is a fact too.
pub fn read(root: &Path, path: &str) -> Option<String> {
    fs::read_to_string(root.join(path)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(file: &str, text: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        root
    }

    #[test]
    fn the_longest_prefix_that_fits_is_the_way() {
        let head =
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";
        let table = "eth0\t00000000\t01001EAC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                     eth1\t00001EAC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        let root = with("proc/net/route", &format!("{head}{table}"));
        let of = |address: [u8; 4]| device(root.path(), address.into());
        assert_eq!(of([172, 30, 0, 9]).as_deref(), Some("eth1"));
        assert_eq!(of([192, 0, 2, 1]).as_deref(), Some("eth0"));
        let root = with("proc/net/route", head);
        assert_eq!(device(root.path(), [127, 0, 0, 1].into()), None);
    }

    #[test]
    fn only_a_listener_holds_the_port() {
        let line =
            |state| format!("head\n 0: 00000000:280A 00000000:0000 {state} 0:0 0:0 0 0 0 4711 1\n");
        let root = with("proc/net/tcp6", &line("0A"));
        assert_eq!(listener(root.path(), 10250), Some(4711));
        assert_eq!(listener(root.path(), 10251), None);
        let root = with("proc/net/tcp", &line("01"));
        assert_eq!(listener(root.path(), 10250), None);
    }
}
