//! One `go build`: what goes into it, where the result is kept.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use super::Component;
use crate::command::{command, output, run};
use crate::error::{IoContext, Result};
use crate::paths;

/// The packages whose variables carry a Kubernetes version.
const STAMPED_PACKAGES: [&str; 2] =
    ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"];

/// All that decides what a component's binaries are made of.
#[derive(Debug)]
pub struct Recipe {
    folder: PathBuf,
    flags: Vec<String>,
    output: PathBuf,
}

impl Recipe {
    /// The recipe of a component.
    ///
    /// # Errors
    /// Its go.mod or go.sum cannot be read, or there is no `go`.
    pub fn of(component: &Component) -> Result<Self> {
        let (folder, version) = (component.folder(), component.version()?);
        let flags = flags(component, &version);
        let mut hash = Sha256::new();
        for file in ["go.mod", "go.sum"] {
            let path = folder.join(file);
            hash.update(std::fs::read(&path).on("read", &path)?);
        }
        hash.update(flags.join(" "));
        hash.update(go_version()?);
        let key = hex(&hash.finalize()[..8]);
        let name = format!("{}-{version}-{key}", component.product.name);
        let output = paths::cache().join("components").join(name);
        Ok(Self { folder, flags, output })
    }

    /// Where this component's binaries are kept.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.output.clone()
    }

    /// Has go download the modules that packages are made of.
    ///
    /// # Errors
    /// They cannot be had.
    pub fn fetch(&self, packages: &[&str]) -> Result<()> {
        let mut list = go();
        list.current_dir(&self.folder).args(["list", "-deps", "-f", ""]).args(&self.flags);
        run(list.args(packages))
    }

    /// Where the module cache has a module; it is downloaded first if it is not there.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn sources(&self, module: &str) -> Result<PathBuf> {
        run(go().current_dir(&self.folder).args(["mod", "download", module]))?;
        let mut list = go();
        list.current_dir(&self.folder).args(["list", "-m", "-f", "{{.Dir}}", module]);
        Ok(PathBuf::from(output(&mut list)?.trim()))
    }

    /// Builds packages into binaries of the names given, pairwise; each appears whole or not at all.
    ///
    /// # Errors
    /// The build fails; the text holds the compiler's words.
    pub fn build(&self, binaries: &[&str], packages: &[&str]) -> Result<()> {
        let drafts = self.output.join("building");
        paths::remove_folder(&drafts)?;
        paths::make_folder(&drafts)?;
        let build = |to: &Path, packages: &[&str]| {
            let mut build = go();
            build.current_dir(&self.folder).arg("build").args(&self.flags);
            run(build.arg("-o").arg(to).args(packages))
        };
        // Into a folder go names each binary after its package; what is named otherwise is built alone.
        let is_named_so =
            |(binary, package): &(&&str, &&str)| package.rsplit('/').next() == Some(**binary);
        let (together, alone): (Vec<_>, Vec<_>) =
            binaries.iter().zip(packages).partition(is_named_so);
        let together: Vec<&str> = together.into_iter().map(|(_, package)| *package).collect();
        if !together.is_empty() {
            build(&drafts, &together)?;
        }
        for (binary, package) in alone {
            build(&drafts.join(binary), &[package])?;
        }
        for binary in binaries {
            let path = self.output.join(binary);
            std::fs::rename(drafts.join(binary), &path).on("keep", &path)?;
        }
        paths::remove_folder(&drafts)
    }
}

fn flags(component: &Component, version: &str) -> Vec<String> {
    let mut flags = vec!["-trimpath".to_owned()];
    if !component.product.tags.is_empty() {
        flags.extend(["-tags".to_owned(), component.product.tags.to_owned()]);
    }
    let mut link = "-s -w".to_owned();
    if component.product.stamped {
        link.push_str(&stamps(&component.line, version));
    }
    flags.extend(["-ldflags".to_owned(), link]);
    flags
}

/// What `hack/lib/version.sh` of Kubernetes sets, with a fixed date so that a build repeats.
fn stamps(minor: &str, version: &str) -> String {
    let (major, minor) = minor.split_once('.').unwrap_or((minor, ""));
    let values = [
        ("gitVersion", format!("v{version}")),
        ("gitMajor", major.to_owned()),
        ("gitMinor", minor.to_owned()),
        ("gitCommit", "0".repeat(40)),
        ("gitTreeState", "clean".to_owned()),
        ("buildDate", "2026-01-01T00:00:00Z".to_owned()),
    ];
    let mut stamps = String::new();
    for package in STAMPED_PACKAGES {
        for (variable, value) in &values {
            stamps.extend([" -X ", package, ".", variable, "=", value]);
        }
    }
    stamps
}

fn go() -> Command {
    let mut go = command(&["go"]);
    go.env("GOTOOLCHAIN", "local").env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=readonly");
    go
}

/// The compiler and its target, asked once.
fn go_version() -> Result<&'static str> {
    static VERSION: OnceLock<String> = OnceLock::new();
    if let Some(version) = VERSION.get() {
        return Ok(version);
    }
    let version = output(go().args(["env", "GOVERSION", "GOOS", "GOARCH"]))?;
    Ok(VERSION.get_or_init(|| version))
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubernetes_is_stamped_in_both_packages() {
        let component = Component::kubernetes("1.37").unwrap();
        let flags = flags(&component, "1.37.1").join(" ");
        for package in STAMPED_PACKAGES {
            assert!(flags.contains(&format!("-X {package}.gitVersion=v1.37.1")), "{flags}");
            assert!(flags.contains(&format!("-X {package}.gitMinor=37")), "{flags}");
        }
    }

    #[test]
    fn bytes_become_hexadecimal_digits() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }

    #[test]
    fn other_products_are_not_stamped() {
        assert!(!flags(&Component::etcd(), "3.6.16").join(" ").contains("-X"));
    }
}
