//! The command line: one verb, one function of [`crate::sandbox`].

use std::io;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};

use crate::error::{IoContext, Result};
use crate::host::namespaces::{self, INIT_VERB, NETWORK_VERB, NamespacesHost};
use crate::host::{self, Service};
use crate::state::{self, HostKind, Link};
use crate::{interrupt, management, network, paths, progress, sandbox, status};

/// A real Kubernetes cluster on this machine, in namespaces of its own, without a route outside.
#[derive(Debug, Parser)]
#[command(name = "sandbox", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make the management cluster; says what is there already, repairs what is broken.
    Up {
        /// Its nodes, each in a zone of its own. More than there are can be had at any time, fewer only after `down`.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
        nodes: u8,
    },
    /// Remove all of it: processes, mounts, networks, cgroups, files.
    Down,
    /// Show the hosts and whether the management cluster is well (exit code 0).
    Status,
    /// Run kubectl as administrator of the management cluster.
    #[command(disable_help_flag = true)]
    Kubectl {
        /// Words for kubectl.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Run a command on the management host.
    Exec {
        /// The command.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<String>,
    },
    /// Add, use and remove machines for tenants.
    #[command(subcommand)]
    Host(HostVerb),
    /// Put images into hosts.
    #[command(subcommand)]
    Image(ImageVerb),
    /// Print a host's log.
    Logs {
        /// The host.
        #[arg(default_value = network::MANAGEMENT)]
        host: String,
        /// Which of its services.
        #[arg(default_value = "kubelet")]
        service: Service,
    },
    #[command(name = INIT_VERB, hide = true)]
    HostInit { name: String },
    #[command(name = NETWORK_VERB, hide = true)]
    HostNetwork { name: String, address: Ipv4Addr },
}

#[derive(Debug, Subcommand)]
enum HostVerb {
    /// Add a machine with containerd, kubelet and kubeadm, ready for `kubeadm join`.
    Add {
        /// Its host name.
        name: String,
        /// A virtual machine (Debian in qemu) rather than namespaces.
        #[arg(long)]
        vm: bool,
        /// Its Kubernetes minor, such as 1.35; the newest if not said.
        #[arg(long, value_name = "MINOR")]
        kubernetes: Option<String>,
        /// A virtual machine's cloud-init user-data, such as that of a `JoinToken`; `-` is standard input.
        #[arg(long, value_name = "FILE", requires = "vm")]
        user_data: Option<PathBuf>,
    },
    /// Run a command on a machine.
    Exec {
        /// Its host name.
        name: String,
        /// The command.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<String>,
    },
    /// Switch a machine off and remove it.
    Rm {
        /// Its host name.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum ImageVerb {
    /// Load images into a host: archive files, references that the sandbox can make, or
    /// `kubernetes-MINOR` for what a control plane of that minor runs.
    Load {
        /// Files, references or `kubernetes-MINOR`.
        #[arg(required = true, value_name = "FILE_OR_REF")]
        images: Vec<String>,
        /// The host; every one of the management cluster if not said.
        #[arg(long)]
        host: Option<String>,
    },
}

/// Runs the program; the exit code is the verb's, or that of the command it ran.
#[must_use]
pub fn main() -> ExitCode {
    match run(Cli::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            progress::say(&format!("sandbox: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Kubectl { words } => become_command(sandbox::kubectl(&words)?),
        Verb::Exec { words } => become_command(host::open(network::MANAGEMENT)?.exec(&words)?),
        Verb::Host(HostVerb::Exec { name, words }) => {
            become_command(host::open(&name)?.exec(&words)?)
        }
        Verb::Logs { host, service } => become_command(host::open(&host)?.log(service)),
        Verb::Status => status::print(),
        Verb::HostInit { name } => {
            NamespacesHost::new(state::host(&name)?).run_init()?;
            Ok(ExitCode::FAILURE)
        }
        Verb::HostNetwork { name, address } => {
            namespaces::configure_network(&name, address).map(|()| ExitCode::SUCCESS)
        }
        changing => change(changing).map(|()| ExitCode::SUCCESS),
    }
}

/// The verbs that start or end things: interrupted, they undo what they did.
fn change(verb: Verb) -> Result<()> {
    interrupt::watch()?;
    match verb {
        Verb::Up { nodes } => sandbox::up_with(usize::from(nodes)),
        Verb::Down => sandbox::down(),
        Verb::Host(HostVerb::Add { name, kubernetes, user_data: Some(file), .. }) => {
            let user_data = read_user_data(&file)?;
            sandbox::add_virtual_machine(&name, kubernetes.as_deref(), &user_data, Link::Open)
                .map(drop)
        }
        Verb::Host(HostVerb::Add { name, vm, kubernetes, user_data: None }) => {
            let kind = if vm { HostKind::Vm } else { HostKind::Namespaces };
            sandbox::add_host(&name, kind, kubernetes.as_deref()).map(drop)
        }
        Verb::Host(HostVerb::Rm { name }) => sandbox::remove_host(&name),
        Verb::Image(ImageVerb::Load { images, host }) => {
            let one = host.map(|name| Ok(vec![host::open(&name)?]));
            sandbox::load_images(&one.unwrap_or_else(management::hosts)?, &images)
        }
        _ => Ok(()),
    }
}

fn read_user_data(file: &Path) -> Result<String> {
    if file == Path::new("-") {
        return io::read_to_string(io::stdin()).doing(|| "read standard input".to_owned());
    }
    paths::read_text(file)
}

/// Replaces this process, so that signals, terminal and exit code are the command's own.
fn become_command(mut command: Command) -> Result<ExitCode> {
    let line = crate::command::command_line(&command);
    Err(command.exec()).doing(|| format!("run `{line}`"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_behind_kubectl_are_kubectls() {
        let cli = Cli::try_parse_from(["sandbox", "kubectl", "get", "--help", "-A"]).unwrap();
        let Verb::Kubectl { words } = cli.verb else { panic!("not kubectl") };
        assert_eq!(words, ["get", "--help", "-A"]);
    }

    #[test]
    fn a_command_after_two_dashes_is_the_hosts() {
        let line = ["sandbox", "host", "exec", "vm1", "--", "kubeadm", "join", "--token", "x"];
        let Verb::Host(HostVerb::Exec { name, words }) = Cli::try_parse_from(line).unwrap().verb
        else {
            panic!("not host exec")
        };
        assert_eq!((name.as_str(), words.len()), ("vm1", 4));
    }
}
