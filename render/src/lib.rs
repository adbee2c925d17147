//! The pure part of Nagaya: no cluster, no clock, no randomness of its own.
//!
//! In reading order: [`settings`] is what the operator configured, [`minors`] what is known about each
//! Kubernetes minor, [`mod@validate`] turns a spec into a [`tenant::Tenant`] or a refusal that names the field,
//! and everything after that is built from the `Tenant` alone.

pub mod minors;
pub mod settings;
pub mod tenant;
pub mod validate;
