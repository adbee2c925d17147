//! What tenants, machines and whoever may write Secrets have written is not obeyed.

use jiff::SignedDuration;
use nagaya_pki::{CertificateAuthority, Kubeconfig, Trust};

use super::*;

#[test]
fn a_join_command_that_is_none_is_said_without_its_words_and_no_check_is_left_out() {
    let names = |seen: &Seen| -> Vec<&str> {
        report(&of(), seen, NOW).findings.iter().map(|one| one.check).collect()
    };
    let all = names(&well());
    let handed = Handed {
        endpoint: "127.0.0.1:1".to_owned(),
        token: "abcdef.SECRETSECRET".to_owned(),
        pin: "none".to_owned(),
    };
    let garbled = Seen { handed: Ok(Some(handed)), ..well() };
    let holds = "Secret nodes-join holds no join command";
    is(&garbled, OperatorCheck::JoinToken, Verdict::Failed, holds, "kind: JoinToken");
    assert!(!report(&of(), &garbled, NOW).json().contains("SECRET"));
    let forbidden = Seen { handed: Err("forbidden".to_owned()), ..blind(well()) };
    let none = Seen { handed: Ok(None), token: Ok(None), ..well() };
    let nowhere = || Seen { cluster: Ok(None), handed: Ok(None), ..well() };
    for seen in [garbled, forbidden, none, nowhere()] {
        assert_eq!(names(&seen), all);
    }
    let told = report(&of(), &nowhere(), NOW);
    let dns = told.findings.iter().find(|one| one.check == "dns").unwrap();
    assert_eq!(dns.verdict, Verdict::NotChecked);
}

#[test]
fn a_request_is_in_a_command_only_by_a_name_that_no_shell_runs_and_beside_who_asks() {
    let check = OperatorCheck::Requests;
    let who = "certificate approve csr-1    # if \"system:bootstrap:abcdef\", who asks, is";
    is(&with_request(request(&json!({})), well()), check, Verdict::Failed, "", who);
    let denied = json!({"conditions": [{"type": "Denied", "status": "True", "message": "no"}]});
    for name in ["a;reboot", "$(reboot)", "--all", "a\nreboot", ""] {
        for status in [&json!({}), &denied] {
            let mut request = request(status);
            request.metadata.name = Some(name.to_owned());
            let found = machines::requests(&of(), &with_request(request, well()), NOW);
            assert!(found.mend.unwrap().ends_with(" get csr"), "{name}");
        }
    }
    let mut request = request(&json!({}));
    request.spec.username = Some("system:node:a\nreboot".to_owned());
    let found = machines::requests(&of(), &with_request(request, well()), NOW);
    assert_eq!(found.mend.unwrap().lines().count(), 1);
}

#[tokio::test]
async fn what_a_kubeconfig_asks_of_this_host_is_not_done() {
    let ca =
        CertificateAuthority::generate("demo", Timestamp::now(), SignedDuration::from_hours(1));
    let ca = ca.unwrap();
    let trust = Trust::Bundle(ca.cert_pem().to_owned());
    let ours = Kubeconfig::new("demo", "https://127.0.0.1:1", trust)
        .with_client_certificate("demo-admin", ca.cert_pem(), ca.key_pem())
        .to_yaml()
        .unwrap();
    assert!(see::administrator(&ours).await.is_some(), "{ours}");
    let folder = tempfile::tempdir().unwrap();
    let ran = folder.path().join("ran");
    let exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [&ran],
        "interactiveMode": "Never",
    });
    for (part, field, value) in [
        ("user", "exec", exec.clone()),
        ("user", "auth-provider", json!({"name": "gcp", "config": {"cmd-path": "touch"}})),
        ("user", "tokenFile", json!("/etc/hostname")),
        ("user", "client-key", json!("/etc/hostname")),
        ("cluster", "certificate-authority", json!("/etc/hostname")),
        ("cluster", "proxy-url", json!("http://127.0.0.1:1")),
        ("cluster", "insecure-skip-tls-verify", json!(true)),
    ] {
        let mut theirs: Value = serde_yaml_ng::from_str(&ours).unwrap();
        theirs[format!("{part}s")][0][part][field] = value;
        assert!(see::administrator(&theirs.to_string()).await.is_none(), "{field}");
    }
    let mut theirs: Value = serde_yaml_ng::from_str(&ours).unwrap();
    theirs["users"][0]["user"] = json!({"exec": exec});
    assert!(see::administrator(&theirs.to_string()).await.is_none());
    assert!(!ran.exists(), "it was run");
}
