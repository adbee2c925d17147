//! The gateway's settings: flags, and for each an environment variable. A flag wins.
//!
//! They are flat and few, so that they are flags rather than a file as the manager's; `docs/reference/gateway.md` is made
//! of them ([`reference`]).

pub mod reference;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Routes tenants' TLS connections by their server name.
#[derive(Clone, Debug, Parser)]
#[command(name = "nagaya-gateway", version)]
pub struct Settings {
    /// Address and port that the tenants' clients connect to.
    #[arg(
        long,
        env = "NAGAYA_GATEWAY_LISTEN",
        value_name = "ADDRESS",
        default_value = "[::]:8443"
    )]
    pub listen: SocketAddr,

    /// Address and port of `/healthz`, `/readyz`, `/metrics`, `/routes`, `/limited` and `/limited.json`, in plain
    /// HTTP: for the operator and the manager, not for tenants.
    #[arg(long, env = "NAGAYA_GATEWAY_ADMIN", value_name = "ADDRESS", default_value = "[::]:8080")]
    pub admin: SocketAddr,

    /// Kubeconfig of the cluster whose Services are the routes; unset: the one that the gateway runs in.
    #[arg(long, env = "NAGAYA_GATEWAY_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Threads that move bytes; unset: as many as there are processors.
    #[arg(long, env = "NAGAYA_GATEWAY_WORKERS", value_name = "NUMBER")]
    pub workers: Option<NonZeroUsize>,

    /// How long a client may take from connecting to the end of its `ClientHello`.
    #[arg(long, env = "NAGAYA_GATEWAY_HELLO_TIMEOUT", value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub hello_timeout: Duration,

    /// The longest `ClientHello`, in bytes with its record headers. One with post-quantum keys has 2 KiB, a session ticket
    /// that carries a client's certificates a few more.
    #[arg(long, env = "NAGAYA_GATEWAY_HELLO_LIMIT", value_name = "BYTES", default_value = "16384")]
    pub hello_limit: usize,

    /// How many connections may be without a complete `ClientHello` at the same time. One more ends the oldest of them.
    #[arg(
        long,
        env = "NAGAYA_GATEWAY_PENDING_LIMIT",
        value_name = "NUMBER",
        default_value = "4096"
    )]
    pub pending_limit: NonZeroUsize,

    /// How long a tenant's API server may take to accept a connection.
    #[arg(long, env = "NAGAYA_GATEWAY_CONNECT_TIMEOUT", value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub connect_timeout: Duration,

    /// How long a connection may go on in one direction once the other has ended.
    #[arg(long, env = "NAGAYA_GATEWAY_HALF_CLOSE_TIMEOUT", value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub half_close_timeout: Duration,

    /// After how long an idle peer that does not answer keepalive is taken for gone. One that owes acknowledgements is
    /// when the kernel gives it up: after about 15 minutes.
    #[arg(long, env = "NAGAYA_GATEWAY_DEAD_PEER_TIMEOUT", value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub dead_peer_timeout: Duration,

    /// How many connections a Service may have; its annotation `nagaya.dev/gateway-connections` may say otherwise.
    #[arg(long, env = "NAGAYA_GATEWAY_CONNECTIONS", value_name = "NUMBER", default_value = "5000")]
    pub connections: u32,

    /// How many new connections a second a Service may get, five seconds' worth of them at once; its annotation
    /// `nagaya.dev/gateway-connection-rate` may say otherwise.
    #[arg(
        long,
        env = "NAGAYA_GATEWAY_CONNECTION_RATE",
        value_name = "NUMBER",
        default_value = "100"
    )]
    pub connection_rate: u32,

    /// Every connection begins with a PROXY protocol header of version 2, from a load balancer in front. One that does
    /// not is refused.
    #[arg(long, env = "NAGAYA_GATEWAY_PROXY_PROTOCOL")]
    pub proxy_protocol: bool,

    /// How long the PROXY protocol header may take.
    #[arg(long, env = "NAGAYA_GATEWAY_PROXY_PROTOCOL_TIMEOUT", value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    pub proxy_protocol_timeout: Duration,

    /// When a Service is no longer a route, its connections are cut after so long; unset: never.
    #[arg(long, env = "NAGAYA_GATEWAY_REMOVED_ROUTE_GRACE", value_name = "SECONDS", value_parser = seconds)]
    pub removed_route_grace: Option<Duration>,

    /// How long new connections are still accepted after SIGTERM, while load balancers learn that it is not ready.
    #[arg(long, env = "NAGAYA_GATEWAY_DRAIN_DELAY", value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub drain_delay: Duration,

    /// How long connections may go on after that. A second SIGTERM ends them at once.
    #[arg(long, env = "NAGAYA_GATEWAY_DRAIN_GRACE", value_name = "SECONDS", default_value = "900", value_parser = seconds)]
    pub drain_grace: Duration,

    /// What is logged: a level, or a list such as `info,nagaya_gateway::routes=debug` (`tracing`'s `EnvFilter`).
    #[arg(long, env = "NAGAYA_GATEWAY_LOG_FILTER", value_name = "FILTER", default_value = "info")]
    pub log_filter: String,

    /// One JSON object per line, or text for a reader.
    #[arg(long, env = "NAGAYA_GATEWAY_LOG_FORMAT", value_name = "FORMAT", default_value = "json")]
    pub log_format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Text for a reader.
    Text,
}

impl Settings {
    /// What they are when nothing is said, whatever the environment says: for tests.
    ///
    /// # Errors
    /// A flag of `more` does not exist, or cannot have that value.
    pub fn with(more: &[&str]) -> Result<Self, clap::Error> {
        Self::try_parse_from([&["nagaya-gateway"], more].concat())
    }
}

/// A time in seconds, with a fraction or without.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "a number of seconds is wanted".to_owned())?;
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_flags_everything_has_a_default() {
        let settings = Settings::with(&[]).unwrap();
        assert_eq!(settings.hello_timeout, Duration::from_secs(10));
        assert_eq!(settings.removed_route_grace, None);
    }

    #[test]
    fn a_fraction_of_a_second_is_a_time_and_a_negative_one_is_refused_by_the_flags_name() {
        let settings = Settings::with(&["--drain-delay=0.5"]).unwrap();
        assert_eq!(settings.drain_delay, Duration::from_millis(500));
        let error = Settings::with(&["--drain-delay=-1"]).unwrap_err().to_string();
        assert!(error.contains("--drain-delay"), "{error}");
    }

    #[test]
    fn an_unknown_flag_is_refused_by_name() {
        let error = Settings::with(&["--proxy"]).unwrap_err().to_string();
        assert!(error.contains("--proxy"), "{error}");
    }
}
