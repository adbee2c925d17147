//! Logs: one JSON object per line on standard error, or text for a reader.

use tracing_subscriber::EnvFilter;

use crate::config::{Error, LogFormat, ManagerSettings};

/// Starts logging for the whole process, and says what was started.
///
/// # Errors
/// [`Error::InvalidValue`] if `logFilter` cannot be parsed.
pub fn start(settings: &ManagerSettings) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&settings.log_filter).map_err(|error| Error::InvalidValue {
        key: "logFilter".to_owned(),
        why: error.to_string(),
    })?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Json => logs.json().flatten_event(true).init(),
        LogFormat::Text => logs.with_ansi(false).init(),
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        architecture = std::env::consts::ARCH,
        "nagaya starts"
    );
    Ok(())
}
