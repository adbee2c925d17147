//! What each way to fail looks like from outside, over real sockets.

use nagaya_pki::BootstrapToken;
use nagaya_render::minors::KubernetesVersion;
use nagaya_render::tenant::Endpoint;
use tokio::net::TcpListener;

use super::*;
use crate::tenant::probe::SignerView;
use crate::tenant::test_server::{TestServer, authority, over_tcp, reads_only};
use crate::tenant::{TenantConnection, TenantKey};

fn target(server: &TestServer) -> ProbeTarget {
    ProbeTarget {
        tenant: TenantKey {
            namespace: "project".to_owned(),
            name: "demo".to_owned(),
            uid: "1".to_owned(),
        },
        address: server.address,
        through_gateway: false,
        suspect: String::new(),
        dial: over_tcp(),
        endpoint: Endpoint { host: "127.0.0.1".to_owned(), port: server.address.port() },
        cluster_ca_pem: server.ca.cert_pem().to_owned(),
        client_ca_pem: String::new(),
        version: KubernetesVersion { minor: 37, patch: 1 },
        signing_token: BootstrapToken::generate().unwrap(),
        client: TenantConnection::open(&server.identity(), &reads_only(), &over_tcp()).unwrap(),
        signer: SignerView { ready: true, generation: "1".to_owned() },
        api_servers: "1".to_owned(),
        changes: None,
        established: true,
    }
}

async fn ask(target: &ProbeTarget) -> Result<StatusCode, Option<Reason>> {
    let request = Request::get("/").body(Full::new(Bytes::new())).unwrap();
    match call(target, request).await {
        Ok((status, _)) => Ok(status),
        Err(error) => match error.finding(target) {
            Finding::Failed { reason, .. } => Err(Some(reason)),
            _ => Err(None),
        },
    }
}

#[tokio::test]
async fn every_look_makes_a_connection_of_its_own() {
    let server = TestServer::start().await;
    let target = target(&server);
    for _ in 0..3 {
        assert_eq!(ask(&target).await, Ok(StatusCode::OK));
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_certificate_without_the_host_is_a_name_mismatch() {
    let server = TestServer::start().await;
    for host in ["demo.project.example.com", "127.0.0.2"] {
        let endpoint = Endpoint { host: host.to_owned(), port: 443 };
        let target = ProbeTarget { endpoint, ..target(&server) };
        assert_eq!(ask(&target).await, Err(Some(Reason::CertificateNameMismatch)), "{host}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_untrusted() {
    let server = TestServer::start().await;
    for name in ["kubernetes-ca-1", "kubernetes-ca-2"] {
        let cluster_ca_pem = authority(name).cert_pem().to_owned();
        let target = ProbeTarget { cluster_ca_pem, ..target(&server) };
        assert_eq!(ask(&target).await, Err(Some(Reason::CertificateUntrusted)), "{name}");
    }
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_unreachable() {
    let server = TestServer::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let target = ProbeTarget { address, ..target(&server) };
    assert_eq!(ask(&target).await, Err(Some(Reason::EndpointUnreachable)));
}

#[tokio::test]
async fn what_hangs_up_at_once_is_unreachable_and_what_does_not_speak_tls_fails_at_tls() {
    let server = TestServer::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        drop(listener.accept().await.unwrap());
        let (mut plain, _) = listener.accept().await.unwrap();
        let hello = b"HTTP/1.0 400 Bad Request\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut plain, hello).await.unwrap();
    });
    let target = ProbeTarget { address, ..target(&server) };
    assert_eq!(ask(&target).await, Err(Some(Reason::EndpointUnreachable)));
    assert_eq!(ask(&target).await, Err(Some(Reason::TlsFailed)));
}

#[tokio::test]
async fn a_connection_that_is_reset_and_one_that_ends_are_the_same_trouble() {
    let server = TestServer::start().await;
    let target = target(&server);
    let found = [io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof]
        .map(|kind| EndpointError::Handshake(kind.into()).finding(&target));
    assert_eq!(found[0], found[1]);
}

/// A TLS record with one fatal alert, as the gateway answers a `ClientHello`.
async fn gateway_that_answers(alert: u8) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await.unwrap();
        let record = [21, 3, 3, 0, 2, 2, alert];
        tokio::io::AsyncWriteExt::write_all(&mut stream, &record).await.unwrap();
    });
    address
}

#[tokio::test]
async fn a_gateway_that_does_not_lead_there_is_named_with_what_to_look_at() {
    let server = TestServer::start().await;
    for (alert, words) in
        [(112, "has no route to 127.0.0.1"), (80, "/limited"), (50, "DecodeError")]
    {
        let address = gateway_that_answers(alert).await;
        let target = ProbeTarget { address, through_gateway: true, ..target(&server) };
        let request = Request::get("/").body(Full::new(Bytes::new())).unwrap();
        let error = call(&target, request).await.unwrap_err();
        let Finding::Failed { reason, message } = error.finding(&target) else { panic!("{error}") };
        assert_eq!(reason, Reason::GatewayRefuses);
        assert!(message.contains(words), "{message}");
    }
    let address = gateway_that_answers(112).await;
    let target = ProbeTarget { address, ..target(&server) };
    assert_eq!(ask(&target).await, Err(Some(Reason::TlsFailed)), "by a node port there is none");
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_looked_for_where_it_is_configured() {
    let server = TestServer::start().await;
    let refused = EndpointError::Connect(io::ErrorKind::ConnectionRefused.into());
    let through = ProbeTarget { through_gateway: true, ..target(&server) };
    let found = [refused.finding(&through), timed_out(&through)];
    for (finding, wanted) in
        found.into_iter().zip([Reason::EndpointUnreachable, Reason::EndpointTimeout])
    {
        let Finding::Failed { reason, message } = finding else { panic!("it was found well") };
        assert_eq!(reason, wanted);
        assert!(message.contains("gateway.addresses"), "{message}");
    }
}
