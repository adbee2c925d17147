//! The controllers as they run, against a Kubernetes API server in memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails the test")]

mod creating;
mod memory_api;
mod settled;
mod stage;
mod world;
