//! A gateway whose routes the test makes, servers behind it that speak TLS or just TCP, and clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use nagaya_gateway::config::Settings;
use nagaya_gateway::gateway::Gateway;
use nagaya_gateway::meter::Limits;
use nagaya_gateway::metrics::Metrics;
use nagaya_gateway::routes::{Claim, Routes, ServiceKey, Table};
use nagaya_pki::{CertificateAuthority, LeafRequest, Usage};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// What the TLS servers say when they have read a line.
pub const HELLO: &str = "hello from ";

pub struct Stage {
    pub gateway: Gateway,
    pub metrics: Arc<Metrics>,
    pub tables: watch::Receiver<Arc<Table>>,
    pub settings: Settings,
    routes: Routes,
    publish: watch::Sender<Arc<Table>>,
    pub pki: Pki,
}

/// A CA, and a certificate for every name below `example.com` that the tests use.
pub struct Pki {
    pub ca_pem: String,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Stage {
    /// With these flags beside the ones that a test needs.
    pub fn new(flags: &[&str]) -> Self {
        let needed = ["--listen=127.0.0.1:0", "--workers=2"];
        let settings = Settings::with(&[&needed, flags].concat()).unwrap();
        let metrics = Arc::new(Metrics::default());
        let (publish, tables) = watch::channel(Arc::default());
        let gateway =
            Gateway::start(settings.clone(), tables.clone(), Arc::clone(&metrics)).unwrap();
        let limits = Limits { connections: settings.connections, rate: settings.connection_rate };
        let (routes, pki) = (Routes::new(limits), Pki::new());
        Self { gateway, metrics, tables, settings, routes, publish, pki }
    }

    pub fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// `names` lead to `backend`, by the Service `service`.
    pub fn route(&mut self, service: &str, names: &[&str], backend: SocketAddr) {
        self.limited_route(service, names, backend, (None, None));
    }

    pub fn limited_route(
        &mut self,
        service: &str,
        names: &[&str],
        backend: SocketAddr,
        (connections, rate): (Option<u32>, Option<u32>),
    ) {
        self.routes.set(Claim {
            service: key(service),
            tenant: format!("acme/{service}"),
            created: 0,
            names: names.iter().map(|name| (*name).into()).collect(),
            backend: Some(backend),
            connections,
            rate,
            problems: Vec::new(),
        });
        self.publish.send_replace(Arc::new(self.routes.table()));
    }

    pub fn remove(&mut self, service: &str) {
        self.routes.remove(&key(service));
        self.publish.send_replace(Arc::new(self.routes.table()));
    }

    /// A connection to the gateway.
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address()).await.unwrap()
    }

    /// A TLS client of the gateway, once its handshake is done.
    pub async fn client(&self, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        self.pki.handshake(self.connect().await, name).await
    }

    /// A metric's value.
    pub fn metric(&self, line: &str) -> u64 {
        let text = self.metrics.encode().unwrap();
        let value = text.lines().find_map(|said| said.strip_prefix(line)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {line} in {text}"))
    }

    pub fn refused(&self, reason: &str) -> u64 {
        self.metric(&format!("nagaya_gateway_refused_total{{reason=\"{reason}\"}}"))
    }

    /// Waits until that many connections are open.
    pub async fn until_open(&self, connections: i64) {
        until(|| self.gateway.connections() == connections).await;
    }
}

fn key(service: &str) -> ServiceKey {
    ServiceKey { namespace: "plane".to_owned(), name: service.to_owned() }
}

/// Waits for something that comes by itself.
pub async fn until(holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
}

impl Pki {
    fn new() -> Self {
        let (now, day) = (Timestamp::now(), SignedDuration::from_hours(24));
        let ca = CertificateAuthority::generate("gateway test", now, day).unwrap();
        let request = LeafRequest {
            common_name: "server".to_owned(),
            organization: None,
            dns_names: vec!["*.example.com".to_owned(), "localhost".to_owned()],
            ip_addresses: vec![[127, 0, 0, 1].into()],
            usage: Usage::ServerAuth,
            validity: day,
        };
        let leaf = ca.issue(&request, now).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(leaf.cert_pem().as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(leaf.key_pem().as_bytes()).unwrap();
        let server = ServerConfig::builder().with_no_client_auth();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.cert_pem().as_bytes()).unwrap()).unwrap();
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Self {
            ca_pem: ca.cert_pem().to_owned(),
            server: Arc::new(server.with_single_cert(chain, key).unwrap()),
            client: Arc::new(client),
        }
    }

    /// TLS over a connection that is there.
    pub async fn handshake(
        &self,
        stream: TcpStream,
        name: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::clone(&self.client)).connect(name, stream).await
    }

    /// A `ClientHello` as rustls sends it.
    pub fn hello(&self, name: &str) -> Vec<u8> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = ClientConnection::new(Arc::clone(&self.client), name).unwrap();
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// A TLS server that answers each line with [`HELLO`], its own name and the line.
    pub async fn server(&self, name: &'static str) -> SocketAddr {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.server));
        serve(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut line = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    line.push(byte);
                    if byte == b'\n' {
                        let answer = [HELLO.as_bytes(), name.as_bytes(), b": ", &line].concat();
                        if stream.write_all(&answer).await.is_err() {
                            return;
                        }
                        line.clear();
                    }
                }
            }
        })
        .await
    }
}

/// A server on a free port that does with each connection what it is told.
pub async fn serve<F: Future<Output = ()> + Send + 'static>(
    each: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(each(stream));
        }
    });
    address
}

/// One question and its answer.
pub async fn ask(stream: &mut TlsStream<TcpStream>, line: &str) -> String {
    stream.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while answer.last() != Some(&b'\n') {
        answer.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(answer).unwrap()
}

/// All that comes until the other side ends, which it does well.
pub async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await.unwrap().unwrap();
    all
}
