//! A DNS server (RFC 1035) that knows one answer: every name below `svc` is where the etcd members are.

use std::io;
use std::net::Ipv4Addr;

use tokio::net::UdpSocket;

const PORT: u16 = 53;
/// Of a query without extensions.
const LONGEST: usize = 512;
const HEADER: usize = 12;
const TYPE_A: [u8; 2] = [0, 1];
const NO_SUCH_NAME: u8 = 3;

/// Answers at `address`, with `address`.
pub async fn serve(address: Ipv4Addr) -> io::Result<()> {
    let socket = UdpSocket::bind((address, PORT)).await?;
    let mut query = [0; LONGEST];
    loop {
        let (length, from) = socket.recv_from(&mut query).await?;
        if let Some(answer) = answer(&query[..length], address) {
            socket.send_to(&answer, from).await?;
        }
    }
}

/// `None`: it is no query.
fn answer(query: &[u8], address: Ipv4Addr) -> Option<Vec<u8>> {
    let header = query.get(..HEADER)?;
    let (labels, end) = name(query.get(HEADER..)?)?;
    let question = query.get(HEADER..HEADER + end + 4)?;
    let known = labels.last().is_some_and(|label| label == b"svc");
    // Of no other type than A is there anything.
    let answers = u8::from(known && question[end..].starts_with(&TYPE_A));
    let mut answer = header[..2].to_vec();
    // An authoritative answer; one question, so many answers.
    answer.extend([0x84, if known { 0 } else { NO_SUCH_NAME }, 0, 1, 0, answers, 0, 0, 0, 0]);
    answer.extend(question);
    if answers == 1 {
        // The name of the question, type A, class IN, for 30 s, four bytes.
        answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}

/// The labels of the name that `bytes` begins with, and its length there.
fn name(bytes: &[u8]) -> Option<(Vec<&[u8]>, usize)> {
    let (mut labels, mut at) = (Vec::new(), 0);
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels, at));
        }
        labels.push(bytes.get(at..at + length)?);
        at += length;
    }
}
