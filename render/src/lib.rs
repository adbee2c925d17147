//! The pure part of Nagaya: no cluster, no clock, no randomness of its own.
//!
//! In reading order: [`settings`] is what the operator configured, [`minors`] what is known about each
//! Kubernetes minor, [`mod@validate`] turns a spec into a [`tenant::Tenant`] or a refusal that names the field,
//! and everything after that is built from the `Tenant`, the settings, and how far etcd and an upgrade are.
//!
//! Three modules say who gets other pods when: [`upgrade`] at which version each part runs on the way to the next one,
//! [`turns`] whose turn it is to follow a new manager or new settings, [`restart_order`] which part of one tenant goes first.

pub mod certificates;
pub mod content;
pub mod diagnosis;
pub mod digest;
pub mod fragments;
mod go_duration;
pub mod join_token;
pub mod limited;
pub mod load_balancer;
pub mod meltdown;
pub mod membership;
pub mod minors;
pub mod moves;
pub mod nodes;
pub mod plane;
pub mod plane_record;
pub mod probe;
pub mod quantity;
pub mod restart_order;
pub mod rights;
pub mod settings;
pub mod signing_token;
pub mod snapshots;
pub mod status;
pub mod tenant;
pub mod tunnel;
pub mod turns;
pub mod upgrade;
pub mod validate;
pub mod workloads;
mod yaml;
