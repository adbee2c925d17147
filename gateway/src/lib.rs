//! The gateway: one address and one port for the API servers of all tenants. It routes TLS by the server name that a
//! client asks for (SNI, RFC 6066), and never ends it: no key and no certificate is here.
//!
//! Reading order: [`startup`] (wiring), [`gateway`] (the port), [`connection`] (one client, from its first byte to the
//! copying), [`head`] (what it says first), [`client_hello`], [`routes`] (who is where), [`meter`] (how much each may have), [`nagaya_relay`] (the copying).

pub mod admin;
pub mod client_hello;
pub mod config;
pub mod connection;
pub mod drain;
pub mod gateway;
pub mod head;
pub mod meter;
pub mod metrics;
pub mod pending;
pub mod proxy_protocol;
pub mod refusal;
pub mod routes;
pub mod startup;
pub mod telemetry;
