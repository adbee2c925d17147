//! Ending without cutting what runs: not ready at once, the port a while later, and then it waits for the connections.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use crate::admin::Readiness;
use crate::config::Settings;
use crate::gateway::Gateway;

/// Between two looks whether connections are left.
const PAUSE: Duration = Duration::from_millis(50);

/// From the first signal on. A second one ends it at once, as the end of the grace does; what is left then is cut, and
/// counted in the answer.
pub async fn drain(
    gateway: &Gateway,
    readiness: &Readiness,
    settings: &Settings,
    again: &mut mpsc::Receiver<()>,
) -> i64 {
    readiness.drain();
    let Settings { drain_delay, drain_grace, .. } = settings;
    tracing::info!(connections = gateway.connections(), "drains");
    let ended = async {
        sleep(*drain_delay).await;
        gateway.close();
        let until = Instant::now() + *drain_grace;
        tokio::select! {
            () = sleep_until(until) => {}
            () = none_left(gateway) => {}
        }
    };
    tokio::select! {
        () = ended => {}
        // Also when nobody can signal any more.
        _ = again.recv() => {}
    }
    gateway.connections()
}

async fn none_left(gateway: &Gateway) {
    while gateway.connections() > 0 {
        sleep(PAUSE).await;
    }
}
