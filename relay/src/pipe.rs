//! A pipe that bytes go through from one socket to another without being copied into this process: `splice(2)`.
//!
//! It is a connection's only while bytes are on their way; then it goes back to the thread, for the next one.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// What a pipe may hold, in bytes: what an unprivileged process may ask for is 1 MiB (pipe(7)).
const SIZE: usize = 256 * 1024;
/// How many a thread keeps for later.
const KEPT: usize = 64;

thread_local! {
    static IDLE: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

/// Both ends of it, and how much is in it.
pub struct Pipe(Box<Ends>);

struct Ends {
    read: OwnedFd,
    write: OwnedFd,
    length: usize,
}

impl Pipe {
    /// An empty one; none: this process has no file descriptors left.
    pub fn take() -> Option<Self> {
        IDLE.with_borrow_mut(Vec::pop).or_else(|| Self::new().ok())
    }

    fn new() -> rustix::io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        // With less it works too.
        let _ = fcntl_setpipe_size(&write, SIZE);
        Ok(Self(Box::new(Ends { read, write, length: 0 })))
    }

    /// Keeps it for the next one, if it is empty and there are not enough.
    pub fn give_back(self) {
        IDLE.with_borrow_mut(|idle| {
            if self.is_empty() && idle.len() < KEPT {
                idle.push(self);
            }
        });
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.length == 0
    }

    /// Takes in what has come. It has to be empty: a full one could not be told from a socket without bytes.
    pub fn fill(&mut self, from: &TcpStream) -> io::Result<usize> {
        let Ends { write, length, .. } = &mut *self.0;
        *length = from
            .try_io(Interest::READABLE, || Ok(splice(from, None, &*write, None, SIZE, flags())?))?;
        Ok(*length)
    }

    /// Gives out what the other side takes.
    pub fn drain(&mut self, to: &TcpStream) -> io::Result<()> {
        let Ends { read, length, .. } = &mut *self.0;
        *length -= to
            .try_io(Interest::WRITABLE, || Ok(splice(&*read, None, to, None, *length, flags())?))?;
        Ok(())
    }
}

fn flags() -> SpliceFlags {
    SpliceFlags::MOVE | SpliceFlags::NONBLOCK
}
