//! Looks: files and programs below a root, sockets, the API server. Nothing is changed by it.

mod disk;
mod http;
mod kernel;
mod line;
mod mtu;
mod node;
mod programs;
mod runtime;
mod server;
mod tls;

use crate::facts::{Facts, Way};
use crate::{Arguments, Ground};

/// The machine first: that takes no time.
pub fn facts(join: &Arguments, ground: &Ground) -> Facts {
    let machine = node::machine(join, ground);
    let way = server::way(join, ground, &machine.host_name);
    Facts { machine, way }
}

/// From a host that is not to join: a name that no node has is asked for.
pub fn way(join: &Arguments, ground: &Ground) -> Way {
    server::way(join, ground, "nagaya-doctor.invalid")
}
