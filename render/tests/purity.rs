//! The pure part has no client, no runtime and no network among what it is built from. That it has no clock is clippy's
//! to say (`render/clippy.toml`, `pki/clippy.toml`).

#![allow(clippy::unwrap_used, reason = "a test's helper fails the test")]

use std::process::Command;

const IMPURE: [&str; 10] = [
    "async-std",
    "hyper",
    "kube-client",
    "kube-runtime",
    "mio",
    "reqwest",
    "rustls",
    "socket2",
    "tokio",
    "tower",
];

fn dependencies(package: &str) -> Vec<String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--package", package, "--edges", "normal", "--prefix", "none"]);
    tree.args(["--locked", "--offline", "--manifest-path"]);
    let output = tree.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn nothing_that_render_and_pki_are_built_from_talks_to_anybody() {
    for package in ["nagaya-render", "nagaya-pki"] {
        let found = dependencies(package);
        assert!(found.contains(&"jiff".to_owned()), "{package}: {found:?}");
        let impure: Vec<_> = found.iter().filter(|name| IMPURE.contains(&name.as_str())).collect();
        assert!(impure.is_empty(), "{package} depends on {impure:?}");
    }
}
