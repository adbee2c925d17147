//! The controllers as they run, against a Kubernetes API server in memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails the test")]

mod addons;
mod balancer_moves;
mod birth_writes;
mod blindness;
mod blocked;
mod contested;
mod crashes;
mod creating;
mod deleting;
mod ending;
mod expose_move;
mod field_changes;
mod foreign;
mod former_secrets;
mod gateway;
mod gitops;
mod history;
mod in_the_way;
mod ip_families;
mod join_tokens;
mod limited;
mod load_balancers;
mod meltdown;
mod memory_api;
mod metrics;
mod node_ports;
mod process;
mod refusing;
mod room;
mod running;
mod scaling;
mod settled;
mod snapshots;
mod snapshots_in_a_bucket;
mod stage;
mod stories;
mod tunnel;
mod turns;
mod two_managers;
mod upgrading;
mod world;
mod wrong_clocks;
