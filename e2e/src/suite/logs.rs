//! What stays of a sandbox in which a test failed: its logs, since the sandbox itself goes.

use std::fs;
use std::path::Path;

use crate::command::output;
use crate::error::{IoContext, Result};
use crate::host::{self, Service};
use crate::progress::say;
use crate::{kubectl, paths, state};

/// What the management cluster is asked, and the file for the answer.
const QUESTIONS: [(&str, &[&str]); 3] = [
    ("pods.txt", &["get", "pods,tnc,jointokens", "-A", "-o", "wide"]),
    ("events.txt", &["get", "events", "-A", "--sort-by=.lastTimestamp"]),
    (
        "nagaya.log",
        &[
            "logs",
            "-n",
            "nagaya-system",
            "-l",
            "app.kubernetes.io/name=nagaya",
            "--prefix",
            "--tail=-1",
        ],
    ),
];

/// Keeps the logs in the cache, in place of those of the last failure, and says where.
pub fn keep() {
    let folder = paths::cache().join("last-test-failure");
    let kept = paths::remove_folder(&folder).and_then(|()| paths::make_folder(&folder));
    let kept = kept.and_then(|()| keep_hosts(&folder));
    for (name, words) in QUESTIONS {
        let answer = kubectl::kubectl(words).unwrap_or_else(|error| error.to_string());
        // One that cannot be kept is no reason to lose the others.
        let _ = fs::write(folder.join(name), answer);
    }
    match kept {
        Ok(()) => say(&format!("The sandbox's logs are kept in {}", folder.display())),
        Err(error) => say(&format!("Some of the sandbox's logs could not be kept: {error}")),
    }
}

fn keep_hosts(folder: &Path) -> Result<()> {
    for record in state::hosts()? {
        let host = host::of(record);
        for service in [Service::Containerd, Service::Kubelet] {
            let text = output(&mut host.log(service)).unwrap_or_else(|error| error.to_string());
            let path = folder.join(format!("{}-{}.log", host.name(), service.name()));
            fs::write(&path, text).on("write", &path)?;
        }
    }
    Ok(())
}
