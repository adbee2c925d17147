//! Why a connection is refused, and what its client is told: each reason is a label of
//! `nagaya_gateway_refused_total`.

use strum::{EnumIter, IntoStaticStr};

/// A refusal. The names of the variants are labels of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error, IntoStaticStr, EnumIter)]
pub enum Refusal {
    /// No route has that name.
    #[error("no route has the name that it asks for")]
    UnknownName,
    /// A `ClientHello` without `server_name`, or with an address in its place.
    #[error("its ClientHello has no server name (SNI)")]
    NoName,
    /// An HTTP request instead of TLS.
    #[error("it speaks plain HTTP, and not TLS")]
    PlainHttp,
    /// Neither TLS nor HTTP.
    #[error("it does not speak TLS")]
    NotTls,
    /// TLS, but not as its RFC wants it: the parser's word, which the log has.
    #[error("its ClientHello is not a valid one")]
    InvalidHello,
    /// Longer than `--hello-limit`.
    #[error("its ClientHello is too long")]
    HelloTooLong,
    /// Not there within `--hello-timeout`.
    #[error("its ClientHello took too long")]
    HelloTooLate,
    /// Nothing, or only the beginning of a `ClientHello`, and then the end: what health checks of load balancers do.
    #[error("it ended before it had said what it wants")]
    EndedEarly,
    /// The oldest without a `ClientHello`, when there were `--pending-limit` of them.
    #[error("too many others were without a ClientHello too, and this was the oldest")]
    TooManyPending,
    /// No PROXY protocol header, though `--proxy-protocol` wants one.
    #[error("it does not begin with a PROXY protocol header of version 2")]
    NoProxyHeader,
    /// Not there within `--proxy-protocol-timeout`.
    #[error("its PROXY protocol header took too long")]
    ProxyHeaderTooLate,
    /// The beginning of a forwarder's PROXY protocol header, and then something else.
    #[error("it begins as a PROXY protocol header of version 2, and is none")]
    InvalidForwarderHeader,
    /// A PROXY protocol header without a name (or with two), though `--proxy-protocol` wants none: a load balancer's?
    #[error(
        "its PROXY protocol header names no host (PP2_TYPE_AUTHORITY), and from load balancers none is wanted"
    )]
    NoAuthority,
    /// The process has no room for one more.
    #[error("this process has as many connections as it may have files")]
    ProcessFull,
    /// The Service has as many connections as it may have.
    #[error("its route has as many connections as it may have")]
    TooManyConnections,
    /// The Service got as many connections lately as it may get.
    #[error("its route has got as many connections lately as it may get")]
    ConnectionsTooFast,
    /// The API server's address refuses.
    #[error("what is behind its route refuses connections")]
    BackendRefuses,
    /// The API server's address does not answer within `--connect-timeout`.
    #[error("what is behind its route does not answer")]
    BackendSilent,
    /// Anything else that keeps from connecting to it.
    #[error("what is behind its route cannot be reached")]
    BackendUnreachable,
}

/// `unrecognized_name(112)`: RFC 6066, section 3.
const UNRECOGNIZED_NAME: [u8; 7] = fatal_alert(112);
/// `decode_error(50)`: RFC 8446, section 6.2.
const DECODE_ERROR: [u8; 7] = fatal_alert(50);
/// `internal_error(80)`: RFC 8446, section 6.2: nothing that the client said is wrong.
const INTERNAL_ERROR: [u8; 7] = fatal_alert(80);
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 61\r\n\
    Connection: close\r\n\
    \r\n\
    This port speaks TLS, and not plain HTTP: ask with https://.\n";

/// A TLS record (RFC 8446, section 5.1) with one fatal alert, as it is sent before a version was agreed on.
const fn fatal_alert(description: u8) -> [u8; 7] {
    [21, 3, 3, 0, 2, 2, description]
}

impl Refusal {
    /// The label.
    #[must_use]
    pub fn reason(self) -> &'static str {
        self.into()
    }

    /// What the client is told before its connection ends; empty: nothing that it would understand.
    #[must_use]
    pub const fn reply(self) -> &'static [u8] {
        match self {
            Self::UnknownName | Self::NoName => &UNRECOGNIZED_NAME,
            Self::InvalidHello | Self::HelloTooLong => &DECODE_ERROR,
            Self::PlainHttp => PLAIN_HTTP,
            Self::TooManyConnections
            | Self::ConnectionsTooFast
            | Self::BackendRefuses
            | Self::BackendSilent
            | Self::BackendUnreachable => &INTERNAL_ERROR,
            Self::NotTls
            | Self::HelloTooLate
            | Self::EndedEarly
            | Self::TooManyPending
            | Self::NoProxyHeader
            | Self::ProxyHeaderTooLate
            | Self::InvalidForwarderHeader
            | Self::NoAuthority
            | Self::ProcessFull => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_the_answer_to_plain_http_is_the_one_that_it_says() {
        let text = std::str::from_utf8(Refusal::PlainHttp.reply()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let said = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        assert_eq!(said.parse::<usize>().unwrap(), body.len());
    }

    #[test]
    fn a_reason_is_called_as_its_variant() {
        assert_eq!(Refusal::UnknownName.reason(), "UnknownName");
    }
}
