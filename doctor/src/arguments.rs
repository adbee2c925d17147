//! The arguments: those of `kubeadm join` that a worker's join is given, and three of our own.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;
use nagaya_pki::BootstrapToken;

/// Says why `kubeadm join` with the same arguments would fail on this machine, and which command mends it.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "nagaya-doctor",
    version,
    after_help = "Exit code: 0 if the join would succeed, 1 if not, 2 if these arguments are none. Nothing is changed."
)]
pub struct Arguments {
    /// Where the API server is, as `kubeadm join` is told.
    #[arg(value_name = "HOST:PORT")]
    pub endpoint: Endpoint,

    /// The bootstrap token, `ID.SECRET`.
    #[arg(long, visible_alias = "discovery-token", value_name = "TOKEN")]
    pub token: BootstrapToken,

    /// The hash of the CA that the cluster has to have; may be given several times.
    #[arg(
        long = "discovery-token-ca-cert-hash",
        value_name = "sha256:HEX",
        value_parser = pin,
        required_unless_present = "any_ca"
    )]
    pub pins: Vec<String>,

    /// Believe any CA that is signed with the token.
    #[arg(long = "discovery-token-unsafe-skip-ca-verification", conflicts_with = "pins")]
    pub any_ca: bool,

    /// The name that the node is to have, if it is not the host's.
    #[arg(long, value_name = "NAME")]
    pub node_name: Option<String>,

    /// The container runtime's socket, if there are several.
    #[arg(long, value_name = "PATH")]
    pub cri_socket: Option<String>,

    /// Checks of kubeadm that it is told to pass over; what the kubelet fails of is still a failure.
    #[arg(long = "ignore-preflight-errors", value_name = "NAMES", value_delimiter = ',')]
    pub ignored: Vec<String>,

    /// As kubeadm's; only so that its command line is understood.
    #[arg(long = "v", short = 'v', value_name = "LEVEL", hide = true)]
    pub verbosity: Option<u8>,

    /// Tell it as JSON.
    #[arg(long)]
    pub json: bool,

    /// Look for files and programs below this folder instead.
    #[arg(long, value_name = "FOLDER", default_value = "/")]
    pub root: PathBuf,
}

impl Arguments {
    /// Those of a join command; without a token, one that nobody has.
    ///
    /// # Errors
    /// What of it kubeadm could not use either.
    pub fn of_join(endpoint: &str, token_and_pin: Option<(&str, &str)>) -> Result<Self, String> {
        let (token, pin) = token_and_pin.unzip();
        let token = token.unwrap_or("000000.0000000000000000");
        let pin = pin.map(|pin| format!("--discovery-token-ca-cert-hash={pin}"));
        let pin = pin.as_deref().unwrap_or("--discovery-token-unsafe-skip-ca-verification");
        Self::try_parse_from(["nagaya-doctor", endpoint, "--token", token, pin])
            .map_err(|error| error.to_string())
    }

    /// Whether kubeadm is told to go on in spite of this one of its checks.
    pub(crate) fn ignores(&self, preflight: &str) -> bool {
        let is = |name: &String| {
            name.eq_ignore_ascii_case(preflight) || name.eq_ignore_ascii_case("all")
        };
        self.ignored.iter().any(is)
    }
}

/// A host, by name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Without the brackets of an IPv6 address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Endpoint {
    pub(crate) fn is_ipv4(&self) -> bool {
        self.host.parse::<Ipv4Addr>().is_ok()
    }

    /// Of `https://host:port`, as a kubeconfig names its server.
    pub(crate) fn of_url(url: &str) -> Option<Self> {
        let authority = url.strip_prefix("https://")?.split('/').next()?;
        let with_port = |text: &str| text.parse().ok();
        with_port(authority).or_else(|| with_port(&format!("{authority}:443")))
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => write!(formatter, "[{address}]:{}", self.port),
            _ => write!(formatter, "{}:{}", self.host, self.port),
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not HOST:PORT; kubeadm has no default port either");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if host.is_empty() || host.contains('/') || (bare.is_none() && host.contains(':')) {
            return Err(wrong());
        }
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        Ok(Self { host: bare.unwrap_or(host).to_owned(), port })
    }
}

/// In the form in which hashes are compared.
fn pin(text: &str) -> Result<String, String> {
    let pin = text.to_ascii_lowercase();
    let digits = pin.strip_prefix("sha256:").unwrap_or_default();
    if digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(pin);
    }
    Err(format!("it has to be sha256: and 64 hexadecimal digits, and has {} of them", digits.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Result<Arguments, String> {
        let words = std::iter::once("nagaya-doctor").chain(words.split_whitespace());
        Arguments::try_parse_from(words).map_err(|error| error.to_string())
    }

    #[test]
    fn the_words_of_a_join_command_are_understood() {
        let hash = "A".repeat(64);
        let join = parsed(&format!(
            "demo.example.com:6443 --token abcdef.0123456789abcdef \
             --discovery-token-ca-cert-hash sha256:{hash} --ignore-preflight-errors=Swap,systemverification"
        ))
        .unwrap();
        assert_eq!(join.endpoint.to_string(), "demo.example.com:6443");
        assert_eq!(join.pins, [format!("sha256:{}", "a".repeat(64))]);
        assert!(join.ignores("SystemVerification") && !join.ignores("CRI"));
        let join = parsed(
            "[fd00::1]:6443 --discovery-token abcdef.0123456789abcdef --ignore-preflight-errors all \
                           --discovery-token-unsafe-skip-ca-verification",
        );
        let join = join.unwrap();
        assert_eq!((join.endpoint.host.as_str(), join.endpoint.port), ("fd00::1", 6443));
        assert!(join.ignores("CRI"));
    }

    #[test]
    fn what_kubeadm_could_not_use_either_is_refused() {
        let token = "--token abcdef.0123456789abcdef";
        for (words, says) in [
            (format!("demo {token}"), "is not HOST:PORT"),
            (format!("fd00::1 {token}"), "is not HOST:PORT"),
            (format!("https://demo:1 {token}"), "is not HOST:PORT"),
            (format!("demo:1 {token} --discovery-token-ca-cert-hash sha256:12"), "has 2 of them"),
            ("demo:1".to_owned(), "--token"),
            (format!("demo:1 {token}"), "--discovery-token-ca-cert-hash"),
            ("demo:1 --token abcdef".to_owned(), "expected <id>.<secret>"),
        ] {
            let refusal = parsed(&words).unwrap_err();
            assert!(refusal.contains(says), "{words}: {refusal}");
        }
    }

    #[test]
    fn the_server_of_a_kubeconfig_is_an_endpoint() {
        let of = |url| Endpoint::of_url(url).map(|endpoint| endpoint.to_string());
        assert_eq!(of("https://demo:6443/").as_deref(), Some("demo:6443"));
        assert_eq!(of("https://demo").as_deref(), Some("demo:443"));
        assert_eq!(of("https://[fd00::1]:6443").as_deref(), Some("[fd00::1]:6443"));
        assert_eq!(of("http://demo:6443"), None);
    }
}
