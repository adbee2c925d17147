//! Environment variables on top of the configuration file.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Error;
use super::keys::{self, Key};

const PREFIX: &str = "NAGAYA_";
/// Read by the command line, before there is a configuration.
const FILE: &str = "NAGAYA_CONFIG";

/// Sets in `values` what `environment` gives. Texts are taken as they stand, all else is YAML.
pub(super) fn overlay(
    values: &mut Map<String, Value>,
    environment: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let keys = keys::all();
    refuse_unknown(environment, &keys)?;
    for key in keys {
        let variable = key.environment_variable();
        if let Some(text) = environment.get(&variable) {
            let value = value_of(&key, text).map_err(|why| Error::InvalidValue {
                key: format!("{} (from {variable})", key.dotted()),
                why,
            })?;
            set(values, &key.path, value);
        }
    }
    Ok(())
}

fn refuse_unknown(environment: &BTreeMap<String, String>, keys: &[Key]) -> Result<(), Error> {
    let known: Vec<String> = keys.iter().map(Key::environment_variable).collect();
    let unknown = environment
        .keys()
        .find(|name| name.starts_with(PREFIX) && *name != FILE && !known.contains(name));
    match unknown {
        Some(name) => Err(Error::UnknownKey { key: name.clone(), known: known.join(", ") }),
        None => Ok(()),
    }
}

fn value_of(key: &Key, text: &str) -> Result<Value, String> {
    if key.is_text() {
        return Ok(Value::String(text.to_owned()));
    }
    serde_yaml_ng::from_str(text).map_err(|error| format!("no YAML: {error}"))
}

fn set(values: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [name] => {
            values.insert(name.clone(), value);
        }
        [name, rest @ ..] => {
            let below = values.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
            if !below.is_object() {
                *below = Value::Object(Map::new());
            }
            if let Some(below) = below.as_object_mut() {
                set(below, rest, value);
            }
        }
    }
}
