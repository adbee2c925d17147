//! What can go wrong in the sandbox, in words that say what to do next.

use std::io;
use std::path::{Path, PathBuf};

/// Every failure of the sandbox; the text is what the user reads.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or kernel operation failed.
    #[error("cannot {what}: {source}")]
    Io {
        /// The operation and its object, such as `read /etc/hosts`.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A command could not be started at all.
    #[error("cannot start `{command}`: {source}; is its package installed?")]
    CommandMissing {
        /// The command line.
        command: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A command ran and failed.
    #[error("`{command}` failed ({status}):\n{output}")]
    CommandFailed {
        /// The command line.
        command: String,
        /// Exit code or signal.
        status: String,
        /// The end of what it printed.
        output: String,
    },
    /// The user pressed Ctrl-C, or the process was told to end.
    #[error("interrupted")]
    Interrupted,
    /// Something did not happen in time.
    #[error("{what} did not happen within {seconds} s; {hint}")]
    Timeout {
        /// What was awaited.
        what: String,
        /// How long it was awaited.
        seconds: u64,
        /// Where to look next.
        hint: String,
    },
    /// The machine lacks what the sandbox needs; one line for each need.
    #[error("this machine is not ready:\n{0}")]
    NotReady(String),
    /// A file of ours does not read as expected.
    #[error("{path} is not understood: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The request cannot be met as it was put.
    #[error("{0}")]
    Refused(String),
    /// `down` found things that it could not remove.
    #[error("these are left behind, which is a bug of the sandbox:\n{0}")]
    LeftBehind(String),
}

/// The result of everything in this crate that does I/O.
pub type Result<T> = std::result::Result<T, Error>;

/// Adds what was being done to an I/O error.
pub trait IoContext<T> {
    /// `what` completes the sentence "cannot …".
    ///
    /// # Errors
    /// The same failure, with its context.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;

    /// Short for [`IoContext::doing`] with a verb and a path.
    ///
    /// # Errors
    /// The same failure, with its context.
    fn on(self, verb: &str, path: &Path) -> Result<T>
    where
        Self: Sized,
    {
        self.doing(|| format!("{verb} {}", path.display()))
    }
}

impl<T, E: Into<io::Error>> IoContext<T> for std::result::Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::Io { what: what(), source: error.into() })
    }
}
