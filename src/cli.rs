//! The command line: what `nagaya` can be asked to do.

pub mod management_cluster;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use nagaya_render::plane::names;

use crate::admit_member::AdmitOptions;
use crate::doctor::DoctorOptions;
use crate::explain::ExplainOptions;
use crate::snapshot::SnapshotVerb;
use crate::wait::WaitOptions;
use crate::{admit_member, crds, doctor, explain, snapshot, startup, wait};

/// Runs tenants' Kubernetes control planes as pods.
#[derive(Debug, Parser)]
#[command(name = "nagaya", version)]
pub struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,

    /// Configuration file (YAML); every key of it is also an environment variable.
    #[arg(long, env = "NAGAYA_CONFIG", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the manager until it is asked to stop (the default).
    Run,
    /// Print the definitions of our kinds (`kubectl apply -f -`) as YAML.
    Crd,
    /// Wait until an address answers; what control-plane pods do before they start.
    Wait(WaitOptions),
    /// Let an etcd member start if the volume is its own; what etcd's pods do first.
    AdmitMember(AdmitOptions),
    /// Check, note and place snapshots of etcd; what the Jobs do that save and restore it.
    #[command(subcommand)]
    Snapshot(SnapshotVerb),
    /// Print what a tenant's control plane is made of and how each part is; fails if it is not Ready.
    Explain(ExplainOptions),
    /// Say from the operator's side why machines cannot join a tenant, and what mends it; fails if something is in the way.
    Doctor(DoctorOptions),
    /// Print the version.
    Version,
}

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// See [`startup::Error`].
    #[error(transparent)]
    Run(#[from] startup::Error),
    /// See [`wait::Error`].
    #[error(transparent)]
    Wait(#[from] wait::Error),
    /// See [`admit_member::Error`].
    #[error(transparent)]
    AdmitMember(#[from] admit_member::Error),
    /// See [`snapshot::Error`].
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
    /// See [`explain::Error`].
    #[error(transparent)]
    Explain(#[from] explain::Error),
    /// See [`doctor::Error`].
    #[error(transparent)]
    Doctor(#[from] doctor::Error),
    /// The definitions could not be written.
    #[error("cannot print the CustomResourceDefinitions: {0}")]
    Crd(#[from] serde_yaml_ng::Error),
}

impl Error {
    /// What the process ends with: the manager looks at it to tell an empty volume from other failures.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::AdmitMember(admit_member::Error::EmptyVolume(_)) => names::EMPTY_VOLUME,
            Self::Doctor(error) => error.exit_code(),
            _ => 1,
        }
    }
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// The verb's own.
    pub fn execute(self) -> Result<(), Error> {
        match self.verb.unwrap_or(Verb::Run) {
            Verb::Run => startup::run(self.config.as_deref())?,
            Verb::Crd => print!("{}", crds::all_yaml()?),
            Verb::Wait(options) => wait::until_ok(&options)?,
            Verb::AdmitMember(options) => admit_member::admit(&options)?,
            Verb::Snapshot(verb) => snapshot::execute(&verb)?,
            Verb::Explain(options) => explain::explain(&options)?,
            Verb::Doctor(options) => doctor::examine(&options)?,
            Verb::Version => println!("nagaya {}", env!("CARGO_PKG_VERSION")),
        }
        Ok(())
    }
}
