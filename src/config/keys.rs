//! Every configuration key, read off the JSON schema of the structs that hold them.

use nagaya_render::settings::Settings;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::ManagerSettings;

/// One configuration key.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Names from the root on: `["controlPlaneImages", "rewrite"]`.
    pub path: Vec<String>,
    /// What a value looks like, in JSON schema's words: `string`, `list of string`, ….
    pub kind: String,
    /// The value when nothing is given; `Null`: none.
    pub default: Value,
    /// What it is for: the field's documentation.
    pub description: String,
}

impl Key {
    /// `controlPlaneImages.rewrite`.
    #[must_use]
    pub fn dotted(&self) -> String {
        self.path.join(".")
    }

    /// `NAGAYA_CONTROL_PLANE_IMAGES__REWRITE`.
    #[must_use]
    pub fn environment_variable(&self) -> String {
        let parts: Vec<String> = self.path.iter().map(|part| screaming_snake(part)).collect();
        format!("NAGAYA_{}", parts.join("__"))
    }

    /// The name at the root of the file.
    #[must_use]
    pub fn root(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }

    /// True if the text of an environment variable is the value as it stands.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.kind.starts_with("string")
    }
}

/// All keys: first what shapes control planes, then how the manager runs.
#[must_use]
pub fn all() -> Vec<Key> {
    [of::<Settings>(), of::<ManagerSettings>()].concat()
}

/// The keys of one struct.
#[must_use]
pub fn of<T: JsonSchema>() -> Vec<Key> {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    let mut keys = Vec::new();
    collect(&schema, &Value::Null, &mut Vec::new(), &mut keys);
    keys
}

/// Objects with fields of their own are looked into; maps, lists and Kubernetes' types are one value.
fn collect(schema: &Value, default: &Value, path: &mut Vec<String>, keys: &mut Vec<Key>) {
    let default = schema.get("default").unwrap_or(default);
    if let Some(fields) = schema.get("properties").and_then(Value::as_object) {
        for (name, field) in fields {
            path.push(name.clone());
            collect(field, default.get(name).unwrap_or(&Value::Null), path, keys);
            path.pop();
        }
        return;
    }
    keys.push(Key {
        path: path.clone(),
        kind: kind_of(schema),
        default: default.clone(),
        description: schema["description"].as_str().unwrap_or_default().replace('\n', " "),
    });
}

fn kind_of(schema: &Value) -> String {
    if let Some(values) = one_of(schema) {
        return format!("string: {}", values.join(" or "));
    }
    match type_of(schema) {
        "array" => format!("list of {}", kind_of(&schema["items"])),
        "object" => match schema.get("additionalProperties") {
            Some(values) if values.is_object() => format!("map of {}", kind_of(values)),
            _ => "object".to_owned(),
        },
        other => other.to_owned(),
    }
}

/// `["string", "null"]` is an optional string.
fn type_of(schema: &Value) -> &str {
    let first = |types: &'_ Vec<Value>| types.iter().position(|name| name != "null");
    match &schema["type"] {
        Value::Array(types) => first(types).and_then(|at| types[at].as_str()).unwrap_or("any"),
        name => name.as_str().unwrap_or("any"),
    }
}

fn one_of(schema: &Value) -> Option<Vec<&str>> {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.iter().map(Value::as_str).collect();
    }
    schema.get("oneOf")?.as_array()?.iter().map(|one| one["const"].as_str()).collect()
}

fn screaming_snake(camel: &str) -> String {
    camel.chars().fold(String::new(), |mut text, character| {
        if character.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(character.to_ascii_uppercase());
        text
    })
}
