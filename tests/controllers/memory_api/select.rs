//! Label and field selectors.

use serde_json::Value;

use super::refusal::Refusal;
use super::request::Request;

/// What a list or watch is restricted to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    labels: Vec<(String, String)>,
    fields: Vec<(String, String)>,
}

impl Selector {
    pub fn of(request: &Request) -> Result<Self, Refusal> {
        Ok(Self {
            labels: pairs(request.parameter("labelSelector"))?,
            fields: pairs(request.parameter("fieldSelector"))?,
        })
    }

    pub fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let field = |path: &str| path.split('.').fold(object, |value, name| &value[name]);
        self.labels.iter().all(|(key, wanted)| labels[key.as_str()] == wanted.as_str())
            && self.fields.iter().all(|(path, wanted)| field(path) == wanted.as_str())
    }
}

/// `a=b,c=d`. Nobody asks for anything else yet.
fn pairs(selector: Option<&str>) -> Result<Vec<(String, String)>, Refusal> {
    let all = selector.unwrap_or_default().split(',').filter(|requirement| !requirement.is_empty());
    all.map(|requirement| match requirement.split_once('=') {
        Some((key, value)) if !key.ends_with('!') && !value.starts_with('=') => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err(Refusal::not_played(format_args!("select by {requirement}"))),
    })
    .collect()
}
