//! The questions: reads and writes of ConfigMaps, in turn, at a steady pace.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::Error;
use crate::client::{Client, Over};
use crate::report::Tally;

/// Where the ConfigMaps are.
pub const ALL: &str = "/api/v1/namespaces/default/configmaps";
/// What they are selected by.
pub const SELECTOR: &str = "labelSelector=app.kubernetes.io%2Fname%3Dnagaya-load";
/// So many that an object is written again only seconds later: writes that meet would be repeated inside the API
/// server, and what is measured would be that.
const OBJECTS: u64 = 400;
/// How many are made at once.
const LANES: u64 = 20;

/// Makes the ConfigMaps, and returns the resource version from which on they are watched.
pub async fn prepare(client: &Arc<Client>) -> Result<u64, Error> {
    let mut making = JoinSet::new();
    for lane in 0..LANES {
        let client = Arc::clone(client);
        making.spawn(async move {
            for index in (lane..OBJECTS).filter(|index| index % LANES == lane) {
                make(&client, index).await?;
            }
            Ok(())
        });
    }
    while let Some(made) = making.join_next().await {
        made.unwrap_or_else(|panic| Err(Error::Cluster(panic.to_string())))?;
    }
    let list = list(client).await?;
    version(&list).ok_or_else(|| Error::Cluster("the list has no resourceVersion".to_owned()))
}

async fn make(client: &Client, index: u64) -> Result<(), Error> {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name(index), "labels": {"app.kubernetes.io/name": "nagaya-load"}},
    });
    match client.ask(Over::Shared, Method::POST, ALL, Some(&object)).await {
        Ok(_) => Ok(()),
        Err(refusal) if refusal == "status 409" => Ok(()),
        Err(refusal) => Err(Error::Cluster(format!("cannot make ConfigMaps: {refusal}"))),
    }
}

/// Asks for ever: `rate` times a second, whether or not the questions before have been answered. `start` tells this
/// run's writes from those of a run before: one that changes nothing has no resource version of its own.
pub async fn ask(client: &Arc<Client>, tally: &Arc<Tally>, rate: u32, start: u64) {
    let mut pace = interval(Duration::from_secs(1) / rate.max(1));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0_u64.. {
        pace.tick().await;
        let (client, tally) = (Arc::clone(client), Arc::clone(tally));
        tally.sent();
        tokio::spawn(async move {
            let (over, name) =
                (if number % 2 == 0 { Over::Shared } else { Over::Fresh }, name(number % OBJECTS));
            let path = format!("{ALL}/{name}");
            let (is_write, asked) = (number / 2 % 2 == 0, Instant::now());
            let answer = if is_write {
                let change = json!({"data": {"number": format!("{start}-{number}")}});
                client.ask(over, Method::PATCH, &path, Some(&change)).await
            } else {
                client.ask(over, Method::GET, &path, None).await
            };
            tally.answered(
                over,
                asked.elapsed(),
                answer.map(|object| {
                    if is_write { version(&object).map(|version| (name, version)) } else { None }
                }),
            );
        });
    }
}

/// Resource versions of the ConfigMaps, read past every cache.
pub async fn read_all(client: &Client) -> Result<BTreeMap<String, u64>, Error> {
    let list = list(client).await?;
    let items = list["items"].as_array().cloned().unwrap_or_default();
    Ok(items
        .iter()
        .filter_map(|item| {
            Some((item.pointer("/metadata/name")?.as_str()?.to_owned(), version(item)?))
        })
        .collect())
}

async fn list(client: &Client) -> Result<Value, Error> {
    let mut refusal = String::new();
    // Whatever was tested may just end.
    for _ in 0..30 {
        match client.ask(Over::Fresh, Method::GET, &format!("{ALL}?{SELECTOR}"), None).await {
            Ok(list) => return Ok(list),
            Err(again) => refusal = again,
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Err(Error::Cluster(format!("cannot list ConfigMaps: {refusal}")))
}

fn name(index: u64) -> String {
    format!("nagaya-load-{index}")
}

/// `metadata.resourceVersion`: since KEP-5504 a number that grows.
pub fn version(object: &Value) -> Option<u64> {
    object.pointer("/metadata/resourceVersion")?.as_str()?.parse().ok()
}
