//! The other two ends of `make bench-gateway`: what stands behind the gateway and its rivals, and what comes to them.
//!
//! Neither speaks TLS beyond a real `ClientHello`: whoever routes by it ends none either, and what encryption costs would
//! only hide what routing does. After it a client asks in nine bytes (`?` and a length) and gets as many bytes.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]

use std::io::{self, BufRead as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// A name that is as long as all others, to be put in their place.
const SAMPLE: &str = "t00000.example.com";
const QUESTION: usize = 9;
/// What is asked for to measure time.
const SHORT: u64 = 200;
const PATIENCE: Duration = Duration::from_secs(30);
const CHUNK: usize = 256 * 1024;
/// Handshakes under way at once while connections are opened.
const OPENING: usize = 64;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Answers.
    Serve { listen: SocketAddr },
    /// Opens connections, says so, and asks on each of them `every` so many milliseconds (0: never) until its input ends.
    Hold {
        #[command(flatten)]
        to: To,
        #[arg(long)]
        connections: usize,
        #[arg(long, default_value_t = 0)]
        every: u64,
    },
    /// Opens connections and has bytes come over some of them.
    Throughput {
        #[command(flatten)]
        to: To,
        #[arg(long)]
        connections: usize,
        #[arg(long)]
        active: usize,
        #[arg(long)]
        seconds: f64,
    },
    /// One question after the other.
    Latency {
        #[command(flatten)]
        to: To,
        #[arg(long)]
        requests: usize,
    },
    /// For each number of a name in its input: when it is served, in nanoseconds since 1970.
    Poll {
        #[command(flatten)]
        to: To,
    },
}

#[derive(Clone, clap::Args)]
struct To {
    /// The gateway or a rival; none: straight to each Service's address.
    #[arg(long)]
    target: Option<SocketAddr>,
    /// How many names there are.
    #[arg(long, default_value_t = 1000)]
    names: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    match Cli::parse().verb {
        Verb::Serve { listen } => serve(listen).await,
        Verb::Hold { to, connections, every } => hold(to, connections, every).await,
        Verb::Throughput { to, connections, active, seconds } => {
            throughput(to, connections, active, Duration::from_secs_f64(seconds)).await
        }
        Verb::Latency { to, requests } => latency(to, requests).await,
        Verb::Poll { to } => poll(to).await,
    }
}

async fn serve(listen: SocketAddr) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    let listener: TcpListener = socket.listen(4096)?;
    let chunk: Arc<[u8]> = vec![1; CHUNK].into();
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(answer(stream, Arc::clone(&chunk)));
    }
}

async fn answer(mut stream: TcpStream, chunk: Arc<[u8]>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut header = [0; 5];
    stream.read_exact(&mut header).await?;
    let mut hello = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
    stream.read_exact(&mut hello).await?;
    drop(hello);
    let mut question = [0; QUESTION];
    loop {
        stream.read_exact(&mut question).await?;
        let [_, length @ ..] = question;
        let mut left = u64::from_be_bytes(length);
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            let written = stream.write(&chunk[..most]).await?;
            left -= written as u64;
        }
    }
}

/// Connections to the names in turn.
#[derive(Clone)]
struct Dialer {
    to: To,
    hello: Arc<[u8]>,
    place: usize,
}

impl Dialer {
    fn new(to: To) -> Self {
        let config = ClientConfig::builder()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let name = ServerName::try_from(SAMPLE).unwrap_or_else(|_| unreachable!());
        let client = ClientConnection::new(Arc::new(config), name);
        let mut hello = Vec::new();
        if let Ok(mut client) = client {
            let _ = client.write_tls(&mut hello);
        }
        let place = hello.windows(SAMPLE.len()).position(|window| window == SAMPLE.as_bytes());
        Self { to, hello: hello.into(), place: place.unwrap_or_default() }
    }

    /// A connection that has been answered once.
    async fn connect(&self, number: usize) -> io::Result<TcpStream> {
        let number = number % self.to.names.max(1);
        let address = self.to.target.unwrap_or_else(|| address(number));
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut hello = self.hello.to_vec();
        let name = format!("t{number:05}.example.com");
        hello[self.place..self.place + SAMPLE.len()].copy_from_slice(name.as_bytes());
        stream.write_all(&hello).await?;
        ask(&mut stream).await?;
        Ok(stream)
    }

    async fn connect_many(&self, connections: usize) -> io::Result<Vec<TcpStream>> {
        let mut opening = JoinSet::new();
        let mut open = Vec::with_capacity(connections);
        for number in 0..connections {
            if opening.len() >= OPENING {
                open.extend(opening.join_next().await.transpose()?.transpose()?);
            }
            let dialer = self.clone();
            opening.spawn(async move { timeout(PATIENCE, dialer.connect(number)).await? });
        }
        while let Some(opened) = opening.join_next().await {
            open.push(opened??);
        }
        Ok(open)
    }
}

/// `e2e/src/bench_gateway/services.rs` gives the Services the same.
fn address(number: usize) -> SocketAddr {
    let [.., third, fourth] = ((number + 256) as u32).to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(10, 97, third, fourth), 443))
}

fn question(length: u64) -> [u8; QUESTION] {
    let mut question = [b'?'; QUESTION];
    question[1..].copy_from_slice(&length.to_be_bytes());
    question
}

async fn ask(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(&question(SHORT)).await?;
    let mut answer = [0; SHORT as usize];
    stream.read_exact(&mut answer).await.map(drop)
}

async fn hold(to: To, connections: usize, every: u64) -> io::Result<()> {
    let open = Dialer::new(to).connect_many(connections).await?;
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut asked = JoinSet::new();
    for mut stream in open {
        let dropped = Arc::clone(&dropped);
        asked.spawn(async move {
            let held = async {
                loop {
                    if every == 0 {
                        // Nothing is expected; whatever comes is the end.
                        return stream.read(&mut [0; 1]).await.map(drop);
                    }
                    ask(&mut stream).await?;
                    sleep(Duration::from_millis(every)).await;
                }
            };
            let _: io::Result<()> = held.await;
            dropped.fetch_add(1, Ordering::Relaxed);
        });
    }
    say(&format!("{{\"held\":{connections}}}"))?;
    let input = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()));
    input.await??;
    say(&format!("{{\"dropped\":{}}}", dropped.load(Ordering::Relaxed)))
}

async fn throughput(to: To, connections: usize, active: usize, time: Duration) -> io::Result<()> {
    let mut open = Dialer::new(to).connect_many(connections).await?;
    let received = Arc::new(AtomicU64::new(0));
    let mut reading = JoinSet::new();
    for mut stream in open.drain(..active.min(connections)) {
        let received = Arc::clone(&received);
        reading.spawn(async move {
            stream.write_all(&question(u64::MAX)).await?;
            let mut buffer = vec![0; CHUNK];
            loop {
                let read = stream.read(&mut buffer).await?;
                if read == 0 {
                    return io::Result::Ok(());
                }
                received.fetch_add(read as u64, Ordering::Relaxed);
            }
        });
    }
    // Windows grow first.
    sleep(Duration::from_millis(300)).await;
    let (started, before) = (Instant::now(), received.load(Ordering::Relaxed));
    sleep(time).await;
    let (took, bytes) = (started.elapsed(), received.load(Ordering::Relaxed) - before);
    if reading.try_join_next().is_some() {
        return Err(io::Error::other("a connection has ended"));
    }
    let mib = bytes as f64 / (1024.0 * 1024.0) / took.as_secs_f64();
    say(&format!("{{\"mib_per_s\":{mib:.3}}}"))?;
    // Not the runtime's slow goodbye to thousands of connections.
    std::process::exit(0);
}

async fn latency(to: To, requests: usize) -> io::Result<()> {
    let mut stream = Dialer::new(to).connect(0).await?;
    for _ in 0..200 {
        ask(&mut stream).await?;
    }
    let mut times = Vec::with_capacity(requests);
    for _ in 0..requests {
        let started = Instant::now();
        ask(&mut stream).await?;
        times.push(started.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    say(&format!("{{\"p50_us\":{:.2},\"p99_us\":{:.2}}}", at(0.5), at(0.99)))
}

async fn poll(to: To) -> io::Result<()> {
    let dialer = Dialer::new(To { names: usize::MAX, ..to });
    let (tell, mut numbers) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let number = line.trim().parse::<usize>();
            if number.is_ok_and(|number| tell.send(number).is_err()) {
                return;
            }
        }
    });
    while let Some(number) = numbers.recv().await {
        let served = async {
            while dialer.connect(number).await.is_err() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, served).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
        say(&format!("{{\"served_at_ns\":{}}}", now.as_nanos()))?;
    }
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    println!("{line}");
    io::stdout().flush()
}
