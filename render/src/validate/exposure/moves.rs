//! A record is there: the endpoint stays, or another one is asked for and it moves.

use nagaya_api::{Expose, TenantCluster, TenantClusterSpec};

use super::super::Refusal;
use super::{HOSTNAME, Recorded, TYPE, external, of_type};
use crate::load_balancer::{Class, class_of};
use crate::moves::{Awaited, Former, HandedOut, Moves};
use crate::plane_record::PlaneRecord;
use crate::settings::Settings;
use crate::tenant::{Exposure, Way};

const RETIRED: &str = "spec.expose.retiredEndpoint";

pub(super) fn resolve(
    raw: &TenantCluster,
    settings: &Settings,
    record: &PlaneRecord,
) -> Result<Exposure, Refusal> {
    let former = former(record)?;
    let accepted = record.accepted_spec.as_ref().map(|spec| &spec.expose);
    match accepted {
        Some(made) if record.born && is_another(made, &raw.spec.expose, record) => {
            move_to(raw, settings, record, made, former)
        }
        // No kubelet knows it: what is recorded is that of the other type.
        Some(made) if made.type_ != raw.spec.expose.type_ => {
            of_type(raw, settings, &Recorded::default())
        }
        _ => stay(raw, settings, record, former),
    }
}

/// Whether the spec leads elsewhere than what was accepted. Of one type only an outside load balancer can change: another
/// address is not to be had of one that gives them.
fn is_another(made: &Expose, asked: &Expose, record: &PlaneRecord) -> bool {
    let is_known = record.endpoint_port.is_some();
    let place = |expose: &Expose| expose.external.clone().map(|to| (to.host, to.port));
    made.type_ != asked.type_ || (is_known && place(made) != place(asked))
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
    let moves = Moves { service: record.endpoint_service, former, unmade, awaited: None };
    Ok(Exposure { moves, ..exposure })
}

fn recorded(record: &PlaneRecord, born: bool) -> Recorded<'_> {
    Recorded {
        host: record.endpoint_host.as_deref(),
        port: record.endpoint_port,
        address: record.endpoint_address,
        node_port: record.node_port,
        born,
        class: record.accepted_spec.as_ref().and_then(|spec| class_of(&spec.expose)),
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

/// The endpoint becomes the former one, at once or when an address is given to the one that is asked for.
fn move_to(
    raw: &TenantCluster,
    settings: &Settings,
    record: &PlaneRecord,
    made: &Expose,
    former: Option<&Former>,
) -> Result<Exposure, Refusal> {
    let asked = &raw.spec.expose;
    if let Some(retired) = &asked.retired_endpoint {
        return Err(Refusal::new(
            RETIRED,
            format!(
                "{retired} was named to end before spec.expose was changed; remove it, and name the endpoint that is to \
                 end when no node uses it any more"
            ),
        ));
    }
    let back = former.filter(|former| leads_back(former, asked));
    if let (Some(former), None) = (former, back) {
        return Err(third(former, made, asked));
    }
    let wanted = back.map(|back| of_former(back, made)).unwrap_or_default();
    let exposure = of_type(raw, settings, &wanted)?;
    // Nobody knows an endpoint that has no port.
    let present = match record.endpoint_port {
        Some(_) => Some(present(raw, settings, record, made)?),
        None => None,
    };
    if let (Some(present), None) = (&present, back) {
        refuse_the_same(&exposure, present)?;
    }
    let awaits = matches!(exposure.way, Way::LoadBalancer(_)) && exposure.addresses.is_empty();
    let service = back.map_or(record.endpoint_service.other(), |back| back.service);
    let handed_out = back.map(|back| back.handed_out.clone());
    let left = present.clone().and_then(|present| leave(present, record, made, handed_out));
    // That of a load balancer is there when it has an address.
    let unmade = back.is_none() && !awaits;
    let moves = Moves { service, former: left, unmade, awaited: None };
    let exposure = Exposure { moves, ..exposure };
    match present {
        Some(present) if awaits => {
            let awaited = Some(Box::new(Awaited { expose: asked.clone(), exposure }));
            let moves = Moves { service: record.endpoint_service, awaited, ..Moves::default() };
            Ok(Exposure { moves, ..present })
        }
        _ => Ok(exposure),
    }
}

/// Whether the former endpoint is what is asked for. What else would differ from it is refused by its type.
fn leads_back(former: &Former, asked: &Expose) -> bool {
    let elsewhere = asked.external.as_ref().is_some_and(|external| {
        external.host != former.host || external.port != i32::from(former.port)
    });
    former.type_ == asked.type_ && !elsewhere
}

fn of_former<'a>(former: &'a Former, made: &'a Expose) -> Recorded<'a> {
    let class = match &former.way {
        Way::LoadBalancer(request) => Some(Class(request.class.as_deref())),
        Way::NodePort | Way::Gateway { .. } | Way::External { .. } => None,
    };
    Recorded {
        host: Some(&former.host),
        port: Some(former.port),
        address: former.addresses.first().copied().filter(|_| class.is_some()),
        node_port: former.way.node_port(Some(former.port)),
        born: true,
        class,
        accepted: Some(made),
        left: false,
    }
}

fn third(former: &Former, made: &Expose, asked: &Expose) -> Refusal {
    let authority = former.endpoint().authority();
    Refusal::new(
        if made.type_ == asked.type_ { external::HOST } else { TYPE },
        format!(
            "the cluster has been moved from {:?} to {:?} and still has its former endpoint, {authority}; set \
             spec.expose back to one of them, or end the former one with {RETIRED}: {authority} first",
            former.type_, made.type_
        ),
    )
}

/// Two endpoints of one name could not be told apart, and the end of one would be that of both.
fn refuse_the_same(asked: &Exposure, present: &Exposure) -> Result<(), Refusal> {
    let is_external = matches!(asked.way, Way::External { .. });
    match (authority(asked), authority(present)) {
        (Some(asked), Some(present)) if asked == present => Err(Refusal::new(
            if is_external { external::HOST } else { HOSTNAME },
            format!(
                "{asked} is the endpoint of the cluster already, otherwise; give another host or port"
            ),
        )),
        _ => Ok(()),
    }
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
