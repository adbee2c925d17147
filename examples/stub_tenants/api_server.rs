//! The tenants' API servers: inside at the address of each one's Service, for machines at its NodePort.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use nagaya_render::plane::names;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use crate::controllers::world::signers;
use crate::planes::{Plane, Planes};

const CLUSTER_INFO: &str = "/api/v1/namespaces/kube-public/configmaps/cluster-info";
/// How often the controllers look that sign.
const TICK: Duration = Duration::from_millis(100);
/// A port that another plane has just given up may be in use for a moment.
const AGAIN: Duration = Duration::from_millis(100);

/// All Services' addresses are this machine's: whose a connection is, its address tells.
pub async fn serve_inside(planes: &Arc<Planes>) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, names::API_SERVER_PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let IpAddr::V4(address) = stream.local_addr()?.ip() else { continue };
        // Nobody's: the connection is closed, as by a Service without a ready pod.
        if let Some(plane) = planes.at(address) {
            tokio::spawn(serve(stream, plane, planes.options.latency()));
        }
    }
}

/// Serves `plane` at its NodePort until it is gone.
pub fn serve_public(planes: &Planes, plane: &Arc<Plane>, port: u16) {
    if plane.is_public_at(port) {
        return;
    }
    let (address, latency) = (planes.options.node_address, planes.options.latency());
    let of = Arc::clone(plane);
    let task = tokio::spawn(async move {
        let listener = loop {
            match TcpListener::bind((address, port)).await {
                Ok(listener) => break listener,
                Err(_) => sleep(AGAIN).await,
            }
        };
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&of), latency));
        }
    });
    plane.set_public(port, task.abort_handle());
}

/// What kube-controller-manager would sign, in all of them.
pub async fn keep_signing(planes: &Arc<Planes>) {
    loop {
        sleep(TICK).await;
        for plane in planes.every() {
            plane.api.forget_asked();
            let version = plane.api.version();
            let Some(client_ca) = plane.client_ca().map(Arc::new) else { continue };
            if plane.signed.swap(version, Ordering::Relaxed) != version {
                signers::tick(&plane.api, || Arc::clone(&client_ca));
            }
        }
    }
}

async fn serve(mut stream: TcpStream, plane: Arc<Plane>, latency: Duration) {
    let dead = plane.dead.clone();
    let answer = async {
        if plane.silent {
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            return;
        }
        let Some(tls) = plane.api_server() else { return };
        // TCP's and TLS's round trips.
        sleep(latency * 2).await;
        let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await else { return };
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
            let plane = Arc::clone(&plane);
            async move {
                sleep(latency).await;
                if request.uri().path() == CLUSTER_INFO {
                    plane.discovered.fetch_add(1, Ordering::Relaxed);
                }
                plane.api.serve(request).await
            }
        });
        let stream = TokioIo::new(stream);
        // A client that goes away is no news.
        let _ = if http2 {
            http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await
        } else {
            http1::Builder::new().serve_connection(stream, service).await
        };
    };
    tokio::select! {
        () = answer => {}
        () = dead.cancelled() => {}
    }
}
