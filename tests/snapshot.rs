//! The verb `snapshot`, as the Jobs that save and restore etcd run it, on files.

#![allow(clippy::unwrap_used, reason = "a test's helper fails the test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// As `etcdctl snapshot save` leaves it: whole pages and their SHA-256.
fn snapshot_file(path: &Path) {
    let mut content = vec![7; 4096];
    content.extend(Sha256::digest(&content));
    fs::write(path, content).unwrap();
}

struct Volume(TempDir);

impl Volume {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("mounted/etcd-ca-1");
        fs::create_dir_all(&keys).unwrap();
        fs::write(keys.join("tls.key"), "key").unwrap();
        fs::create_dir(folder.path().join("snapshots")).unwrap();
        Self(folder)
    }

    fn snapshots(&self) -> PathBuf {
        self.0.path().join("snapshots")
    }

    fn finish(&self, name: &str, options: &[&str]) -> Output {
        nagaya(
            &[
                &[
                    "finish",
                    &format!("--directory={}", self.snapshots().display()),
                    &format!("--name={name}"),
                    "--kubernetes-version=v1.37.1",
                    "--reason=scheduled",
                    &format!("--keys={}", self.0.path().join("mounted").display()),
                    &format!("--tell={}", self.0.path().join("told").display()),
                ],
                options,
            ]
            .concat(),
        )
    }

    fn save(&self, name: &str, options: &[&str]) {
        snapshot_file(&self.snapshots().join(format!("{name}.db")));
        let output = self.finish(name, options);
        assert!(output.status.success(), "{output:?}");
    }

    fn make_room(&self, options: &[&str]) {
        let directory = format!("--directory={}", self.snapshots().display());
        let output = nagaya(&[&["room", &directory], options].concat());
        assert!(output.status.success(), "{output:?}");
    }

    fn told(&self) -> Vec<String> {
        let told: Value =
            serde_json::from_slice(&fs::read(self.0.path().join("told")).unwrap()).unwrap();
        let all = told.as_array().unwrap().iter();
        all.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    }

    fn files(&self) -> Vec<String> {
        names_in(&self.snapshots())
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn nagaya(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_nagaya");
    Command::new(program).arg("snapshot").args(arguments).output().unwrap()
}

fn says(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_whole_snapshot_is_noted_and_told_with_the_keys_beside_it() {
    let volume = Volume::new();
    volume.save("a", &["--keep=2"]);
    assert_eq!(volume.told(), ["a"]);
    assert_eq!(volume.files(), ["a.db", "a.json", "keys"]);
    let note: Value =
        serde_json::from_slice(&fs::read(volume.snapshots().join("a.json")).unwrap()).unwrap();
    assert_eq!((&note["sizeBytes"], &note["version"]), (&4128.into(), &"v1.37.1".into()));
    let key = volume.snapshots().join("keys/etcd-ca-1/tls.key");
    assert_eq!(fs::read_to_string(&key).unwrap(), "key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_oldest_go_and_what_is_protected_stays() {
    let volume = Volume::new();
    for name in ["a", "b", "c"] {
        volume.save(name, &["--keep=2"]);
    }
    assert_eq!(volume.told(), ["b", "c"]);
    volume.save("d", &["--keep=2", "--protect=b"]);
    assert_eq!(volume.told(), ["b", "d"]);
    assert_eq!(volume.files(), ["b.db", "b.json", "d.db", "d.json", "keys"]);
}

#[test]
fn the_oldest_go_before_the_next_is_saved_and_the_newest_never() {
    let volume = Volume::new();
    for name in ["a", "b", "c"] {
        volume.save(name, &["--keep=3"]);
    }
    fs::write(volume.snapshots().join("d.db.part"), "no space was left").unwrap();
    volume.make_room(&["--keep=3"]);
    assert_eq!(volume.files(), ["b.db", "b.json", "c.db", "c.json", "keys"]);
    volume.make_room(&["--keep=3"]);
    assert_eq!(volume.files(), ["b.db", "b.json", "c.db", "c.json", "keys"], "only one goes");
    volume.make_room(&["--keep=1", "--protect=b"]);
    assert_eq!(volume.files(), ["b.db", "b.json", "c.db", "c.json", "keys"]);
    volume.make_room(&["--keep=1"]);
    assert_eq!(volume.files(), ["c.db", "c.json", "keys"]);
}

#[test]
fn a_snapshot_that_is_cut_off_or_changed_is_refused_and_the_others_stay() {
    let volume = Volume::new();
    volume.save("a", &["--keep=1"]);
    let file = volume.snapshots().join("b.db");
    snapshot_file(&file);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..1000]).unwrap();
    assert!(says(&volume.finish("b", &["--keep=1"])).contains("its end is missing"));
    let mut changed = whole.clone();
    changed[100] = 0;
    fs::write(&file, changed).unwrap();
    assert!(says(&volume.finish("b", &["--keep=1"])).contains("not what etcd has sent"));
    assert!(volume.files().contains(&"a.db".to_owned()));
    // What nobody noted goes with the next one that is whole.
    volume.save("c", &["--keep=2"]);
    assert_eq!(volume.told(), ["a", "c"]);
    assert!(!volume.files().contains(&"b.db".to_owned()));
}

#[test]
fn what_is_about_to_be_restored_is_checked_before_anything_is_stopped_for_it() {
    let volume = Volume::new();
    volume.save("a", &["--keep=4"]);
    fs::write(volume.snapshots().join("a.db"), "cut off").unwrap();
    snapshot_file(&volume.snapshots().join("b.db"));
    let output = volume.finish("b", &["--keep=4", "--protect=a"]);
    assert!(says(&output).contains("a.db is damaged"), "{output:?}");
    let output = volume.finish("b", &["--keep=4", "--protect=none"]);
    assert!(says(&output).contains("none.db"), "{output:?}");
}

/// etcd's volume, with data of before.
fn data() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("member")).unwrap();
    fs::write(folder.path().join("member/what"), "old").unwrap();
    folder
}

fn restored(data: &TempDir) {
    fs::create_dir(data.path().join("restored")).unwrap();
    fs::write(data.path().join("restored/what"), "new").unwrap();
}

fn place(data: &TempDir, options: &[&str]) -> Output {
    let data = format!("--data={}", data.path().display());
    nagaya(&[&["place", &data, "--aside=member.before-x"], options].concat())
}

fn what(data: &TempDir, directory: &str) -> String {
    fs::read_to_string(data.path().join(directory).join("what")).unwrap()
}

#[test]
fn a_damaged_snapshot_is_not_restored_and_leftovers_of_an_attempt_go() {
    let data = data();
    restored(&data);
    let file = data.path().join("a.db");
    snapshot_file(&file);
    let whole = fs::read(&file).unwrap();
    let (file_option, data_option) =
        (format!("--file={}", file.display()), format!("--data={}", data.path().display()));
    let prepare = || nagaya(&["prepare", &file_option, &data_option]);
    fs::write(&file, &whole[..2048]).unwrap();
    assert!(says(&prepare()).contains("damaged"));
    assert_eq!(names_in(data.path()), ["a.db", "member", "restored"]);
    fs::write(&file, &whole).unwrap();
    assert!(prepare().status.success());
    assert_eq!(names_in(data.path()), ["a.db", "member"]);
}

#[test]
fn what_was_restored_takes_the_place_of_the_old_data() {
    let data = data();
    restored(&data);
    assert!(place(&data, &[]).status.success());
    assert_eq!(names_in(data.path()), ["member"]);
    assert_eq!(what(&data, "member"), "new");
}

#[test]
fn old_data_that_no_snapshot_holds_stay_also_when_an_attempt_is_repeated() {
    let data = data();
    fs::create_dir(data.path().join("member.before-earlier")).unwrap();
    for _ in 0..2 {
        restored(&data);
        assert!(place(&data, &["--keep-old"]).status.success());
        assert_eq!(names_in(data.path()), ["member", "member.before-x"]);
        assert_eq!(
            (what(&data, "member"), what(&data, "member.before-x")),
            ("new".into(), "old".into())
        );
    }
}

#[test]
fn the_newest_data_that_no_snapshot_holds_outlive_a_restore_that_was_saved_before() {
    let data = data();
    for name in ["member.before-a", "member.before-b"] {
        fs::create_dir(data.path().join(name)).unwrap();
    }
    restored(&data);
    assert!(place(&data, &[]).status.success());
    assert_eq!(names_in(data.path()), ["member", "member.before-b"]);
}

#[test]
fn without_restored_data_nothing_is_touched() {
    let data = data();
    let output = place(&data, &[]);
    assert!(says(&output).contains("cannot find"), "{output:?}");
    assert_eq!(what(&data, "member"), "old");
}
