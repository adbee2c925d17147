//! The header by which somebody in front says what a connection is: PROXY protocol, version 2
//! (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>), read by the crate `ppp`. A load balancer says whose it
//! is, a forwarder on a tenant's node which host it is for.

use std::net::{SocketAddr, SocketAddrV6};

use ppp::PartialResult as _;
use ppp::v2::{Addresses, Command, Header, PROTOCOL_PREFIX, Type};

use crate::client_hello::compared;
use crate::refusal::Refusal;

/// What a header may add to its addresses (TLVs) is no more than this, in bytes with the header itself.
const LIMIT: usize = 4096;

/// What is there of a header.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// It goes on.
    More,
    /// All of it.
    Complete {
        /// How many bytes it has; what follows them is the client's.
        length: usize,
        /// What it says.
        header: ProxyHeader,
    },
}

/// What a header says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ProxyHeader {
    /// Whose connection it is; none: the load balancer's own, or not an address.
    pub client: Option<SocketAddr>,
    /// The host that the client wants (`PP2_TYPE_AUTHORITY`), as routes have it.
    pub authority: Option<String>,
}

/// Whether those bytes are no other protocol's that is known here: nothing else begins with CR.
#[must_use]
pub fn may_begin(bytes: &[u8]) -> bool {
    bytes.first() == PROTOCOL_PREFIX.first()
}

/// Looks at all that has come of a connection.
///
/// # Errors
/// [`Refusal::NoProxyHeader`]: it will never be one.
pub fn read(bytes: &[u8]) -> Result<Progress, Refusal> {
    let header = match Header::try_from(bytes) {
        Ok(header) => header,
        Err(error) if error.is_incomplete() && bytes.len() < LIMIT => return Ok(Progress::More),
        Err(error) => {
            tracing::debug!(%error, "a PROXY protocol header is refused");
            return Err(Refusal::NoProxyHeader);
        }
    };
    let length = header.len();
    let header = match header.command {
        Command::Proxy => {
            ProxyHeader { authority: authority(&header), client: client(&header.addresses) }
        }
        // The sender's own connection, a health check: the rest says nothing of it.
        Command::Local => ProxyHeader::default(),
    };
    Ok(Progress::Complete { length, header })
}

fn client(addresses: &Addresses) -> Option<SocketAddr> {
    match addresses {
        Addresses::IPv4(ip) => Some(SocketAddr::from((ip.source_address, ip.source_port))),
        Addresses::IPv6(ip) => {
            Some(SocketAddrV6::new(ip.source_address, ip.source_port, 0, 0).into())
        }
        _ => None,
    }
}

/// None also where there are two, or the values do not end where the header does.
fn authority(header: &Header<'_>) -> Option<String> {
    let mut found = None;
    for value in header.tlvs() {
        let value = value.ok()?;
        if value.kind == u8::from(Type::Authority) {
            let name = compared(std::str::from_utf8(&value.value).ok()?);
            if found.replace(name).is_some() {
                return None;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
