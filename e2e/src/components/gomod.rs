//! Reads the one thing we need from a go.mod: the version of a required module.

/// The version without its `v`, of a module in a `require` line or block.
#[must_use]
pub fn required(text: &str, module: &str) -> Option<String> {
    text.lines().filter(|line| !line.contains("=>")).find_map(|line| {
        let mut words = line.trim().trim_start_matches("require ").split_whitespace();
        let version = (words.next() == Some(module)).then(|| words.next())??;
        version.strip_prefix('v').map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_a_line_and_in_a_block() {
        let text = "require a.io/one v1.2.3 // indirect\nrequire (\n\ta.io/two v4.5.6\n)\n";
        assert_eq!(required(text, "a.io/one").as_deref(), Some("1.2.3"));
        assert_eq!(required(text, "a.io/two").as_deref(), Some("4.5.6"));
    }

    #[test]
    fn a_replacement_is_no_requirement() {
        assert_eq!(required("replace a.io/one => a.io/one v0.1.0\n", "a.io/one"), None);
    }
}
