//! Snapshots that are kept in a bucket, as the Jobs save and get them, with a real S3 server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails the test")]

#[path = "../loopback/certificate.rs"]
mod certificate;
mod server;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use server::{ACCESS_KEY, SECRET_KEY, Server};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const FOLDER: &str = "fleet/acme/demo";

/// What a Job's pod has: a volume, keys and credentials.
struct Job<'s> {
    folder: TempDir,
    server: &'s Server,
    /// Replaces the option of that name.
    other: Option<(&'static str, String)>,
}

impl<'s> Job<'s> {
    /// Of a cluster that `key` tells from others.
    fn of(server: &'s Server, key: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (file, content) in [
            ("keys/cluster-ca-1/tls.crt", key),
            ("keys/cluster-ca-1/tls.key", "private"),
            ("credentials/accessKeyID", ACCESS_KEY),
            ("credentials/secretAccessKey", SECRET_KEY),
            ("credentials/ca.crt", &server.ca),
        ] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        Self { folder, server, other: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn bucket_options(&self) -> Vec<String> {
        let mut options = vec![
            ("endpoint", self.server.endpoint()),
            ("bucket", "snapshots".to_owned()),
            ("region", "us-east-1".to_owned()),
            ("folder", FOLDER.to_owned()),
            ("credentials", self.path("credentials").display().to_string()),
            ("secret", "acme/s3".to_owned()),
        ];
        if let Some((name, value)) = &self.other {
            options.retain(|(known, _)| known != name);
            options.push((name, value.clone()));
        }
        options.into_iter().map(|(name, value)| format!("--{name}={value}")).collect()
    }

    /// A database of so many pages, and the upload of it.
    fn upload(&self, name: &str, pages: usize, options: &[&str]) -> Output {
        write_snapshot(&self.path(&format!("{name}.db")), pages);
        let recovery = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "nagaya-acme-demo"}},
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cluster-ca-1"}},
        ]});
        let mut arguments = vec![
            "upload".to_owned(),
            format!("--directory={}", self.folder.path().display()),
            format!("--name={name}"),
            "--kubernetes-version=v1.37.1".to_owned(),
            "--reason=scheduled".to_owned(),
            "--keep=2".to_owned(),
            format!("--keys={}", self.path("keys").display()),
            format!("--tell={}", self.path("told").display()),
            format!("--recovery={recovery}"),
        ];
        arguments.extend(self.bucket_options());
        arguments.extend(options.iter().map(|&option| option.to_owned()));
        nagaya(&arguments)
    }

    fn save(&self, name: &str, options: &[&str]) {
        let output = self.upload(name, 8, options);
        assert!(output.status.success(), "{output:?}");
    }

    fn fetch(&self, name: &str) -> Output {
        let file = format!("--file={}", self.path("fetched").display());
        let mut arguments = vec!["fetch".to_owned(), format!("--name={name}"), file];
        arguments.extend(self.bucket_options());
        nagaya(&arguments)
    }

    fn told(&self) -> Vec<String> {
        let told: Value = serde_json::from_slice(&fs::read(self.path("told")).unwrap()).unwrap();
        let all = told.as_array().unwrap().iter();
        all.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    }

    /// What an upload that has to fail says.
    fn refusal(&self) -> String {
        let output = self.upload("refused", 8, &[]);
        assert!(!output.status.success(), "it should have been refused");
        says(&output)
    }
}

/// As `etcdctl snapshot save` leaves it: whole pages and their SHA-256.
fn write_snapshot(path: &Path, pages: usize) {
    let pages = (0..pages).flat_map(|page| [u8::try_from(page % 251).unwrap(); 512]);
    let mut content: Vec<u8> = pages.collect();
    content.extend(Sha256::digest(&content));
    fs::write(path, content).unwrap();
}

fn nagaya(arguments: &[String]) -> Output {
    let program = env!("CARGO_BIN_EXE_nagaya");
    Command::new(program).arg("snapshot").args(arguments).output().unwrap()
}

fn says(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_was_put_into_a_bucket_comes_back_and_the_keys_are_beside_it() {
    let server = Server::start();
    let job = Job::of(&server, "a");
    // More than two of the pieces in which it is sent.
    let output = job.upload("one", 40_000, &[]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(job.told(), ["one"]);
    let output = job.fetch("one");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read(job.path("fetched")).unwrap(), fs::read(job.path("one.db")).unwrap());

    let stored = server.stored(FOLDER).join("one");
    assert_eq!(names_in(&stored), ["etcd.db", "recovery.json", "snapshot.json"]);
    let recovery: Value =
        serde_json::from_slice(&fs::read(stored.join("recovery.json")).unwrap()).unwrap();
    let [namespace, secret] = recovery["items"].as_array().unwrap().as_slice() else {
        panic!("{recovery}")
    };
    assert_eq!(secret["stringData"], json!({"tls.crt": "a", "tls.key": "private"}));
    let listed: Value = serde_json::from_str(
        namespace["metadata"]["annotations"]["nagaya.dev/snapshots"].as_str().unwrap(),
    )
    .unwrap();
    let location = format!("{}/snapshots/{FOLDER}", server.endpoint());
    assert_eq!((&listed[0]["name"], &listed[0]["location"]), (&json!("one"), &json!(location)));
}

#[test]
fn the_oldest_go_and_what_is_protected_or_of_another_cluster_stays() {
    let server = Server::start();
    Job::of(&server, "another").save("before", &[]);
    let job = Job::of(&server, "own");
    for name in ["a", "b", "c"] {
        job.save(name, &[]);
    }
    assert_eq!(job.told(), ["b", "c"]);
    job.save("d", &["--protect=b"]);
    assert_eq!(job.told(), ["b", "d"]);
    assert_eq!(names_in(&server.stored(FOLDER)), ["b", "before", "d"]);
    let gone = says(&job.fetch("a"));
    assert!(gone.contains("there is no snapshot a in https://"), "{gone}");
}

#[test]
fn one_without_a_manifest_does_not_count_and_goes_when_it_is_old() {
    let server = Server::start();
    let job = Job::of(&server, "own");
    job.save("a", &[]);
    for name in ["half", "old"] {
        let half = server.stored(FOLDER).join(name);
        fs::create_dir(&half).unwrap();
        fs::write(half.join("etcd.db"), "half").unwrap();
    }
    let hours_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(3);
    let old = fs::File::options().write(true).open(server.stored(FOLDER).join("old/etcd.db"));
    old.unwrap().set_modified(hours_ago).unwrap();
    // Another tenant's, whose folder is below this one.
    let below = server.stored(FOLDER).join("below/other");
    fs::create_dir_all(&below).unwrap();
    fs::write(below.join("snapshot.json"), "{}").unwrap();
    job.save("b", &[]);
    assert_eq!(job.told(), ["a", "b"]);
    assert_eq!(names_in(&server.stored(FOLDER)), ["a", "b", "below", "half"]);
    assert!(says(&job.fetch("half")).contains("there is no snapshot half"));
}

#[test]
fn one_that_was_changed_in_the_bucket_is_not_restored_and_nothing_is_stopped_for_it() {
    let server = Server::start();
    let job = Job::of(&server, "own");
    job.save("a", &[]);
    let stored = server.stored(FOLDER).join("a/etcd.db");
    let mut content = fs::read(&stored).unwrap();
    content[100] ^= 1;
    fs::write(&stored, &content).unwrap();
    assert!(says(&job.fetch("a")).contains("its content is not what was written"));
    let protecting = job.upload("b", 8, &["--protect=a"]);
    assert!(says(&protecting).contains("a/etcd.db is damaged"), "{protecting:?}");
    assert_eq!(names_in(&server.stored(FOLDER)), ["a"]);
    fs::write(&stored, &content[..1000]).unwrap();
    assert!(says(&job.fetch("a")).contains("is damaged"), "{}", says(&job.fetch("a")));
    fs::remove_file(&stored).unwrap();
    assert!(says(&job.fetch("a")).contains("its manifest is there and it is not"));
}

#[test]
fn what_is_wrong_with_a_bucket_is_named_with_the_field_to_correct() {
    let server = Server::start();
    let other = |option: &'static str, value: &str| {
        Job { other: Some((option, value.to_owned())), ..Job::of(&server, "own") }.refusal()
    };
    let holds = |text: &str, what: &str| assert!(text.contains(what), "{text}");
    holds(
        &other("bucket", "none"),
        "there is no bucket none; create it, or correct spec.snapshots.s3.bucket",
    );
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    holds(
        &other("endpoint", &format!("https://{nobody}")),
        "look whether spec.snapshots.s3.endpoint",
    );
    holds(&other("endpoint", "https://s3.invalid"), "look whether spec.snapshots.s3.endpoint");
    holds(&other("region", "mars-1"), "correct spec.snapshots.s3.region");

    let with = |file: &str, content: Option<&str>| {
        let job = Job::of(&server, "own");
        let path = job.path("credentials").join(file);
        match content {
            Some(content) => fs::write(path, content).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        job.refusal()
    };
    holds(&with("accessKeyID", Some("nobody")), "does not know accessKeyID of Secret acme/s3");
    holds(&with("secretAccessKey", Some("wrong")), "secretAccessKey of Secret acme/s3");
    holds(&with("secretAccessKey", None), "has no key secretAccessKey");
    holds(&with("ca.crt", Some("none")), "ca.crt of Secret acme/s3");
    let ca = with("ca.crt", None);
    holds(&ca, "is not trusted");
    holds(&ca, "key ca.crt of Secret acme/s3 (spec.snapshots.s3.secretName)");
}
