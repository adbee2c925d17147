//! The `vm` kind of host: Debian in qemu.

use crate::error::{Error, Result};
use crate::host::{Host, namespaces::NamespacesHost};
use crate::state::HostRecord;

/// The host that a record describes.
#[must_use]
pub fn open(record: HostRecord) -> Box<dyn Host> {
    Box::new(NamespacesHost::new(record))
}

/// Makes and boots the machine that a record describes.
///
/// # Errors
/// Not there yet.
pub fn create(record: HostRecord) -> Result<Box<dyn Host>> {
    Err(Error::Refused(format!("{}: hosts of kind vm are not there yet", record.name)))
}
