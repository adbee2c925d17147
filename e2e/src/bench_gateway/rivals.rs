//! Who is measured: the gateway, HAProxy and nginx, with the same names and as many threads; and nobody at all.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;

use super::Programs;
use super::load::{Load, backends, serve};
use crate::bench_scale::cluster::kubeconfig;
use crate::bench_scale::daemon::Daemon;
use crate::bench_scale::ground::FOLDER;
use crate::bench_scale::wait;
use crate::error::IoContext as _;
use crate::figures::float;
use crate::paths;
use crate::ring::{Failure, Look, Outcome};

/// How long they may take to serve all names.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rival {
    Direct,
    Gateway,
    Haproxy,
    Nginx,
}

impl Rival {
    pub const ALL: [Self; 4] = [Self::Direct, Self::Gateway, Self::Haproxy, Self::Nginx];

    /// Where it listens; none: there is nobody between.
    pub fn target(self) -> Option<&'static str> {
        match self {
            Self::Direct => None,
            Self::Gateway => Some("127.0.0.1:9440"),
            Self::Haproxy => Some("127.0.0.1:9441"),
            Self::Nginx => Some("127.0.0.1:9442"),
        }
    }
}

/// All of them, running.
pub struct Rivals {
    pub load: Load,
    server: Daemon,
    gateway: Daemon,
    haproxy: Daemon,
    nginx: Daemon,
}

impl Rivals {
    /// Ends when each serves the last of the names.
    pub fn start(routes: usize, programs: &Programs) -> Outcome<Self> {
        let threads = available_parallelism()?.get();
        let program = programs.load.display().to_string();
        let rivals = Self {
            server: serve(&program)?,
            gateway: gateway(&programs.gateway, threads)?,
            haproxy: haproxy(routes, threads)?,
            nginx: nginx(routes, threads)?,
            load: Load { program, routes },
        };
        for rival in Rival::ALL {
            wait::until(&format!("{rival:?} serves all names"), PATIENCE, PAUSE, || {
                let held = rivals.load.hold(rival, routes, 0);
                Ok(Look::done_if(held.is_ok(), || {
                    held.err().map(|failure| failure.to_string()).unwrap_or_default()
                }))
            })?;
        }
        Ok(rivals)
    }

    /// Bytes that a rival's processes have for themselves (of what they share with others, their part).
    pub fn memory(&self, rival: Rival) -> Outcome<f64> {
        let first = match rival {
            Rival::Direct => &self.server,
            Rival::Gateway => &self.gateway,
            Rival::Haproxy => &self.haproxy,
            Rival::Nginx => &self.nginx,
        };
        let mut all = vec![first.id()];
        all.extend(children(first.id()));
        all.into_iter().map(pss).sum()
    }
}

fn pss(process: u32) -> Outcome<f64> {
    let text = paths::read_text(Path::new(&format!("/proc/{process}/smaps_rollup")))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let kib = kib.ok_or_else(|| Failure::new(format!("process {process} has no memory")))?;
    Ok(float(kib * 1024))
}

fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |number: &u32| {
        let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        // Behind the name: the state, and the parent (proc(5)).
        let fields = stat.rsplit(") ").next().unwrap_or_default();
        fields.split_whitespace().nth(1).is_some_and(|text| text == parent.to_string())
    };
    numbers.filter(is_child).collect()
}

fn gateway(program: &Path, threads: usize) -> Outcome<Daemon> {
    let words = [
        program.display().to_string(),
        format!("--listen={}", Rival::Gateway.target().unwrap_or_default()),
        "--admin=127.0.0.1:9450".to_owned(),
        format!("--kubeconfig={}", kubeconfig("admin").display()),
        format!("--workers={threads}"),
    ];
    Daemon::start("nagaya-gateway", &words, &[])
}

/// As its documentation routes by server name; what is large goes through a pipe, as with the gateway.
fn haproxy(routes: usize, threads: usize) -> Outcome<Daemon> {
    let target = Rival::Haproxy.target().unwrap_or_default();
    let (mut map, mut servers) = (String::new(), String::new());
    for (host, address) in backends(routes) {
        // Writing to a String cannot fail.
        let _ = writeln!(map, "{host} {host}");
        let _ = writeln!(servers, "backend {host}\n  server one {address}");
    }
    let map = write("haproxy.map", &map)?;
    let configuration = format!(
        "global\n  nbthread {threads}\n  maxconn 7000\n\
         defaults\n  mode tcp\n  option splice-auto\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n\
         frontend tenants\n  bind {target}\n  maxconn 7000\n  tcp-request inspect-delay 10s\n  \
         tcp-request content accept if {{ req_ssl_hello_type 1 }}\n  \
         use_backend %[req.ssl_sni,lower,map({})]\n{servers}",
        map.display()
    );
    let file = write("haproxy.cfg", &configuration)?;
    let words = ["/usr/sbin/haproxy".to_owned(), "-db".to_owned(), "-f".to_owned(), text(&file)];
    Daemon::start("haproxy", &words, &[])
}

/// As its documentation does.
fn nginx(routes: usize, threads: usize) -> Outcome<Daemon> {
    let target = Rival::Nginx.target().unwrap_or_default();
    let names = backends(routes).fold(String::new(), |mut names, (host, address)| {
        let _ = writeln!(names, "    {host} {address};");
        names
    });
    let configuration = format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n\
         daemon off;\nuser root;\npid {FOLDER}/nginx.pid;\nerror_log stderr warn;\n\
         worker_processes {threads};\nworker_rlimit_nofile 20000;\n\
         events {{ worker_connections 18000; }}\n\
         stream {{\n  map_hash_max_size 8192;\n  map_hash_bucket_size 128;\n  \
         map $ssl_preread_server_name $backend {{\n{names}  }}\n  \
         server {{\n    listen {target} backlog=4096;\n    ssl_preread on;\n    tcp_nodelay on;\n    proxy_pass $backend;\n    \
         proxy_connect_timeout 5s;\n    proxy_timeout 1h;\n  }}\n}}\n"
    );
    let file = write("nginx.conf", &configuration)?;
    let words = ["/usr/sbin/nginx".to_owned(), "-c".to_owned(), text(&file)];
    Daemon::start("nginx", &words, &[])
}

fn write(name: &str, content: &str) -> Outcome<PathBuf> {
    let path = Path::new(FOLDER).join(name);
    fs::write(&path, content).on("write", &path)?;
    Ok(path)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
