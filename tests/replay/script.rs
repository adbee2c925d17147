//! What is asked for, out of a seed.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::json;

use crate::memory_api::Kind;
use crate::objects::{self, KINDS};
use crate::operation::{Operation, Seen, Verb};

const MANAGERS: [&str; 3] = ["nagaya", "kubectl", "somebody"];
pub const NAMESPACES: [&str; 2] = ["acme", "other"];
/// So few that most operations meet an object.
const NAMES: u8 = 3;

/// Operations without end.
pub struct Script {
    pub dice: Rng,
    /// By kind: how often its objects were left behind.
    left: BTreeMap<&'static str, u32>,
}

impl Script {
    pub fn new(seed: u64) -> Self {
        Self { dice: Rng::with_seed(seed), left: BTreeMap::new() }
    }

    /// Goes on with other objects of the kind: those of before are no longer alike.
    pub fn leave(&mut self, kind: &Kind) {
        *self.left.entry(kind.name).or_default() += 1;
    }

    /// The namespaces that are always there.
    pub fn beginning() -> Vec<Operation> {
        let kind = Kind::named("Namespace");
        let object = |name| {
            let metadata = json!({ "name": name });
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        };
        NAMESPACES
            .iter()
            .map(|name| Operation {
                name: (*name).to_owned(),
                ..plain(kind, Verb::Create(object(name)))
            })
            .collect()
    }

    pub fn next(&mut self) -> Operation {
        let kind = self.kind();
        let dice = &mut self.dice;
        let left = self.left.get(kind.name).copied().unwrap_or_default();
        let name = match dice.u16(..400) {
            0 => "Not_A_Name".to_owned(),
            _ => format!("{}-{left}-{}", kind.name.to_lowercase(), dice.u8(..NAMES)),
        };
        // A Namespace that the script makes and deletes, and that may not be there.
        let namespace = match dice.u16(..200) {
            0 => {
                let left = self.left.get("Namespace").copied().unwrap_or_default();
                format!("namespace-{left}-{}", dice.u8(..NAMES))
            }
            _ => (*dice.choice(&NAMESPACES).unwrap()).to_owned(),
        };
        let verb = verb(kind, &name, dice);
        let reads = matches!(verb, Verb::Get | Verb::List { .. });
        let mut operation = Operation {
            namespace,
            name,
            metadata_only: dice.u8(..5) == 0 && !matches!(verb, Verb::Delete { .. }),
            manager: (!reads && dice.u8(..20) > 0).then(|| *dice.choice(&MANAGERS).unwrap()),
            ..plain(kind, verb)
        };
        self.condition(&mut operation);
        operation
    }

    fn kind(&mut self) -> &'static Kind {
        let all: u32 = KINDS.iter().map(|(_, often)| often).sum();
        let mut place = self.dice.u32(..all);
        let mut kinds = KINDS.iter();
        loop {
            let (name, often) = kinds.next().unwrap();
            match place.checked_sub(*often) {
                Some(left) => place = left,
                None => return Kind::named(name),
            }
        }
    }

    /// Which version is meant, and whether the status.
    fn condition(&mut self, operation: &mut Operation) {
        let dice = &mut self.dice;
        let seen = |dice: &mut Rng, last| match dice.u8(..10) {
            0 => Seen::Earlier,
            number if number < last => Seen::Last,
            _ => Seen::Unsaid,
        };
        match &mut operation.verb {
            Verb::Update { patch, .. } => {
                operation.version = seen(dice, 8);
                operation.uid = if dice.u8(..20) == 0 { Seen::Earlier } else { Seen::Last };
                // Of the kinds that come with Kubernetes, each lets other parts of metadata through.
                if operation.kind.is_defined() && dice.u8(..3) == 0 {
                    operation.status = true;
                    *patch = objects::status(operation.kind, dice);
                }
            }
            Verb::MergePatch(patch) => {
                operation.version = seen(dice, 2);
                if objects::has_status(operation.kind) && dice.u8(..3) == 0 {
                    operation.status = true;
                    *patch = objects::status(operation.kind, dice);
                }
            }
            Verb::Apply { object, .. } => {
                (operation.uid, operation.version) = (seen(dice, 2), seen(dice, 2));
                if objects::has_status(operation.kind) && dice.u8(..3) == 0 {
                    operation.status = true;
                    object["status"] = objects::status(operation.kind, dice)["status"].take();
                    object["metadata"] = json!({ "name": object["metadata"]["name"] });
                    object.as_object_mut().unwrap().remove("spec");
                }
            }
            Verb::Delete { .. } => {
                (operation.uid, operation.version) = (seen(dice, 5), seen(dice, 5));
            }
            Verb::Create(_) | Verb::Get | Verb::List { .. } => {}
        }
    }
}

fn verb(kind: &Kind, name: &str, dice: &mut Rng) -> Verb {
    let whole = |dice: &mut Rng| objects::whole(kind, name, dice);
    match dice.u8(..20) {
        0..3 => Verb::Create(whole(dice)),
        3 => Verb::Get,
        4 => Verb::List {
            labels: match dice.u8(..4) {
                // Of Namespaces there are some that only a real server makes for itself.
                0 if kind.name != "Namespace" => None,
                0 | 1 => Some("a=1"),
                2 => Some("a,!b"),
                _ => Some("a=2,b"),
            },
            limit: dice.bool().then(|| dice.u8(1..3)),
        },
        5 if dice.u8(..20) == 0 => {
            Verb::Update { patch: json!({"metadata": {"name": "another"}}), whole: whole(dice) }
        }
        5..9 => Verb::Update { patch: objects::change(kind, name, dice), whole: whole(dice) },
        9..12 => Verb::MergePatch(objects::change(kind, name, dice)),
        12..18 => Verb::Apply { object: whole(dice), force: dice.bool() },
        _ => Verb::Delete { background: dice.bool() },
    }
}

/// With nothing else said.
pub fn plain(kind: &'static Kind, verb: Verb) -> Operation {
    Operation {
        verb,
        kind,
        namespace: String::new(),
        name: String::new(),
        status: false,
        metadata_only: false,
        manager: None,
        uid: Seen::Unsaid,
        version: Seen::Unsaid,
    }
}
