//! The verb `wait`: init container of control-plane pods.
//!
//! kube-controller-manager exits if its API server is not healthy within 10 s, and a crash costs a
//! back-off of 10 s; so it is not started before. There is no shell in the image, hence a verb. It runs
//! in every control-plane pod, so it has to be small: blocking sockets, no async runtime.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use http::Uri;
use jiff::SignedDuration;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const INTERVAL: Duration = Duration::from_millis(100);
/// For each of connect, write and read.
const STEP_TIMEOUT: Duration = Duration::from_secs(2);
/// `HTTP/1.1 200`.
const STATUS_LENGTH: usize = 12;

/// What to wait for.
#[derive(Debug, clap::Args)]
pub struct WaitOptions {
    /// HTTPS address to ask, such as `https://kube-apiserver:6443/livez`; its name is resolved again for each try.
    #[arg(long)]
    url: Uri,
    /// PEM file with the CA certificates that the server's certificate is checked against.
    #[arg(long)]
    ca_file: PathBuf,
    /// Give up after this long (`90s`, `5m`); without it, never.
    #[arg(long)]
    timeout: Option<SignedDuration>,
}

/// Why waiting failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be asked.
    #[error("--url {0}: must be https://HOST[:PORT]/PATH")]
    Url(String),
    /// The CA file cannot be used.
    #[error("--ca-file {path}: {why}")]
    CaFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// Time is up.
    #[error("{url} did not answer 200 within {timeout:#}: {last}")]
    TimedOut {
        /// The address.
        url: String,
        /// `--timeout`.
        timeout: SignedDuration,
        /// What the last try met.
        last: String,
    },
}

/// Asks until the server answers 200. Each new obstacle is printed once.
///
/// # Errors
/// [`Error`]; an address or CA file that can never work fails at once.
pub fn until_ok(options: &WaitOptions) -> Result<(), Error> {
    let endpoint = Endpoint::parse(options)?;
    let started = Instant::now();
    let mut last = String::new();
    loop {
        match endpoint.ask() {
            // Not 403 either, which a kube-apiserver answers until its roles are written: from its start
            // kube-controller-manager gives it only 10 s to become healthy.
            Ok(200) => return Ok(()),
            outcome => {
                let now =
                    outcome.map_or_else(|error| error.to_string(), |code| format!("HTTP {code}"));
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
        sleep(INTERVAL);
    }
}

struct Endpoint {
    host: String,
    port: u16,
    request: String,
    server_name: ServerName<'static>,
    tls: Arc<ClientConfig>,
}

impl Endpoint {
    fn parse(options: &WaitOptions) -> Result<Self, Error> {
        let url = || Error::Url(options.url.to_string());
        let authority = options.url.authority().ok_or_else(url)?;
        if options.url.scheme_str() != Some("https") {
            return Err(url());
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        Ok(Self {
            server_name: ServerName::try_from(host.clone()).map_err(|_| url())?,
            port: authority.port_u16().unwrap_or(443),
            request: format!(
                "GET {} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: nagaya-wait\r\nConnection: close\r\n\r\n",
                options.url.path_and_query().map_or("/", |path| path.as_str())
            ),
            host,
            tls: Arc::new(trusting(&options.ca_file)?),
        })
    }

    /// One try; the status code.
    fn ask(&self) -> io::Result<u16> {
        let session = ClientConnection::new(self.tls.clone(), self.server_name.clone())
            .map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, self.connect()?);
        stream.write_all(self.request.as_bytes())?;
        let mut status = [0; STATUS_LENGTH];
        stream.read_exact(&mut status)?;
        std::str::from_utf8(&status)
            .ok()
            .and_then(|line| line.strip_prefix("HTTP/1.1 "))
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| io::Error::other("the answer is not HTTP/1.1"))
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
