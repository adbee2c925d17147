//! The manager's configuration: one file, and for every key of it an environment variable that wins.
//!
//! The keys are the fields of [`ManagerSettings`] and of [`Settings`], side by side. Their names, types,
//! defaults and texts come from the structs' JSON schema ([`keys`]), so that the environment variables
//! and `docs/reference/configuration.md` cannot differ from what is read.

mod environment;
pub mod keys;
pub mod reference;

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use nagaya_render::settings::Settings;
use nagaya_render::validate::check_settings;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Everything that an operator can set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// How the manager itself runs.
    pub manager: ManagerSettings,
    /// What shapes control planes and tenant content.
    pub render: Settings,
}

/// How the manager itself runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ManagerSettings {
    /// Address and port of `/livez`, `/readyz` and `/metrics`.
    pub listen: SocketAddr,
    /// What is logged: a level, or a list such as `info,nagaya::tenant=debug` (`tracing`'s `EnvFilter`).
    pub log_filter: String,
    /// One JSON object per line, or text for a reader.
    pub log_format: LogFormat,
    /// How many objects of a kind are worked on at once.
    pub concurrent_reconciles: NonZeroU16,
    /// How many tenants are probed at once.
    pub probe_pool_size: NonZeroU16,
    /// How many tenants at a time get new pods because the manager or its settings are new. None begins while one
    /// that has got them is not Ready.
    pub rollout_budget: NonZeroU16,
    /// Where the gateway's pods say whom they refuse (`ConnectionsLimited`): a name in DNS that has the addresses of all of
    /// them, and the port of their `--admin`. Asked where `gateway.domain` is set; empty: never.
    pub gateway_pods: String,
    /// Kubeconfig of the cluster that runs the control planes; unset: the one that the manager runs in.
    pub planes_kubeconfig: Option<PathBuf>,
}

impl Default for ManagerSettings {
    fn default() -> Self {
        let several = |number| NonZeroU16::new(number).unwrap_or(NonZeroU16::MIN);
        Self {
            listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 8080)),
            log_filter: "info".to_owned(),
            log_format: LogFormat::Json,
            concurrent_reconciles: several(8),
            probe_pool_size: several(128),
            rollout_budget: several(1),
            gateway_pods: "nagaya-gateway-pods.nagaya-system.svc:8080".to_owned(),
            planes_kubeconfig: None,
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Text for a reader.
    Text,
}

/// A configuration that cannot be used. Every variant says which key, and where it was given.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there, or not readable.
    #[error("cannot read the configuration file {path}: {source}")]
    ReadFile {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no YAML, or not a mapping.
    #[error("the configuration file {path} is no YAML mapping: {why}")]
    ParseFile {
        /// The file.
        path: String,
        /// What the parser says.
        why: String,
    },
    /// A key that does not exist.
    #[error("there is no configuration key {key}; the keys are {known}")]
    UnknownKey {
        /// The key or environment variable.
        key: String,
        /// All keys or environment variables that exist.
        known: String,
    },
    /// A key with a value that it cannot have.
    #[error("configuration key {key}: {why}")]
    InvalidValue {
        /// The key, with the position inside it, and the environment variable if it came from one.
        key: String,
        /// What is wrong.
        why: String,
    },
}

impl Config {
    /// Reads `file` (none: only defaults), then `environment`, whose variables win.
    ///
    /// # Errors
    /// [`Error`], which names the key.
    pub fn load(
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let mut values = file.map(read_file).transpose()?.unwrap_or_default();
        environment::overlay(&mut values, environment)?;
        let config = Self::from_values(values)?;
        config.check()?;
        Ok(config)
    }

    fn from_values(mut values: Map<String, Value>) -> Result<Self, Error> {
        let manager = take_keys_of::<ManagerSettings>(&mut values);
        let render = take_keys_of::<Settings>(&mut values);
        if let Some(key) = values.keys().next() {
            let known: Vec<String> = keys::all().iter().map(keys::Key::dotted).collect();
            return Err(Error::UnknownKey { key: key.clone(), known: known.join(", ") });
        }
        Ok(Self { manager: parse(manager)?, render: parse(render)? })
    }

    fn check(&self) -> Result<(), Error> {
        check_settings(&self.render)
            .map_err(|refusal| Error::InvalidValue { key: refusal.field, why: refusal.message })
    }
}

fn read_file(path: &Path) -> Result<Map<String, Value>, Error> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::ReadFile { path: name.clone(), source })?;
    let parsed: Option<Map<String, Value>> = serde_yaml_ng::from_str(&text)
        .map_err(|error| Error::ParseFile { path: name, why: error.to_string() })?;
    Ok(parsed.unwrap_or_default())
}

fn take_keys_of<T: JsonSchema>(values: &mut Map<String, Value>) -> Value {
    let names: Vec<String> = keys::of::<T>().into_iter().map(|key| key.root().to_owned()).collect();
    names.into_iter().filter_map(|name| values.remove_entry(&name)).collect()
}

fn parse<T: DeserializeOwned>(values: Value) -> Result<T, Error> {
    serde_path_to_error::deserialize(values).map_err(|error| Error::InvalidValue {
        key: error.path().to_string(),
        why: error.inner().to_string(),
    })
}

#[cfg(test)]
mod tests;
