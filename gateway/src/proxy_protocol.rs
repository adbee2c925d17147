//! The header by which a load balancer in front says whose connection it is: PROXY protocol, version 2
//! (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>), read by the crate `ppp`.

use std::net::{SocketAddr, SocketAddrV6};

use ppp::PartialResult as _;
use ppp::v2::{Addresses, Command, Header};

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
        /// Whose connection it is; none: the load balancer's own, or not an address.
        client: Option<SocketAddr>,
    },
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
    let client = match (header.command, header.addresses) {
        (Command::Proxy, Addresses::IPv4(ip)) => {
            Some(SocketAddr::from((ip.source_address, ip.source_port)))
        }
        (Command::Proxy, Addresses::IPv6(ip)) => {
            Some(SocketAddrV6::new(ip.source_address, ip.source_port, 0, 0).into())
        }
        _ => None,
    };
    Ok(Progress::Complete { length: header.len(), client })
}

#[cfg(test)]
mod tests {
    use ppp::v2::{Builder, Protocol, Version};

    use super::*;

    fn header(command: Command) -> Vec<u8> {
        let addresses: (SocketAddr, SocketAddr) =
            ("192.0.2.7:4711".parse().unwrap(), "198.51.100.1:443".parse().unwrap());
        let builder = Builder::with_addresses(
            Version::Two | command,
            Protocol::Stream,
            Addresses::from(addresses),
        );
        builder.write_tlv(ppp::v2::Type::NoOp, &[0; 20]).unwrap().build().unwrap()
    }

    #[test]
    fn a_header_in_pieces_is_read_up_to_its_end() {
        let whole = header(Command::Proxy);
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), Ok(Progress::More), "{length}");
        }
        let mut more = whole.clone();
        more.extend(b"what follows");
        let client = Some("192.0.2.7:4711".parse().unwrap());
        assert_eq!(read(&more), Ok(Progress::Complete { length: whole.len(), client }));
    }

    #[test]
    fn a_load_balancers_own_connection_has_no_client() {
        let whole = header(Command::Local);
        assert_eq!(read(&whole), Ok(Progress::Complete { length: whole.len(), client: None }));
    }

    #[test]
    fn what_is_no_header_is_refused_at_its_first_wrong_byte() {
        assert_eq!(read(b"\x16\x03\x01\x00"), Err(Refusal::NoProxyHeader));
        assert_eq!(read(b"PROXY TCP4 192.0.2.7"), Err(Refusal::NoProxyHeader));
    }

    #[test]
    fn a_header_that_does_not_end_is_refused() {
        let mut whole = header(Command::Proxy);
        whole[14..16].copy_from_slice(&u16::MAX.to_be_bytes());
        whole.resize(LIMIT, 0);
        assert_eq!(read(&whole), Err(Refusal::NoProxyHeader));
    }
}
