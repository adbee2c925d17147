//! The forwarder: on each node of a tenant behind the gateway, the address that `default/kubernetes` leads to.
//!
//! Pods ask for their API server by the address of a Service, and in TLS by no name or by one that is every tenant's. So
//! it says to the gateway in front of their bytes whose they are (PROXY protocol, `PP2_TYPE_AUTHORITY`); those it leaves
//! as they are. It has no key, no token, and asks neither the API server nor DNS: it works before both.
//!
//! Reading order: [`startup`] (wiring), [`virtual_address`] (the node gets it), [`forwarder`] (the port, and a connection
//! of it), [`gateways`] (which is asked), [`announcement`] (what it is told), [`health`].

pub mod announcement;
pub mod config;
pub mod forwarder;
pub mod gateways;
pub mod health;
pub mod startup;
pub mod virtual_address;
