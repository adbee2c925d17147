//! Logs: one JSON object per line on standard error, or text for a reader.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::{LogFormat, Settings};

/// Starts logging for the whole process, and says what was started.
///
/// # Errors
/// `--log-filter` cannot be parsed.
pub fn start(settings: &Settings) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(&settings.log_filter)?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Json => logs.json().flatten_event(true).init(),
        LogFormat::Text => logs.with_ansi(false).init(),
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        architecture = std::env::consts::ARCH,
        "nagaya-gateway starts"
    );
    Ok(())
}
