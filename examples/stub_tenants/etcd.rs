//! The tenants' etcds: one member each, which says that it is well and how large its database is.

use std::io;
use std::sync::Arc;

use http::{Request, Response, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use nagaya_render::plane::names;
use rustls::server::Acceptor;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_rustls::LazyConfigAcceptor;

use crate::planes::Planes;

/// All members are at one address: whose a connection is, its client says (SNI).
pub async fn serve(planes: &Arc<Planes>) -> io::Result<()> {
    let address = (planes.options.etcd_address, names::ETCD_CLIENT_PORT);
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let planes = Arc::clone(planes);
        tokio::spawn(async move {
            // A client that goes away is no news.
            let _ = answer(stream, &planes).await;
        });
    }
}

async fn answer(stream: TcpStream, planes: &Planes) -> io::Result<()> {
    let latency = planes.options.latency();
    sleep(latency * 2).await;
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let host = hello.client_hello().server_name().unwrap_or_default().to_owned();
    let namespace = namespace(&host).to_owned();
    let Some(tls) = planes.get(&namespace).and_then(|plane| plane.etcd()) else { return Ok(()) };
    let stream = hello.into_stream(tls).await?;
    let service = service_fn(|request: Request<Incoming>| {
        let said = say(&namespace, request.uri().path());
        async move {
            sleep(latency).await;
            Response::builder()
                .header(header::CONTENT_TYPE, "application/json")
                .body(Full::new(Bytes::from(said.to_string())))
        }
    });
    http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}

/// `etcd-0.etcd.NAMESPACE.svc`.
fn namespace(host: &str) -> &str {
    host.split('.').nth(2).unwrap_or_default()
}

fn say(namespace: &str, path: &str) -> Value {
    let header = json!({"cluster_id": "1", "member_id": "1", "revision": "1000", "raft_term": "2"});
    if path == "/v3/cluster/member/list" {
        let peer = names::etcd_peer_url(namespace, 0);
        let client = names::etcd_client_url(namespace, 0);
        let member =
            json!({"ID": "1", "name": "etcd-0", "peerURLs": [peer], "clientURLs": [client]});
        return json!({"header": header, "members": [member]});
    }
    json!({
        "header": header, "version": "3.6.16", "leader": "1", "raftIndex": "1000", "raftTerm": "2",
        "raftAppliedIndex": "1000", "dbSize": "2097152", "dbSizeInUse": "2097152",
        "dbSizeQuota": "2147483648",
    })
}
