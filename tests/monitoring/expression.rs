//! What a `PromQL` expression asks for: the names of its metrics, and its selectors.

/// Metrics of the manager that do not begin with `nagaya_`, because others have given them their names.
const BORROWED: [&str; 2] = ["leader_election_master_status", "process_resident_memory_bytes"];

/// Whether the manager has to have the metric.
pub fn is_ours(metric: &str) -> bool {
    metric.starts_with("nagaya_") || BORROWED.contains(&metric)
}

/// Selectors of the expression whose metric `wanted` takes, each as a query of its own: the name, and what is in
/// braces behind it.
pub fn selectors(expression: &str, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let is_part = |symbol: char| symbol.is_ascii_alphanumeric() || symbol == '_';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(is_part) {
        let word = &rest[start..];
        let end = word.find(|symbol| !is_part(symbol)).unwrap_or(word.len());
        let (name, behind) = word.split_at(end);
        let is_selector = behind.starts_with('{');
        let braces = if is_selector { &behind[..=behind.find('}').unwrap()] } else { "" };
        if wanted(name) {
            found.push(format!("{name}{braces}"));
        }
        rest = &behind[braces.len()..];
    }
    found
}

#[test]
fn selectors_are_found_with_their_braces() {
    let expression = r#"sum by (le) (rate(nagaya_a_total{x="y"}[5m])) / on (name) nagaya_b > 0"#;
    let found = selectors(expression, is_ours);
    assert_eq!(found, [r#"nagaya_a_total{x="y"}"#, "nagaya_b"]);
}
