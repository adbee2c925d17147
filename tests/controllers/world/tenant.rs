//! The tenant's own API server: in memory too, but behind real TLS, with the certificate that Nagaya has put
//! into the plane, at the addresses that the plane's Services have. It takes a new certificate without a restart, as
//! kube-apiserver does (`dynamiccertificates`).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use nagaya_api::labels;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::signers::text;
use super::{Network, gateway};
use crate::memory_api::{EXTERNAL_ADDRESS, MemoryApi, NODE_ADDRESS};

/// What kube-apiserver makes for itself.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// Services that may be an endpoint.
pub const PUBLIC: [&str; 2] = ["kube-apiserver-public", "kube-apiserver-public-2"];

/// A running API server; ends when dropped.
pub struct Tenant {
    /// What its certificate is from.
    certificate: Arc<Value>,
    acceptor: watch::Sender<TlsAcceptor>,
    api: MemoryApi,
    _inside: JoinSet<()>,
    /// By where it listens.
    outside: BTreeMap<Option<SocketAddr>, JoinSet<()>>,
}

impl Tenant {
    /// Starts the API server of the plane in `namespace`, with the content `api`, if its Services lead to it.
    pub fn start(
        network: &Network,
        planes: &MemoryApi,
        namespace: &str,
        api: &MemoryApi,
    ) -> Option<Self> {
        let certificate = certificate(planes, namespace)?;
        let acceptor = watch::Sender::new(acceptor(&certificate));
        let internal = planes.get("Service", namespace, "kube-apiserver")?;
        outside(planes, namespace).first()?;
        for name in NAMESPACES {
            api.create(&json!({"kind": "Namespace", "metadata": {"name": name}}));
        }
        let cluster_ip = internal["spec"]["clusterIP"].as_str().unwrap();
        let arriving = network.listen(format!("{cluster_ip}:6443").parse().unwrap());
        let mut inside = JoinSet::new();
        inside.spawn(listen(arriving, acceptor.subscribe(), api.clone()));
        let (api, outside) = (api.clone(), BTreeMap::new());
        let mut tenant = Self { certificate, acceptor, api, _inside: inside, outside };
        tenant.follow(network, planes, namespace);
        Some(tenant)
    }

    /// It listens where the Services of the plane in `namespace` lead to it now, and who connects from now on is shown
    /// the certificate that the plane has now.
    pub fn follow(&mut self, network: &Network, planes: &MemoryApi, namespace: &str) {
        if let Some(now) = certificate(planes, namespace).filter(|now| *now != self.certificate) {
            self.acceptor.send_replace(acceptor(&now));
            self.certificate = now;
        }
        let wanted = outside(planes, namespace);
        self.outside.retain(|place, _| wanted.contains(place));
        for place in wanted {
            self.outside.entry(place).or_insert_with(|| {
                let mut listening = JoinSet::new();
                let arriving = match place {
                    Some(address) => network.listen(address),
                    None => gateway::listen(network, planes, namespace, &mut listening),
                };
                listening.spawn(listen(arriving, self.acceptor.subscribe(), self.api.clone()));
                listening
            });
        }
    }
}

/// Where the Services of a plane lead from: addresses, and `None` for the gateway.
fn outside(planes: &MemoryApi, namespace: &str) -> Vec<Option<SocketAddr>> {
    let services = PUBLIC.iter().filter_map(|name| planes.get("Service", namespace, name));
    services.flat_map(|service| places(planes, namespace, &service)).collect()
}

fn places(planes: &MemoryApi, namespace: &str, service: &Value) -> Vec<Option<SocketAddr>> {
    if gateway::is_led(service) {
        return vec![None];
    }
    let port = &service["spec"]["ports"][0];
    if service["spec"]["type"] == "LoadBalancer" {
        let given = service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str();
        let place = |ip: &str| format!("{ip}:{}", port["port"]).parse::<SocketAddr>().ok();
        return given.map(place).into_iter().collect();
    }
    let Some(node_port) = port["nodePort"].as_u64() else { return Vec::new() };
    let node_port = u16::try_from(node_port).unwrap();
    let node = Some(SocketAddr::from((NODE_ADDRESS, node_port)));
    let external = leads_from_outside(planes, namespace, node_port)
        .then(|| Some(SocketAddr::from((EXTERNAL_ADDRESS, 6443))));
    std::iter::once(node).chain(external).collect()
}

/// The operator leads his load balancer to the node port that was recorded for it.
fn leads_from_outside(planes: &MemoryApi, namespace: &str, node_port: u16) -> bool {
    let plane = planes.get("Namespace", "", namespace).unwrap_or_default();
    let recorded = &plane["metadata"]["annotations"][labels::ENDPOINT_NODE_PORT];
    recorded.as_str() == Some(node_port.to_string().as_str())
}

fn certificate(planes: &MemoryApi, namespace: &str) -> Option<Arc<Value>> {
    planes.get("Secret", namespace, "kube-apiserver-certs")
}

fn acceptor(secret: &Value) -> TlsAcceptor {
    let (certificate, key) = (text(secret, "apiserver.crt"), text(secret, "apiserver.key"));
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn listen(
    mut arriving: UnboundedReceiver<DuplexStream>,
    acceptor: watch::Receiver<TlsAcceptor>,
    api: MemoryApi,
) {
    let mut connections = JoinSet::new();
    while let Some(stream) = arriving.recv().await {
        let acceptor = acceptor.borrow().clone();
        connections.spawn(serve(acceptor, stream, api.clone()));
    }
}

async fn serve(acceptor: TlsAcceptor, stream: DuplexStream, api: MemoryApi) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request| {
        let api = api.clone();
        async move { api.serve(request).await }
    });
    let stream = TokioIo::new(stream);
    // A client that goes away is no news.
    let _ = if http2 {
        http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await
    } else {
        http1::Builder::new().serve_connection(stream, service).await
    };
}
