//! What replicas of the gateway refuse of one tenant, in words.

use std::collections::{BTreeMap, BTreeSet};

use nagaya_api::{labels, reasons};

use crate::plane::names;
use crate::status::{State, Verdict};

/// So many replicas are named.
const NAMED: usize = 3;

/// Services that the gateway leads to: a moved tenant has either of the first two, or both.
const SERVICES: [&str; 3] =
    [names::API_SERVER_PUBLIC, names::API_SERVER_PUBLIC_2, names::TUNNEL_SERVER];

/// What is counted of which Service. The order is that in which they are said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limit {
    /// What is counted.
    pub kind: LimitKind,
    service: &'static str,
}

/// A limit that was met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// How much the Service may have through one replica; where they differ, the most.
    pub most: u32,
    /// The replicas that say so.
    pub gateways: BTreeSet<String>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitKind {
    /// Open connections.
    Open,
    /// New ones a second.
    New,
}

/// The limits that a tenant has met; never empty.
pub type Limits = BTreeMap<Limit, Met>;

impl Limit {
    /// By the words of a gateway; `None`: it means something that a later one has, or nothing at all.
    #[must_use]
    pub fn of(reason: &str, service: &str) -> Option<Self> {
        let kind = LimitKind::of(reason)?;
        let service = SERVICES.into_iter().find(|known| *known == service)?;
        Some(Self { kind, service })
    }
}

impl LimitKind {
    fn of(reason: &str) -> Option<Self> {
        [Self::Open, Self::New].into_iter().find(|kind| kind.reason() == reason)
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Open => reasons::TOO_MANY_CONNECTIONS,
            Self::New => reasons::CONNECTIONS_TOO_FAST,
        }
    }
}

/// How a sentence begins that is not about the tunnel.
const REFUSED: &str = "connections were refused";
/// Before the command that mends it.
const ALLOW_MORE: &str = "or have the operator allow more: ";

/// The operator's command in the words of [`verdict`].
#[must_use]
pub fn command(words: &str) -> Option<&str> {
    words.split_once(ALLOW_MORE)?.1.split(". ").next()
}

/// That of the words of [`verdict`] which is about connections to the API server; empty: they are about others.
#[must_use]
pub fn of_api_server(words: &str) -> String {
    let about: Vec<&str> = words.split(". ").filter(|one| one.starts_with(REFUSED)).collect();
    about.join(". ")
}

/// What is said of them, of a tenant whose control plane is in the namespace `plane`.
#[must_use]
pub fn verdict(limits: &Limits, plane: &str) -> Verdict {
    let reason =
        limits.keys().next().map_or(reasons::TOO_MANY_CONNECTIONS, |one| one.kind.reason());
    let words: Vec<String> = limits.iter().map(|(limit, met)| words(*limit, met, plane)).collect();
    Verdict::new(State::True, reason, words.join(". "))
}

fn words(limit: Limit, met: &Met, plane: &str) -> String {
    let (Limit { kind, service }, Met { most, gateways }) = (limit, met);
    let whose = if service == names::TUNNEL_SERVER { " of the tunnel" } else { "" };
    let at = at(gateways);
    let (why, mend, annotation) = match kind {
        LimitKind::Open => (
            format!("no more than {most} may be open at {at}"),
            "end those that nobody needs (each kubelet, controller and watch keeps one)",
            labels::GATEWAY_CONNECTIONS,
        ),
        LimitKind::New => (
            format!("no more than {most} a second may come to {at}"),
            "look for clients that connect again and again without a pause",
            labels::GATEWAY_CONNECTION_RATE,
        ),
    };
    format!(
        "connections{whose} were refused within the last minutes: {why}; {mend}, {ALLOW_MORE}kubectl -n {plane} annotate \
         service {service} --overwrite {annotation}=NUMBER"
    )
}

fn at(gateways: &BTreeSet<String>) -> String {
    let named: Vec<&str> = gateways.iter().map(String::as_str).take(NAMED).collect();
    let more = gateways.len().saturating_sub(NAMED);
    match (named.as_slice(), more) {
        ([one], _) => format!("gateway pod {one}"),
        (some, 0) => format!("each of the gateway pods {}", some.join(", ")),
        (some, more) => format!("each of the gateway pods {} and {more} more", some.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const API_SERVER: &str = "kube-apiserver-public";
    const OPEN: &str = "TooManyConnections";
    const NEW: &str = "ConnectionsTooFast";

    /// So many at as many replicas.
    fn met(reason: &str, service: &str, most: u32, count: usize) -> (Limit, Met) {
        let gateways = (0..count).map(|number| format!("gateway-{number}")).collect();
        (Limit::of(reason, service).unwrap(), Met { most, gateways })
    }

    fn said(limits: &Limits) -> String {
        verdict(limits, "plane").message().to_owned()
    }

    #[test]
    fn it_says_how_many_may_be_open_where_and_what_to_do() {
        assert_eq!(
            said(&[met(OPEN, API_SERVER, 500, 1)].into()),
            "connections were refused within the last minutes: no more than 500 may be open at gateway pod gateway-0; end \
             those that nobody needs (each kubelet, controller and watch keeps one), or have the operator allow more: \
             kubectl -n plane annotate service kube-apiserver-public --overwrite nagaya.dev/gateway-connections=NUMBER"
        );
    }

    #[test]
    fn several_replicas_are_named_and_of_many_the_first() {
        let at = |count| said(&[met(NEW, API_SERVER, 100, count)].into());
        assert!(
            at(2).contains(
                "100 a second may come to each of the gateway pods gateway-0, gateway-1;"
            )
        );
        assert!(at(5).contains("gateway-0, gateway-1, gateway-2 and 2 more;"), "{}", at(5));
        assert!(at(1).contains("nagaya.dev/gateway-connection-rate=NUMBER"));
    }

    #[test]
    fn each_limit_is_said_and_the_reason_is_that_of_the_first() {
        let tunnel = met(NEW, "konnectivity-server", 100, 1);
        let verdict = verdict(&[tunnel, met(OPEN, API_SERVER, 5, 1)].into(), "plane");
        let words = verdict.message();
        assert_eq!(verdict, Verdict::new(State::True, OPEN, words));
        let (first, second) = words.split_once(". ").unwrap();
        assert!(first.contains("no more than 5 may be open"), "{first}");
        assert!(command(words).unwrap().ends_with("gateway-connections=NUMBER"));
        assert!(second.starts_with("connections of the tunnel were refused"), "{second}");
        assert_eq!(of_api_server(words), first);
        assert_eq!(of_api_server(second), "");
    }

    #[test]
    fn what_a_later_gateway_counts_and_another_service_are_not_known() {
        assert_eq!(Limit::of(NEW, API_SERVER).unwrap().kind, LimitKind::New);
        assert!(Limit::of(NEW, "kube-apiserver-public-2").is_some());
        assert_eq!(Limit::of("BytesTooMany", API_SERVER), None);
        assert_eq!(Limit::of(NEW, "--all"), None);
    }
}
