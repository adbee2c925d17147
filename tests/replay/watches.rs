//! Watches of each kind over a chapter: from the version of a list at its beginning until an object that is made at its
//! end.

use fastrand::Rng;
use serde_json::{Value, json};

use crate::Replay;
use crate::memory_api::Kind;
use crate::objects::{self, KINDS};
use crate::operation::{Operation, Verb};
use crate::script::{NAMESPACES, plain};
use crate::side::Answer;

/// What every object that ends a chapter has.
const LABELS: &str = "a=1";

/// One of each kind, and the version that it begins with on both servers.
pub struct Watches(Vec<(Operation, [String; 2])>);

impl Watches {
    pub async fn open(replay: &mut Replay) -> Self {
        let mut watches = Vec::new();
        for (name, _) in KINDS {
            let dice = &mut replay.script.dice;
            // Of Namespaces there are some that only a real server makes for itself.
            let labels = (name == "Namespace" || dice.bool()).then_some(LABELS);
            let list = Operation {
                namespace: NAMESPACES[0].to_owned(),
                metadata_only: dice.bool(),
                ..plain(Kind::named(name), Verb::List { labels, limit: None })
            };
            replay.play(&list).await;
            let versions = [&replay.real, &replay.memory].map(|side| side.listed.clone());
            watches.push((list, versions));
        }
        Self(watches)
    }

    /// Compares what they have shown.
    pub async fn compare(self, replay: &mut Replay) {
        for (list, [real, memory]) in self.0 {
            let end = end(&list, &mut replay.script.dice);
            replay.play(&end).await;
            let (expected, shown) = tokio::join!(
                replay.real.watch(&list, &real, &end.name),
                replay.memory.watch(&list, &memory, &end.name),
            );
            if expected != shown {
                let [expected, shown] =
                    [expected, shown].map(|events| Answer { code: 200, body: events.into() });
                replay.differences.note(&list, &expected, &shown);
                replay.go_on(&list);
            }
        }
    }
}

/// Makes an object that nothing else is called like.
fn end(list: &Operation, dice: &mut Rng) -> Operation {
    let name = format!("end-{}", dice.u32(..));
    let mut object = objects::whole(list.kind, &name, dice);
    object["metadata"] = json!({"name": name, "labels": {"a": "1"}});
    Operation { namespace: list.namespace.clone(), name, ..plain(list.kind, Verb::Create(object)) }
}

/// Whether it is the event with which a chapter ends.
pub fn is_end(event: &Value, end: &str) -> bool {
    event["type"] == "ADDED" && event["object"]["metadata"]["name"] == end
}
