//! `manifests/argocd/health.lua` as Argo CD runs it: the object is the global `obj`, and a table comes back.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

const SCRIPT: &str = include_str!("../../../manifests/argocd/health.lua");

/// `STATUS: MESSAGE`.
pub fn argo_health(object: &Value) -> String {
    let program = format!(
        "obj = {}\nlocal function health()\n{SCRIPT}\nend\n\
         local found = health()\nio.write(found.status, ': ', found.message)\n",
        literal(object)
    );
    let mut lua = Command::new("lua5.4")
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("lua5.4: {error}; install Debian's package: apt-get install lua5.4")
        });
    lua.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
    let output = lua.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The JSON value as Lua writes it.
fn literal(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Null => text.push_str("nil"),
        Value::Bool(_) | Value::Number(_) => write!(text, "{value}").unwrap(),
        Value::String(words) => text.push_str(&quoted(words)),
        Value::Array(items) => {
            for item in items {
                write!(text, "{}, ", literal(item)).unwrap();
            }
            text = format!("{{{text}}}");
        }
        Value::Object(members) => {
            for (name, member) in members {
                write!(text, "[{}] = {}, ", quoted(name), literal(member)).unwrap();
            }
            text = format!("{{{text}}}");
        }
    }
    text
}

/// Every byte by its number: nothing to escape.
fn quoted(words: &str) -> String {
    let bytes = words.bytes().fold(String::new(), |mut bytes, byte| {
        write!(bytes, "\\{byte:03}").unwrap();
        bytes
    });
    format!("\"{bytes}\"")
}
