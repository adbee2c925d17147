//! Clients that others wrote: curl, openssl, and Go's, whose program is built if there is a `go`.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::stage::{Stage, read_all};

/// Shows by an alert of its own, `handshake_failure(40)`, that what looks like a `ClientHello` has come through.
async fn refusing_server() -> std::net::SocketAddr {
    crate::stage::serve(|mut stream| async move {
        let mut first = [0; 1];
        if stream.peek(&mut first).await.is_ok() && first == [22] {
            let _ = stream.write_all(&[21, 3, 3, 0, 2, 2, 40]).await;
            let _ = stream.shutdown().await;
        }
        drop(read_all(&mut stream).await);
    })
    .await
}

async fn says(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    let texts = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&texts).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_gets_through_and_sees_a_refusal() {
    let mut stage = Stage::new(&[]);
    let backend = stage.pki.server("a").await;
    stage.route("a", &["a.example.com"], backend);
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &stage.pki.ca_pem).unwrap();
    let curl = |name: &str| {
        let mut curl = Command::new("curl");
        let port = stage.address().port();
        curl.args(["--silent", "--show-error", "--http0.9", "--max-time", "10", "--noproxy", "*"]);
        curl.arg("--cacert").arg(&ca).arg("--resolve").arg(format!("{name}:{port}:127.0.0.1"));
        curl.arg(format!("https://{name}:{port}/"));
        curl
    };
    let said = says(&mut curl("a.example.com")).await;
    assert!(said.contains("hello from a: GET / HTTP/1.1"), "{said}");
    let said = says(&mut curl("b.example.com")).await;
    assert!(said.contains("unrecognized name"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_openssl_sends_is_led_and_tls_1_1_is_not_spoken() {
    let mut stage = Stage::new(&[]);
    let backend = refusing_server().await;
    stage.route("a", &["a.example.com"], backend);
    let address = stage.address().to_string();
    let openssl = |more: &[&str]| {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-connect", &address]).args(more);
        openssl
    };
    let name = ["-servername", "A.example.com"];
    for version in [&["-tls1_3"][..], &["-tls1_2"], &["-tls1_2", "-no_ticket"], &[]] {
        let said = says(openssl(&name).args(version)).await;
        assert!(said.contains("handshake failure"), "{version:?}: {said}");
    }
    let said = says(&mut openssl(&["-noservername"])).await;
    assert!(said.contains("unrecognized name"), "{said}");
    assert_eq!(stage.refused("NoName"), 1);
    // Without signature algorithms, which came with TLS 1.2, rustls reads none. No Kubernetes speaks it either.
    let old = ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"];
    let said = says(openssl(&name).args(old)).await;
    assert!(said.contains("decode error"), "{said}");
}

/// TLS 1.2 and 1.3, with the post-quantum key share that Go sends by default since 1.24, and with so many protocols that
/// the hello takes more than one record.
const GO: &str = r#"
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
)

func main() {
	address, name := os.Args[1], os.Args[2]
	pem, _ := os.ReadFile(os.Args[3])
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	many := []string{}
	for i := 0; i < 100; i++ {
		many = append(many, strings.Repeat("x", 100)+fmt.Sprint(i))
	}
	for _, config := range []*tls.Config{
		{},
		{MaxVersion: tls.VersionTLS12},
		{MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}},
		{NextProtos: many},
	} {
		config.ServerName, config.RootCAs = name, roots
		connection, err := tls.Dial("tcp", address, config)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Fprintln(connection, "from go")
		line, err := bufio.NewReader(connection).ReadString('\n')
		fmt.Print(line)
		connection.Close()
	}
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_go_sends_is_led_with_post_quantum_keys_and_in_every_size() {
    if Command::new("go").arg("version").output().await.is_err() {
        eprintln!("there is no go: not tested");
        return;
    }
    let mut stage = Stage::new(&[]);
    let backend = stage.pki.server("a").await;
    stage.route("a", &["a.example.com"], backend);
    let folder = tempfile::tempdir().unwrap();
    let (program, ca) = (folder.path().join("main.go"), folder.path().join("ca.pem"));
    std::fs::write(&program, GO).unwrap();
    std::fs::write(&ca, &stage.pki.ca_pem).unwrap();
    let built = folder.path().join("client");
    let mut go = Command::new("go");
    go.env("GOFLAGS", "-mod=mod").args(["build", "-o"]).arg(&built).arg(&program);
    let said = says(go.current_dir(folder.path())).await;
    assert!(built.exists(), "{said}");
    let run = |name: &str| {
        let mut client = Command::new(&built);
        client.arg(stage.address().to_string()).arg(name).arg(&ca);
        client
    };
    let said = says(&mut run("a.example.com")).await;
    assert_eq!(said, "hello from a: from go\n".repeat(4));
    let said = says(&mut run("b.example.com")).await;
    assert_eq!(said, "remote error: tls: unrecognized name\n".repeat(4));
}
