//! Watches the management cluster while tests run, and says afterwards what it saw running: images by
//! the number of pods whose containers started, and the machines.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::components::Component;
use crate::kubectl;
use crate::state::{self, HostKind, HostRecord};

/// A line for every change of a pod: its UID and the images of its containers that have started.
const STARTED: &str =
    "jsonpath={.metadata.uid} {.status.containerStatuses[?(@.started==true)].image}{\"\\n\"}";
/// Between two looks at the list of hosts, a small file.
const PAUSE: Duration = Duration::from_millis(500);

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    pods_by_image: BTreeMap<String, BTreeSet<String>>,
    machines: BTreeSet<(String, String)>,
}

/// Watches until it is asked.
pub struct Witness {
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
    watch: Arc<Mutex<Option<Child>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Witness {
    /// Begins to watch, or waits for a management cluster to watch.
    pub fn start() -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let over = Arc::new(AtomicBool::new(false));
        let watch = Arc::new(Mutex::new(None));
        let machines = {
            let (seen, over) = (Arc::clone(&seen), Arc::clone(&over));
            thread::spawn(move || watch_machines(&seen, &over))
        };
        let pods = {
            let (seen, over, watch) = (Arc::clone(&seen), Arc::clone(&over), Arc::clone(&watch));
            thread::spawn(move || watch_pods(&seen, &over, &watch))
        };
        Self { seen, over, watch, threads: vec![machines, pods] }
    }

    /// Stops watching and says what was seen, a line each.
    pub fn testimony(self) -> Vec<String> {
        self.over.store(true, Ordering::Relaxed);
        end(&self.watch);
        for thread in self.threads {
            // What it noted before it failed still counts.
            let _ = thread.join();
        }
        self.seen.lock().map(|seen| seen.told()).unwrap_or_default()
    }
}

impl Seen {
    fn pod(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let Some(uid) = words.next() else { return };
        for image in words {
            self.pods_by_image.entry(image.to_owned()).or_default().insert(uid.to_owned());
        }
    }

    fn told(&self) -> Vec<String> {
        let machines = self.machines.iter().map(|(name, what)| format!("machine {name}: {what}"));
        let images = self.pods_by_image.iter().map(|(image, pods)| match pods.len() {
            1 => format!("{image} in 1 pod"),
            several => format!("{image} in {several} pods"),
        });
        machines.chain(images).collect()
    }
}

/// A watch ends with its API server, and begins again with the next one.
fn watch_pods(seen: &Mutex<Seen>, over: &AtomicBool, watch: &Mutex<Option<Child>>) {
    while !over.load(Ordering::Relaxed) {
        let command = kubectl::command(&["get", "pods", "-A", "--watch", "-o", STARTED]);
        let child = command.ok().and_then(|mut command| {
            let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
            command.stderr(Stdio::null()).spawn().ok()
        });
        if let Some(mut child) = child {
            let from = child.stdout.take();
            if let Ok(mut watch) = watch.lock() {
                *watch = Some(child);
            }
            if over.load(Ordering::Relaxed) {
                end(watch);
            }
            for line in from.into_iter().flat_map(|from| BufReader::new(from).lines()).flatten() {
                note(seen, |seen| seen.pod(&line));
            }
            end(watch);
        }
        thread::sleep(PAUSE);
    }
}

fn end(watch: &Mutex<Option<Child>>) {
    if let Some(mut child) = watch.lock().ok().and_then(|mut watch| watch.take()) {
        // It may have ended with the cluster.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn watch_machines(seen: &Mutex<Seen>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        for record in state::hosts().unwrap_or_default() {
            note(seen, |seen| {
                seen.machines.insert((record.name.clone(), describe(&record)));
            });
        }
        thread::sleep(PAUSE);
    }
}

fn describe(record: &HostRecord) -> String {
    let kind = match record.kind {
        HostKind::Namespaces => "namespaces",
        HostKind::Vm => "virtual machine",
    };
    let version = |component: Component| component.version().unwrap_or_default();
    let kubernetes = Component::kubernetes(&record.kubernetes).map(version).unwrap_or_default();
    let containerd = version(Component::containerd());
    format!("{kind}, kubeadm and kubelet {kubernetes}, containerd {containerd}")
}

fn note(seen: &Mutex<Seen>, what: impl FnOnce(&mut Seen)) {
    if let Ok(mut seen) = seen.lock() {
        what(&mut seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_counts_once_however_often_it_changes() {
        let mut seen = Seen::default();
        for line in ["u1 ", "u1 etcd:v3", "u1 etcd:v3", "u2 etcd:v3 api:v1"] {
            seen.pod(line);
        }
        assert_eq!(seen.told(), ["api:v1 in 1 pod", "etcd:v3 in 2 pods"]);
    }
}
