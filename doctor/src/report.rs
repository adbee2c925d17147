//! How it is told: lines for a reader, or JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::Check;

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It is as it has to be.
    Passed,
    /// The join would succeed, and something would be wrong afterwards.
    Warning,
    /// The join would fail, or the node never be Ready or run a pod.
    Failed,
    /// It could not be made.
    NotChecked,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Which check: the name of a [`Check`], or of an [`OperatorCheck`](crate::OperatorCheck).
    pub check: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// What is there, or what is wrong.
    pub message: String,
    /// The command that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    fn mark(&self) -> char {
        match self.verdict {
            Verdict::Passed => '✓',
            Verdict::Warning => '!',
            Verdict::Failed => '✗',
            Verdict::NotChecked => '-',
        }
    }
}

/// Where it was looked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The machine that is to join.
    Machine,
    /// The management cluster, by whoever runs it.
    Operator,
}

/// What all checks found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The endpoint that was asked.
    pub endpoint: String,
    /// Whether `kubeadm join` would succeed: no check failed, and none was left out.
    pub would_join: bool,
    /// A finding for each check, in their order.
    pub findings: Vec<Finding>,
    #[serde(skip)]
    side: Side,
}

impl Report {
    /// Of all that was found.
    #[must_use]
    pub fn new(side: Side, endpoint: String, findings: Vec<Finding>) -> Self {
        let stands_in_the_way =
            |one: &Finding| matches!(one.verdict, Verdict::Failed | Verdict::NotChecked);
        let would_join = !findings.iter().any(stands_in_the_way);
        Self { endpoint, would_join, findings, side }
    }

    /// The finding of a check.
    #[must_use]
    pub fn of(&self, check: Check) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.check == check.name())
    }

    /// Lines for a reader.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            // Writing to a String cannot fail.
            let name = finding.check;
            let message = shown(&finding.message);
            let _ = writeln!(text, "{} {name:17} {message}", finding.mark());
            if let Some(mend) = &finding.mend {
                for (line, label) in
                    mend.lines().zip(["mend:"].into_iter().chain(std::iter::repeat("")))
                {
                    let _ = writeln!(text, "  {label:>17} {}", shown(line));
                }
            }
        }
        let of = |verdict| self.findings.iter().filter(|one| one.verdict == verdict).count();
        let (failed, warnings) = (of(Verdict::Failed), of(Verdict::Warning));
        let (well, ill) = match self.side {
            Side::Machine => {
                ("kubeadm join would succeed", "kubeadm join would fail, or its node not work")
            }
            Side::Operator => (
                "nothing on this side is in the way of a join",
                "something on this side may be in the way of a join",
            ),
        };
        let _ = match (self.would_join, warnings) {
            (true, 0) => writeln!(text, "\n{well}."),
            (true, _) => writeln!(text, "\n{well}; warnings: {warnings}."),
            (false, _) => writeln!(
                text,
                "\n{ill}: failed {failed}, not checked {}, warnings {warnings}.",
                of(Verdict::NotChecked)
            ),
        };
        text
    }

    /// The same as one JSON object.
    #[must_use]
    pub fn json(&self) -> String {
        // Strings and booleans: it cannot fail.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// Without what a terminal obeys: some words are those of machines and servers that nobody knows.
fn shown(words: &str) -> String {
    let mut shown = String::with_capacity(words.len());
    for one in words.chars() {
        // Controls of the direction of text make words look like others.
        let is_obeyed =
            one.is_control() || matches!(one, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if is_obeyed { shown.extend(one.escape_default()) } else { shown.push(one) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_read_moves_the_cursor_or_makes_a_line_of_its_own() {
        let finding = Finding {
            check: "requests",
            verdict: Verdict::Failed,
            message: "a\u{1b}[2K\r\n✓ requests b\u{202e}c\u{9b}1A".to_owned(),
            mend: Some("one\u{7}\ntwo".to_owned()),
        };
        let text = Report::new(Side::Operator, String::new(), vec![finding]).text();
        let lines: Vec<&str> = text.lines().collect();
        let message = r"✗ requests          a\u{1b}[2K\r\n✓ requests b\u{202e}c\u{9b}1A";
        assert_eq!(lines[0], message);
        assert_eq!((lines[1].trim(), lines[2].trim()), (r"mend: one\u{7}", "two"));
    }
}
