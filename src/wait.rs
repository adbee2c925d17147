//! The verb `wait`: init container of control-plane pods.
//!
//! kube-controller-manager exits if its API server is not healthy within 10 s, and a crash costs a
//! back-off of 10 s; kube-apiserver asks an etcd that is not there with growing pauses, which cost 2 to
//! 4 s of a birth. So neither is started before. There is no shell in the image, hence a verb. It runs
//! in every control-plane pod, so it has to be small: blocking sockets, no async runtime.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::sleep;
use std::time::{Duration, Instant};

use http::Uri;
use http::uri::Authority;
use jiff::SignedDuration;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use signal_hook::consts::SIGTERM;
use signal_hook::flag;

/// Between two tries at first, and at most.
const INTERVALS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];
/// How many pauses long one has waited, once that makes the pause longer: of many that start at once, each try, with its
/// questions to DNS, is taken from what they wait for.
const WAITED_PER_PAUSE: u32 = 40;
/// For each of connect, write and read.
const STEP_TIMEOUT: Duration = Duration::from_secs(2);
/// `HTTP/1.1 200`.
const STATUS_LENGTH: usize = 12;
/// Exit code of a process that SIGTERM ended, as shells have it.
const TERMINATED: i32 = 128 + SIGTERM;

/// What to wait for.
#[derive(Debug, clap::Args)]
pub struct WaitOptions {
    /// What to ask: `https://kube-apiserver:6443/livez` until it answers 200, `tcp://etcd-client:2379` until it
    /// accepts a connection. The name is resolved again for each try.
    #[arg(long)]
    url: Uri,
    /// PEM file with the CA certificates that an HTTPS server's certificate is checked against.
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// Give up after this long (`90s`, `5m`); without it, never.
    #[arg(long)]
    timeout: Option<SignedDuration>,
}

/// Why waiting failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be asked.
    #[error("--url {0}: must be https://HOST[:PORT]/PATH or tcp://HOST:PORT")]
    Url(String),
    /// There is nothing to check a certificate against.
    #[error("--url {0}: needs --ca-file")]
    NoCaFile(String),
    /// The CA file cannot be used.
    #[error("--ca-file {path}: {why}")]
    CaFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The kernel does not let us be told to end.
    #[error("cannot handle SIGTERM: {0}")]
    Signal(#[source] io::Error),
    /// Time is up.
    #[error("{url} was not there within {timeout:#}: {last}")]
    TimedOut {
        /// The address.
        url: String,
        /// `--timeout`.
        timeout: SignedDuration,
        /// What the last try met.
        last: String,
    },
}

/// Asks until the server is there. Each new obstacle is printed once.
///
/// # Errors
/// [`Error`]; an address or CA file that can never work fails at once.
pub fn until_ok(options: &WaitOptions) -> Result<(), Error> {
    let endpoint = Endpoint::parse(options)?;
    // The kernel ignores SIGTERM for a container's first process unless it is handled: a deleted pod would
    // wait for its whole grace period.
    flag::register_conditional_shutdown(SIGTERM, TERMINATED, Arc::new(AtomicBool::new(true)))
        .map_err(Error::Signal)?;
    let started = Instant::now();
    let mut last = String::new();
    loop {
        match endpoint.ask() {
            Ok(()) => return Ok(()),
            Err(obstacle) => {
                let now = obstacle.to_string();
                if now != last {
                    eprintln!("waiting for {}: {now}", options.url);
                    last = now;
                }
            }
        }
        if let Some(timeout) = options.timeout
            && started.elapsed() >= timeout.unsigned_abs()
        {
            return Err(Error::TimedOut { url: options.url.to_string(), timeout, last });
        }
        sleep(pause(started.elapsed()));
    }
}

fn pause(waited: Duration) -> Duration {
    let [least, most] = INTERVALS;
    (waited / WAITED_PER_PAUSE).clamp(least, most)
}

struct Endpoint {
    host: String,
    port: u16,
    /// What is asked once the connection stands; `None`: that it stands is enough.
    question: Option<Question>,
}

struct Question {
    request: String,
    server_name: ServerName<'static>,
    tls: Arc<ClientConfig>,
}

impl Endpoint {
    fn parse(options: &WaitOptions) -> Result<Self, Error> {
        let url = || Error::Url(options.url.to_string());
        let authority = options.url.authority().ok_or_else(url)?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let (port, question) = match (options.url.scheme_str(), authority.port_u16()) {
            (Some("https"), port) => {
                let server_name = ServerName::try_from(host.clone()).map_err(|_| url())?;
                (port.unwrap_or(443), Some(Question::parse(options, authority, server_name)?))
            }
            (Some("tcp"), Some(port)) => (port, None),
            _ => return Err(url()),
        };
        Ok(Self { host, port, question })
    }

    /// One try.
    fn ask(&self) -> io::Result<()> {
        let stream = self.connect()?;
        self.question.as_ref().map_or(Ok(()), |question| question.ask(stream))
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut failure = io::Error::other("the name has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match dial(address) {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

impl Question {
    fn parse(
        options: &WaitOptions,
        authority: &Authority,
        server_name: ServerName<'static>,
    ) -> Result<Self, Error> {
        let ca_file =
            options.ca_file.as_ref().ok_or_else(|| Error::NoCaFile(options.url.to_string()))?;
        let path = options.url.path_and_query().map_or("/", |path| path.as_str());
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: nagaya-wait\r\nConnection: close\r\n\r\n"
        );
        Ok(Self { request, server_name, tls: Arc::new(trusting(ca_file)?) })
    }

    /// Anything but 200 is no yes. Not 403 either, which a kube-apiserver answers until its roles are written:
    /// from its start kube-controller-manager gives it only 10 s to become healthy.
    fn ask(&self, stream: TcpStream) -> io::Result<()> {
        let session = ClientConnection::new(self.tls.clone(), self.server_name.clone())
            .map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, stream);
        stream.write_all(self.request.as_bytes())?;
        let mut status = [0; STATUS_LENGTH];
        stream.read_exact(&mut status)?;
        match std::str::from_utf8(&status).ok().and_then(|line| line.strip_prefix("HTTP/1.1 ")) {
            Some("200") => Ok(()),
            Some(code) => Err(io::Error::other(format!("HTTP {code}"))),
            None => Err(io::Error::other("the answer is not HTTP/1.1")),
        }
    }
}

fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, STEP_TIMEOUT)?;
    stream.set_read_timeout(Some(STEP_TIMEOUT))?;
    stream.set_write_timeout(Some(STEP_TIMEOUT))?;
    Ok(stream)
}

fn trusting(ca_file: &Path) -> Result<ClientConfig, Error> {
    let unusable = |why: String| Error::CaFile { path: ca_file.display().to_string(), why };
    let mut roots = RootCertStore::empty();
    for certificate in
        CertificateDer::pem_file_iter(ca_file).map_err(|error| unusable(error.to_string()))?
    {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable("holds no certificate".to_owned()));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_long_looks_less_often() {
        let pauses = [0, 4, 12, 40, 600].map(|waited| pause(Duration::from_secs(waited)));
        assert_eq!(pauses.map(|pause| pause.as_millis()), [100, 100, 300, 1000, 1000]);
    }
}
