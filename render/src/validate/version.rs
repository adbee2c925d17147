//! Which exact version runs: resolved once, recorded on the plane, never moving by itself.

use nagaya_api::TenantCluster;

use super::Refusal;
use crate::minors::{KubernetesVersion, MINORS, Minor};
use crate::plane_record::PlaneRecord;

pub(super) struct Version {
    pub exact: KubernetesVersion,
    pub facts: &'static Minor,
}

const FIELD: &str = "spec.version";

pub(super) fn resolve(
    raw: &TenantCluster,
    record: Option<&PlaneRecord>,
) -> Result<Version, Refusal> {
    let wanted = raw.spec.version.as_str();
    let running = record.and_then(|record| record.version);
    let born = record.is_some_and(|record| record.born);
    let exact = match wanted.parse::<KubernetesVersion>() {
        Ok(exact) => exact,
        Err(()) => resolve_minor(raw, wanted, running)?,
    };
    let facts = Minor::find(exact.minor).ok_or_else(|| unknown(wanted))?;
    match running {
        Some(running) if running != exact && born => Err(Refusal::new(
            FIELD,
            format!(
                "the control plane runs {running}; changing the version of a running cluster is not \
                 supported by this version of Nagaya, set it back to {running}"
            ),
        )),
        _ => Ok(Version { exact, facts }),
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
