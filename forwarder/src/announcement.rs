//! What the gateway is told in front of a client's bytes: a PROXY protocol header, version 2, with the host that the
//! connection is for (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>, `PP2_TYPE_AUTHORITY`).

use std::io;
use std::net::SocketAddr;

use ppp::v2::{Addresses, Builder, Command, Protocol, Type, Version};

/// The header of a connection from `client` to `own` for `host`. The gateway does not believe the addresses; they are what
/// the protocol has in their place.
///
/// # Errors
/// `host` is longer than a header can be.
pub fn announce(host: &str, client: SocketAddr, own: SocketAddr) -> io::Result<Vec<u8>> {
    let (client, own) = (as_it_came(client), as_it_came(own));
    let addresses = Addresses::from((client, own));
    Builder::with_addresses(Version::Two | Command::Proxy, Protocol::Stream, addresses)
        .write_tlv(Type::Authority, host.as_bytes())?
        .build()
}

/// Both have to be of one family, and an IPv4 address at a socket of IPv6 is none of its.
fn as_it_came(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Byte by byte as section 2.2 of the specification has it.
    #[test]
    fn a_header_is_as_its_specification_says() {
        let client = "10.244.1.7:50000".parse().unwrap();
        let own = "240.110.97.103:20443".parse().unwrap();
        let header = announce("a.example", client, own).unwrap();
        let (signature, rest) = header.split_at(12);
        assert_eq!(signature, b"\r\n\r\n\0\r\nQUIT\n");
        // Version 2, PROXY; IPv4 over TCP; 12 bytes of addresses and ports, 12 of the value.
        assert_eq!(rest[..4], [0x21, 0x11, 0, 24]);
        assert_eq!(rest[4..12], [10, 244, 1, 7, 240, 110, 97, 103]);
        assert_eq!(rest[12..16], [&50000_u16.to_be_bytes()[..], &20443_u16.to_be_bytes()].concat());
        assert_eq!(&rest[16..], b"\x02\0\x09a.example");
    }

    #[test]
    fn a_name_that_is_longer_than_any_is_refused() {
        let address = "[::1]:1".parse().unwrap();
        assert!(announce(&"a".repeat(70_000), address, address).is_err());
    }
}
