//! Writes an image as a docker-archive: `manifest.json`, a configuration and one layer, in a tar.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::components::hex;
use crate::error::{IoContext, Result};
use crate::paths;

/// `vfs_cap_data` version 2 with `cap_net_bind_service=ep` (linux/capability.h): what the official
/// images of kube-apiserver and CoreDNS carry.
const NET_BIND_SERVICE: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const CAPABILITY_RECORD: &str = "SCHILY.xattr.security.capability";
/// Every image has these.
const FOLDERS: [(&str, u32); 5] =
    [("etc", 0o755), ("run", 0o755), ("tmp", 0o1777), ("usr", 0o755), ("var", 0o755)];
const SEARCH_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An image as we describe it.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its official reference, with tag.
    pub reference: String,
    entrypoint: Vec<String>,
    command: Vec<String>,
    user: String,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    path: String,
    content: Content,
    capable: bool,
}

#[derive(Debug, Clone)]
enum Content {
    Folder,
    File(PathBuf),
    Text(String),
    Link(String),
}

impl Image {
    /// An empty image that runs as root.
    #[must_use]
    pub fn new(reference: impl Into<String>) -> Self {
        Self {
            reference: reference.into(),
            entrypoint: Vec::new(),
            command: Vec::new(),
            user: String::new(),
            entries: Vec::new(),
        }
    }

    /// Always runs this program; a pod's `args` are its arguments.
    #[must_use]
    pub fn entrypoint(mut self, words: &[&str]) -> Self {
        self.entrypoint = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Runs this unless a pod's `args` say what else to run.
    #[must_use]
    pub fn command(mut self, words: &[&str]) -> Self {
        self.command = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Runs as this `uid:gid`.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    /// Adds a file of this machine, executable.
    #[must_use]
    pub fn file(self, path: impl AsRef<Path>, source: &Path) -> Self {
        self.add(path, Content::File(source.to_owned()), false)
    }

    /// Adds a program that may bind ports below 1024 without being root.
    #[must_use]
    pub fn capable_file(self, path: impl AsRef<Path>, source: &Path) -> Self {
        self.add(path, Content::File(source.to_owned()), true)
    }

    /// Adds a text file.
    #[must_use]
    pub fn text(self, path: &str, text: &str) -> Self {
        self.add(path, Content::Text(text.to_owned()), false)
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn link(self, path: impl AsRef<Path>, target: &str) -> Self {
        self.add(path, Content::Link(target.to_owned()), false)
    }

    /// Adds an empty folder.
    #[must_use]
    pub fn folder(self, path: &str) -> Self {
        self.add(path, Content::Folder, false)
    }

    fn add(mut self, path: impl AsRef<Path>, content: Content, capable: bool) -> Self {
        let path = path.as_ref().to_string_lossy().trim_start_matches('/').to_owned();
        if !self.entries.iter().any(|entry| entry.path == path) {
            self.entries.push(Entry { path, content, capable });
        }
        self
    }

    /// What decides the archive's content; big files by path, size and time of change.
    fn key(&self) -> Result<String> {
        let mut hash = Sha256::new();
        hash.update(self.configuration("").to_string());
        hash.update(&self.reference);
        for entry in &self.entries {
            hash.update(format!("{entry:?}"));
            if let Content::File(source) = &entry.content {
                let file = fs::metadata(source).on("read", source)?;
                hash.update(format!("{} {} {}", file.len(), file.mtime(), file.mtime_nsec()));
            }
        }
        Ok(hex(&hash.finalize()[..8]))
    }

    fn configuration(&self, layer: &str) -> Value {
        json!({
            "architecture": architecture(),
            "os": "linux",
            "config": {
                "Env": [SEARCH_PATH],
                "Entrypoint": self.entrypoint,
                "Cmd": self.command,
                "User": self.user,
                "WorkingDir": "/",
            },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer}")] },
            "history": [{ "created": "2026-01-01T00:00:00Z", "created_by": "the Nagaya sandbox" }],
        })
    }
}

/// The archive of an image, written first if the cache does not have it.
///
/// # Errors
/// A file cannot be read or written.
pub fn assemble(image: &Image) -> Result<PathBuf> {
    assemble_in(&paths::cache().join("images"), image)
}

fn assemble_in(folder: &Path, image: &Image) -> Result<PathBuf> {
    let name = image.reference.rsplit('/').next().unwrap_or_default().replace(':', "-");
    let path = folder.join(format!("{name}-{}.tar", image.key()?));
    if path.exists() {
        return Ok(path);
    }
    paths::make_folder(folder)?;
    let suffix = format!("draft-{}", std::process::id());
    let (layer, draft) =
        (path.with_extension(format!("layer-{suffix}")), path.with_extension(suffix));
    let written = write_archive(image, &layer, &draft);
    // Whatever came of it, the layer alone is of no use.
    let _ = fs::remove_file(&layer);
    written.doing(|| format!("assemble {}", image.reference))?;
    fs::rename(&draft, &path).on("keep", &path)?;
    Ok(path)
}

fn write_archive(image: &Image, layer: &Path, archive: &Path) -> io::Result<()> {
    let digest = write_layer(&image.entries, layer)?;
    let configuration = image.configuration(&digest).to_string();
    let configuration_name = format!("{}.json", hex(&Sha256::digest(&configuration)));
    let layer_name = format!("{digest}/layer.tar");
    let manifest = json!([{
        "Config": configuration_name,
        "RepoTags": [image.reference],
        "Layers": [layer_name],
    }]);
    let mut tar = Builder::new(BufWriter::new(File::create(archive)?));
    append(&mut tar, &configuration_name, 0o644, configuration.len(), configuration.as_bytes())?;
    let size = usize::try_from(fs::metadata(layer)?.len()).map_err(io::Error::other)?;
    append(&mut tar, &layer_name, 0o644, size, File::open(layer)?)?;
    let manifest = manifest.to_string();
    append(&mut tar, "manifest.json", 0o644, manifest.len(), manifest.as_bytes())?;
    tar.into_inner()?.flush()
}

/// Writes the one layer and returns its digest.
fn write_layer(entries: &[Entry], path: &Path) -> io::Result<String> {
    let mut tar = Builder::new(Hashing::new(BufWriter::new(File::create(path)?)));
    let mut folders = Vec::new();
    for (folder, mode) in FOLDERS {
        append_folder(&mut tar, folder, mode)?;
        folders.push(folder.to_owned());
    }
    for entry in entries {
        append_parents(&mut tar, &entry.path, &mut folders)?;
        if entry.capable {
            tar.append_pax_extensions([(CAPABILITY_RECORD, &NET_BIND_SERVICE[..])])?;
        }
        match &entry.content {
            Content::Folder => {
                if !folders.contains(&entry.path) {
                    append_folder(&mut tar, &entry.path, 0o755)?;
                    folders.push(entry.path.clone());
                }
            }
            Content::Text(text) => {
                append(&mut tar, &entry.path, 0o644, text.len(), text.as_bytes())?;
            }
            Content::File(source) => {
                let size =
                    usize::try_from(fs::metadata(source)?.len()).map_err(io::Error::other)?;
                append(&mut tar, &entry.path, 0o755, size, File::open(source)?)?;
            }
            Content::Link(target) => {
                let mut header = header(EntryType::Symlink, 0o777, 0);
                tar.append_link(&mut header, &entry.path, target)?;
            }
        }
    }
    tar.into_inner()?.finish()
}

fn append_parents<W: Write>(
    tar: &mut Builder<W>,
    path: &str,
    folders: &mut Vec<String>,
) -> io::Result<()> {
    let parents: Vec<_> = Path::new(path).ancestors().skip(1).collect();
    for parent in parents.into_iter().rev().filter_map(Path::to_str) {
        if !parent.is_empty() && !folders.iter().any(|folder| folder == parent) {
            append_folder(tar, parent, 0o755)?;
            folders.push(parent.to_owned());
        }
    }
    Ok(())
}

fn append_folder<W: Write>(tar: &mut Builder<W>, path: &str, mode: u32) -> io::Result<()> {
    let mut header = header(EntryType::Directory, mode, 0);
    tar.append_data(&mut header, format!("{path}/"), io::empty())
}

fn append<W: Write>(
    tar: &mut Builder<W>,
    path: &str,
    mode: u32,
    size: usize,
    data: impl io::Read,
) -> io::Result<()> {
    tar.append_data(&mut header(EntryType::Regular, mode, size as u64), path, data)
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header
}

/// The machine's architecture, as images name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Passes bytes on and hashes them on the way.
struct Hashing<W> {
    to: W,
    hash: Sha256,
}

impl<W: Write> Hashing<W> {
    fn new(to: W) -> Self {
        Self { to, hash: Sha256::new() }
    }

    fn finish(mut self) -> io::Result<String> {
        self.to.flush()?;
        Ok(hex(&self.hash.finalize()))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests;
