//! Headers whole, in pieces, with names and with noise.

use ppp::v2::{Builder, Protocol, Version};

use super::*;

fn header(command: Command, names: &[&str]) -> Vec<u8> {
    let addresses: (SocketAddr, SocketAddr) =
        ("192.0.2.7:4711".parse().unwrap(), "198.51.100.1:443".parse().unwrap());
    let mut builder = Builder::with_addresses(
        Version::Two | command,
        Protocol::Stream,
        Addresses::from(addresses),
    );
    for name in names {
        builder = builder.write_tlv(Type::Authority, name.as_bytes()).unwrap();
    }
    builder.write_tlv(Type::NoOp, &[0; 20]).unwrap().build().unwrap()
}

/// What a whole header says.
fn said(bytes: &[u8]) -> ProxyHeader {
    match read(bytes) {
        Ok(Progress::Complete { header, length }) if length == bytes.len() => header,
        other => panic!("{other:?}"),
    }
}

fn client() -> SocketAddr {
    "192.0.2.7:4711".parse().unwrap()
}

#[test]
fn a_header_in_pieces_is_read_up_to_its_end() {
    let whole = header(Command::Proxy, &["demo.acme.example.com"]);
    for length in 0..whole.len() {
        assert_eq!(read(&whole[..length]), Ok(Progress::More), "{length}");
    }
    let mut more = whole.clone();
    more.extend(b"what follows");
    let authority = Some("demo.acme.example.com".to_owned());
    let header = ProxyHeader { client: Some(client()), authority };
    assert_eq!(read(&more), Ok(Progress::Complete { length: whole.len(), header }));
}

#[test]
fn a_load_balancers_own_connection_has_no_client_and_no_name() {
    assert_eq!(said(&header(Command::Local, &["a.example.com"])), ProxyHeader::default());
}

#[test]
fn a_name_is_compared_as_those_of_tls_are_and_two_are_none() {
    let name = said(&header(Command::Proxy, &["Demo.Example.com."])).authority;
    assert_eq!(name.as_deref(), Some("demo.example.com"));
    for names in [&[][..], &["a.example.com", "b.example.com"]] {
        assert_eq!(said(&header(Command::Proxy, names)).authority, None, "{names:?}");
    }
}

/// A load balancer's header was good enough without its values being looked at.
#[test]
fn values_that_end_too_late_name_nobody_and_leave_the_address() {
    let mut whole = header(Command::Proxy, &["a.example.com"]);
    let value = whole.len() - 21;
    whole[value..value + 2].copy_from_slice(&u16::MAX.to_be_bytes());
    assert_eq!(said(&whole), ProxyHeader { client: Some(client()), authority: None });
}

#[test]
fn what_is_no_header_is_refused_at_its_first_wrong_byte() {
    assert_eq!(read(b"\x16\x03\x01\x00"), Err(Refusal::NoProxyHeader));
    assert_eq!(read(b"PROXY TCP4 192.0.2.7"), Err(Refusal::NoProxyHeader));
    assert_eq!(read(b"\r\n\r\n\0\r\nQUIX"), Err(Refusal::NoProxyHeader));
}

#[test]
fn a_header_that_does_not_end_is_refused() {
    let mut whole = header(Command::Proxy, &[]);
    whole[14..16].copy_from_slice(&u16::MAX.to_be_bytes());
    whole.resize(LIMIT, 0);
    assert_eq!(read(&whole), Err(Refusal::NoProxyHeader));
}

/// A seeded loop: headers with noise in them. Nothing panics, and more bytes than the limit are always enough.
#[test]
fn no_bytes_make_it_panic_or_go_on_for_ever() {
    let mut random = fastrand::Rng::with_seed(7);
    let valid = header(Command::Proxy, &["demo.acme.example.com"]);
    let (mut complete, mut refused) = (0, 0);
    for round in 0..20_000 {
        let mut bytes = valid.clone();
        for _ in 0..random.usize(..6) {
            let place = random.usize(..bytes.len());
            bytes[place] = random.u8(..);
        }
        bytes.resize(LIMIT, random.u8(..));
        match read(&bytes) {
            Ok(Progress::More) => panic!("round {round} wants more"),
            Ok(Progress::Complete { length, .. }) => {
                assert!(length <= LIMIT);
                complete += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(complete > 1000 && refused > 1000, "{complete} {refused}");
}
