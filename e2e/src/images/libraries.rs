//! What a program of this machine needs beside itself in an image: its shared libraries.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::command::{command, output};
use crate::error::{Error, Result};
use crate::images::archive::Image;

/// Adds programs or plug-ins of this machine, at the paths they have here, with every library they
/// load.
///
/// # Errors
/// One is not there (its package is missing), or `ldd` fails.
pub fn add_with_libraries(mut image: Image, files: &[PathBuf]) -> Result<Image> {
    for file in files {
        if !file.exists() {
            return Err(Error::Refused(format!(
                "{} is not there; see `sandbox up` for the packages to install",
                file.display()
            )));
        }
        image = image.file(file, file);
    }
    for library in parse(&output(command(&["ldd"]).args(files))?) {
        image = image.file(&library, &library);
    }
    Ok(image)
}

/// The libraries in what `ldd` prints for one file or, each under its name and a colon, several.
fn parse(text: &str) -> BTreeSet<PathBuf> {
    let words = text.split_whitespace();
    let libraries = words.filter(|word| word.starts_with('/') && !word.ends_with(':'));
    libraries.map(PathBuf::from).collect()
}

/// The only file or folder that a pattern with one `*` component stands for, such as the
/// architecture's own library folder.
///
/// # Errors
/// Nothing matches: a package is missing.
pub fn below_architecture(before: &str, after: &str) -> Result<PathBuf> {
    let entries = std::fs::read_dir(before).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().join(after)).find(|path| path.exists()).ok_or_else(|| {
        Error::Refused(format!("there is no {before}/*/{after}; is its package installed?"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_loader_are_found_in_what_ldd_prints() {
        let text = "/usr/sbin/conntrack:\n\tlinux-vdso.so.1 (0x7ffe)\n\tlibm.so.6 => /lib/a/libm.so.6 (0x7f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x7f)\n";
        let found: Vec<_> = parse(text).into_iter().collect();
        assert_eq!(
            found,
            [PathBuf::from("/lib/a/libm.so.6"), PathBuf::from("/lib64/ld-linux-x86-64.so.2")]
        );
    }
}
