//! One direction of a connection.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::net::TcpStream;

use super::pipe::Pipe;
use super::scratch;

/// What is on its way from one socket to another.
#[derive(Default)]
pub struct Flow {
    held: Held,
    /// How many times in a row as much came as could be read.
    full_reads: u8,
    finished: bool,
}

/// What was read and not taken yet.
#[derive(Default)]
enum Held {
    #[default]
    Nothing,
    Bytes(Box<[u8]>, usize),
    /// Also while it is empty, as long as there is more to read.
    Piped(Pipe),
}

/// After so many full reads in a row a flow is worth a pipe.
const WORTH_A_PIPE: u8 = 2;

impl Flow {
    /// Moves what can be moved. Ready: all there will ever be was, and its end too.
    pub fn poll(
        &mut self,
        from: &TcpStream,
        to: &TcpStream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.finished {
            let step = if self.is_held_up() {
                ready!(to.poll_write_ready(context))?;
                self.write(to)
            } else {
                if from.poll_read_ready(context)?.is_pending() {
                    self.rest();
                    return Poll::Pending;
                }
                self.read(from, to)
            };
            match step {
                Err(error) if error.kind() != ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(error));
                }
                // Asked again whether it is ready, the socket says when.
                Ok(()) | Err(_) => {}
            }
        }
        Poll::Ready(Ok(()))
    }

    fn is_held_up(&self) -> bool {
        match &self.held {
            Held::Nothing => false,
            Held::Bytes(..) => true,
            Held::Piped(pipe) => !pipe.is_empty(),
        }
    }

    /// Nothing more comes for now: nothing is kept.
    fn rest(&mut self) {
        self.full_reads = 0;
        if let Held::Piped(pipe) = std::mem::take(&mut self.held) {
            pipe.give_back();
        }
    }

    fn write(&mut self, to: &TcpStream) -> io::Result<()> {
        match &mut self.held {
            Held::Nothing => {}
            Held::Piped(pipe) => pipe.drain(to)?,
            Held::Bytes(bytes, start) => {
                *start += to.try_write(&bytes[*start..])?;
                if *start == bytes.len() {
                    self.held = Held::Nothing;
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, from: &TcpStream, to: &TcpStream) -> io::Result<()> {
        if self.full_reads >= WORTH_A_PIPE && matches!(self.held, Held::Nothing) {
            match Pipe::take() {
                Some(pipe) => self.held = Held::Piped(pipe),
                // No more files: copying goes on.
                None => self.full_reads = 0,
            }
        }
        let moved = match &mut self.held {
            Held::Piped(pipe) => pipe.fill(from)?,
            _ => self.copy(from, to)?,
        };
        if moved == 0 {
            self.finish(to);
        }
        Ok(())
    }

    /// Returns how much was read.
    fn copy(&mut self, from: &TcpStream, to: &TcpStream) -> io::Result<usize> {
        scratch::with(|buffer| {
            let read = from.try_read(buffer)?;
            let is_full = read == buffer.len();
            self.full_reads = if is_full { self.full_reads.saturating_add(1) } else { 0 };
            let bytes = &buffer[..read];
            let written = match to.try_write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                written => written?,
            };
            if written < read {
                self.held = Held::Bytes(bytes[written..].into(), 0);
            }
            Ok(read)
        })
    }

    /// Carries the end to the other side. Where that has ended already it needs none.
    fn finish(&mut self, to: &TcpStream) {
        let _ = SockRef::from(to).shutdown(Shutdown::Write);
        self.rest();
        self.finished = true;
    }
}
