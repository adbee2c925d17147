//! The in-memory API server of the fault ring beside the real one: operations at random, and the same answers.
//!
//! | what | file |
//! |---|---|
//! | the real one | `api_server.rs` |
//! | what is asked for, out of a seed | `script.rs`, `objects.rs`, `operation.rs` |
//! | asking one of them, and what of an answer is compared | `side.rs` |
//! | what watches have shown meanwhile | `watches.rs` |
//! | how a difference is told | `difference.rs` |
//!
//! An answer is compared whole but for what no two servers have in common: times, words for people, in what order
//! `managedFields` are. UIDs and versions are compared by their place in the order in which they came, so that a write
//! that changes nothing has to be one on both. What the in-memory server does not play is not asked for: defaults
//! ([`objects`]), empty lists, the schemas, defaults and CEL rules of definitions, generated names, addresses and ports that are
//! given out, reads from a cache (`resourceVersion=0`), propagation other than `Background`, pods, and writes of the
//! status with PUT for the kinds that come with Kubernetes. Nothing else runs: no garbage collector and no namespace
//! controller, which the in-memory server leaves to the world of the controllers' tests too.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails the test")]

mod api_server;
#[path = "../loopback/certificate.rs"]
mod certificate;
#[path = "../controllers"]
#[allow(
    dead_code,
    unused_imports,
    reason = "made for the tests of controllers, of which only a part is used here"
)]
mod controllers {
    pub mod memory_api;
    pub mod process;
}
mod difference;
mod objects;
mod operation;
#[path = "../loopback/processes.rs"]
mod processes;
mod script;
mod side;
mod watches;

use std::collections::BTreeSet;
use std::env;
use std::time::Instant;

use controllers::{memory_api, process};

use api_server::ApiServer;
use difference::Differences;
use memory_api::MemoryApi;
use operation::Operation;
use script::Script;
use side::{Server, Side};
use watches::Watches;

/// `NAGAYA_OPERATIONS` asks for another number.
const OPERATIONS: u64 = 10_000;
/// After so many, what watches have shown is compared.
const CHAPTER: u64 = 500;

/// `NAGAYA_SEED` plays another seed.
#[tokio::test]
async fn the_in_memory_api_server_answers_as_the_real_one() {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = number("NAGAYA_SEED").unwrap_or(1);
    let operations = number("NAGAYA_OPERATIONS").unwrap_or(OPERATIONS);
    let server = ApiServer::start().await;
    let mut replay = Replay {
        real: Side::new(Server::Real(server.client.clone())),
        memory: Side::new(Server::Memory(MemoryApi::default())),
        script: Script::new(seed),
        differences: Differences::default(),
        codes: BTreeSet::new(),
    };
    let since = Instant::now();
    for operation in Script::beginning() {
        replay.play(&operation).await;
    }
    let mut done = 0;
    while done < operations && replay.differences.are_few() {
        let watches = Watches::open(&mut replay).await;
        for _ in 0..CHAPTER.min(operations - done) {
            let operation = replay.script.next();
            replay.play(&operation).await;
            done += 1;
        }
        watches.compare(&mut replay).await;
    }
    println!("seed {seed}: {done} operations in {:?}", since.elapsed());
    let told = &replay.differences;
    assert!(told.is_empty(), "NAGAYA_SEED={seed} plays it again.\n{told}");
    if done >= OPERATIONS {
        assert_eq!(replay.codes, [200, 201, 400, 403, 404, 409, 422].into(), "some never came");
    }
}

/// Both servers, and how alike they were so far.
struct Replay {
    real: Side,
    memory: Side,
    script: Script,
    differences: Differences,
    /// Of the real one's answers.
    codes: BTreeSet<u16>,
}

impl Replay {
    async fn play(&mut self, operation: &Operation) {
        let (expected, answer) =
            tokio::join!(self.real.play(operation), self.memory.play(operation));
        self.codes.insert(expected.code);
        if expected != answer {
            self.differences.note(operation, &expected, &answer);
            self.go_on(operation);
        }
    }

    /// The object is no longer alike: others of its kind are played from now on.
    fn go_on(&mut self, operation: &Operation) {
        self.script.leave(operation.kind);
        self.real.go_on_alike(&mut self.memory);
    }
}
