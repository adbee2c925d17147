//! Which hosts there are: a small JSON file, changed under a lock, so that two verbs at once do not race.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::{lock, network, paths};

/// The two ways to have a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostKind {
    /// Namespaces of this machine's kernel: fast.
    Namespaces,
    /// A virtual machine with a kernel of its own: slow and true.
    Vm,
}

/// What a virtual machine's link lets through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// Everything.
    #[default]
    Open,
    /// Nothing inwards; outwards what [`crate::firewall`] allows.
    OutboundOnly,
}

/// What is written down about a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecord {
    /// Host name, and what the user calls it.
    pub name: String,
    /// Namespaces or virtual machine.
    pub kind: HostKind,
    /// Its address on the sandbox's bridge.
    pub address: Ipv4Addr,
    /// The Kubernetes minor whose kubeadm and kubelet it has, such as `1.37`.
    pub kubernetes: String,
    /// A virtual machine's.
    #[serde(default)]
    pub link: Link,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    hosts: BTreeMap<String, HostRecord>,
}

/// All hosts, by name.
///
/// # Errors
/// The state file cannot be read.
pub fn hosts() -> Result<Vec<HostRecord>> {
    Ok(load(&paths::state())?.hosts.into_values().collect())
}

/// One host.
///
/// # Errors
/// There is none of that name; the text lists those there are.
pub fn host(name: &str) -> Result<HostRecord> {
    find(load(&paths::state())?, name)
}

/// Writes down a new host, with what its link lets through, and gives it an address that no other host has.
///
/// # Errors
/// The name is taken or not a host name, or no address is left.
pub fn register(name: &str, kind: HostKind, kubernetes: &str, link: Link) -> Result<HostRecord> {
    register_in(&paths::state(), name, kind, kubernetes, link)
}

/// Gives a host another address that no other host has; its old one is free.
///
/// # Errors
/// There is none of that name, or no address is left.
pub fn move_host(name: &str) -> Result<HostRecord> {
    change(&paths::state(), |state| {
        let taken: Vec<_> = state.hosts.values().map(|host| host.address).collect();
        let address = network::free_address(name, &taken)?;
        let Some(record) = state.hosts.get_mut(name) else {
            return Err(Error::Refused(format!("there is no host {name:?}")));
        };
        record.address = address;
        Ok(record.clone())
    })
}

/// Strikes out a host; its address is free again.
///
/// # Errors
/// The state file cannot be written.
pub fn forget(name: &str) -> Result<()> {
    change(&paths::state(), |state| {
        state.hosts.remove(name);
        Ok(())
    })
}

fn find(mut state: State, name: &str) -> Result<HostRecord> {
    state.hosts.remove(name).ok_or_else(|| {
        let known: Vec<_> = state.hosts.into_keys().collect();
        Error::Refused(format!(
            "there is no host {name:?}; hosts: {}",
            if known.is_empty() { "none, run `sandbox up`".to_owned() } else { known.join(", ") }
        ))
    })
}

fn register_in(
    folder: &Path,
    name: &str,
    kind: HostKind,
    kubernetes: &str,
    link: Link,
) -> Result<HostRecord> {
    check_name(name)?;
    change(folder, |state| {
        if state.hosts.contains_key(name) {
            return Err(Error::Refused(format!(
                "there is a host {name:?} already; choose another name or run \
                 `sandbox host rm {name}` first"
            )));
        }
        let taken: Vec<_> = state.hosts.values().map(|host| host.address).collect();
        let record = HostRecord {
            name: name.to_owned(),
            kind,
            address: network::free_address(name, &taken)?,
            kubernetes: kubernetes.to_owned(),
            link,
        };
        state.hosts.insert(name.to_owned(), record.clone());
        Ok(record)
    })
}

/// A name is a DNS label (RFC 1123), and short enough for an interface name that begins with it.
fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = (1..=40).contains(&name.len())
        && name.chars().all(plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name != "switch";
    if good {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "{name:?} cannot be a host's name: use 1 to 40 of a-z, 0-9 and '-', \
         not '-' at an end, and not \"switch\""
    )))
}

fn change<T>(folder: &Path, work: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
    paths::make_folder(folder)?;
    let _held = lock::exclusive(&folder.join("state.lock"))?;
    let mut state = load(folder)?;
    let result = work(&mut state)?;
    let path = folder.join("state.json");
    let text = serde_json::to_vec_pretty(&state).map_err(|error| malformed(&path, &error))?;
    paths::write_whole(&path, &text)?;
    Ok(result)
}

fn load(folder: &Path) -> Result<State> {
    let path = folder.join("state.json");
    if !path.exists() {
        return Ok(State::default());
    }
    serde_json::from_str(&paths::read_text(&path)?).map_err(|error| malformed(&path, &error))
}

fn malformed(path: &Path, error: &serde_json::Error) -> Error {
    Error::Malformed { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(test: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("state-{test}-{}", std::process::id()));
        paths::remove_folder(&folder).unwrap();
        folder
    }

    #[test]
    fn a_second_host_gets_another_address() {
        let folder = folder("addresses");
        let first = register_in(&folder, "vm1", HostKind::Vm, "1.37", Link::Open).unwrap();
        let second = register_in(&folder, "vm2", HostKind::Namespaces, "1.35", Link::Open).unwrap();
        assert_ne!(first.address, second.address);
        assert_eq!(load(&folder).unwrap().hosts.len(), 2);
        paths::remove_folder(&folder).unwrap();
    }

    #[test]
    fn a_taken_name_is_refused_and_the_way_out_is_named() {
        let folder = folder("taken");
        register_in(&folder, "vm1", HostKind::Vm, "1.37", Link::Open).unwrap();
        let error = register_in(&folder, "vm1", HostKind::Vm, "1.37", Link::Open).unwrap_err();
        assert!(error.to_string().contains("sandbox host rm vm1"));
        paths::remove_folder(&folder).unwrap();
    }

    #[test]
    fn registering_at_once_never_gives_one_address_twice() {
        let folder = folder("race");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let folder = &folder;
                scope.spawn(move || {
                    register_in(folder, &format!("vm{number}"), HostKind::Vm, "1.37", Link::Open)
                        .unwrap()
                });
            }
        });
        let addresses: std::collections::BTreeSet<_> =
            load(&folder).unwrap().hosts.into_values().map(|host| host.address).collect();
        assert_eq!(addresses.len(), 8);
        paths::remove_folder(&folder).unwrap();
    }

    #[test]
    fn a_name_that_is_no_host_name_is_refused() {
        for name in ["", "UPPER", "a/b", "-a", "a-", "switch", "a b"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name("vm-1").is_ok());
    }
}
