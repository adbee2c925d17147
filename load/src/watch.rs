//! A watch as an informer has it: when its stream ends, it goes on from the last event that it saw.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use crate::client::Client;
use crate::report::Tally;
use crate::requests::{ALL, SELECTOR, version};

/// Before a stream that could not be opened is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// Follows for ever, from resource version `from` on.
pub async fn follow(client: Arc<Client>, tally: Arc<Tally>, from: u64) {
    let mut last = from;
    loop {
        let path =
            format!("{ALL}?{SELECTOR}&watch=true&allowWatchBookmarks=true&resourceVersion={last}");
        match client.open(&path).await {
            Ok(stream) => {
                eprintln!("watch: opened after version {last}");
                last = read(stream, &tally, last).await;
                eprintln!("watch: ended after version {last}");
                tally.stream_ended();
            }
            Err(refusal) => eprintln!("watch: not opened after version {last}: {refusal}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn read(mut stream: Incoming, tally: &Tally, mut last: u64) -> u64 {
    let mut partial = Vec::new();
    while let Some(Ok(frame)) = stream.frame().await {
        partial.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default());
        while let Some(end) = partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = partial.drain(..=end).collect();
            last = seen(tally, &line, last);
        }
    }
    last
}

fn seen(tally: &Tally, line: &[u8], last: u64) -> u64 {
    let event: Value = serde_json::from_slice(line).unwrap_or_default();
    match (event["type"].as_str(), version(&event["object"])) {
        (Some("BOOKMARK"), Some(version)) => version,
        (Some("ADDED" | "MODIFIED" | "DELETED"), Some(version)) => {
            tally.event(version, last);
            version
        }
        // What came in between is not to be had any more: an informer would list anew.
        _ if event["object"]["code"] == 410 => {
            tally.gap();
            0
        }
        _ => last,
    }
}
