//! Gangs in threads over loopback, and what their logs say.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use candlewick_collective::{Algorithm, Collective, CollectiveError, Config, Credentials, Halts, Listener};
use candlewick_protocol::keys::{JobSecret, Key, Purpose};
use candlewick_protocol::message::{Member, TrainerInfo};
use candlewick_protocol::plan::ownership;
use std::cell::Cell;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

pub const JOB: &str = "0123456789abcdef0123456789abcdef";
/// Long enough for any machine; a test that waits for it has failed.
pub const LONG: Duration = Duration::from_secs(60);

/// The secret made of one repeated byte, and its hexadecimal digits.
pub fn secret(byte: &str) -> String {
    byte.repeat(32)
}

thread_local! {
    static TLS: Cell<bool> = const { Cell::new(false) };
}

/// Runs `body` with gangs, formed on this thread, whose connections are encrypted.
pub fn encrypted<R>(body: impl FnOnce() -> R) -> R {
    TLS.set(true);
    let result = body();
    TLS.set(false);
    result
}

pub fn key(byte: &str) -> Key {
    JobSecret::from_hex(&secret(byte))
        .unwrap()
        .derive(JOB, Purpose::Peer, TLS.get())
}

pub fn credentials(rank: usize, byte: &str) -> Credentials {
    Credentials {
        job: JOB.into(),
        trainer: format!("id-{rank}"),
        key: key(byte),
    }
}

pub fn listener(rank: usize, byte: &str) -> Listener {
    Listener::bind("127.0.0.1", "0", credentials(rank, byte)).unwrap()
}

pub fn members(ports: &[u16], shards: u32) -> Vec<Member> {
    let ranges = ownership(shards, ports.len());
    let trainer = |rank: usize, port: u16| TrainerInfo {
        id: format!("id-{rank}"),
        host: "127.0.0.1".into(),
        executor: format!("{}", rank + 10),
        index: 0,
        flight_port: 1,
        collective_port: port,
        pid: 1,
        threads: 1,
        cpu_level: "generic".into(),
        device: "cpu".into(),
    };
    let member = |(rank, port): (usize, &u16)| Member {
        trainer: trainer(rank, *port),
        lo: ranges[rank].0,
        hi: ranges[rank].1,
    };
    ports.iter().enumerate().map(member).collect()
}

pub fn config(rank: usize, members: &[Member], timeout: Duration) -> Config {
    Config {
        generation: 1,
        rank,
        members: members.to_vec(),
        timeout,
        patience: timeout,
        shared_memory: true,
        algorithm: Some(Algorithm::Direct),
        any_order: false,
    }
}

/// Forms a gang of `ranks` and runs `body` on every member in a thread of its own; the results by rank.
pub fn gang<R: Send>(
    ranks: usize,
    shards: u32,
    timeout: Duration,
    body: impl Fn(usize, &mut Collective, &Halts) -> R + Sync,
) -> Vec<R> {
    gang_at(&vec!["127.0.0.1"; ranks], shards, timeout, body)
}

/// As [`gang`], with a loopback address for each member: those of different ones count as hosts of their own.
pub fn gang_at<R: Send>(
    hosts: &[&str],
    shards: u32,
    timeout: Duration,
    body: impl Fn(usize, &mut Collective, &Halts) -> R + Sync,
) -> Vec<R> {
    gang_via(hosts, |host, port| (host.to_owned(), port), shards, timeout, body)
}

/// As [`gang_at`]; `via` gives where the others find who listens at an address.
pub fn gang_via<R: Send>(
    hosts: &[&str],
    via: impl Fn(&str, u16) -> (String, u16),
    shards: u32,
    timeout: Duration,
    body: impl Fn(usize, &mut Collective, &Halts) -> R + Sync,
) -> Vec<R> {
    let set = |config: &mut Config| (config.timeout, config.patience) = (timeout, timeout);
    gang_over(hosts, via, shards, &set, body)
}

/// As [`gang_via`], with something set otherwise.
pub fn gang_over<R: Send>(
    hosts: &[&str],
    via: impl Fn(&str, u16) -> (String, u16),
    shards: u32,
    set: &(dyn Fn(&mut Config) + Sync),
    body: impl Fn(usize, &mut Collective, &Halts) -> R + Sync,
) -> Vec<R> {
    let bind = |(rank, host): (usize, &&str)| Listener::bind(host, "0", credentials(rank, "07")).unwrap();
    let listeners: Vec<Listener> = hosts.iter().enumerate().map(bind).collect();
    let ports: Vec<u16> = listeners.iter().map(Listener::port).collect();
    let mut members = members(&ports, shards);
    for (member, host) in members.iter_mut().zip(hosts) {
        let trainer = &mut member.trainer;
        (trainer.host, trainer.collective_port) = via(host, trainer.collective_port);
    }
    thread::scope(|scope| {
        let threads: Vec<_> = listeners
            .iter()
            .enumerate()
            .map(|(rank, listener)| {
                let (members, body) = (&members, &body);
                scope.spawn(move || {
                    let halts = Halts::default();
                    let mut config = config(rank, members, LONG);
                    set(&mut config);
                    let mut gang = Collective::connect(listener, config, &halts).unwrap();
                    body(rank, &mut gang, &halts)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// A proxy at 127.0.0.1 before a listener, to whom all callers come from there; where it is found. Ends with its callers.
pub fn proxy(host: &str, port: u16) -> (String, u16) {
    let front = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = front.local_addr().unwrap().port();
    let behind = (host.to_owned(), port);
    thread::spawn(move || {
        for caller in front.incoming().flatten() {
            let server = TcpStream::connect((behind.0.as_str(), behind.1)).unwrap();
            for (from, to) in [(&caller, &server), (&server, &caller)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    ("127.0.0.1".to_owned(), at)
}

pub fn connect(
    listener: &Listener,
    rank: usize,
    members: &[Member],
    timeout: Duration,
    halts: &Halts,
) -> Result<Collective, CollectiveError> {
    Collective::connect(listener, config(rank, members, timeout), halts)
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Starts to collect what this process logs; the function gives all of it so far.
pub fn log() -> impl Fn() -> String {
    static LOG: OnceLock<Log> = OnceLock::new();
    let log = LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .init();
        log
    });
    move || String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
}

/// Waits until the log has a line with `text`.
pub fn await_log(text: &str) -> String {
    let log = log();
    loop {
        let all = log();
        if let Some(line) = all.lines().find(|line| line.contains(text)) {
            return line.to_owned();
        }
        thread::yield_now();
    }
}
