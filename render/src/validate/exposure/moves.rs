//! A record is there: the endpoint stays, or another one is asked for and it moves.

use nagaya_api::{Expose, TenantCluster, TenantClusterSpec};

use super::super::Refusal;
use super::{HOSTNAME, Recorded, TYPE, external, load_balancer, node_port, of_type};
use crate::load_balancer::{Class, class_of};
use crate::moves::{Awaited, Former, HandedOut, Moves};
use crate::plane_record::PlaneRecord;
use crate::settings::Settings;
use crate::tenant::{Endpoint, Exposure, Way};

const RETIRED: &str = "spec.expose.retiredEndpoint";

pub(super) fn resolve(
    raw: &TenantCluster,
    settings: &Settings,
    record: &PlaneRecord,
) -> Result<Exposure, Refusal> {
    let former = former(record)?;
    let accepted = record.accepted_spec.as_ref().map(|spec| &spec.expose);
    match accepted {
        Some(made) if record.born && is_another(made, &raw.spec.expose, record, former) => {
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
/// address is not to be had of one that gives them. What nobody knows yet is corrected, but for the way back.
fn is_another(
    made: &Expose,
    asked: &Expose,
    record: &PlaneRecord,
    former: Option<&Former>,
) -> bool {
    let is_known = record.endpoint_port.is_some();
    let is_back = former.is_some_and(|former| leads_back(former, asked));
    made.type_ != asked.type_ || ((is_known || is_back) && place(made) != place(asked))
}

/// Host and port outside.
fn place(expose: &Expose) -> Option<(&str, i32)> {
    expose.external.as_ref().map(|to| (to.host.as_str(), to.port))
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
    if let Some(former) = former.filter(|_| unmade) {
        refuse_the_same(&raw.spec.expose, &exposure, &former.endpoint())?;
    }
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
        let present = present.endpoint();
        present.map_or(Ok(()), |present| refuse_the_same(asked, &exposure, &present))?;
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
    let field = match (place(made), place(asked)) {
        _ if made.type_ != asked.type_ => TYPE,
        (Some((made, _)), Some((asked, _))) if made == asked => external::PORT,
        _ => external::HOST,
    };
    Refusal::new(
        field,
        format!(
            "the cluster has been moved from {:?} to {:?} and still has its former endpoint, {authority}; set \
             spec.expose back to one of them, or end the former one with {RETIRED}: {authority} first",
            former.type_, made.type_
        ),
    )
}

/// Two endpoints of one name could not be told apart, and the end of one would be that of both.
fn refuse_the_same(expose: &Expose, asked: &Exposure, served: &Endpoint) -> Result<(), Refusal> {
    if asked.endpoint().as_ref() != Some(served) {
        return Ok(());
    }
    let field = match asked.way {
        Way::External { .. } => external::HOST,
        Way::Gateway { .. } => TYPE,
        Way::NodePort | Way::LoadBalancer(_) if expose.hostname.is_some() => HOSTNAME,
        Way::NodePort => node_port::NODE_PORT,
        Way::LoadBalancer(_) => load_balancer::PORT,
    };
    let served = served.authority();
    Err(Refusal::new(
        field,
        format!("{served} is served already, otherwise; give another host or port"),
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
