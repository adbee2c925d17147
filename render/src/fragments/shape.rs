//! Checks a fragment's fields and JSON types against the shape of a configuration. The words for shapes
//! are those of `fields/main.go`.

use serde_json::{Map, Value};

use super::FragmentError;
use crate::go_duration;
use crate::quantity::is_quantity;

/// Key of a shape that stands for every key: a Go map.
const ANY_KEY: &str = "*";

/// Checks `value` at `path`; `what` names the configuration and the minor in messages.
pub(super) fn check(
    path: &str,
    value: &Value,
    shape: &Value,
    what: &str,
) -> Result<(), FragmentError> {
    match (shape, value) {
        (Value::Object(fields), Value::Object(entries)) => {
            check_object(path, entries, fields, what)
        }
        (Value::Object(_), _) => Err(wrong_type(path, value, "an object")),
        (Value::Array(item), Value::Array(values)) => {
            let shape = item.first().unwrap_or(&Value::Null);
            values.iter().enumerate().try_for_each(|(index, value)| {
                check(&format!("{path}[{index}]"), value, shape, what)
            })
        }
        (Value::Array(_), _) => Err(wrong_type(path, value, "a list")),
        (Value::String(scalar), _) => check_scalar(path, value, scalar),
        (other, _) => Err(FragmentError {
            field: path.to_owned(),
            message: format!("cannot be checked: {other} is no shape"),
        }),
    }
}

fn check_object(
    path: &str,
    entries: &Map<String, Value>,
    fields: &Map<String, Value>,
    what: &str,
) -> Result<(), FragmentError> {
    for (key, value) in entries {
        let (path, shape) = match fields.get(ANY_KEY) {
            Some(shape) => (format!("{path}[{key:?}]"), Some(shape)),
            None => (format!("{path}.{key}"), fields.get(key)),
        };
        let Some(shape) = shape else {
            return Err(FragmentError {
                message: format!("is not a field of {what}{}", suggestion(key, fields)),
                field: path,
            });
        };
        // In a merge patch, null removes the field.
        if !value.is_null() {
            check(&path, value, shape, what)?;
        }
    }
    Ok(())
}

fn suggestion(key: &str, fields: &Map<String, Value>) -> String {
    fields
        .keys()
        .map(|known| (strsim::jaro_winkler(&key.to_lowercase(), &known.to_lowercase()), known))
        .filter(|(likeness, _)| *likeness > 0.9)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| format!("; did you mean {known}?"))
        .unwrap_or_default()
}

fn check_scalar(path: &str, value: &Value, scalar: &str) -> Result<(), FragmentError> {
    let integer = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    if let Some((least, most)) = range_of(scalar) {
        let fits = integer.is_some_and(|integer| (least..=most).contains(&integer));
        let wanted = || format!("a whole number from {least} to {most}");
        return if fits { Ok(()) } else { Err(wrong_type(path, value, &wanted())) };
    }
    let is_duration = value.as_str().is_some_and(|text| go_duration::parse(text).is_some());
    let (fits, wanted) = match scalar {
        "bool" => (value.is_boolean(), "true or false"),
        "number" => (value.is_number(), "a number"),
        "duration" => (is_duration, "a duration such as \"5m0s\""),
        "integer-or-duration" => (
            integer.is_some() || is_duration,
            "a duration such as \"5s\", or nanoseconds as a number",
        ),
        "quantity" => (
            value.is_number() || value.as_str().is_some_and(is_quantity),
            "a quantity such as \"100Mi\" or a number",
        ),
        "string" | "time" => (value.is_string(), "a string"),
        other => {
            let message = format!("cannot be checked: {other} is no shape");
            return Err(FragmentError { field: path.to_owned(), message });
        }
    };
    if fits { Ok(()) } else { Err(wrong_type(path, value, wanted)) }
}

/// What a Go integer of that name holds.
fn range_of(scalar: &str) -> Option<(i128, i128)> {
    Some(match scalar {
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        "int" | "int64" => (i64::MIN.into(), i64::MAX.into()),
        "uint8" => (0, u8::MAX.into()),
        "uint16" => (0, u16::MAX.into()),
        "uint32" => (0, u32::MAX.into()),
        "uint" | "uint64" => (0, u64::MAX.into()),
        _ => return None,
    })
}

fn wrong_type(path: &str, value: &Value, wanted: &str) -> FragmentError {
    let found = match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        scalar => scalar.to_string(),
    };
    FragmentError { field: path.to_owned(), message: format!("must be {wanted}, not {found}") }
}
