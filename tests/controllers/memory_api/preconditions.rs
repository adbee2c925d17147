//! Of which object, and of which version of it, a writer means to write.

use serde_json::Value;

use super::kinds::Kind;
use super::refusal::Refusal;

/// Of a DELETE, or of a PUT.
pub fn check(kind: &Kind, live: &Value, wanted: &Value) -> Result<(), Refusal> {
    check_field(kind, live, wanted, "uid")?;
    check_version(kind, live, wanted)
}

pub fn check_version(kind: &Kind, live: &Value, wanted: &Value) -> Result<(), Refusal> {
    check_field(kind, live, wanted, "resourceVersion")
}

fn check_field(kind: &Kind, live: &Value, wanted: &Value, field: &str) -> Result<(), Refusal> {
    let (have, want) = (&live["metadata"][field], &wanted[field]);
    if want.is_null() || have == want {
        return Ok(());
    }
    let name = live["metadata"]["name"].as_str().unwrap_or_default();
    Err(Refusal::conflict(
        kind,
        name,
        format!("Precondition failed: {field} is {have}, not {want}"),
    ))
}

/// To a patch the UID is no precondition, but a field that cannot be changed; the status of what a definition made
/// comes without metadata.
pub fn check_uid(
    kind: &Kind,
    live: &Value,
    wanted: &Value,
    subresource: &str,
) -> Result<(), Refusal> {
    let (have, want) = (&live["metadata"]["uid"], &wanted["uid"]);
    if want.is_null() || have == want || (kind.is_defined() && subresource == "status") {
        return Ok(());
    }
    let name = live["metadata"]["name"].as_str().unwrap_or_default();
    Err(Refusal::invalid(kind, name, "metadata.uid: field is immutable"))
}
