//! A real Prometheus, Debian's, on loopback, with its data in a folder of its own. It ends with its owner.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::exporter::{self, COMPONENTS};
use crate::{checkout, list, text};

/// Starting takes a second, and three scrapes three more; a machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);
const INSTALL: &str = "apt-get install prometheus";
/// A rate needs two scrapes.
const SCRAPES: &str = "min(count_over_time(up[1m]) * up) >= 3";

/// Scrapes the exporter once a second and evaluates the rules.
pub struct Prometheus {
    process: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Prometheus {
    /// Returns once everything has been scraped often enough.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prometheus.yaml");
        std::fs::write(&file, configuration(exporter::start())).unwrap();
        // Free a moment ago; somebody else would have to take it within milliseconds.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        // It becomes Prometheus, which then ends also with a test that is killed.
        let process = Command::new("setpriv")
            .args(["--pdeathsig=KILL", "prometheus"])
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=warn")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut started = Self { process, address, _folder: folder };
        started.wait();
        started
    }

    fn wait(&mut self) {
        let started = Instant::now();
        while self.ask(SCRAPES).is_none_or(|found| found.is_empty()) {
            let ended = self.process.try_wait().unwrap();
            assert_eq!(ended, None, "its words are above; if it is missing: {INSTALL}");
            assert!(started.elapsed() < PATIENCE, "prometheus has not scraped everything");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// What the query finds now; fails if Prometheus does not accept it.
    pub fn query(&self, query: &str) -> Vec<Value> {
        self.ask(query).unwrap_or_else(|| panic!("prometheus does not accept {query}"))
    }

    /// The rules that it has loaded, with how their last evaluation went.
    pub fn rules(&self) -> Vec<Value> {
        let rules = self.get("/api/v1/rules").unwrap();
        list(&rules["data"], "groups").flat_map(|group| list(group, "rules").cloned()).collect()
    }

    fn ask(&self, query: &str) -> Option<Vec<Value>> {
        let encoded: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let answer = self.get(&format!("/api/v1/query?query={encoded}"))?;
        (answer["status"] == "success").then(|| list(&answer["data"], "result").cloned().collect())
    }

    /// `None`: it does not listen yet.
    fn get(&self, path: &str) -> Option<Value> {
        let mut connection = TcpStream::connect(self.address).ok()?;
        // By HTTP/1.0 the answer ends where the connection does.
        write!(connection, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Jobs and labels as `manifests/monitoring/` sets them.
fn configuration(exporter: SocketAddr) -> String {
    let rules = checkout("manifests/monitoring/rules.yaml");
    let mut text = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
         rule_files: ['{}']\n\
         scrape_configs:\n\
         - job_name: nagaya-metrics\n  \
           honor_labels: true\n  \
           static_configs: [{{targets: ['{exporter}']}}]\n",
        rules.display()
    );
    for (job, _) in COMPONENTS {
        let labels = "pod: etcd-0, tenant_namespace: acme, tenant_name: demo";
        write!(
            text,
            "- job_name: {job}\n  metrics_path: /{job}\n  \
               static_configs: [{{targets: ['{exporter}'], labels: {{{labels}}}}}]\n"
        )
        .unwrap();
    }
    text
}

/// Whether the rule was evaluated without an error.
pub fn is_healthy(rule: &Value) -> bool {
    text(&rule["health"]) == "ok"
}
