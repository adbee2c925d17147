//! `nagaya doctor NAME`: why machines cannot join a tenant, as far as that is seen without the machine. What the machine itself
//! knows says `nagaya-doctor` there (`doctor/`), whose words, JSON and exit codes these are.
//!
//! | what | file |
//! |---|---|
//! | what is read, of the management cluster and of the tenant's | `doctor/see.rs` |
//! | what is made of the `TenantCluster` | `doctor/cluster.rs` |
//! | what is made of the token and of its last attempt | `doctor/token.rs` |
//! | what is made of requests and nodes | `doctor/machines.rs` |

mod cluster;
mod machines;
mod see;
mod token;

use std::fmt::Display;
use std::io::{Write as _, stdout};
use std::path::PathBuf;

use jiff::Timestamp;
use kube::ResourceExt as _;
use nagaya_doctor::{
    Arguments, Check, Finding, Ground, OperatorCheck, Report, Side, Verdict,
    examine_from_elsewhere, examine_without_token, unexamined,
};

use crate::cli::management_cluster::{self, ManagementCluster};
use see::Seen;

/// Which tenant, and which of its tokens.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Exit code: 0 if nothing on this side is in the way, 1 if something is or could not be looked at, 2 if \
                  these arguments are none, or the kubeconfig is. Nothing is changed."
)]
pub struct DoctorOptions {
    /// Name of the `TenantCluster`.
    name: String,

    /// The `JoinToken` that the machine was handed; default: the newest of the cluster.
    #[arg(long, value_name = "NAME")]
    token: Option<String>,

    #[command(flatten)]
    management: ManagementCluster,

    /// Tell it as JSON.
    #[arg(long)]
    json: bool,
}

/// Why there is nothing good to say.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// See [`management_cluster::Error`].
    #[error(transparent)]
    Management(#[from] management_cluster::Error),
    /// It was told, and something is in the way.
    #[error("{0}: something may be in the way of a join")]
    InTheWay(String),
}

impl Error {
    /// As `nagaya-doctor` has them.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::InTheWay(_)) { 1 } else { 2 }
    }
}

/// Looks, and prints what is found.
///
/// # Errors
/// [`Error::InTheWay`], after it was printed; or nobody can be asked.
pub fn examine(options: &DoctorOptions) -> Result<(), Error> {
    let (seen, namespace) = options.management.ask(async |client, namespace| {
        let seen = see::see(&client, &namespace, &options.name, options.token.as_deref()).await;
        Ok::<_, Error>((seen, namespace))
    })?;
    let of = Place { namespace, name: options.name.clone() };
    let report = report(&of, &seen, Timestamp::now());
    let text = if options.json { report.json() } else { report.text() };
    // Whoever closed the pipe does not read on; the exit code still tells.
    drop(stdout().lock().write_all(text.as_bytes()));
    if report.would_join { Ok(()) } else { Err(Error::InTheWay(of.to_string())) }
}

/// Which `TenantCluster` is meant.
struct Place {
    namespace: String,
    name: String,
}

impl Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// All of it, in the order in which one thing needs another.
fn report(of: &Place, seen: &Seen, now: Timestamp) -> Report {
    let mut findings = cluster::findings(of, seen);
    findings.push(token::token(of, seen, now));
    let endpoint = seen.endpoint().unwrap_or_default();
    findings.extend(from_here(&endpoint, seen).into_iter().map(|one| on_this_side(of, seen, one)));
    findings.push(token::last_attempt(of, seen, now));
    findings.extend([machines::requests(of, seen, now), machines::nodes(of, seen, now)]);
    Report::new(Side::Operator, endpoint, findings)
}

/// What this host meets at the endpoint, by the words that the tenant was handed.
fn from_here(endpoint: &str, seen: &Seen) -> Vec<Finding> {
    let ground = Ground::below(PathBuf::from("/"));
    if let Some(join) = seen.join() {
        return examine_from_elsewhere(&join, &ground);
    }
    match Arguments::of_join(endpoint, None) {
        Ok(join) => examine_without_token(&join, &ground),
        Err(_) => unexamined("there is no endpoint to look at"),
    }
}

/// What mends it there: this host's own network is not the machine's, and names are known that the machine does not know.
fn on_this_side(of: &Place, seen: &Seen, found: Finding) -> Finding {
    let Place { namespace, name } = of;
    let of_the_machine = [Check::Dns, Check::Tcp, Check::Mtu, Check::Rights].map(Check::name);
    let mend = found.mend.map(|mend| {
        if of_the_machine.contains(&found.check) {
            return "nagaya-doctor HOST:PORT --token …    # on the machine, with the words of its kubeadm join: is it so there?"
                .to_owned();
        }
        let mend = mend.replace("NAMESPACE", namespace).replace("NAME", name);
        match &seen.token {
            Ok(Some(token)) => {
                mend.replace("secret TOKEN-join", &format!("secret {}-join", token.name_any()))
            }
            _ => mend,
        }
    });
    Finding { mend, ..found }
}

/// Whether it can be part of a command: names of certificate requests may hold what a shell would run, and begin as a flag.
fn is_subdomain(text: &str) -> bool {
    let is_of_a_name =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    text.len() <= 253
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(is_of_a_name)
}

fn finding(
    check: OperatorCheck,
    verdict: Verdict,
    message: impl Into<String>,
    mend: Option<String>,
) -> Finding {
    Finding { check: check.name(), verdict, message: message.into(), mend }
}

fn passed(check: OperatorCheck, message: impl Into<String>) -> Finding {
    finding(check, Verdict::Passed, message, None)
}

fn warning(check: OperatorCheck, message: impl Into<String>, mend: impl Into<String>) -> Finding {
    finding(check, Verdict::Warning, message, Some(mend.into()))
}

fn failed(check: OperatorCheck, message: impl Into<String>, mend: impl Into<String>) -> Finding {
    finding(check, Verdict::Failed, message, Some(mend.into()))
}

fn not_checked(check: OperatorCheck, because: impl Display) -> Finding {
    finding(check, Verdict::NotChecked, format!("not checked, because {because}"), None)
}

#[cfg(test)]
mod tests;
