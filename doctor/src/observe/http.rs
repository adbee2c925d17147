//! One request and one answer over a stream. HTTP/1.0, so that the answer ends with the connection and comes in one piece.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Write};

use jiff::Timestamp;

const LONGEST: u64 = 8 << 20;
const HEADERS: usize = 64;

pub struct Request<'a> {
    pub path: &'a str,
    pub token: Option<&'a str>,
    /// JSON; POST if there is one.
    pub body: Option<String>,
    /// Bytes of a header that nobody reads.
    pub padding: usize,
}

impl<'a> Request<'a> {
    pub fn get(path: &'a str) -> Self {
        Self { path, token: None, body: None, padding: 0 }
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub date: Option<Timestamp>,
    pub body: Vec<u8>,
}

/// Asks, and reads to the end.
///
/// # Errors
/// The stream's, or what comes is not HTTP or ends too early.
pub fn exchange(
    stream: &mut (impl Read + Write),
    host: &str,
    request: &Request<'_>,
) -> io::Result<Answer> {
    stream.write_all(text(host, request).as_bytes())?;
    stream.flush()?;
    let mut bytes = Vec::new();
    match stream.take(LONGEST).read_to_end(&mut bytes) {
        // Many servers end a connection without TLS' own goodbye; whether the answer is whole is looked at below.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof && !bytes.is_empty() => {}
        other => drop(other?),
    }
    read(&bytes)
}

fn text(host: &str, request: &Request<'_>) -> String {
    let method = if request.body.is_some() { "POST" } else { "GET" };
    let mut text = format!("{method} {} HTTP/1.0\r\nHost: {host}\r\n", request.path);
    text.push_str("Accept: application/json\r\nUser-Agent: nagaya-doctor\r\n");
    // Writing to a String cannot fail.
    if let Some(token) = request.token {
        let _ = write!(text, "Authorization: Bearer {token}\r\n");
    }
    if request.padding > 0 {
        let _ = write!(text, "X-Padding: {}\r\n", "x".repeat(request.padding));
    }
    let body = request.body.as_deref().unwrap_or_default();
    if !body.is_empty() {
        let _ =
            write!(text, "Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    }
    text + "\r\n" + body
}

fn read(bytes: &[u8]) -> io::Result<Answer> {
    let wrong = |why: String| io::Error::new(ErrorKind::InvalidData, why);
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Err(wrong("its answer ends too early".to_owned())),
        Err(error) => return Err(wrong(format!("its answer is not HTTP: {error}"))),
    };
    let status = head.code.unwrap_or_default();
    let value = |name: &str| {
        let header = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    let date = value("date")
        .and_then(|text| jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp()));
    let body = bytes[length..].to_vec();
    let announced: Option<usize> = value("content-length").and_then(|text| text.parse().ok());
    if announced.is_some_and(|announced| body.len() < announced) {
        return Err(wrong("its answer ends too early".to_owned()));
    }
    Ok(Answer { status, date, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_with_its_date_and_has_to_be_whole() {
        let head = "HTTP/1.0 403 Forbidden\r\nDate: Fri, 27 Nov 2026 11:45:25 GMT\r\nContent-Length: 2\r\n\r\n";
        let answer = read(format!("{head}{{}}").as_bytes()).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (403, b"{}".as_slice()));
        assert_eq!(answer.date.unwrap().to_string(), "2026-11-27T11:45:25Z");
        for cut in [head, "HTTP/1.0 200 OK\r\nDate: F", "SSH-2.0-OpenSSH_9.2\r\n"] {
            assert!(read(cut.as_bytes()).is_err(), "{cut}");
        }
    }
}
