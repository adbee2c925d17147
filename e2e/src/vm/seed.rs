//! The `NoCloud` seed: a small disk labelled `cidata` with the user-data as it was given, and what a
//! cloud would say about the machine (cloud-init's documentation, "`NoCloud`").

use std::path::{Path, PathBuf};

use crate::command::{command, run};
use crate::error::Result;
use crate::state::HostRecord;
use crate::{network, paths};

/// A user-data that asks for nothing.
pub const EMPTY_USER_DATA: &str = "#cloud-config\n";

/// The seed's files, by the names that cloud-init looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// As the tenant gave it; not a byte is changed.
    pub user_data: String,
    /// Who the machine is.
    pub meta_data: String,
    /// Its address, since no DHCP server is here.
    pub network_config: String,
}

/// The seed of a machine.
#[must_use]
pub fn build_seed(record: &HostRecord, user_data: &str) -> Seed {
    Seed {
        user_data: user_data.to_owned(),
        meta_data: build_meta_data(&record.name),
        network_config: build_network_config(record),
    }
}

/// `dsmode: local` lets cloud-init do its first half in one process, before the network: all that
/// it needs is on this disk.
fn build_meta_data(name: &str) -> String {
    format!("instance-id: {name}\nlocal-hostname: {name}\ndsmode: local\n")
}

/// Version 2 of cloud-init's network configuration. The nameserver is the bridge's own address:
/// it refuses at once, and with none at all `CoreDNS` would not start.
fn build_network_config(record: &HostRecord) -> String {
    format!(
        "version: 2\n\
         ethernets:\n  \
           eth0:\n    \
             addresses: [{address}/{prefix}]\n    \
             routes: [{{to: 0.0.0.0/0, via: {gateway}}}]\n    \
             nameservers: {{addresses: [{gateway}]}}\n",
        address = record.address,
        prefix = network::PREFIX,
        gateway = network::GATEWAY,
    )
}

impl Seed {
    /// Writes the disk `seed.iso` into a folder.
    ///
    /// # Errors
    /// genisoimage fails, or the disk is full.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        let files = [
            ("user-data", &self.user_data),
            ("meta-data", &self.meta_data),
            ("network-config", &self.network_config),
        ];
        let (source, disk) = (folder.join("seed"), folder.join("seed.iso"));
        for (name, content) in files {
            paths::write_whole(&source.join(name), content.as_bytes())?;
        }
        let words = ["genisoimage", "-quiet", "-volid", "cidata", "-joliet", "-rational-rock"];
        run(command(&words).arg("-output").arg(&disk).arg(&source))?;
        Ok(disk)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::state::{HostKind, Link};

    fn record() -> HostRecord {
        HostRecord {
            name: "vm1".to_owned(),
            kind: HostKind::Vm,
            address: Ipv4Addr::new(172, 30, 0, 50),
            kubernetes: "1.37".to_owned(),
            link: Link::Open,
        }
    }

    #[test]
    fn user_data_reaches_the_machine_as_it_was_given() {
        let given = "#cloud-config\n# 'quotes', ümlauts and\n\n  blanks stay\n";
        assert_eq!(build_seed(&record(), given).user_data, given);
    }

    #[test]
    fn the_machine_is_told_its_name_and_address() {
        let seed = build_seed(&record(), EMPTY_USER_DATA);
        assert_eq!(seed.meta_data, "instance-id: vm1\nlocal-hostname: vm1\ndsmode: local\n");
        assert_eq!(
            seed.network_config,
            "version: 2\nethernets:\n  eth0:\n    addresses: [172.30.0.50/24]\n    \
             routes: [{to: 0.0.0.0/0, via: 172.30.0.254}]\n    \
             nameservers: {addresses: [172.30.0.254]}\n"
        );
    }
}
