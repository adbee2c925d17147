//! The forwarder's settings: flags, which the manager writes into the `DaemonSet`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use tracing::level_filters::LevelFilter;

/// Leads pods of a node that ask for kubernetes.default through the gateway to their API server.
#[derive(Clone, Debug, Parser)]
#[command(name = "nagaya-forwarder", version)]
pub struct Settings {
    /// Address and port that default/kubernetes leads to. The address is given to this machine first.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: SocketAddr,

    /// Address and port of `/healthz` and `/readyz`, in plain HTTP.
    #[arg(long, value_name = "ADDRESS")]
    pub health: SocketAddr,

    /// Addresses and ports of the gateway, separated by commas. The first is tried first; who answered last is asked
    /// again as long as he does.
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',', required = true)]
    pub gateway: Vec<SocketAddr>,

    /// Name at the gateway of the API server that all connections are for.
    #[arg(long, value_name = "HOST")]
    pub authority: String,

    /// How long one address of the gateway may take to accept a connection.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pub connect_timeout: Duration,

    /// How long a connection may go on in one direction once the other has ended.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub half_close_timeout: Duration,

    /// After how long an idle peer that does not answer keepalive is taken for gone.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub dead_peer_timeout: Duration,

    /// How long connections may go on after SIGTERM. A second one ends them at once.
    #[arg(long, value_name = "SECONDS", default_value = "50", value_parser = seconds)]
    pub drain_grace: Duration,

    /// What is logged: `error`, `warn`, `info`, `debug` or `off`.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: LevelFilter,
}

/// A time in seconds, with a fraction or without.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "a number of seconds is wanted".to_owned())?;
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [&str; 4] = [
        "nagaya-forwarder",
        "--listen=240.0.0.1:1",
        "--health=240.0.0.1:2",
        "--authority=demo.acme.example.com",
    ];

    #[test]
    fn several_gateways_keep_their_order_and_none_is_refused() {
        let words = [&NEEDED[..], &["--gateway=192.0.2.2:443,192.0.2.1:443"]].concat();
        let gateways = Settings::try_parse_from(words).unwrap().gateway;
        assert_eq!(gateways, ["192.0.2.2:443", "192.0.2.1:443"].map(|text| text.parse().unwrap()));
        let error = Settings::try_parse_from(NEEDED).unwrap_err().to_string();
        assert!(error.contains("--gateway"), "{error}");
    }
}
