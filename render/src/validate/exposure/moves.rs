//! A record is there: the endpoint stays, or `spec.expose.type` was changed and it moves. Of types nothing is known here.

use nagaya_api::{Expose, ExposeType, TenantCluster, TenantClusterSpec};

use super::super::Refusal;
use super::{Recorded, TYPE, of_type};
use crate::moves::{Former, HandedOut, Moves};
use crate::plane_record::PlaneRecord;
use crate::settings::Settings;
use crate::tenant::Exposure;

const RETIRED: &str = "spec.expose.retiredEndpoint";

pub(super) fn resolve(
    raw: &TenantCluster,
    settings: &Settings,
    record: &PlaneRecord,
) -> Result<Exposure, Refusal> {
    let former = former(record)?;
    let accepted = record.accepted_spec.as_ref().map(|spec| &spec.expose);
    match accepted {
        Some(made) if made.type_ != raw.spec.expose.type_ => {
            if record.born {
                move_to(raw, settings, record, made, former)
            } else {
                // No kubelet knows it: what is recorded is that of the other type.
                of_type(raw, settings, &Recorded::default())
            }
        }
        _ => stay(raw, settings, record, former),
    }
}

/// One that cannot be read must not be taken for one that has ended.
fn former(record: &PlaneRecord) -> Result<Option<&Former>, Refusal> {
    record.former_endpoint.as_ref().map(Result::as_ref).transpose().map_err(|error| {
        Refusal::new(
            TYPE,
            format!(
                "what is recorded of the former endpoint on namespace {} cannot be read ({error}); nothing is changed: \
                 run the manager that wrote it, or put its annotation right",
                record.namespace
            ),
        )
    })
}

fn stay(
    raw: &TenantCluster,
    settings: &Settings,
    record: &PlaneRecord,
    former: Option<&Former>,
) -> Result<Exposure, Refusal> {
    let unmade = former.is_some() && record.endpoint_port.is_none();
    let exposure = of_type(raw, settings, &recorded(record, record.born && !unmade))?;
    let former = match former {
        Some(former) => kept(&raw.spec.expose, former, unmade)?,
        None => None,
    };
    refuse_to_retire(&raw.spec.expose, &exposure)?;
    Ok(Exposure { moves: Moves { service: record.endpoint_service, former, unmade }, ..exposure })
}

fn recorded(record: &PlaneRecord, born: bool) -> Recorded<'_> {
    Recorded {
        host: record.endpoint_host.as_deref(),
        port: record.endpoint_port,
        address: record.endpoint_address,
        node_port: record.node_port,
        born,
        accepted: record.accepted_spec.as_ref().map(|spec| &spec.expose),
        left: false,
    }
}

/// Until the operator ends it by its name: another value may be of an earlier move, or mistyped.
fn kept(expose: &Expose, former: &Former, unmade: bool) -> Result<Option<Former>, Refusal> {
    let authority = former.endpoint().authority();
    match &expose.retired_endpoint {
        None => Ok(Some(former.clone())),
        Some(retired) if *retired != authority => Err(Refusal::new(
            RETIRED,
            format!(
                "the former endpoint is {authority}, and {retired} is none: remove it, or name {authority} to end that"
            ),
        )),
        Some(_) if unmade => Err(Refusal::new(
            RETIRED,
            format!(
                "there is no other endpoint yet: {authority} can end when status.endpoint is another"
            ),
        )),
        Some(_) => Ok(None),
    }
}

fn refuse_to_retire(expose: &Expose, exposure: &Exposure) -> Result<(), Refusal> {
    let present = authority(exposure);
    match &expose.retired_endpoint {
        Some(retired) if Some(retired) == present.as_ref() => Err(Refusal::new(
            RETIRED,
            format!("{retired} is the endpoint of the cluster; remove it"),
        )),
        _ => Ok(()),
    }
}

/// The endpoint becomes the former one.
fn move_to(
    raw: &TenantCluster,
    settings: &Settings,
    record: &PlaneRecord,
    made: &Expose,
    former: Option<&Former>,
) -> Result<Exposure, Refusal> {
    refuse_immovable(made, raw, record)?;
    if let Some(retired) = &raw.spec.expose.retired_endpoint {
        return Err(Refusal::new(
            RETIRED,
            format!(
                "{retired} was named to end before spec.expose.type was changed; remove it, and name the endpoint that \
                 is to end when no node uses it any more"
            ),
        ));
    }
    let back = former.filter(|former| former.type_ == raw.spec.expose.type_);
    if let (Some(former), None) = (former, back) {
        let authority = former.endpoint().authority();
        return Err(Refusal::new(
            TYPE,
            format!(
                "the cluster has been moved from {:?} to {:?} and still has its former endpoint, {authority}; set it \
                 back to one of them, or end the former one with {RETIRED}: {authority} first",
                former.type_, made.type_
            ),
        ));
    }
    let wanted = match back {
        Some(back) => Recorded {
            host: Some(&back.host),
            port: Some(back.port),
            born: true,
            accepted: Some(made),
            ..Recorded::default()
        },
        None => Recorded::default(),
    };
    let exposure = of_type(raw, settings, &wanted)?;
    // Nobody knows an endpoint that has no port.
    let present = match record.endpoint_port {
        Some(_) => Some(present(raw, settings, record, made)?),
        None => None,
    };
    let (service, unmade) = match back {
        Some(back) => (back.service, false),
        None => (record.endpoint_service.other(), true),
    };
    let handed_out = back.map(|back| back.handed_out.clone());
    let former = present.and_then(|present| leave(present, record, made, handed_out));
    Ok(Exposure { moves: Moves { service, former, unmade }, ..exposure })
}

/// An address that is given some time later, and a load balancer of which nothing is known, are for new clusters only.
fn refuse_immovable(
    made: &Expose,
    raw: &TenantCluster,
    record: &PlaneRecord,
) -> Result<(), Refusal> {
    let asked = raw.spec.expose.type_;
    let moves = |type_| matches!(type_, ExposeType::NodePort | ExposeType::Gateway);
    if moves(made.type_) && moves(asked) {
        return Ok(());
    }
    let (host, made) = (record.endpoint_host.clone().unwrap_or_default(), made.type_);
    Err(Refusal::new(
        TYPE,
        format!(
            "the endpoint is {host} by {made:?} since the cluster was created and every kubelet has it in its \
             kubeconfig; a running cluster cannot be moved from {made:?} to {asked:?} yet: set it back to {made:?}, or \
             create a new TenantCluster"
        ),
    ))
}

/// The endpoint that is recorded, as what was accepted last has it.
fn present(
    raw: &TenantCluster,
    settings: &Settings,
    record: &PlaneRecord,
    made: &Expose,
) -> Result<Exposure, Refusal> {
    let spec = TenantClusterSpec { expose: made.clone(), ..raw.spec.clone() };
    let recorded = Recorded { left: true, ..recorded(record, true) };
    of_type(&TenantCluster { spec, ..raw.clone() }, settings, &recorded)
}

fn leave(
    present: Exposure,
    record: &PlaneRecord,
    made: &Expose,
    handed_out: Option<Vec<HandedOut>>,
) -> Option<Former> {
    let endpoint = authority(&present)?;
    let Exposure { host, addresses, port, way, extra_names, moves: _ } = present;
    Some(Former {
        type_: made.type_,
        service: record.endpoint_service,
        host: host?,
        port: port?,
        addresses,
        way,
        extra_names,
        handed_out: handed_out
            .unwrap_or_else(|| vec![HandedOut { endpoint, begun: None, since: None }]),
    })
}

fn authority(exposure: &Exposure) -> Option<String> {
    exposure.endpoint().map(|endpoint| endpoint.authority())
}
