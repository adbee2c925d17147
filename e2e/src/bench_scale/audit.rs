//! What was asked of the management API server, by its own audit log.

use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ground::FOLDER;
use crate::error::IoContext as _;
use crate::ring::Outcome;

/// The manager's user.
const MANAGER: &str = "system:serviceaccount:nagaya-system:nagaya";
const SECONDS_PER_DAY: f64 = 86_400.0;

/// What the API server writes down: who wanted what of whom, for the manager and for us.
pub const POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: [admin, "system:serviceaccount:nagaya-system:nagaya"]
  verbs: [create, update, patch, delete, deletecollection, get, list]
- level: None
"#;

/// A request that was answered.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    pub verb: String,
    user: User,
    #[serde(default)]
    pub object_ref: Object,
    #[serde(rename = "requestReceivedTimestamp")]
    received: String,
}

#[derive(Debug, Deserialize)]
struct User {
    username: String,
}

/// What it was about.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Object {
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
}

impl Request {
    pub fn is_managers(&self) -> bool {
        self.user.username == MANAGER
    }

    /// A change of something that lasts: an Event is a notice to people, and the Lease, which is renewed all the time,
    /// the managers' own.
    pub fn is_write(&self) -> bool {
        let lasting = !matches!(self.object_ref.resource.as_str(), "events" | "leases");
        lasting && !matches!(self.verb.as_str(), "get" | "list")
    }

    pub fn is_list(&self) -> bool {
        self.verb == "list"
    }

    /// When it came, in seconds of the day.
    fn received(&self) -> f64 {
        let time = self.received.split(['T', 'Z']).nth(1).unwrap_or_default();
        time.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse().unwrap_or(0.0))
    }

    /// Seconds from `earlier` to this one, also over midnight.
    pub fn since(&self, earlier: &Self) -> f64 {
        (self.received() - earlier.received()).rem_euclid(SECONDS_PER_DAY)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Object { resource, subresource, namespace, name } = &self.object_ref;
        write!(f, "{} {resource}/{subresource} {namespace}/{name}", self.verb)
    }
}

/// The log from a moment on.
pub struct Audit {
    from: u64,
}

impl Audit {
    /// Where the API server writes it.
    pub fn path() -> PathBuf {
        Path::new(FOLDER).join("logs/audit.log")
    }

    /// From now on.
    pub fn begin() -> Outcome<Self> {
        let path = Self::path();
        Ok(Self { from: std::fs::metadata(&path).on("look at", &path)?.len() })
    }

    /// All that was asked since, in the order of the answers.
    pub fn requests(&self) -> Outcome<Vec<Request>> {
        let path = Self::path();
        let mut file = File::open(&path).on("open", &path)?;
        file.seek(SeekFrom::Start(self.from))?;
        // The last line may still be being written.
        let lines = BufReader::new(file).lines().map_while(Result::ok);
        Ok(lines.filter_map(|line| serde_json::from_str(&line).ok()).collect())
    }

    /// How many of the manager's requests are such.
    pub fn count(&self, is_such: impl Fn(&Request) -> bool) -> Outcome<usize> {
        Ok(self.requests()?.iter().filter(|one| one.is_managers() && is_such(one)).count())
    }

    /// What the manager has written.
    pub fn writes(&self) -> Outcome<Vec<Request>> {
        let all = self.requests()?.into_iter();
        Ok(all.filter(|one| one.is_managers() && one.is_write()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Request {
        let text = format!(
            r#"{{"verb": "patch", "user": {{"username": "{MANAGER}"}},
                "requestReceivedTimestamp": "2026-11-26T{time}Z", "objectRef": {{"resource": "pods"}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_time_between_two_requests_is_told_over_midnight_too() {
        let between = at("00:00:01.500000").since(&at("23:59:59.250000"));
        assert!((between - 2.25).abs() < 1e-6, "{between}");
    }

    #[test]
    fn an_event_is_no_write_that_lasts() {
        let mut request = at("10:00:00.000000");
        assert!(request.is_write() && request.is_managers());
        request.object_ref.resource = "events".to_owned();
        assert!(!request.is_write());
    }
}
