//! Requests to the management API: HTTP/1.0 over the socket of a `kubectl proxy`, which does TLS and credentials.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::ground::FOLDER;
use crate::ring::{Failure, Outcome, ensure};

/// Longer than the API server gives a request.
const DEADLINE: Duration = Duration::from_secs(90);
const JSON: &str = "application/json";
const TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1";

/// Where the proxy listens.
pub fn socket() -> PathBuf {
    Path::new(FOLDER).join("proxy.sock")
}

/// GET.
pub fn get(path: &str) -> Outcome<Value> {
    Ok(serde_json::from_str(&ask("GET", path, JSON, None)?)?)
}

/// A list as `kubectl get` shows it, a row of cells for each object: of a thousand, all that is in them is megabytes.
pub struct Table(Value);

impl Table {
    /// GET.
    pub fn get(path: &str) -> Outcome<Self> {
        let mark = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{mark}includeObject=None");
        Ok(Self(serde_json::from_str(&ask("GET", &path, TABLE, None)?)?))
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.0["rows"].as_array().map(Vec::len).unwrap_or_default()
    }

    /// The cells of the columns that are called so.
    pub fn columns<const N: usize>(&self, names: [&str; N]) -> impl Iterator<Item = [&str; N]> {
        let places = names.map(|name| {
            let mut all = self.0["columnDefinitions"].as_array().into_iter().flatten();
            all.position(|column| column["name"] == name).unwrap_or(usize::MAX)
        });
        let rows = self.0["rows"].as_array().into_iter().flatten();
        rows.map(move |row| places.map(|place| row["cells"][place].as_str().unwrap_or_default()))
    }
}

/// GET of something that is not JSON.
pub fn text(path: &str) -> Outcome<String> {
    ask("GET", path, "*/*", None)
}

/// POST.
pub fn create(path: &str, object: &Value) -> Outcome {
    ask("POST", path, JSON, Some((JSON, object))).map(drop)
}

/// PATCH: a merge patch (RFC 7386).
pub fn merge(path: &str, change: &Value) -> Outcome {
    ask("PATCH", path, JSON, Some(("application/merge-patch+json", change))).map(drop)
}

/// DELETE.
pub fn delete(path: &str) -> Outcome {
    ask("DELETE", path, JSON, None).map(drop)
}

/// One connection for one question: in HTTP/1.0 its end is the answer's.
fn ask(method: &str, path: &str, accept: &str, body: Option<(&str, &Value)>) -> Outcome<String> {
    let mut stream = UnixStream::connect(socket())?;
    stream.set_read_timeout(Some(DEADLINE))?;
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: localhost\r\nAccept: {accept}\r\n")?;
    if let Some((kind, value)) = body {
        let text = value.to_string();
        let length = text.len();
        write!(stream, "Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{text}")?;
    } else {
        write!(stream, "\r\n")?;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let broken = || Failure::new(format!("{method} {path}: the answer breaks off"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    ensure(status.starts_with('2'), || format!("{method} {path}: {status} {body}"))?;
    Ok(body.to_owned())
}
