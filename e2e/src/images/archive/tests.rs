//! What containerd will find in an archive.

use std::collections::BTreeMap;
use std::io::Read;

use super::*;

fn folder(test: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("archive-{test}-{}", std::process::id()));
    paths::remove_folder(&folder).unwrap();
    paths::make_folder(&folder).unwrap();
    folder
}

fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        files.insert(path, content);
    }
    files
}

/// The layer of the archive at a path, after the digests that lead to it were checked.
fn layer(path: &Path) -> Vec<u8> {
    let files = files(&fs::read(path).unwrap());
    let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let configuration = &files[manifest[0]["Config"].as_str().unwrap()];
    let layer = files[manifest[0]["Layers"][0].as_str().unwrap()].clone();
    let configuration: Value = serde_json::from_slice(configuration).unwrap();
    let digest = format!("sha256:{}", hex(&Sha256::digest(&layer)));
    assert_eq!(configuration["rootfs"]["diff_ids"][0], digest.as_str());
    layer
}

fn names(layer: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(layer);
    let entries = archive.entries().unwrap().map(io::Result::unwrap);
    entries.map(|entry| entry.path().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_folder_comes_before_what_is_in_it_and_once() {
    let folder = folder("order");
    let image =
        Image::new("x/order:1").entrypoint(&["/a"]).text("/opt/a/one", "1").text("/opt/a/two", "2");
    let names = names(&layer(&assemble_in(&folder, &image).unwrap()));
    let own: Vec<_> = names.iter().filter(|name| name.starts_with("opt")).collect();
    assert_eq!(own, ["opt/", "opt/a/", "opt/a/one", "opt/a/two"]);
    paths::remove_folder(&folder).unwrap();
}

#[test]
fn a_capable_program_carries_the_capability_that_the_kernel_reads() {
    let folder = folder("capability");
    let program = folder.join("program");
    fs::write(&program, "x").unwrap();
    let image = Image::new("x/capable:1").entrypoint(&["/p"]).capable_file("/p", &program);
    let layer = layer(&assemble_in(&folder, &image).unwrap());
    let mut archive = tar::Archive::new(&layer[..]);
    let mut entries = archive.entries().unwrap().map(io::Result::unwrap);
    let mut entry = entries.find(|entry| entry.path().unwrap() == Path::new("p")).unwrap();
    let records = entry.pax_extensions().unwrap().unwrap();
    let values: Vec<_> = records.map(|record| record.unwrap().value_bytes().to_vec()).collect();
    assert_eq!(values, [NET_BIND_SERVICE.to_vec()]);
    paths::remove_folder(&folder).unwrap();
}

#[test]
fn a_changed_program_gives_another_archive_and_an_unchanged_one_the_same() {
    let folder = folder("key");
    let program = folder.join("program");
    fs::write(&program, "old").unwrap();
    let image = Image::new("x/key:1").entrypoint(&["/p"]).file("/p", &program);
    let first = assemble_in(&folder, &image).unwrap();
    assert_eq!(assemble_in(&folder, &image).unwrap(), first);
    fs::write(&program, "newer").unwrap();
    assert_ne!(assemble_in(&folder, &image).unwrap(), first);
    paths::remove_folder(&folder).unwrap();
}

#[test]
fn user_entrypoint_and_architecture_reach_the_configuration() {
    let image = Image::new("x/y:1").entrypoint(&["/nagaya"]).user("65532:65532");
    let configuration = image.configuration("00");
    assert_eq!(configuration["config"]["User"], "65532:65532");
    assert_eq!(configuration["config"]["Entrypoint"], json!(["/nagaya"]));
    assert_ne!(configuration["architecture"], "x86_64");
}
