//! A line to an address: each question is a connection of its own.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::CertificateDer;
use socket2::{Domain, Protocol, Socket, Type};

use super::http::{Answer, Request, exchange};
use super::tls::{self, Trust};
use crate::facts::{Asked, Failure, Unconnected};

#[derive(Debug, Clone)]
pub struct Line {
    pub address: SocketAddr,
    /// What its certificate has to be for.
    pub host: String,
    /// The largest TCP segment, if it has to be smaller than the network's.
    pub segment: Option<u32>,
    /// How long a connection, and each read and write, may take.
    pub patience: Duration,
    pub clock_ahead: SignedDuration,
}

impl Line {
    /// What the clock shows that is looked at.
    pub fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        now.checked_add(self.clock_ahead).unwrap_or(now)
    }

    /// A connection, its handshake, the question and the answer; with the other side's certificate.
    ///
    /// # Errors
    /// Which of these failed, and how.
    pub fn ask(
        &self,
        trust: Trust<'_>,
        request: &Request<'_>,
    ) -> Result<(Answer, String), Failure> {
        let now = self.now();
        let converse = || {
            let mut stream = tls::handshake(self.connect()?, &self.host, trust, now)?;
            let certificate = tls::certificate(&stream).unwrap_or_default();
            exchange(&mut stream, &self.host, request).map(|answer| (answer, certificate))
        };
        converse().map_err(|error| tls::failure(&error, &self.host, now, self.patience.as_secs()))
    }

    /// Asks whom one of these CAs vouches for.
    pub fn ask_trusted(&self, cas: &[CertificateDer<'static>], request: &Request<'_>) -> Asked {
        let (answer, _) = self.ask(Trust::Cas(cas), request)?;
        Ok((answer.status, answer.body))
    }

    /// A TCP connection with all its time limits.
    ///
    /// # Errors
    /// There is none.
    pub fn connect(&self) -> io::Result<TcpStream> {
        let domain = Domain::for_address(self.address);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        if let Some(segment) = self.segment {
            socket.set_tcp_mss(segment)?;
        }
        socket.connect_timeout(&self.address.into(), self.patience)?;
        socket.set_read_timeout(Some(self.patience))?;
        socket.set_write_timeout(Some(self.patience))?;
        Ok(socket.into())
    }
}

/// Why there is no connection.
pub fn unconnected(error: &io::Error) -> Unconnected {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Unconnected::Refused,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Unconnected::TimedOut,
        io::ErrorKind::HostUnreachable => Unconnected::Unreachable,
        _ => Unconnected::Other(error.to_string()),
    }
}
