//! An S3 server for a test (Versity's gateway), which verifies signatures, speaks TLS with a certificate that nobody
//! has heard of, and keeps objects as files. It is a process of this machine on the management host's network.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::certificate::make_certificate;
use super::{Look, Outcome, wait_until};
use crate::command::{command, run};
use crate::components::{Component, ensure};
use crate::network::{self, MANAGEMENT, MANAGEMENT_ADDRESS};
use crate::paths;

const STARTS: Duration = Duration::from_secs(30);
const BUCKET: &str = "snapshots";
const ACCESS_KEY: &str = "nagaya";
/// Its other half.
pub const SECRET_KEY: &str = "not-so-secret";

/// The server; it ends when this is dropped.
pub struct S3Server {
    process: Child,
    folder: PathBuf,
    port: u16,
}

impl S3Server {
    /// Starts one on a port of the test's own, with an empty bucket.
    ///
    /// # Errors
    /// It cannot be built, or does not listen.
    pub fn start(name: &str, port: u16) -> Outcome<Self> {
        let program = ensure(&Component::versitygw(), "versitygw")?;
        let folder = paths::state().join("s3").join(name);
        paths::remove_folder(&folder)?;
        paths::make_folder(&folder.join("buckets").join(BUCKET))?;
        // What it keeps is as good as the tenants' keys.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        let file = |name: &str| folder.join(name);
        make_certificate(&format!("IP:{MANAGEMENT_ADDRESS}"), &file("tls.crt"), &file("tls.key"))?;
        let mut server = command(&network::enter(&network::namespace(MANAGEMENT)));
        // It ends with the test's thread, also when that panics.
        server.args(["setpriv", "--pdeathsig=KILL"]).arg(program).arg("--quiet");
        server.arg(format!("--port={MANAGEMENT_ADDRESS}:{port}"));
        server.env("ROOT_ACCESS_KEY_ID", ACCESS_KEY).env("ROOT_SECRET_ACCESS_KEY", SECRET_KEY);
        server.arg("--cert").arg(file("tls.crt")).arg("--key").arg(file("tls.key"));
        server.arg("posix").arg(file("buckets"));
        let log = fs::File::create(file("log"))?;
        server.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let started = Self { process: server.spawn()?, folder, port };
        started.await_listening()?;
        Ok(started)
    }

    fn await_listening(&self) -> Outcome {
        let script = format!("exec 3<>/dev/tcp/{MANAGEMENT_ADDRESS}/{}", self.port);
        wait_until("the S3 server listens", STARTS, || {
            let mut connect = command(&network::enter(&network::namespace(MANAGEMENT)));
            let done = run(connect.args(["bash", "-c", &script]));
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            Ok(Look::done_if(done.is_ok(), log))
        })
    }

    /// `spec.snapshots.s3` of a tenant.
    #[must_use]
    pub fn field(&self, secret: &str) -> Value {
        json!({"endpoint": self.endpoint(), "bucket": BUCKET, "prefix": "ring", "secretName": secret})
    }

    /// Where it is.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("https://{MANAGEMENT_ADDRESS}:{}", self.port)
    }

    /// The Secret that `spec.snapshots.s3.secretName` names, with one half of the access key given.
    ///
    /// # Errors
    /// The certificate cannot be read.
    pub fn credentials(&self, namespace: &str, name: &str, secret_key: &str) -> Outcome<Value> {
        let ca = paths::read_text(&self.folder.join("tls.crt"))?;
        Ok(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace},
            "stringData": {
                "accessKeyID": ACCESS_KEY, "secretAccessKey": secret_key, "ca.crt": ca,
            },
        }))
    }

    /// An object of a tenant's snapshot, as it is kept.
    #[must_use]
    pub fn object(&self, project: &str, tenant: &str, snapshot: &str, name: &str) -> PathBuf {
        let bucket = self.folder.join("buckets").join(BUCKET);
        bucket.join("ring").join(project).join(tenant).join(snapshot).join(name)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        drop(paths::remove_folder(&self.folder));
    }
}
