//! The gateway on loopback, with real TLS from clients to servers behind it.
//!
//! | what | file |
//! |---|---|
//! | a gateway, its routes and the servers behind them | `stage.rs` |
//! | who is led where, and in what pieces | `leading.rs` |
//! | who is refused, and how | `refusing.rs` |
//! | half-closed connections, peers that vanish, large amounts | `ending.rs` |
//! | changes of routes, limits, PROXY protocol | `changing.rs` |
//! | who comes through a forwarder on a tenant's node | `forwarded.rs` |
//! | the end of the process | `draining.rs` |
//! | curl, openssl and Go | `clients.rs` |

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails the test")]

mod changing;
mod clients;
mod draining;
mod ending;
mod forwarded;
mod leading;
mod refusing;
mod stage;
