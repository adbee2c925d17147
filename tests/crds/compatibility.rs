//! Says how a definition breaks those who use an earlier one. Where containment cannot be decided (two
//! regular expressions, two rules), any change but taking it away is a break.

use serde_json::{Map, Value};

/// Bounds that may not rise, and bounds that may not fall.
const LOWER_BOUNDS: [&str; 4] = ["minimum", "minLength", "minItems", "minProperties"];
const UPPER_BOUNDS: [&str; 4] = ["maximum", "maxLength", "maxItems", "maxProperties"];
/// Constraints that may be taken away, never added or changed.
const CONSTRAINTS: [&str; 10] = [
    "pattern",
    "format",
    "multipleOf",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "uniqueItems",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
];
/// Part of what a value means or how it merges: never changed at all.
const MEANING: [&str; 5] = [
    "type",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-int-or-string",
];
/// Freedom that may be given, never taken.
const FREEDOMS: [&str; 2] = ["nullable", "x-kubernetes-preserve-unknown-fields"];

/// Every way in which `now` refuses, drops or reads differently what `frozen` accepted.
pub fn breaks(frozen: &Value, now: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for pointer in ["/spec/group", "/spec/scope", "/spec/names/kind", "/spec/names/plural"] {
        if frozen.pointer(pointer) != now.pointer(pointer) {
            found.push(format!("{pointer}: changed"));
        }
    }
    for pointer in ["/spec/names/shortNames", "/spec/names/categories"] {
        let now = list(now.pointer(pointer));
        let gone = list(frozen.pointer(pointer)).iter().filter(|name| !now.contains(name));
        found.extend(gone.map(|name| format!("{pointer}: {name} is gone")));
    }
    for version in list(frozen.pointer("/spec/versions")) {
        compare_version(version, list(now.pointer("/spec/versions")), &mut found);
    }
    found
}

fn compare_version(frozen: &Value, now: &[Value], found: &mut Vec<String>) {
    let name = frozen["name"].as_str().unwrap_or_default();
    let Some(now) = now.iter().find(|version| version["name"] == frozen["name"]) else {
        found.push(format!("{name}: version is gone"));
        return;
    };
    if frozen["served"] == true && now["served"] != true {
        found.push(format!("{name}: no longer served"));
    }
    if frozen.pointer("/subresources/status").is_some()
        && now.pointer("/subresources/status").is_none()
    {
        found.push(format!("{name}: no status subresource any more"));
    }
    let schema = |version: &Value| version["schema"]["openAPIV3Schema"].clone();
    compare(&schema(frozen), &schema(now), name, found);
}

fn compare(frozen: &Value, now: &Value, path: &str, found: &mut Vec<String>) {
    compare_words(frozen, now, path, found);
    compare_bounds(frozen, now, path, found);
    compare_sets(frozen, now, path, found);
    if !includes(&now["default"], &frozen["default"])
        || (frozen["default"].is_null() && !now["default"].is_null())
    {
        found.push(format!("{path}: default changed"));
    }
    for word in ["items", "additionalProperties"] {
        match (frozen.get(word), now.get(word)) {
            (Some(frozen), Some(now)) => compare(frozen, now, &format!("{path}[]"), found),
            (None, None) => {}
            _ => found.push(format!("{path}: {word} added or gone")),
        }
    }
    let now_properties = object(now.get("properties"));
    for (name, frozen) in object(frozen.get("properties")) {
        match now_properties.get(name) {
            Some(now) => compare(frozen, now, &format!("{path}.{name}"), found),
            None => found.push(format!("{path}.{name}: field is gone")),
        }
    }
}

fn compare_words(frozen: &Value, now: &Value, path: &str, found: &mut Vec<String>) {
    for word in MEANING {
        if frozen.get(word) != now.get(word) {
            found.push(format!("{path}: {word} changed"));
        }
    }
    for word in CONSTRAINTS {
        if now.get(word).is_some() && frozen.get(word) != now.get(word) {
            found.push(format!("{path}: {word} added or changed"));
        }
    }
    for word in FREEDOMS {
        if frozen[word] == true && now[word] != true {
            found.push(format!("{path}: {word} is gone"));
        }
    }
}

fn compare_bounds(frozen: &Value, now: &Value, path: &str, found: &mut Vec<String>) {
    for word in LOWER_BOUNDS {
        let (before, after) = (frozen[word].as_f64(), now[word].as_f64());
        if after.is_some_and(|after| before.is_none_or(|before| after > before)) {
            found.push(format!("{path}: {word} added or raised"));
        }
    }
    for word in UPPER_BOUNDS {
        let (before, after) = (frozen[word].as_f64(), now[word].as_f64());
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            found.push(format!("{path}: {word} added or lowered"));
        }
    }
}

fn compare_sets(frozen: &Value, now: &Value, path: &str, found: &mut Vec<String>) {
    let required = list(frozen.get("required"));
    for name in list(now.get("required")).iter().filter(|name| !required.contains(name)) {
        found.push(format!("{path}: {name} is newly required"));
    }
    let values = list(now.get("enum"));
    if !values.is_empty() && frozen.get("enum").is_none() {
        found.push(format!("{path}: enum added"));
    }
    for value in list(frozen.get("enum")).iter().filter(|_| !values.is_empty()) {
        if !values.contains(value) {
            found.push(format!("{path}: enum value {value} is gone"));
        }
    }
    let rule_of = |rule: &Value| rule["rule"].clone();
    let rules: Vec<Value> =
        list(frozen.get("x-kubernetes-validations")).iter().map(rule_of).collect();
    for rule in list(now.get("x-kubernetes-validations")).iter().map(rule_of) {
        if !rules.contains(&rule) {
            found.push(format!("{path}: new rule {rule}"));
        }
    }
}

/// A default may grow with new fields, which have defaults of their own.
fn includes(now: &Value, frozen: &Value) -> bool {
    match (now, frozen) {
        (_, Value::Null) => true,
        (Value::Object(now), Value::Object(frozen)) => {
            frozen.iter().all(|(name, value)| now.get(name).is_some_and(|now| includes(now, value)))
        }
        (now, frozen) => now == frozen,
    }
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn object(value: Option<&Value>) -> &Map<String, Value> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.and_then(Value::as_object).unwrap_or(&EMPTY)
}
