//! Latency of 10 KB and bandwidth of 2 MB, trainers as threads of one process over loopback.
//!
//! Bandwidth is bus bandwidth, 2 (n - 1) / n x bytes / time, as gloo and NCCL report it.
#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first error")]

#[path = "../tests/support/mod.rs"]
mod support;

use candlewick_collective::Node;
use candlewick_protocol::plan::ownership;
use candlewick_protocol::tree::cover;
use std::time::Instant;
use support::{LONG, gang};

const SHARDS: u32 = 8;

/// Median seconds of one reduction of `bytes` over `ranks`.
fn measure(ranks: usize, bytes: usize, rounds: u64) -> f64 {
    let mut medians = gang(ranks, SHARDS, LONG, |rank, gang, _| {
        let (lo, hi) = ownership(SHARDS, ranks)[rank];
        let values = vec![1.0f32; bytes / 4];
        let nodes: Vec<Node<'_>> = cover(lo, hi, SHARDS)
            .into_iter()
            .map(|(lo, hi)| Node {
                lo,
                hi,
                values: Some(&values),
            })
            .collect();
        let scalars: Vec<(u32, Option<Vec<f64>>)> =
            (lo..hi).map(|shard| (shard, Some(vec![1.0, 2.0]))).collect();
        let mut out = vec![0.0f32; bytes / 4];
        let mut times = Vec::new();
        for step in 0..rounds {
            let begin = Instant::now();
            gang.reduce(step, &scalars, &nodes, &mut out).unwrap();
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
        let small = measure(ranks, 10_000, 3000);
        let large = measure(ranks, 2_000_000, 300);
        println!(
            "{ranks} ranks: 10 KB in {:.3} ms, 2 MB in {:.3} ms = {:.2} GB/s",
            small * 1e3,
            large * 1e3,
            2.0 * (ranks as f64 - 1.0) / ranks as f64 * 2e-3 / large
        );
    }
}
