//! YAML that every reader understands alike.
//!
//! Go's and Python's parsers read YAML 1.1, where a plain `yes` or `on` is a boolean and `1_000` a number;
//! `serde_yaml_ng` writes YAML 1.2, where they are strings, and so leaves them unquoted. A tenant's
//! `value: yes` would then stop every kubelet. Here every string is quoted unless it is plainly a word.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Words that YAML 1.1 does not read as strings.
const RESERVED: [&str; 9] = ["y", "yes", "n", "no", "on", "off", "true", "false", "null"];

/// `value` as a YAML document, keys in their map's order.
pub(crate) fn write(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => write_map(&mut text, map, 0),
        Value::Array(items) if !items.is_empty() => write_list(&mut text, items, 0),
        scalar => text = format!("{}\n", inline(scalar)),
    }
    text
}

fn write_map(text: &mut String, map: &Map<String, Value>, indent: usize) {
    for (index, (key, value)) in map.iter().enumerate() {
        pad_unless_after_dash(text, index, indent);
        let _ = write!(text, "{}:", word_or_quoted(key));
        write_child(text, value, indent);
    }
}

fn write_list(text: &mut String, items: &[Value], indent: usize) {
    for (index, item) in items.iter().enumerate() {
        pad_unless_after_dash(text, index, indent);
        match item {
            Value::Object(map) if !map.is_empty() => {
                text.push_str("- ");
                write_map(text, map, indent + 2);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push_str("- ");
                write_list(text, items, indent + 2);
            }
            other => {
                text.push('-');
                write_child(text, other, indent);
            }
        }
    }
}

/// What follows `key:` or `-`. Lists stand below their key without indentation, as Go writes them.
fn write_child(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            text.push('\n');
            write_map(text, map, indent + 2);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            write_list(text, items, indent);
        }
        Value::String(lines) if fits_block(lines) => write_block(text, lines, indent + 2),
        other => {
            let _ = writeln!(text, " {}", inline(other));
        }
    }
}

fn write_block(text: &mut String, lines: &str, indent: usize) {
    text.push_str(if lines.ends_with('\n') { " |\n" } else { " |-\n" });
    for line in lines.lines() {
        if !line.is_empty() {
            pad(text, indent);
        }
        text.push_str(line);
        text.push('\n');
    }
}

/// Several printable lines that a block shows as they are: no indentation to guess, at most one final
/// line break.
fn fits_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n'])
        && !text.ends_with("\n\n")
        && text.chars().all(|c| c == '\n' || (' '..='~').contains(&c))
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => word_or_quoted(text),
        // JSON is YAML: numbers, booleans, null, {} and [].
        other => other.to_string(),
    }
}

fn word_or_quoted(text: &str) -> String {
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b))
        && !RESERVED.contains(&text.to_ascii_lowercase().as_str());
    if word { text.to_owned() } else { Value::from(text).to_string() }
}

/// The first key or item of something in a list stands on the line of that list's dash.
fn pad_unless_after_dash(text: &mut String, index: usize, indent: usize) {
    if index > 0 || !text.ends_with("- ") {
        pad(text, indent);
    }
}

fn pad(text: &mut String, indent: usize) {
    text.extend(std::iter::repeat_n(' ', indent));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_reads_back_as_it_was() {
        let value = json!({
            "bool": true, "null": null, "number": 1.5, "empty": {}, "none": [], "text": "",
            "list": ["a", 1, ["nested", []], {"key": "value", "list": ["x"]}, {}],
            "map": {"a/b": {"c": "d"}, "yes": 1, "with: colon": "# no comment"},
            "block": "#!/bin/sh\n  indented\n\nend\n", "unfinished": "a\nb",
            "leading": " a\nb", "many": "a\n\n", "tab": "a\tb\nc\n", "unicode": "ä\nö",
        });
        assert_eq!(serde_yaml_ng::from_str::<Value>(&write(&value)).unwrap(), value);
    }

    #[test]
    fn strings_that_yaml_1_1_reads_as_something_else_are_quoted() {
        for text in [
            "yes", "No", "on", "OFF", "y", "true", "null", "~", "1_000", "0x1f", "1e3", "12:30",
            "0s",
        ] {
            assert_eq!(write(&json!({ "k": text })), format!("k: \"{text}\"\n"));
        }
        assert_eq!(write(&json!({ "k": "systemd" })), "k: systemd\n");
    }
}
