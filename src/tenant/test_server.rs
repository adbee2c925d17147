//! A TLS server on loopback for tests: counts connections, speaks HTTP/2 or HTTP/1, as it is asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::{SignedDuration, Timestamp};
use nagaya_pki::{CertificateAuthority, Leaf, LeafRequest, Usage};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Dial, Tcp, TenantIdentity};
use crate::leader::{Fence, Term, boot_clock};

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) ca: CertificateAuthority,
    connections: Arc<AtomicUsize>,
}

pub(crate) fn authority(name: &str) -> CertificateAuthority {
    let day = SignedDuration::from_hours(24);
    CertificateAuthority::generate(name, Timestamp::now(), day).unwrap()
}

/// For connections that only read.
pub(crate) fn reads_only() -> Fence {
    Fence::new(Term::new(boot_clock()))
}

pub(crate) fn over_tcp() -> Arc<dyn Dial> {
    Arc::new(Tcp)
}

fn leaf(ca: &CertificateAuthority, dns: &[&str], ips: &[&str], usage: Usage) -> Leaf {
    let request = LeafRequest {
        common_name: "test".to_owned(),
        organization: None,
        dns_names: dns.iter().map(|name| (*name).to_owned()).collect(),
        ip_addresses: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        usage,
        validity: SignedDuration::from_hours(1),
    };
    ca.issue(&request, Timestamp::now()).unwrap()
}

impl TestServer {
    /// Serves for `kube-apiserver` and 127.0.0.1. `/slow` is never answered; `/watch` is, with a body
    /// that does not end.
    pub(crate) async fn start() -> Self {
        let ca = authority("kubernetes-ca-1");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let acceptor = acceptor(&leaf(&ca, &["kube-apiserver"], &["127.0.0.1"], Usage::ServerAuth));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(acceptor.clone(), stream));
            }
        });
        Self { address, ca, connections }
    }

    pub(crate) fn identity(&self) -> TenantIdentity {
        let client = leaf(&self.ca, &[], &[], Usage::ClientAuth);
        TenantIdentity {
            address: self.address,
            server_name: "kube-apiserver".to_owned(),
            ca_pem: self.ca.cert_pem().to_owned(),
            cert_pem: client.cert_pem().to_owned(),
            key_pem: client.key_pem().to_owned(),
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn acceptor(leaf: &Leaf) -> TlsAcceptor {
    let chain = CertificateDer::pem_slice_iter(leaf.cert_pem().as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem().as_bytes()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(acceptor: TlsAcceptor, stream: tokio::net::TcpStream) {
    // A client that does not like the certificate is what some tests are about.
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let (stream, service) = (TokioIo::new(stream), service_fn(answer));
    let _ = if http2 {
        http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await
    } else {
        http1::Builder::new().serve_connection(stream, service).await
    };
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == "/slow" {
        tokio::time::sleep(Duration::from_hours(1)).await;
    }
    let body =
        format!(r#"{{"path":"{}","version":"{:?}"}}"#, request.uri().path(), request.version());
    Ok(Response::new(Full::from(body)))
}
