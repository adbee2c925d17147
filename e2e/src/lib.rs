//! The sandbox: a real management cluster and real tenants' machines on one Linux machine.
//!
//! Reading order: [`sandbox`] (the verbs), [`management`] (`up`), [`host`] (a machine),
//! [`network`], [`components`] (binaries), [`images`].

pub mod bench;
pub mod bench_gateway;
pub mod bench_gogc;
pub mod bench_scale;
pub mod cargo;
pub mod cli;
pub mod command;
pub mod components;
pub mod demo;
pub mod disk;
pub mod error;
pub mod figures;
pub mod firewall;
pub mod host;
pub mod images;
pub mod install;
pub mod interrupt;
pub mod kubectl;
pub mod leftovers;
pub mod lock;
pub mod management;
pub mod network;
pub mod paths;
pub mod preflight;
pub mod prerequisites;
pub mod processes;
pub mod progress;
pub mod resolver;
pub mod ring;
pub mod sandbox;
pub mod state;
pub mod status;
pub mod suite;
pub mod tenant;
pub mod vm;
