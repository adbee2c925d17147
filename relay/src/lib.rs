//! Copies both ways between two sockets until both have ended: what the gateway and the forwarder do with a connection.
//!
//! A connection that is idle has no buffer: bytes are read into one that the thread has for all its connections, and
//! written on at once. Only what the other side does not take is kept, and nothing more is read until it has: that is
//! the backpressure. What comes in large amounts goes through a pipe instead (`splice(2)`, [`pipe`]), without being
//! copied into this process.

mod flow;
mod pipe;
pub mod scratch;
pub mod sockets;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use strum::{EnumIter, IntoStaticStr};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use flow::Flow;

/// How a connection ended. The names of the variants are labels of the gateway's `nagaya_gateway_ended_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, EnumIter)]
pub enum End {
    /// Both sides had said all.
    Closed,
    /// One side broke off, or was gone.
    Broken,
    /// One side had ended, and the other went on for longer than `--half-close-timeout`.
    HalfClosedTooLong,
    /// Whoever copies ended it: at the gateway, its route had gone and the grace was over.
    Cut,
}

/// The copying of one connection, a future.
pub struct Relay {
    client: TcpStream,
    backend: TcpStream,
    up: Flow,
    down: Flow,
    half_close_timeout: Duration,
    /// From when on one side has ended.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Relay {
    /// Between those two. The end of one side is carried to the other (FIN), which then has `half_close_timeout` left.
    #[must_use]
    pub fn new(client: TcpStream, backend: TcpStream, half_close_timeout: Duration) -> Self {
        let (up, down) = (Flow::default(), Flow::default());
        Self { client, backend, up, down, half_close_timeout, deadline: None }
    }

    fn copy(&mut self, context: &mut Context<'_>) -> io::Result<(bool, bool)> {
        let up = self.up.poll(&self.client, &self.backend, context)?;
        let down = self.down.poll(&self.backend, &self.client, context)?;
        Ok((up.is_ready(), down.is_ready()))
    }
}

impl Future for Relay {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<End> {
        match self.copy(context) {
            Err(error) => {
                tracing::debug!(%error, "a connection broke");
                return Poll::Ready(End::Broken);
            }
            Ok((true, true)) => return Poll::Ready(End::Closed),
            Ok((false, false)) => return Poll::Pending,
            Ok(_) => {}
        }
        let timeout = self.half_close_timeout;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(timeout)));
        deadline.as_mut().poll(context).map(|()| End::HalfClosedTooLong)
    }
}
