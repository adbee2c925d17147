//! `docs/reference/gateway.md` says what the code reads. `UPDATE=1` writes it anew.

use std::path::Path;

#[test]
fn the_committed_reference_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/gateway.md");
    let generated = nagaya_gateway::config::reference::markdown();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(committed == generated, "{} differs; run with UPDATE=1", path.display());
}
