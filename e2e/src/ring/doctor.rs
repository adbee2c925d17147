//! The join doctor on a machine of a test, with the words of `kubeadm join`; and on the operator's side.

use std::fs::File;
use std::process::Output;

use serde_json::Value;

use super::explain::plug_in;
use super::kubectl::{each, text};
use super::machine::IGNORED;
use super::{Failure, JoinAttempt, Machine, Outcome, Tenant, ensure};
use crate::command::feed;
use crate::install;

const PROGRAM: &str = "/usr/local/bin/nagaya-doctor";

/// What it says of an attempt.
#[derive(Debug)]
pub struct Diagnosis(Value);

impl Diagnosis {
    fn of(output: &Output) -> Outcome<Self> {
        let said = String::from_utf8_lossy(&output.stdout);
        let read: Value = serde_json::from_str(&said).map_err(|_| {
            let error = String::from_utf8_lossy(&output.stderr);
            Failure::new(format!("the doctor says {said:?} and {error:?}"))
        })?;
        let code = i32::from(read["wouldJoin"] != true);
        ensure(output.status.code() == Some(code), || format!("{:?}: {read}", output.status))?;
        Ok(Self(read))
    }

    /// Fails if it expects the join to fail.
    ///
    /// # Errors
    /// So it does.
    pub fn is_well(&self) -> Outcome {
        ensure(self.0["wouldJoin"] == true, || format!("the doctor says {:#}", self.0))
    }

    /// The command that it says mends a check.
    ///
    /// # Errors
    /// It names none.
    pub fn mend(&self, check: &str) -> Outcome<String> {
        let found = each(&self.0, "/findings").find(|one| text(one, "/check") == check);
        let mend = found.map_or("", |one| text(one, "/mend"));
        ensure(!mend.is_empty(), || format!("nothing mends {check}: {:#}", self.0))?;
        Ok(mend.to_owned())
    }

    /// Fails if it does not say this of a check, and of a failure not how it is mended.
    ///
    /// # Errors
    /// So it is.
    pub fn says(&self, check: &str, verdict: &str, words: &str) -> Outcome {
        let found = each(&self.0, "/findings").find(|one| text(one, "/check") == check);
        let found = found.ok_or_else(|| Failure::new(format!("{check} is no check")))?;
        let is_so = text(found, "/verdict") == verdict && text(found, "/message").contains(words);
        let is_mended =
            !matches!(verdict, "failed" | "warning") || !text(found, "/mend").is_empty();
        ensure(is_so && is_mended, || format!("{check} should be {verdict}, {words:?}: {found}"))
    }
}

impl Machine {
    /// Puts the doctor on the machine, as a tenant would copy it.
    ///
    /// # Errors
    /// It does not compile, or cannot be copied.
    pub fn install_doctor(&self) -> Outcome {
        let program = File::open(install::build_doctor()?)?;
        let script = format!("cat > {PROGRAM} && chmod 755 {PROGRAM}");
        Ok(feed(&mut self.command(&["sh", "-c", &script])?, program).map(drop)?)
    }

    /// Asks it, with the words that kubeadm would be given and more.
    ///
    /// # Errors
    /// It does not run.
    pub fn diagnose(&self, attempt: &JoinAttempt, more: &[&str]) -> Outcome<Diagnosis> {
        let hash = format!("--discovery-token-ca-cert-hash={}", attempt.ca_cert_hash);
        let ignored = format!("--ignore-preflight-errors={IGNORED}");
        let words =
            [PROGRAM, &attempt.endpoint, "--token", &attempt.token, &hash, &ignored, "--json"];
        Diagnosis::of(&self.command(&[&words, more].concat())?.output()?)
    }
}

impl Tenant<'_> {
    /// Asks the operator's side of it, as a plug-in of kubectl.
    ///
    /// # Errors
    /// It does not compile, or does not run.
    pub fn diagnose(&self, more: &[&str]) -> Outcome<Diagnosis> {
        let words = ["nagaya", "doctor", &self.name, "-n", &self.project.name, "--json"];
        Diagnosis::of(&plug_in(&[&words, more].concat())?.output()?)
    }
}
