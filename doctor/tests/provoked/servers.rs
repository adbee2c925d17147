//! Servers that go wrong, on loopback; each serves for as long as the test runs.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use socket2::SockRef;

/// Accepts, and says nothing.
pub fn silent() -> SocketAddr {
    serve(|stream| {
        thread::park();
        drop(stream);
    })
}

/// Answers whatever comes with these words, in plain text.
pub fn plain(words: &'static str) -> SocketAddr {
    serve(move |mut stream| {
        drop(stream.read(&mut [0; 4096]));
        drop(stream.write_all(words.as_bytes()));
    })
}

/// A path to `server` on which packets of more than `mtu` bytes get lost. What this side announces decides on the segments of
/// both, so that a connection that announces less comes through, and any other stands still at its first long piece.
pub fn narrow(server: SocketAddr, mtu: u32) -> SocketAddr {
    serve(move |client| {
        let onward = TcpStream::connect(server).unwrap();
        let segment = SockRef::from(&client).tcp_mss().unwrap();
        let fits = segment + 40 <= mtu;
        let limit = if fits { usize::MAX } else { usize::try_from(mtu - 40).unwrap() };
        let there = (client.try_clone().unwrap(), onward.try_clone().unwrap());
        thread::spawn(move || relay(there.0, there.1, limit));
        relay(onward, client, limit);
    })
}

fn relay(mut from: TcpStream, mut to: TcpStream, limit: usize) {
    let mut piece = vec![0; 65536];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        if length > limit {
            thread::park();
        }
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Write));
}

fn serve(each: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let each = each.clone();
            thread::spawn(move || each(stream));
        }
    });
    address
}
