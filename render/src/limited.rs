//! What replicas of the gateway refuse of one tenant, in words.

use std::collections::{BTreeMap, BTreeSet};

use nagaya_api::{labels, reasons};

use crate::plane::names;
use crate::status::{State, Verdict};

/// So many replicas are named.
const NAMED: usize = 3;

/// A limit of one Service. The order is that in which they are said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limit {
    /// What is counted.
    pub kind: LimitKind,
    /// The Service.
    pub service: String,
    /// How much it may have through one replica.
    pub most: u32,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitKind {
    /// Open connections.
    Open,
    /// New ones a second.
    New,
}

/// The limits that a tenant has met, each with the replicas that say so; never empty.
pub type Limits = BTreeMap<Limit, BTreeSet<String>>;

impl LimitKind {
    /// By the word that the gateway has for it; `None`: a later gateway's.
    #[must_use]
    pub fn of(reason: &str) -> Option<Self> {
        [Self::Open, Self::New].into_iter().find(|kind| kind.reason() == reason)
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Open => reasons::TOO_MANY_CONNECTIONS,
            Self::New => reasons::CONNECTIONS_TOO_FAST,
        }
    }
}

/// Before the command that mends it.
const ALLOW_MORE: &str = "or have the operator allow more: ";

/// The operator's command in the words of [`verdict`].
#[must_use]
pub fn command(words: &str) -> Option<&str> {
    words.split_once(ALLOW_MORE)?.1.split(". ").next()
}

/// What is said of them, of a tenant whose control plane is in the namespace `plane`.
#[must_use]
pub fn verdict(limits: &Limits, plane: &str) -> Verdict {
    let reason =
        limits.keys().next().map_or(reasons::TOO_MANY_CONNECTIONS, |one| one.kind.reason());
    let words: Vec<String> =
        limits.iter().map(|(limit, gateways)| words(limit, gateways, plane)).collect();
    Verdict::new(State::True, reason, words.join(". "))
}

fn words(limit: &Limit, gateways: &BTreeSet<String>, plane: &str) -> String {
    let Limit { kind, service, most } = limit;
    let whose = if service == names::TUNNEL_SERVER { " of the tunnel" } else { "" };
    let at = at(gateways);
    let (why, mend, annotation) = match kind {
        LimitKind::Open => (
            format!("{most} of {most} connections are open at {at}"),
            "end those that nobody needs (each kubelet, controller and watch keeps one)",
            labels::GATEWAY_CONNECTIONS,
        ),
        LimitKind::New => (
            format!("more than {most} new connections a second came to {at}"),
            "look for clients that connect again and again without a pause",
            labels::GATEWAY_CONNECTION_RATE,
        ),
    };
    format!(
        "connections{whose} are refused: {why}; {mend}, {ALLOW_MORE}kubectl -n {plane} annotate \
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

    fn limit(kind: LimitKind, service: &str, most: u32) -> Limit {
        Limit { kind, service: service.to_owned(), most }
    }

    fn gateways(count: usize) -> BTreeSet<String> {
        (0..count).map(|number| format!("gateway-{number}")).collect()
    }

    fn said(limits: &Limits) -> String {
        verdict(limits, "plane").message().to_owned()
    }

    #[test]
    fn it_says_how_many_are_open_where_and_what_to_do() {
        let met = limit(LimitKind::Open, "kube-apiserver-public", 500);
        let words = said(&[(met, gateways(1))].into());
        assert_eq!(
            words,
            "connections are refused: 500 of 500 connections are open at gateway pod gateway-0; end those that nobody \
             needs (each kubelet, controller and watch keeps one), or have the operator allow more: kubectl -n plane \
             annotate service kube-apiserver-public --overwrite nagaya.dev/gateway-connections=NUMBER"
        );
    }

    #[test]
    fn several_replicas_are_named_and_of_many_the_first() {
        let at = |count| {
            said(&[(limit(LimitKind::New, "kube-apiserver-public", 100), gateways(count))].into())
        };
        assert!(at(2).contains("a second came to each of the gateway pods gateway-0, gateway-1;"));
        assert!(at(5).contains("gateway-0, gateway-1, gateway-2 and 2 more;"), "{}", at(5));
        assert!(at(1).contains("nagaya.dev/gateway-connection-rate=NUMBER"));
    }

    #[test]
    fn each_limit_is_said_and_the_reason_is_that_of_the_first() {
        let tunnel = (limit(LimitKind::New, "konnectivity-server", 100), gateways(1));
        let open = (limit(LimitKind::Open, "kube-apiserver-public", 5), gateways(1));
        let verdict = verdict(&[tunnel, open].into(), "plane");
        let words = verdict.message();
        assert_eq!(verdict, Verdict::new(State::True, "TooManyConnections", words));
        let (first, second) = words.split_once(". ").unwrap();
        assert!(first.starts_with("connections are refused: 5 of 5"), "{first}");
        assert!(command(words).unwrap().ends_with("gateway-connections=NUMBER"));
        assert!(second.starts_with("connections of the tunnel are refused: more"), "{second}");
    }

    #[test]
    fn what_a_later_gateway_counts_is_not_known() {
        assert_eq!(LimitKind::of("ConnectionsTooFast"), Some(LimitKind::New));
        assert_eq!(LimitKind::of("BytesTooMany"), None);
    }
}
