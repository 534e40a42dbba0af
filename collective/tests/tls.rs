//! What connections of trainers keep from others where they are encrypted.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use candlewick_collective::{Config, Halts, Node};
use candlewick_protocol::ErrorKind;
use candlewick_tls::rustls::StreamOwned;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use support::{LONG, await_log, connect, encrypted, gang_over, gang_via, listener, log, members};

type Bytes = Arc<Mutex<Vec<u8>>>;

/// A proxy before a listener that keeps all that passes.
fn eavesdropper(host: &str, port: u16, kept: &Bytes) -> (String, u16) {
    let front = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = front.local_addr().unwrap().port();
    let (behind, kept) = ((host.to_owned(), port), Arc::clone(kept));
    thread::spawn(move || {
        for caller in front.incoming().flatten() {
            let server = TcpStream::connect((behind.0.as_str(), behind.1)).unwrap();
            for (from, to) in [(&caller, &server), (&server, &caller)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let kept = Arc::clone(&kept);
                thread::spawn(move || {
                    let mut piece = [0; 4096];
                    while let Ok(read @ 1..) = from.read(&mut piece) {
                        kept.lock().unwrap().extend(&piece[..read]);
                        if to.write_all(&piece[..read]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    ("127.0.0.1".to_owned(), at)
}

/// What two trainers exchange that sum up a well-known vector.
fn overheard() -> Vec<u8> {
    let kept = Bytes::default();
    let via = |host: &str, port| eavesdropper(host, port, &kept);
    // By the proxies' address both are of one host.
    let set = |config: &mut Config| config.shared_memory = false;
    let sums = gang_over(&["127.0.0.2", "127.0.0.3"], via, 2, &set, |rank, gang, _| {
        let (values, shard) = (vec![1234.5f32; 100], u32::try_from(rank).unwrap());
        let node = Node {
            lo: shard,
            hi: shard + 1,
            values: Some(&values),
            tables: &[],
        };
        let mut out = vec![0.0; values.len()];
        gang.all_reduce(1, &[(shard, Some(vec![1.0]))], &[node], &mut out, &mut [])
            .unwrap();
        out
    });
    assert!(sums.iter().flatten().all(|sum| *sum == 2469.0));
    let kept = kept.lock().unwrap();
    kept.clone()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn who_listens_reads_neither_values_nor_names() {
    let value = [1234.5f32.to_le_bytes(), 1234.5f32.to_le_bytes()].concat();
    let plain = overheard();
    assert!(holds(&plain, &value) && holds(&plain, b"id-1"));
    let hidden = encrypted(overheard);
    assert!(hidden.len() > 200 && !holds(&hidden, &value) && !holds(&hidden, b"id-1"));
}

/// Passes bytes between two connections of TLS, as one who has a key of his own and shows it to the one that calls.
fn stand_between(caller: TcpStream, server: TcpStream) {
    for tcp in [&caller, &server] {
        tcp.set_read_timeout(Some(LONG)).unwrap();
    }
    let mut caller = StreamOwned::new(candlewick_tls::server().unwrap(), caller);
    let mut server = StreamOwned::new(candlewick_tls::client().unwrap(), server);
    let mut pass = |to_server: bool| -> std::io::Result<()> {
        let mut message = [0; 4096];
        if to_server {
            let read = caller.read(&mut message)?;
            server.write_all(&message[..read])
        } else {
            let read = server.read(&mut message)?;
            caller.write_all(&message[..read])
        }
    };
    // A hello, its answer, and what the caller makes of it.
    let _ = pass(true).and_then(|()| pass(false)).and_then(|()| pass(true));
}

#[test]
fn who_stands_between_two_trainers_is_found_out() {
    encrypted(|| {
        let (first, second) = (listener(0, "07"), listener(1, "07"));
        let front = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = front.local_addr().unwrap().port();
        let behind = first.port();
        let between = thread::spawn(move || {
            let (caller, _) = front.accept().unwrap();
            stand_between(caller, TcpStream::connect(("127.0.0.1", behind)).unwrap());
        });
        let halts = Halts::default();
        let error = connect(&second, 1, &members(&[at, second.port()], 2), LONG, &halts).unwrap_err();
        assert_eq!(error.failure.kind, ErrorKind::Unauthenticated);
        let told = &error.failure.message;
        assert!(
            told.contains("did not prove that it knows the job's secret"),
            "{told}"
        );
        between.join().unwrap();
    });
}

#[test]
fn who_speaks_no_tls_is_refused() {
    drop(log());
    let listener = encrypted(|| listener(0, "07"));
    let mut stranger = TcpStream::connect(("127.0.0.1", listener.port())).unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    // An alert of TLS, or nothing, and the end.
    let mut answer = Vec::new();
    let _ = stranger.read_to_end(&mut answer);
    assert!(answer.len() < 16, "{answer:?}");
    await_log("no handshake of TLS");
}

#[test]
fn a_trainer_whose_connections_are_not_encrypted_does_not_get_in() {
    let first = encrypted(|| listener(0, "07"));
    let second = listener(1, "07");
    let ports = [first.port(), second.port()];
    let halts = Halts::default();
    let timeout = std::time::Duration::from_millis(300);
    let error = connect(&second, 1, &members(&ports, 2), timeout, &halts).unwrap_err();
    assert_eq!(error.peer.as_deref(), Some("id-0"));
}

/// Its end comes as that of any other connection.
#[test]
fn a_trainer_that_goes_away_is_named() {
    encrypted(|| {
        let outcomes = gang_via(
            &["127.0.0.2", "127.0.0.3"],
            |host, port| (host.to_owned(), port),
            2,
            LONG,
            |rank, gang, _| {
                if rank == 1 {
                    gang.disconnect();
                    return None;
                }
                let values = vec![1.0f32; 1 << 20];
                let node = Node {
                    lo: 0,
                    hi: 1,
                    values: Some(&values),
                    tables: &[],
                };
                let mut out = vec![0.0; values.len()];
                let reduced = gang.all_reduce(1, &[(0, Some(vec![1.0]))], &[node], &mut out, &mut []);
                Some(reduced.unwrap_err())
            },
        );
        let error = outcomes[0].as_ref().unwrap();
        assert_eq!(error.peer.as_deref(), Some("id-1"));
        assert_eq!(error.failure.kind, ErrorKind::Unavailable);
    });
}
