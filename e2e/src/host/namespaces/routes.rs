//! Routes between the nodes of one cluster, which a cloud's route controller would make: each host
//! announces its podCIDRs in a folder that all namespaces hosts share, and routes to the others'.
//!
//! Pods of one cluster see each other's own addresses, as Kubernetes asks for: the bridge plug-in hides them behind
//! the host's, and etcd refuses a peer whose address is not that of its name.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::command::command;
use crate::components::hex;
use crate::error::{Error, IoContext, Result};
use crate::paths;

/// The shared folder, as a host sees it.
pub const INSIDE: &str = "run/nagaya/routes";
/// What tells one cluster from another with the same networks.
const CLUSTER_CA: &str = "/etc/kubernetes/pki/ca.crt";

/// The shared folder, as this machine sees it.
#[must_use]
pub fn outside() -> PathBuf {
    paths::state().join("routes")
}

#[derive(Debug, Serialize, Deserialize)]
struct Announcement {
    cluster: String,
    via: Ipv4Addr,
    pod_cidrs: Vec<String>,
}

/// From this host's pods to another's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Route {
    from: String,
    to: String,
    via: Ipv4Addr,
}

/// Tells the other hosts where this host's pods are. Runs inside the host.
///
/// # Errors
/// The cluster's CA cannot be read, or the announcement not be written.
pub fn announce(host: &str, via: Ipv4Addr, pod_cidrs: &[String]) -> Result<()> {
    let (cluster, pod_cidrs) = (own_cluster()?, pod_cidrs.to_vec());
    let path = file(&Path::new("/").join(INSIDE), host);
    let text = serde_json::to_vec(&Announcement { cluster, via, pod_cidrs })
        .map_err(|error| Error::Malformed { path: path.clone(), reason: error.to_string() })?;
    paths::write_whole(&path, &text)
}

/// Takes back what a host announced, if it did.
pub fn withdraw(folder: &Path, host: &str) {
    // Not there is as good.
    let _ = fs::remove_file(file(folder, host));
}

/// The routes that this host has.
#[derive(Debug, Default)]
pub struct Routes {
    seen: Option<SystemTime>,
    held: BTreeSet<Route>,
}

impl Routes {
    /// Brings this host's routes to what is announced, if that has changed.
    pub fn follow(&mut self, own: Ipv4Addr) {
        let folder = Path::new("/").join(INSIDE);
        let changed = fs::metadata(&folder).and_then(|folder| folder.modified()).ok();
        if changed == self.seen {
            return;
        }
        let Ok(cluster) = own_cluster() else { return };
        self.become_those(wanted(&announcements(&folder), &cluster, own));
        self.seen = changed;
    }

    /// Gives all routes up: the host has left its cluster.
    pub fn clear(&mut self) {
        self.become_those(BTreeSet::new());
        self.seen = None;
    }

    fn become_those(&mut self, wanted: BTreeSet<Route>) {
        for Route { from, to, .. } in self.held.difference(&wanted) {
            spawn(&["ip", "route", "delete", to]);
            show_addresses("delete", from, to);
        }
        for Route { from, to, via } in wanted.difference(&self.held) {
            spawn(&["ip", "route", "replace", to, "via", &via.to_string()]);
            show_addresses("insert", from, to);
        }
        self.held = wanted;
    }
}

/// Before the plug-in's rule. What kube-proxy brings in from outside has another source and stays hidden, so that
/// its answers come back the same way.
fn show_addresses(verb: &str, from: &str, to: &str) {
    let rule = format!("POSTROUTING --source {from} --destination {to} --jump ACCEPT");
    let words = format!("iptables --wait --table nat --{verb} {rule}");
    spawn(&words.split(' ').collect::<Vec<_>>());
}

fn wanted(announced: &[Announcement], cluster: &str, own: Ipv4Addr) -> BTreeSet<Route> {
    let ours = announced.iter().filter(|one| one.cluster == cluster);
    // The bridge between the hosts speaks IPv4 only.
    let all = ours.flat_map(|one| {
        let cidrs = one.pod_cidrs.iter().filter(|cidr| !cidr.contains(':'));
        cidrs.map(|cidr| (cidr, one.via))
    });
    let (from, to): (Vec<_>, Vec<_>) = all.partition(|(_, via)| *via == own);
    let routes = from.iter().flat_map(|(from, _)| {
        to.iter().map(|(to, via)| Route { from: (*from).clone(), to: (*to).clone(), via: *via })
    });
    routes.collect()
}

fn announcements(folder: &Path) -> Vec<Announcement> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let texts = entries.filter_map(|entry| fs::read(entry.path()).ok());
    texts.filter_map(|text| serde_json::from_slice(&text).ok()).collect()
}

fn own_cluster() -> Result<String> {
    let path = Path::new(CLUSTER_CA);
    Ok(hex(&Sha256::digest(fs::read(path).on("read", path)?)))
}

fn file(folder: &Path, host: &str) -> PathBuf {
    folder.join(format!("{host}.json"))
}

fn spawn(words: &[&str]) {
    // Pid 1 must go on whatever happens; it reaps the process with the others.
    if let Err(error) = command(words).spawn() {
        eprintln!("cannot run {}: {error}", words.join(" "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement(cluster: &str, last: u8, cidr: &str) -> Announcement {
        let via = Ipv4Addr::new(172, 30, 0, last);
        Announcement { cluster: cluster.to_owned(), via, pod_cidrs: vec![cidr.to_owned()] }
    }

    #[test]
    fn only_other_hosts_of_the_same_cluster_are_routed_to() {
        let announced = [
            announcement("a", 10, "10.244.0.0/24"),
            announcement("a", 11, "10.244.1.0/24"),
            announcement("b", 12, "10.244.1.0/24"),
        ];
        let wanted = wanted(&announced, "a", Ipv4Addr::new(172, 30, 0, 10));
        let expected = Route {
            from: "10.244.0.0/24".to_owned(),
            to: "10.244.1.0/24".to_owned(),
            via: Ipv4Addr::new(172, 30, 0, 11),
        };
        assert_eq!(wanted, BTreeSet::from([expected]));
    }

    #[test]
    fn an_ipv6_network_is_not_routed_over_an_ipv4_bridge() {
        let announced =
            [announcement("a", 10, "10.244.0.0/24"), announcement("a", 11, "fd00::/64")];
        assert!(wanted(&announced, "a", Ipv4Addr::new(172, 30, 0, 10)).is_empty());
    }
}
