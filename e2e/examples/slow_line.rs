//! `slow_line`: a long and bad line, for a kernel without netem. What a rule of iptables puts into the queue goes on
//! after a while, or is lost. `e2e/src/ring/nat.rs` starts it; it ends with its standard input.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read as _};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use nfq::{Message, Queue, Verdict};

/// The kernel's own clock for it is no finer.
const PAUSE: Duration = Duration::from_millis(1);
/// Of packets; the kernel's own limit is 1024, and drops the rest.
const ROOM: u32 = 1 << 16;

#[derive(Parser)]
struct Line {
    /// Number of the queue.
    #[arg(long)]
    queue: u16,
    /// How long each packet takes, in milliseconds.
    #[arg(long)]
    milliseconds: u64,
    /// How many of a hundred packets are lost.
    #[arg(long)]
    percent: u8,
}

fn main() -> io::Result<()> {
    let line = Line::parse();
    let mut queue = Queue::open()?;
    queue.bind(line.queue)?;
    queue.set_queue_max_len(line.queue, ROOM)?;
    queue.set_nonblocking(true);
    println!("ready");
    thread::spawn(|| {
        // Whoever started it holds the other end.
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let (delay, mut under_way) = (Duration::from_millis(line.milliseconds), VecDeque::new());
    loop {
        take_in(&mut queue, &line, &mut under_way)?;
        while under_way.front().is_some_and(|(since, _): &(Instant, _)| since.elapsed() >= delay) {
            if let Some((_, packet)) = under_way.pop_front() {
                queue.verdict(packet)?;
            }
        }
        thread::sleep(PAUSE);
    }
}

fn take_in(
    queue: &mut Queue,
    line: &Line,
    under_way: &mut VecDeque<(Instant, Message)>,
) -> io::Result<()> {
    loop {
        let mut packet = match queue.recv() {
            Ok(packet) => packet,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        if fastrand::u8(0..100) < line.percent {
            packet.set_verdict(Verdict::Drop);
            queue.verdict(packet)?;
        } else {
            packet.set_verdict(Verdict::Accept);
            under_way.push_back((Instant::now(), packet));
        }
    }
}
