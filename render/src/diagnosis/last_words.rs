//! The one line out of a log's end that says why its process ended.

use serde_json::Value;

/// Longest line that is repeated, in characters.
const LONGEST: usize = 400;

/// The last line that a component calls fatal, or else an error, or else the last one; without date, place and what
/// changes from one attempt to the next. etcd writes JSON (zap), Kubernetes klog. `None`: nothing was said.
#[must_use]
pub fn last_error_line(log: &str) -> Option<String> {
    let lines: Vec<(Severity, String)> =
        log.lines().map(str::trim).filter(|line| !line.is_empty()).map(read).collect();
    let worst = lines.iter().map(|(severity, _)| *severity).max()?;
    let (_, words) = lines.into_iter().rfind(|(severity, _)| *severity == worst)?;
    Some(cut(&without_source_ports(&words)))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    News,
    Error,
    Fatal,
}

fn read(line: &str) -> (Severity, String) {
    if let Ok(Value::Object(entry)) = serde_json::from_str(line) {
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        let severity = match text("level").unwrap_or_default() {
            "fatal" | "panic" | "dpanic" => Severity::Fatal,
            "error" => Severity::Error,
            _ => Severity::News,
        };
        let words = text("msg").unwrap_or(line);
        return match text("error") {
            Some(error) => (severity, format!("{words}: {error}")),
            None => (severity, words.to_owned()),
        };
    }
    if let Some((severity, words)) = klog(line) {
        return (severity, words.to_owned());
    }
    let is_fatal = ["panic: ", "fatal error: "].iter().any(|start| line.starts_with(start));
    let is_error = ["Error: ", "error: "].iter().any(|start| line.starts_with(start));
    let severity = match (is_fatal, is_error) {
        (true, _) => Severity::Fatal,
        (_, true) => Severity::Error,
        _ => Severity::News,
    };
    (severity, line.to_owned())
}

/// `E1126 04:10:00.000000       1 run.go:72] words`
fn klog(line: &str) -> Option<(Severity, &str)> {
    let mut characters = line.chars();
    let severity = match characters.next()? {
        'F' => Severity::Fatal,
        'E' => Severity::Error,
        'I' | 'W' => Severity::News,
        _ => return None,
    };
    let is_date = characters.clone().take(4).filter(char::is_ascii_digit).count() == 4;
    let (_, words) = line.split_once("] ").filter(|_| is_date)?;
    Some((severity, words))
}

/// `10.1.0.5:43210->10.1.0.6:2379`: the first port is another one each time.
fn without_source_ports(words: &str) -> String {
    let mut parts = words.split("->");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = text.trim_end_matches(|c: char| c.is_ascii_digit());
        if end.len() < text.len() && end.ends_with(':') {
            text.truncate(end.len() - 1);
        }
        text.push_str("->");
        text.push_str(part);
    }
    text
}

fn cut(words: &str) -> String {
    match words.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.to_owned(),
    }
}
