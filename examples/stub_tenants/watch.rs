//! Follows what control planes there are: their Secrets, Services and Deployments, a watch each.

use std::fmt::Debug;
use std::future::ready;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt as _};
use nagaya_api::labels;
use nagaya_render::plane::names;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api_server;
use crate::planes::{Plane, Planes};

const API_SERVER_CERTS: &str = "kube-apiserver-certs";
const ETCD_CERTS: &str = "etcd-certs";
const CLIENT_CA: &str = "client-ca-1";
/// A Secret, the Services and the Deployment: where one of them is gone, the plane is.
const IN_EVERY_PLANE: [&str; 3] = [API_SERVER_CERTS, names::API_SERVER, names::API_SERVER_PUBLIC];

/// For ever.
pub async fn follow(client: Client, planes: &Arc<Planes>) {
    tokio::join!(
        each::<Secret>(&client, planes, take_secret),
        each::<Service>(&client, planes, |service, of| take_service(planes, service, of)),
        each::<Deployment>(&client, planes, take_deployment),
    );
}

/// The plane that an object is of, and its namespace.
struct Of {
    plane: Arc<Plane>,
    namespace: String,
}

async fn each<T>(client: &Client, planes: &Planes, take: impl Fn(&T, &Of))
where
    T: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let selector = format!("{}={},{}", labels::MANAGED_BY, labels::MANAGER, labels::TENANT_NAME);
    let config = watcher::Config::default().labels(&selector);
    let events = watcher(Api::<T>::all(client.clone()), config).default_backoff();
    let seen = events.for_each(|event| {
        match event {
            // What is handed out is in the tenant's project.
            Ok(Event::Apply(object) | Event::InitApply(object)) if is_in_plane(&object) => {
                let tenant = object.labels().get(labels::TENANT_NAME).cloned().unwrap_or_default();
                let namespace = object.namespace().unwrap_or_default();
                let plane = planes.plane(&namespace, &tenant);
                take(&object, &Of { plane, namespace });
            }
            Ok(Event::Delete(object)) if IN_EVERY_PLANE.contains(&object.name_any().as_str()) => {
                planes.remove(&object.namespace().unwrap_or_default());
            }
            Ok(_) => {}
            Err(error) => eprintln!("stub_tenants: {error}"),
        }
        ready(())
    });
    seen.await;
}

fn is_in_plane(object: &impl Resource) -> bool {
    object.labels().get(labels::TENANT_NAMESPACE) != object.namespace().as_ref()
}

fn take_secret(secret: &Secret, of: &Of) {
    match secret.name_any().as_str() {
        API_SERVER_CERTS => {
            if let Some(tls) = server_config(secret, "apiserver") {
                of.plane.set_api_server(tls);
            }
        }
        ETCD_CERTS => {
            if let Some(tls) = server_config(secret, "server") {
                of.plane.set_etcd(tls);
            }
        }
        CLIENT_CA => of.plane.set_client_ca(encoded(secret)),
        _ => {}
    }
}

fn take_service(planes: &Planes, service: &Service, of: &Of) {
    let Some(spec) = &service.spec else { return };
    match service.name_any().as_str() {
        names::API_SERVER => {
            let address = spec.cluster_ip.as_ref().and_then(|text| text.parse::<Ipv4Addr>().ok());
            if let Some(address) = address {
                planes.set_cluster_ip(&of.namespace, address);
            }
        }
        names::API_SERVER_PUBLIC => {
            let port = spec.ports.iter().flatten().find_map(|port| port.node_port);
            if let Some(port) = port.and_then(|port| u16::try_from(port).ok()) {
                api_server::serve_public(planes, &of.plane, port);
            }
        }
        _ => {}
    }
}

fn take_deployment(deployment: &Deployment, of: &Of) {
    if deployment.name_any() == names::API_SERVER {
        let status = deployment.status.as_ref();
        let ready = status.and_then(|status| status.ready_replicas).unwrap_or_default() > 0;
        of.plane.ready.store(ready, Ordering::Relaxed);
    }
}

/// As JSON has it.
fn encoded(secret: &Secret) -> Value {
    let data = secret.data.iter().flatten();
    let data = data.map(|(key, value)| (key.clone(), json!(STANDARD.encode(&value.0))));
    json!({"data": data.collect::<serde_json::Map<_, _>>()})
}

/// Of the pair called `pair`. `None`: it is not complete.
fn server_config(secret: &Secret, pair: &str) -> Option<Arc<ServerConfig>> {
    let file = |end: &str| {
        let data = secret.data.as_ref()?.get(&format!("{pair}.{end}"))?;
        Some(data.0.as_slice())
    };
    let chain = CertificateDer::pem_slice_iter(file("crt")?).collect::<Result<Vec<_>, _>>();
    let key = PrivateKeyDer::from_pem_slice(file("key")?).ok()?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_no_client_auth()
        .with_single_cert(chain.ok()?, key)
        .ok()?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Some(Arc::new(config))
}
