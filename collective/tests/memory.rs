//! An allreduce allocates no more than it frees, of values and of rows of tables: the bytes that a gang of two holds are
//! the same after every step. A test binary of its own and without the usual harness, because it counts what its whole
//! process allocates.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use candlewick_collective::{Algorithm, Config, Node};
use candlewick_protocol::order::mix;
use candlewick_protocol::plan::ownership;
use candlewick_protocol::rows::SparseRows;
use candlewick_protocol::tree::cover;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use support::{LONG, gang, gang_over};

/// The system's allocator, and what it gave out.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
/// The largest piece of memory that was asked for since this was 0.
static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it is; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Relaxed);
        LARGEST.fetch_max(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SHARDS: u32 = 8;
const STEPS: usize = 1_000;
/// Steps before the memory must stand: every kind of step has come.
const WARM_UP: usize = 50;
/// Kinds of steps: with more or fewer rows.
const KINDS: u64 = 5;

/// The rows that a node touches in a step.
fn rows(kind: u64, node: u32) -> SparseRows {
    let mut rows = SparseRows::new(500, 16);
    rows.indices = (0..500)
        .filter(|row| mix(u64::from(*row), kind, node) % 10 < kind)
        .collect();
    rows.values = vec![1.0; rows.indices.len() * rows.width];
    rows
}

/// Values of a sum by a plan: two tiles.
const MANY: usize = 4 * 128 * 1024 + 100;

/// However a vector is added up, once that has been done nothing of its size, or of a part of it, is asked for again.
fn nothing_large(algorithm: Algorithm) {
    let barrier = Barrier::new(4);
    let set = |config: &mut Config| config.algorithm = Some(algorithm);
    let hosts = ["127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2"];
    let via = |host: &str, port| (host.to_owned(), port);
    gang_over(&hosts, via, SHARDS, &set, |rank, gang, _| {
        let (lo, hi) = ownership(SHARDS, 4)[rank];
        let (values, mut out) = (vec![1.0; MANY], vec![0.0; MANY]);
        for step in 0..30 {
            if barrier.wait().is_leader() && step == 20 {
                LARGEST.store(0, Relaxed);
            }
            barrier.wait();
            let node = Node {
                lo,
                hi,
                values: Some(&values),
                tables: &[],
            };
            gang.all_reduce(step, &[], &[node], &mut out, &mut []).unwrap();
        }
    });
    let largest = LARGEST.load(Relaxed);
    println!("{}: {largest} bytes at a time", algorithm.name());
    assert!(
        largest < 16 * 1024,
        "{}: {largest} bytes at a time",
        algorithm.name()
    );
}

fn main() {
    for algorithm in Algorithm::ALL {
        nothing_large(algorithm);
    }
    let barrier = Barrier::new(2);
    let held = gang(2, SHARDS, LONG, |rank, gang, _| {
        let (lo, hi) = ownership(SHARDS, 2)[rank];
        let owned = cover(lo, hi, SHARDS);
        let values = vec![1.0; 3_000];
        let tables: Vec<Vec<[SparseRows; 1]>> = (0..KINDS)
            .map(|kind| owned.iter().map(|(lo, _)| [rows(kind, *lo)]).collect())
            .collect();
        let (mut out, mut sums) = (vec![0.0; 3_000], [SparseRows::new(500, 16)]);
        let mut held = Vec::with_capacity(STEPS);
        for step in 0..STEPS + WARM_UP {
            let tables = &tables[step % KINDS as usize];
            let nodes: Vec<Node<'_>> = owned
                .iter()
                .zip(tables)
                .map(|((lo, hi), tables)| Node {
                    lo: *lo,
                    hi: *hi,
                    values: Some(&values),
                    tables,
                })
                .collect();
            gang.all_reduce(step as u64, &[], &nodes, &mut out, &mut sums)
                .unwrap();
            drop(nodes);
            // Both have freed what the step took, and neither has begun the next.
            barrier.wait();
            if step >= WARM_UP {
                held.push(LIVE.load(Relaxed));
            }
            barrier.wait();
        }
        held
    });
    for (step, bytes) in held[0].iter().enumerate() {
        assert_eq!(*bytes, held[0][0], "bytes held after step {step}");
    }
    println!("{} bytes held after each of {STEPS} steps", held[0][0]);
}
