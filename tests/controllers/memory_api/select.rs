//! Label and field selectors.

use serde_json::Value;

use super::refusal::Refusal;
use super::request::Request;

/// What a list or watch is restricted to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    /// `key=value`
    Is(String, String),
    /// `key`
    Exists(String),
    /// `!key`
    IsMissing(String),
}

impl Selector {
    pub fn of(request: &Request) -> Result<Self, Refusal> {
        Ok(Self {
            labels: requirements(request.parameter("labelSelector"))?,
            fields: requirements(request.parameter("fieldSelector"))?,
        })
    }

    pub fn matches(&self, object: &Value) -> bool {
        let label = |key: &str| &object["metadata"]["labels"][key];
        let field = |path: &str| path.split('.').fold(object, |value, name| &value[name]);
        self.labels.iter().all(|requirement| requirement.holds(label))
            && self.fields.iter().all(|requirement| requirement.holds(field))
    }
}

impl Requirement {
    fn holds<'a>(&self, value: impl Fn(&str) -> &'a Value) -> bool {
        match self {
            Self::Is(key, wanted) => value(key) == wanted.as_str(),
            Self::Exists(key) => !value(key).is_null(),
            Self::IsMissing(key) => value(key).is_null(),
        }
    }
}

/// `a=b,c,!d`. Nobody asks for anything else yet.
fn requirements(selector: Option<&str>) -> Result<Vec<Requirement>, Refusal> {
    let all = selector.unwrap_or_default().split(',').filter(|text| !text.is_empty());
    all.map(|text| match (text.split_once('='), text.strip_prefix('!')) {
        (Some((key, value)), None) if !key.ends_with('!') && !value.starts_with('=') => {
            Ok(Requirement::Is(key.to_owned(), value.to_owned()))
        }
        (None, None) if !text.contains(' ') => Ok(Requirement::Exists(text.to_owned())),
        (None, Some(key)) => Ok(Requirement::IsMissing(key.to_owned())),
        _ => Err(Refusal::not_played(format_args!("select by {text}"))),
    })
    .collect()
}
