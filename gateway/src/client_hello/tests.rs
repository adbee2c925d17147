//! `ClientHello`s in pieces, too long, not quite, and not at all.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::*;

const LIMIT: usize = 16 * 1024;

/// What rustls sends, `protocols` making it as long as is wanted.
fn hello(name: &str, protocols: Vec<Vec<u8>>) -> Vec<u8> {
    let roots = RootCertStore::empty();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    bytes
}

/// About as many bytes of protocols.
fn protocols(bytes: usize) -> Vec<Vec<u8>> {
    vec![vec![b'x'; 199]; bytes / 200]
}

fn complete(name: &str) -> Progress {
    Progress::Complete(Some(name.to_owned()))
}

/// A record cut into records of at most `length`.
fn fragmented(record: &[u8], length: usize) -> Vec<u8> {
    record[5..].chunks(length).fold(Vec::new(), |mut records, piece| {
        records.extend_from_slice(&record[..3]);
        records.extend(u16::try_from(piece.len()).unwrap().to_be_bytes());
        records.extend_from_slice(piece);
        records
    })
}

#[test]
fn a_name_is_read_in_lower_case_and_all_bytes_are_kept() {
    let mut bytes = hello("Demo.Acme.Example.com", Vec::new());
    // What a client with early data sends behind it: ChangeCipherSpec, and application data.
    bytes.extend([20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 4, 1, 2, 3, 4]);
    let mut reader = HelloReader::new(LIMIT);
    assert_eq!(reader.feed(&bytes), Ok(complete("demo.acme.example.com")));
    assert_eq!(reader.into_bytes(), bytes);
}

#[test]
fn byte_by_byte_it_is_complete_with_the_last_one() {
    let bytes = hello("a.example.com", Vec::new());
    let mut reader = HelloReader::new(LIMIT);
    for (place, byte) in bytes.iter().enumerate() {
        let last = place + 1 == bytes.len();
        let expected = if last { complete("a.example.com") } else { Progress::More };
        assert_eq!(reader.feed(&[*byte]), Ok(expected), "{place}");
    }
    assert_eq!(reader.into_bytes(), bytes);
}

#[test]
fn one_in_several_records_is_read() {
    let bytes = hello("a.example.com", protocols(3000));
    for length in [1, 40, 1000] {
        let records = fragmented(&bytes, length);
        let mut reader = HelloReader::new(LIMIT);
        assert_eq!(reader.feed(&records), Ok(complete("a.example.com")), "{length}");
    }
}

#[test]
fn one_that_is_longer_than_a_record_can_be_is_read_up_to_the_limit() {
    // rustls cuts it into records itself: one holds 16 KiB.
    let bytes = hello("a.example.com", protocols(40_000));
    assert!(bytes.len() > 40_000);
    assert_eq!(HelloReader::new(64 * 1024).feed(&bytes), Ok(complete("a.example.com")));
    let mut reader = HelloReader::new(LIMIT);
    let mut pieces = bytes.chunks(1000).map(|piece| reader.feed(piece));
    assert_eq!(
        pieces.find(|progress| *progress != Ok(Progress::More)),
        Some(Err(Refusal::HelloTooLong))
    );
}

#[test]
fn one_without_a_name_or_with_an_address_has_none() {
    let without = hello("192.0.2.1", Vec::new());
    assert_eq!(HelloReader::new(LIMIT).feed(&without), Ok(Progress::Complete(None)));
}

#[test]
fn plain_http_is_told_from_garbage_as_soon_as_it_can_be() {
    let mut reader = HelloReader::new(LIMIT);
    assert_eq!(reader.feed(b"PO"), Ok(Progress::More));
    assert_eq!(reader.feed(b"ST / HTTP/1.1\r\n"), Err(Refusal::PlainHttp));
    for garbage in [&b"SSH-2.0-OpenSSH"[..], b"\0\0", b"get /", b"\x80\x2e\x01\x03\x01", b"PURE"] {
        assert_eq!(HelloReader::new(LIMIT).feed(garbage), Err(Refusal::NotTls), "{garbage:?}");
    }
}

#[test]
fn what_begins_as_tls_and_is_none_is_an_invalid_hello() {
    let mut wrong = hello("a.example.com", Vec::new());
    wrong[5] = 2; // A ServerHello.
    assert_eq!(HelloReader::new(LIMIT).feed(&wrong), Err(Refusal::InvalidHello));
    let empty_handshake = [22, 3, 1, 0, 4, 1, 0, 0, 0];
    assert_eq!(HelloReader::new(LIMIT).feed(&empty_handshake), Err(Refusal::InvalidHello));
}

/// A seeded loop: noise, and `ClientHello`s with noise in them, in pieces of any size. Nothing panics, and everything is
/// over once there are more bytes than the limit.
#[test]
fn no_bytes_make_it_panic_or_go_on_for_ever() {
    let mut random = fastrand::Rng::with_seed(7);
    let valid = hello("a.example.com", protocols(1000));
    for round in 0..20_000 {
        let mut bytes = if round % 4 == 0 {
            (0..random.usize(..600)).map(|_| random.u8(..)).collect()
        } else {
            valid.clone()
        };
        for _ in 0..random.usize(..8) {
            if !bytes.is_empty() {
                let place = random.usize(..bytes.len());
                bytes[place] = random.u8(..);
            }
        }
        if round % 3 == 0 {
            bytes.splice(..0, [22, 3, 1]);
        }
        bytes.resize(bytes.len().max(5000), 0);
        let mut reader = HelloReader::new(4096);
        let mut rest = bytes.as_slice();
        let ended = loop {
            let (piece, after) = rest.split_at(random.usize(1..=700).min(rest.len()));
            rest = after;
            match reader.feed(piece) {
                Ok(Progress::More) if rest.is_empty() => break false,
                Ok(Progress::More) => {}
                Ok(Progress::Complete(_)) | Err(_) => break true,
            }
        };
        assert!(ended, "round {round}");
    }
}
