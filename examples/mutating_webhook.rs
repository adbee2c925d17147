//! `mutating_webhook`: an admission webhook that sets one field of whatever object it is asked about, as a careless
//! one of an operator's does. `e2e/src/ring/webhook.rs` starts it and reads from its one line where it is; it ends
//! with its standard input.

use std::error::Error;
use std::io;
use std::net::Ipv4Addr;
use std::process::exit;
use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Parser;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use nagaya_pki::{CertificateAuthority, LeafRequest, Usage};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

type Failure = Box<dyn Error + Send + Sync>;

const LIFE: SignedDuration = SignedDuration::from_hours(24);

/// Sets a field.
#[derive(Parser)]
struct Options {
    /// JSON pointer of the field.
    #[arg(long)]
    path: String,
    /// Its value.
    #[arg(long, value_name = "JSON", value_parser = |text: &str| text.parse::<Value>())]
    value: Value,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let authority = CertificateAuthority::generate("mutating-webhook", Timestamp::now(), LIFE)?;
    let acceptor = TlsAcceptor::from(Arc::new(server_config(&authority)?));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("https://{}/", listener.local_addr()?);
    println!("{}", json!({"url": url, "caBundle": STANDARD.encode(authority.cert_pem())}));
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        exit(0)
    });
    let patch = json!([{"op": "add", "path": options.path, "value": options.value}]).to_string();
    let patch: Arc<str> = STANDARD.encode(patch).into();
    loop {
        let (stream, _) = listener.accept().await?;
        let (acceptor, patch) = (acceptor.clone(), Arc::clone(&patch));
        tokio::spawn(async move {
            let service = service_fn(|request| review(request, &patch));
            // A client that goes away is no news.
            if let Ok(stream) = acceptor.accept(stream).await {
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            }
        });
    }
}

/// Kubernetes' `admission.k8s.io/v1` `AdmissionReview`.
async fn review(request: Request<Incoming>, patch: &str) -> Result<Response<Full<Bytes>>, Failure> {
    let asked: Value = serde_json::from_slice(&request.into_body().collect().await?.to_bytes())?;
    let said = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": {
            "uid": asked["request"]["uid"], "allowed": true, "patchType": "JSONPatch", "patch": patch,
        },
    });
    let response = Response::builder().header(header::CONTENT_TYPE, "application/json");
    Ok(response.body(Full::new(Bytes::from(said.to_string())))?)
}

fn server_config(authority: &CertificateAuthority) -> Result<ServerConfig, Failure> {
    let request = LeafRequest {
        common_name: "mutating-webhook".to_owned(),
        organization: None,
        dns_names: Vec::new(),
        ip_addresses: vec![Ipv4Addr::LOCALHOST.into()],
        usage: Usage::ServerAuth,
        validity: LIFE,
    };
    let leaf = authority.issue(&request, Timestamp::now())?;
    let chain = vec![CertificateDer::from_pem_slice(leaf.cert_pem().as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem().as_bytes())?;
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    Ok(builder
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?)
}
