//! `docs/reference/conditions.md` names every reason that a condition or an Event can have, and no other.

#![allow(clippy::unwrap_used, reason = "a test's helper fails the test")]

use std::collections::BTreeSet;

use nagaya_render::diagnosis::Blockage;
use nagaya_render::probe::Reason;
use strum::VariantNames;

const PAGE: &str = include_str!("../../docs/reference/conditions.md");
const CONSTANTS: &str = include_str!("../../api/src/reasons.rs");
/// Columns that reasons stand in: of a part, those of its two states.
const COLUMNS: [&str; 3] = ["reason", "True", "False"];

/// The constants, read from their file so that none can be left out, and the names of variants.
fn reasons() -> BTreeSet<&'static str> {
    let constants = CONSTANTS.lines().filter(|line| line.starts_with("pub const "));
    let constants = constants.map(|line| line.split('"').nth(1).unwrap());
    constants.chain(Blockage::VARIANTS.iter().chain(Reason::VARIANTS).copied()).collect()
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn reasons_of(table: &'static str) -> Vec<&'static str> {
    let mut rows = table.lines().map(|row| row.split('|').map(str::trim));
    let headings: Vec<_> = rows.next().unwrap().collect();
    rows.flat_map(|row| row.zip(headings.clone()))
        .filter(|(_, heading)| COLUMNS.contains(heading))
        .flat_map(|(cell, _)| quoted(cell))
        // Some cells say of which field, or in which state.
        .filter(|word| word.starts_with(char::is_uppercase) && *word != "Unknown")
        .collect()
}

#[test]
fn every_reason_is_on_the_page() {
    let named: BTreeSet<_> = quoted(PAGE).collect();
    let missing: Vec<_> = reasons().difference(&named).copied().collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_pages_tables_name_no_other_reason() {
    let tables = PAGE.split("\n\n").filter(|paragraph| paragraph.starts_with('|'));
    let named: BTreeSet<_> = tables.flat_map(reasons_of).collect();
    assert!(named.contains("Joinable") && named.contains("Revoking"), "{named:?}");
    let unknown: Vec<_> = named.difference(&reasons()).copied().collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
