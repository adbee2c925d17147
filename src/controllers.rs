//! The controllers: one per kind, each with its own queue.

use std::sync::Arc;

use crate::startup::Manager;

/// Why the controllers stopped by themselves.
#[derive(Debug, thiserror::Error)]
pub enum Error {}

/// Runs all controllers until [`Manager::shutdown`] is cancelled.
///
/// # Errors
/// [`Error`].
pub async fn run(manager: Arc<Manager>) -> Result<(), Error> {
    manager.shutdown.cancelled().await;
    Ok(())
}
