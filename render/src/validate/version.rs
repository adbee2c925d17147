//! Which exact version runs: resolved once, recorded on the plane, never moving by itself, and by the spec only
//! up, a minor at a time (<https://kubernetes.io/releases/version-skew-policy/>).

use nagaya_api::TenantCluster;

use super::Refusal;
use crate::minors::{KubernetesVersion, MINORS, Minor};
use crate::plane_record::PlaneRecord;
use crate::validate::OldestKubelet;

pub(super) struct Version {
    pub exact: KubernetesVersion,
    /// Where all of the plane was last, if that is elsewhere.
    pub from: Option<KubernetesVersion>,
    pub facts: &'static Minor,
}

const FIELD: &str = "spec.version";

/// kubelet may be up to three minors older than kube-apiserver.
const KUBELET_SKEW: u16 = 3;

pub(super) fn resolve(
    raw: &TenantCluster,
    record: Option<&PlaneRecord>,
    oldest_kubelet: &OldestKubelet,
) -> Result<Version, Refusal> {
    let wanted = raw.spec.version.as_str();
    let running = record.and_then(|record| record.version);
    let born = record.is_some_and(|record| record.born);
    let exact = match wanted.parse::<KubernetesVersion>() {
        Ok(exact) => exact,
        Err(()) => resolve_minor(raw, wanted, running)?,
    };
    let facts = Minor::find(exact.minor).ok_or_else(|| unknown(wanted))?;
    let Some(running) = running.filter(|_| born) else {
        return Ok(Version { exact, facts, from: None });
    };
    let reached = record.and_then(|record| record.upgrading_from).unwrap_or(running);
    may_move(running, reached, exact)?;
    if exact.minor > running.minor {
        kubelets_allow(exact, oldest_kubelet)?;
    }
    Ok(Version { exact, facts, from: Some(reached).filter(|reached| *reached != exact) })
}

/// `running`: where the plane is or is on its way to; `reached`: where all of it is.
fn may_move(
    running: KubernetesVersion,
    reached: KubernetesVersion,
    wanted: KubernetesVersion,
) -> Result<(), Refusal> {
    // Within a minor it may turn round: a patch that does not exist can be corrected.
    if wanted.minor < running.minor || wanted < reached {
        return Err(Refusal::new(
            FIELD,
            format!(
                "the control plane runs {running} and cannot go back: what a newer one wrote an older one may \
                 not read; set it to {running} or newer"
            ),
        ));
    }
    if wanted.minor > running.minor + 1 {
        let next = running.minor + 1;
        return Err(Refusal::new(
            FIELD,
            format!(
                "the control plane runs {running} and goes up one minor at a time; set it to 1.{next} first"
            ),
        ));
    }
    if wanted.minor > reached.minor + 1 {
        return Err(Refusal::new(
            FIELD,
            format!(
                "the upgrade from {reached} to {running} is under way; the one to {wanted} begins when it is done"
            ),
        ));
    }
    Ok(())
}

fn kubelets_allow(wanted: KubernetesVersion, oldest: &OldestKubelet) -> Result<(), Refusal> {
    match oldest {
        OldestKubelet::NoNode => Ok(()),
        OldestKubelet::Known { version, .. } if version.minor + KUBELET_SKEW >= wanted.minor => {
            Ok(())
        }
        OldestKubelet::Known { node, version } => Err(Refusal::new(
            FIELD,
            format!(
                "the kubelet of node {node} is {version}, and kubelets may be at most {KUBELET_SKEW} minors older \
                 than the control plane; upgrade or remove that node first"
            ),
        )),
        OldestKubelet::Unknown(why) => Err(Refusal::new(
            FIELD,
            format!(
                "cannot see whether the kubelets of its nodes are new enough for {wanted}: {why}"
            ),
        )),
    }
}

fn resolve_minor(
    raw: &TenantCluster,
    wanted: &str,
    running: Option<KubernetesVersion>,
) -> Result<KubernetesVersion, Refusal> {
    let facts = wanted
        .strip_prefix("1.")
        .and_then(|minor| minor.parse().ok())
        .and_then(Minor::find)
        .ok_or_else(|| unknown(wanted))?;
    // A bare minor that is newer than what runs asks for an upgrade.
    let resolved_before = raw
        .status
        .as_ref()
        .filter(|status| status.resolved_from.as_deref() == Some(wanted))
        .and_then(|status| status.version.as_ref()?.parse().ok());
    Ok(running
        .or(resolved_before)
        .filter(|version| version.minor == facts.minor)
        .unwrap_or_else(|| facts.newest()))
}

fn unknown(wanted: &str) -> Refusal {
    let known: Vec<String> = MINORS.iter().map(|row| format!("1.{}", row.minor)).collect();
    Refusal::new(
        FIELD,
        format!(
            "{wanted} is not a version that Nagaya runs; give an exact one such as {} or one of the minors {}",
            MINORS[MINORS.len() - 1].newest(),
            known.join(", ")
        ),
    )
}
