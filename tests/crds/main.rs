//! `crds/` is what `nagaya crd` prints, and nobody who uses the API is broken by a change of it.
//!
//! `UPDATE=1 cargo test -p nagaya --test crds` writes `crds/` anew. `FREEZE=1` also makes the present schema
//! the one that later ones are held against: only before the first release, or to record growth at a release.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails the test")]

mod compatibility;
mod incompatible_changes;

use std::path::{Path, PathBuf};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use nagaya::crds;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crds")
}

fn file_name(crd: &CustomResourceDefinition) -> String {
    format!("{}.yaml", crd.spec.names.plural)
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_committed_definitions_are_the_generated_ones() {
    for crd in crds::all() {
        let path = folder().join(file_name(&crd));
        let generated = crds::yaml(&crd).unwrap();
        if is_set("UPDATE") || is_set("FREEZE") {
            std::fs::write(&path, &generated).unwrap();
        }
        assert!(read(&path) == generated, "{} differs; run with UPDATE=1", path.display());
    }
}

#[test]
fn the_schema_still_accepts_and_means_all_that_the_frozen_one_did() {
    for crd in crds::all() {
        let path = folder().join("frozen").join(file_name(&crd));
        let generated = crds::yaml(&crd).unwrap();
        if is_set("FREEZE") {
            std::fs::write(&path, &generated).unwrap();
        }
        let frozen: Value = serde_yaml_ng::from_str(&read(&path)).unwrap();
        let now: Value = serde_yaml_ng::from_str(&generated).unwrap();
        let breaks = compatibility::breaks(&frozen, &now);
        assert!(breaks.is_empty(), "{}:\n{}", path.display(), breaks.join("\n"));
    }
}
