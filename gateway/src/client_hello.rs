//! Reads the server name out of a `ClientHello`, and keeps what it has read: all of it goes to the API server.
//!
//! The parser is rustls' (`docs/adr/0029-…`); what is here decides when there is enough, when there is too much, and what
//! it is when it is no TLS.

use rustls::server::Acceptor;

use crate::refusal::Refusal;

/// Content type of a TLS record with a handshake message: RFC 8446, section 5.1.
const HANDSHAKE: u8 = 22;
/// Methods of HTTP, as the first bytes of a request; `PRI` begins a connection of HTTP/2 (RFC 9113, section 3.4).
const METHODS: [&[u8]; 10] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
    b"PRI ",
];

/// What is there of a `ClientHello`.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// It goes on.
    More,
    /// All of it. The name in lower case, without a final dot; none: it asks for none, or for an address.
    Complete(Option<String>),
}

/// A `ClientHello` on its way in, in pieces of any size.
pub struct HelloReader {
    acceptor: Acceptor,
    seen: Vec<u8>,
    limit: usize,
}

impl HelloReader {
    /// For one of at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { acceptor: Acceptor::default(), seen: Vec::new(), limit }
    }

    /// Takes what has come next. What follows a `ClientHello` in the same piece (a `ChangeCipherSpec`, early data) is kept
    /// too.
    ///
    /// # Errors
    /// A [`Refusal`]. Nothing may be fed after it, nor after [`Progress::Complete`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Progress, Refusal> {
        self.seen.extend_from_slice(bytes);
        if self.seen.first().is_some_and(|first| *first != HANDSHAKE) {
            return self.without_tls();
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            // Only memory is read: it fails where rustls wants no more, which is its own limit of 64 KiB.
            self.acceptor.read_tls(&mut rest).map_err(|_| Refusal::HelloTooLong)?;
            match self.acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => return Ok(named(accepted.client_hello().server_name())),
                Err((error, _)) => {
                    tracing::debug!(%error, "a ClientHello is refused");
                    return Err(Refusal::InvalidHello);
                }
            }
        }
        if self.seen.len() > self.limit { Err(Refusal::HelloTooLong) } else { Ok(Progress::More) }
    }

    /// Everything that was fed.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.seen
    }

    /// A method may come in pieces too.
    fn without_tls(&self) -> Result<Progress, Refusal> {
        let seen = self.seen.as_slice();
        if METHODS.iter().any(|method| seen.starts_with(method)) {
            Err(Refusal::PlainHttp)
        } else if METHODS.iter().any(|method| method.starts_with(seen)) {
            Ok(Progress::More)
        } else {
            Err(Refusal::NotTls)
        }
    }
}

fn named(name: Option<&str>) -> Progress {
    Progress::Complete(name.map(compared))
}

/// A name as routes have it: in lower case, without a final dot.
pub(crate) fn compared(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
