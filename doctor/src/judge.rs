//! What is made of the facts: a finding for each check. Pure: the same facts give the same words.

mod disk;
mod kernel;
mod node;
mod server;
mod token;
mod trust;
mod versions;

#[cfg(test)]
mod tests;

use crate::Arguments;
use crate::check::Check;
use crate::facts::{Facts, Way};
use crate::report::{Finding, Report, Side, Verdict};

/// A judgement, before it is known whether it could be made at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judgement {
    verdict: Verdict,
    message: String,
    mend: Option<String>,
}

pub(crate) fn passed(message: impl Into<String>) -> Judgement {
    Judgement { verdict: Verdict::Passed, message: message.into(), mend: None }
}

pub(crate) fn failed(message: impl Into<String>, mend: impl Into<String>) -> Judgement {
    Judgement { verdict: Verdict::Failed, message: message.into(), mend: Some(mend.into()) }
}

pub(crate) fn warning(message: impl Into<String>, mend: impl Into<String>) -> Judgement {
    Judgement { verdict: Verdict::Warning, message: message.into(), mend: Some(mend.into()) }
}

/// Where no other check's failure is to blame.
pub(crate) fn not_checked(because: impl Into<String>) -> Judgement {
    let message = format!("not checked, because {}", because.into());
    Judgement { verdict: Verdict::NotChecked, message, mend: None }
}

/// All of it.
pub fn report(join: &Arguments, facts: &Facts) -> Report {
    let findings = in_order(Check::ALL, |check| judge(check, join, facts));
    Report::new(Side::Machine, join.endpoint.to_string(), findings)
}

/// What of it another host sees as well.
pub fn from_elsewhere(checks: &[Check], join: &Arguments, way: &Way) -> Vec<Finding> {
    in_order(checks, |check| match check {
        Check::Versions => versions::window(way),
        other => on_the_way(other, join, way),
    })
}

/// None of these was looked at.
pub fn unexamined(checks: &[Check], because: &str) -> Vec<Finding> {
    checks.iter().map(|check| told(*check, not_checked(because))).collect()
}

fn told(check: Check, judgement: Judgement) -> Finding {
    let Judgement { verdict, message, mend } = judgement;
    Finding { check: check.name(), verdict, message, mend }
}

/// Judges each check in its order; one whose needs are not met says so.
fn in_order(checks: &[Check], mut judge: impl FnMut(Check) -> Judgement) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for check in checks.iter().copied() {
        let found = |need: &&Check| findings.iter().find(|finding| finding.check == need.name());
        let stands = |need: &&Check| {
            checks.contains(*need)
                && found(need)
                    .is_none_or(|one| !matches!(one.verdict, Verdict::Passed | Verdict::Warning))
        };
        let judgement = match check.needs().iter().find(stands) {
            Some(need) => not_checked(format!("{} {}", need.name(), root_of(*need, &findings))),
            None => judge(check),
        };
        findings.push(told(check, judgement));
    }
    findings
}

/// `failed`, or what it waits for itself.
fn root_of(need: Check, findings: &[Finding]) -> String {
    let verdict =
        findings.iter().find(|finding| finding.check == need.name()).map(|one| one.verdict);
    let failed = if verdict == Some(Verdict::Failed) { "failed" } else { "was not checked" };
    failed.to_owned()
}

fn judge(check: Check, join: &Arguments, facts: &Facts) -> Judgement {
    let (machine, way) = (&facts.machine, &facts.way);
    let kubelet_config = versions::kubelet_config(way);
    match check {
        Check::Privileges => node::privileges(join, machine),
        Check::Programs => node::programs(join, machine),
        Check::KubeletService => node::kubelet_service(machine),
        Check::Leftovers => node::leftovers(join, machine),
        Check::Port => node::port(machine),
        Check::HostName => node::host_name(join, machine),
        Check::DiskSpace => disk::space(machine, kubelet_config.as_ref()),
        Check::Swap => kernel::swap(machine, kubelet_config.as_ref()),
        Check::IpForward => kernel::ip_forward(join, machine),
        Check::BridgeNetfilter => kernel::bridge_netfilter(machine),
        Check::Cgroups => kernel::cgroups(join, machine, kubelet_config.as_ref()),
        Check::Runtime => node::runtime(machine),
        Check::CgroupDriver => kernel::cgroup_driver(machine, kubelet_config.as_ref()),
        Check::Proxy => server::proxy(join, machine),
        Check::Versions => versions::versions(machine, way),
        Check::NodeName => token::node_name(join, machine, way),
        other => on_the_way(other, join, way),
    }
}

/// Only those that no fact of the machine decides.
fn on_the_way(check: Check, join: &Arguments, way: &Way) -> Judgement {
    match check {
        Check::Dns => server::dns(join, way),
        Check::Tcp => server::tcp(join, way),
        Check::Tls => server::tls(join, way),
        Check::Mtu => server::mtu(way),
        Check::Clock => trust::clock(way),
        Check::ClusterInfo => trust::cluster_info(way),
        Check::Token => token::token(join, way),
        Check::Pin => trust::pin(join, way),
        Check::Certificate => trust::certificate(join, way),
        Check::Endpoint => trust::endpoint(join, way),
        Check::Rights => token::rights(way),
        _ => not_checked("only the machine knows it"),
    }
}

/// The name that the node will have.
pub(crate) fn node_name(join: &Arguments, host_name: &str) -> String {
    join.node_name.as_deref().unwrap_or(host_name).trim().to_lowercase()
}
