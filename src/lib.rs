//! The manager: everything that talks to a cluster, a tenant or the operating system.

pub mod tenant;
