//! `kubectl port-forward`.

use std::io::{BufRead, BufReader, Read as _};
use std::process::{Child, ChildStdout, Stdio};

use super::process::on_the_host;
use super::{Failure, Kubectl, Outcome, ensure};
use crate::sandbox;

/// A port of the management host that leads to a pod's port 80; it ends with its handle.
pub struct Forward {
    child: Child,
    /// It says a line for each connection, and would end with whoever listens.
    said: BufReader<ChildStdout>,
    port: String,
}

impl Forward {
    /// Starts it.
    ///
    /// # Errors
    /// kubectl does not start.
    pub fn start(cluster: &Kubectl, pod: &str) -> Outcome<Self> {
        let words = ["port-forward", pod, ":80"].map(str::to_owned);
        let mut command = sandbox::kubectl(&words)?;
        if let Some(path) = cluster.kubeconfig() {
            command.env("KUBECONFIG", path);
        }
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let said = child.stdout.take().ok_or_else(|| Failure::new("kubectl has no output"))?;
        let mut said = BufReader::new(said);
        let mut line = String::new();
        said.read_line(&mut line)?;
        let port = line.split(" -> ").next().and_then(|first| first.rsplit(':').next());
        let port = port.unwrap_or_default().to_owned();
        Ok(Self { child, said, port })
    }

    /// The page that is served there.
    ///
    /// # Errors
    /// None comes.
    pub fn fetch(&mut self) -> Outcome<String> {
        let url = format!("http://127.0.0.1:{}/", self.port);
        let page = on_the_host(&format!("curl --silent --show-error --max-time 10 {url}"))?;
        let mut lines = self.said.by_ref().lines().map_while(Result::ok);
        let is_handled = lines.any(|line| line.starts_with("Handling connection"));
        ensure(is_handled, || "kubectl has ended".to_owned())?;
        Ok(page)
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
