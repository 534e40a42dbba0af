//! The time of an allreduce through shared memory, over TCP and over TLS, and of a large table whole and by the rows that were touched.
//!
//! `allreduce` alone prints a table, trainers as threads of one process over loopback; `benchmarks/allreduce.py` starts it as
//! one process for each trainer, next to peers. Bandwidth is bus bandwidth, 2 (n - 1) / n x bytes / time, as gloo and NCCL
//! report it. Bytes are what the loopback device counted.
#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first error")]

#[path = "../tests/support/mod.rs"]
mod support;

#[path = "scaling/mod.rs"]
mod scaling;

use candlewick_collective::{Algorithm, Collective, Config, Halts, Node};
use candlewick_protocol::order::mix;
use candlewick_protocol::plan::ownership;
use candlewick_protocol::rows::SparseRows;
use candlewick_protocol::tree::cover;
use std::time::Instant;
use support::{LONG, config, encrypted, gang_over, listener, members};

const SHARDS: u32 = 8;

/// What is added up, in bytes, and how often.
const SIZES: [(usize, u64); 3] = [(10_000, 3_000), (2_000_000, 300), (100_000_000, 9)];

/// Bytes that went over loopback so far.
fn sent() -> u64 {
    let text = std::fs::read_to_string("/proc/net/dev").unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("lo:"));
    line.unwrap().split_whitespace().next().unwrap().parse().unwrap()
}

/// `touched` of the rows of a table of 64 values a row, small indices more often.
fn rows(entries: usize, touched: usize, rank: usize) -> SparseRows {
    let mut rows = SparseRows::new(entries, 64);
    let mut indices: Vec<u32> = (0..touched as u64)
        .map(|at| {
            let share = mix(at, rank as u64, 1) as f64 / u64::MAX as f64;
            (entries as f64 * share * share * share) as u32
        })
        .collect();
    indices.sort_unstable();
    indices.dedup();
    rows.values = vec![1.0; indices.len() * 64];
    rows.indices = indices;
    rows
}

/// Median seconds of one reduction of `bytes` on this member (its rank, trainers, shards), with `touched` of the rows of a table of `entries`.
fn median(
    gang: &mut Collective,
    (rank, ranks, shards): (usize, usize, u32),
    bytes: usize,
    (entries, touched): (usize, usize),
    (first, rounds): (u64, u64),
) -> f64 {
    let (lo, hi) = ownership(shards, ranks)[rank];
    let values = vec![1.0f32; bytes / 4];
    let tables = if entries > 0 {
        vec![rows(entries, touched, rank)]
    } else {
        Vec::new()
    };
    let mut sums: Vec<SparseRows> = tables
        .iter()
        .map(|table| SparseRows::new(table.entries, table.width))
        .collect();
    let nodes: Vec<Node<'_>> = cover(lo, hi, shards)
        .into_iter()
        .map(|(lo, hi)| Node {
            lo,
            hi,
            values: Some(&values),
            tables: &tables,
        })
        .collect();
    let scalars: Vec<(u32, Option<Vec<f64>>)> = (lo..hi).map(|shard| (shard, Some(vec![1.0, 2.0]))).collect();
    let mut out = vec![0.0f32; bytes / 4];
    let mut times = Vec::new();
    for step in first..first + rounds {
        let begin = Instant::now();
        gang.all_reduce(step, &scalars, &nodes, &mut out, &mut sums)
            .unwrap();
        times.push(begin.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The slowest member's median, trainers as threads.
fn measure((ranks, shared): (usize, bool), bytes: usize, table: (usize, usize), rounds: u64) -> f64 {
    let hosts = vec!["127.0.0.1"; ranks];
    let via = |host: &str, port| (host.to_owned(), port);
    let set = |config: &mut Config| config.shared_memory = shared;
    let medians = gang_over(&hosts, via, SHARDS, &set, |rank, gang, _| {
        median(gang, (rank, ranks, SHARDS), bytes, table, (0, rounds))
    });
    medians.into_iter().fold(0.0, f64::max)
}

/// One trainer in a process of its own: prints its port, reads those of all, prints its median seconds of every size.
fn member(rank: usize, shared_memory: bool, algorithm: Algorithm) {
    let listener = listener(rank, "07");
    println!("{}", listener.port());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let ports: Vec<u16> = line
        .split_whitespace()
        .map(|port| port.parse().unwrap())
        .collect();
    let config = Config {
        shared_memory,
        algorithm: Some(algorithm),
        ..config(rank, &members(&ports, SHARDS), LONG)
    };
    let mut gang = Collective::connect(&listener, config, &Halts::default()).unwrap();
    let mut first = 0;
    let medians = SIZES.map(|(bytes, rounds)| {
        let seconds = median(
            &mut gang,
            (rank, ports.len(), SHARDS),
            bytes,
            (0, 0),
            (first, rounds),
        );
        first += rounds;
        seconds.to_string()
    });
    println!("{}", medians.join(" "));
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments[1..].iter().map(String::as_str).collect();
    match words[..] {
        ["member", rank, way, algorithm, ..] => {
            // "--bench" where none was said.
            let algorithm = Algorithm::of_name(algorithm).unwrap_or(Algorithm::Direct);
            return member(rank.parse().unwrap(), way == "memory", algorithm);
        }
        ["scale", rank, address, ..] => return scaling::member(rank.parse().unwrap(), address),
        ["relay", address, target, micros, ..] => {
            return scaling::relay(address, target, micros.parse().unwrap());
        }
        ["model", ..] => return scaling::model(),
        _ => {}
    }
    for (ranks, way) in [2, 4, 8]
        .into_iter()
        .flat_map(|ranks| ["memory", "TCP", "TLS"].map(|way| (ranks, way)))
    {
        print!("{ranks} ranks, {way}:");
        for (bytes, rounds) in SIZES {
            let one = || measure((ranks, way == "memory"), bytes, (0, 0), rounds);
            let seconds = if way == "TLS" { encrypted(one) } else { one() };
            let rate = 2.0 * (ranks as f64 - 1.0) / ranks as f64 * bytes as f64 / 1e9 / seconds;
            print!(" {bytes} bytes in {:.3} ms = {rate:.2} GB/s;", seconds * 1e3);
        }
        println!();
    }
    for ranks in [2, 4] {
        // 256 rows of 10 indices a step, shared by the trainers; a node has one of them.
        let entries = 200_000;
        for (name, bytes, table) in [
            ("whole", entries * 64 * 4, (0, 0)),
            ("by rows", 2_560, (entries, 2_560 / ranks)),
        ] {
            let (before, rounds) = (sent(), 20);
            let seconds = measure((ranks, false), bytes, table, rounds);
            println!(
                "{ranks} ranks, table of {entries} x 64 {name}: {:.3} ms, {:.3} MB sent a step",
                seconds * 1e3,
                (sent() - before) as f64 / rounds as f64 / 1e6
            );
        }
    }
}
