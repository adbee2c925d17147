//! The path of a field, and sets of paths as the JSON of `FieldsV1` (structured-merge-diff's `fieldpath/serialize.go`).

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};

/// `f:spec`, `f:ports`, `k:{"port":443,"protocol":"TCP"}`, `f:name`: its steps in one text, for objects have
/// hundreds of fields. Sorted, a field comes right before what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(String);

/// Neither in a name nor, unescaped, in JSON.
const BETWEEN: char = '\0';

impl Path {
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split(BETWEEN)
    }

    /// The steps with [`BETWEEN`] between them.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether it is `other`, or in it.
    pub fn starts_with(&self, other: &Self) -> bool {
        let rest = self.0.strip_prefix(&other.0);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(BETWEEN))
    }

    /// Does `work` one step further.
    pub fn below<T>(&mut self, step: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let here = self.0.len();
        if here > 0 {
            self.0.push(BETWEEN);
        }
        self.0.push_str(step);
        let done = work(self);
        self.0.truncate(here);
        done
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.replace(BETWEEN, "."))
    }
}

/// The JSON of `FieldsV1`: `.` is a field itself, beside what is in it.
pub fn to_fields_v1(paths: &BTreeSet<Path>) -> Value {
    let mut fields = json!({});
    for path in paths {
        path.steps().fold(&mut fields, |at, step| {
            let members = at.as_object_mut().unwrap();
            members.entry(step).or_insert_with(|| json!({}))
        });
    }
    for (path, next) in paths.iter().zip(paths.iter().skip(1)) {
        if next.starts_with(path) {
            let field = path.steps().fold(&mut fields, |at, step| &mut at[step]);
            field["."] = json!({});
        }
    }
    fields
}

/// The paths of a `FieldsV1`.
pub fn from_fields_v1(fields: &Value) -> BTreeSet<Path> {
    fn walk(fields: &Value, at: &mut Path, found: &mut BTreeSet<Path>) {
        match fields.as_object().filter(|members| !members.is_empty()) {
            None => {
                found.insert(at.clone());
            }
            Some(members) => {
                for (step, below) in members {
                    if step == "." {
                        found.insert(at.clone());
                    } else {
                        at.below(step, |at| walk(below, at, found));
                    }
                }
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(fields, &mut Path::default(), &mut found);
    found.remove(&Path::default());
    found
}
