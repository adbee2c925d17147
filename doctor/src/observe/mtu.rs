//! Whether full-size packets come through. Where they do not, and nothing says so (ICMP is dropped), a connection opens and
//! then stands still: the handshake's small packets pass, the first large one is sent again and again.
//!
//! The segments of both directions follow from what this side announces (RFC 9293, 3.7.1), so that one that is smaller tells.

use std::net::SocketAddr;
use std::path::Path;

use super::http::{Answer, Request};
use super::kernel;
use super::line::Line;
use super::tls::Trust;
use crate::facts::{Clamped, Failure};

/// More than three full-size segments of an Ethernet.
const PADDING: usize = 6000;
/// Sizes that tunnels leave (`PPPoE`, GRE, VXLAN, `WireGuard`, `IPsec`), and the smallest that IPv4 promises.
const SIZES: [u32; 7] = [1492, 1450, 1400, 1350, 1280, 1100, 576];
/// Of the patience, for a try: packets that come through take no longer.
const TRY: f64 = 3. / 8.;

/// Asks anybody, by a question that is longer than a packet. If that stands still, by smaller segments; and if these come
/// through, once more by large ones: a server that was busy for a moment stands still in the same way.
///
/// # Errors
/// How it failed, also by small ones.
pub fn ask(
    line: &Line,
    path: &str,
    root: &Path,
) -> Result<(Answer, String, Option<Clamped>), Failure> {
    let request = Request { padding: PADDING, ..Request::get(path) };
    let failure = match line.ask(Trust::Anybody, &request) {
        Ok((answer, certificate)) => return Ok((answer, certificate, None)),
        Err(failure) => failure,
    };
    if !matches!(failure, Failure::TimedOut(_)) {
        return Err(failure);
    }
    let patience = line.patience.mul_f64(TRY);
    for mtu in SIZES {
        let small = Line { segment: Some(segment(mtu, line.address)), patience, ..line.clone() };
        if let Ok((answer, certificate)) = small.ask(Trust::Anybody, &request) {
            match line.ask(Trust::Anybody, &request) {
                Ok((answer, certificate)) => return Ok((answer, certificate, None)),
                Err(Failure::TimedOut(_)) => {}
                Err(failure) => return Err(failure),
            }
            let device = match line.address {
                SocketAddr::V4(address) => kernel::device(root, *address.ip()),
                SocketAddr::V6(_) => None,
            };
            return Ok((answer, certificate, Some(Clamped { mtu, device })));
        }
    }
    Err(failure)
}

/// What is left of a packet without the headers of IP and TCP.
pub fn segment(mtu: u32, address: SocketAddr) -> u32 {
    mtu - if address.is_ipv4() { 40 } else { 60 }
}
