//! Latency of 10 KB and bandwidth of 2 MB, and a large table whole and by the rows that were touched; trainers as
//! threads of one process over loopback.
//!
//! Bandwidth is bus bandwidth, 2 (n - 1) / n x bytes / time, as gloo and NCCL report it. Bytes are what the loopback
//! device counted.
#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first error")]

#[path = "../tests/support/mod.rs"]
mod support;

use candlewick_collective::Node;
use candlewick_protocol::order::mix;
use candlewick_protocol::plan::ownership;
use candlewick_protocol::rows::SparseRows;
use candlewick_protocol::tree::cover;
use std::time::Instant;
use support::{LONG, gang};

const SHARDS: u32 = 8;

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

/// Median seconds of one reduction of `bytes` over `ranks`, with `touched` of the rows of a table of `entries`.
fn measure(ranks: usize, bytes: usize, (entries, touched): (usize, usize), rounds: u64) -> f64 {
    let mut medians = gang(ranks, SHARDS, LONG, |rank, gang, _| {
        let (lo, hi) = ownership(SHARDS, ranks)[rank];
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
        let nodes: Vec<Node<'_>> = cover(lo, hi, SHARDS)
            .into_iter()
            .map(|(lo, hi)| Node {
                lo,
                hi,
                values: Some(&values),
                tables: &tables,
            })
            .collect();
        let scalars: Vec<(u32, Option<Vec<f64>>)> =
            (lo..hi).map(|shard| (shard, Some(vec![1.0, 2.0]))).collect();
        let mut out = vec![0.0f32; bytes / 4];
        let mut times = Vec::new();
        for step in 0..rounds {
            let begin = Instant::now();
            gang.all_reduce(step, &scalars, &nodes, &mut out, &mut sums)
                .unwrap();
            times.push(begin.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    medians.sort_by(f64::total_cmp);
    medians[medians.len() - 1]
}

fn main() {
    for ranks in [2, 4] {
        let small = measure(ranks, 10_000, (0, 0), 3000);
        let large = measure(ranks, 2_000_000, (0, 0), 300);
        println!(
            "{ranks} ranks: 10 KB in {:.3} ms, 2 MB in {:.3} ms = {:.2} GB/s",
            small * 1e3,
            large * 1e3,
            2.0 * (ranks as f64 - 1.0) / ranks as f64 * 2e-3 / large
        );
        // 256 rows of 10 indices a step, shared by the trainers; a node has one of them.
        let entries = 200_000;
        for (name, bytes, table) in [
            ("whole", entries * 64 * 4, (0, 0)),
            ("by rows", 2_560, (entries, 2_560 / ranks)),
        ] {
            let (before, rounds) = (sent(), 20);
            let seconds = measure(ranks, bytes, table, rounds);
            println!(
                "{ranks} ranks, table of {entries} x 64 {name}: {:.3} ms, {:.3} MB sent a step",
                seconds * 1e3,
                (sent() - before) as f64 / rounds as f64 / 1e6
            );
        }
    }
}
