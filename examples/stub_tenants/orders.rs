//! What `stub_tenants` is told, a line each on its standard input; it answers with a line when it is done.
//!
//! - `end TENANT`: that tenant's API server is dead from now on.
//! - `count`: from now on discoveries are counted anew.
//! - `counted`: how many tenants that are alive have not been discovered since.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;

use crate::planes::{Plane, Planes};

/// Until the input is closed.
pub async fn take(planes: &Arc<Planes>) {
    let (lines, mut orders) = mpsc::unbounded_channel();
    // A thread of its own: the runtime would wait for a blocking task when this program is done.
    std::thread::spawn(move || {
        std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
    });
    while let Some(order) = orders.recv().await {
        println!("{}", obey(planes, &order));
    }
}

fn obey(planes: &Planes, order: &str) -> String {
    let every = planes.every();
    let alive = |plane: &&Arc<Plane>| !plane.silent && plane.api_server().is_some();
    match order.split_once(' ').unwrap_or((order, "")) {
        ("end", tenant) => {
            let of = every.iter().filter(|plane| plane.tenant == tenant);
            format!("ended {}", of.map(|plane| plane.dead.cancel()).count())
        }
        ("count", _) => {
            for plane in &every {
                plane.discovered.store(0, Ordering::Relaxed);
            }
            "counting".to_owned()
        }
        ("counted", _) => {
            let alive = every.iter().filter(alive);
            let missing = alive.filter(|plane| plane.discovered.load(Ordering::Relaxed) == 0);
            format!("missing {}", missing.count())
        }
        _ => format!("there is no order {order:?}"),
    }
}
