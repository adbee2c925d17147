//! `docs/reference/join-doctor.md` says what the code checks. `UPDATE=1` writes it anew.

use std::path::Path;

#[test]
fn the_committed_reference_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/join-doctor.md");
    let generated = nagaya_doctor::reference::markdown();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(committed == generated, "{} differs; run with UPDATE=1", path.display());
}
