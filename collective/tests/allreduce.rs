//! The sum over all trainers is, bit for bit, that of one process which evaluates the tree.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use candlewick_collective::{Node, Reduced};
use candlewick_protocol::order::mix;
use candlewick_protocol::plan::ownership;
use candlewick_protocol::tree::{NodeValue, assemble, cover};
use support::{LONG, encrypted, gang, gang_via, proxy};

/// What one step of a random job has: by shard, gradient and scalars; `None` without rows.
struct Job {
    leaves: Vec<Option<Vec<f32>>>,
    length: usize,
    seed: u64,
}

impl Job {
    fn new(shards: u32, length: usize, absent_in_8: u64, seed: u64) -> Self {
        let leaf = |shard: u32| {
            let random = |at: u64| mix(at, seed, shard);
            let value = |at: usize| {
                let bits = random(at as u64 + 1);
                // Very different sizes, so that the order of the additions shows; -0.0 now and then.
                let scale = 10f32.powi((bits % 13) as i32 - 6);
                if bits.is_multiple_of(17) {
                    -0.0
                } else {
                    (((bits >> 20) as i32) as f32 / 2e9) * scale
                }
            };
            (random(0) % 8 >= absent_in_8).then(|| (0..length).map(value).collect())
        };
        Job {
            leaves: (0..shards).map(leaf).collect(),
            length,
            seed,
        }
    }

    fn value(&self, lo: u32, hi: u32) -> Option<Vec<f32>> {
        let mut find = |lo: u32, hi: u32| match hi - lo {
            1 => NodeValue::Known(self.leaves[lo as usize].clone()),
            _ => NodeValue::Split,
        };
        assemble(lo, hi, &mut find, &mut |left: Vec<f32>, right| {
            left.iter()
                .zip(&right)
                .map(|(left, right)| left + right)
                .collect()
        })
    }

    fn scalars(&self, shard: u32) -> Option<Vec<f64>> {
        self.leaves[shard as usize]
            .as_ref()
            .map(|_| vec![f64::from(shard), mix(self.seed, 1, shard) as f64])
    }
}

fn run(ranks: usize, jobs: &[Job]) {
    run_at(&vec!["127.0.0.1"; ranks], jobs);
}

fn run_at(hosts: &[&str], jobs: &[Job]) {
    run_via(hosts, |host, port| (host.to_owned(), port), jobs);
}

fn run_via(hosts: &[&str], via: impl Fn(&str, u16) -> (String, u16), jobs: &[Job]) {
    let (ranks, shards) = (hosts.len(), jobs[0].leaves.len() as u32);
    let results = gang_via(hosts, via, shards, LONG, |rank, gang, _| {
        let (lo, hi) = ownership(shards, ranks)[rank];
        let owned = cover(lo, hi, shards);
        let one = |(step, job): (usize, &Job)| {
            let values: Vec<Option<Vec<f32>>> = owned.iter().map(|(lo, hi)| job.value(*lo, *hi)).collect();
            let nodes: Vec<Node<'_>> = owned
                .iter()
                .zip(&values)
                .map(|((lo, hi), values)| Node {
                    lo: *lo,
                    hi: *hi,
                    values: values.as_deref(),
                    tables: &[],
                })
                .collect();
            let scalars: Vec<(u32, Option<Vec<f64>>)> =
                (lo..hi).map(|shard| (shard, job.scalars(shard))).collect();
            let mut out = vec![f32::NAN; job.length];
            let reduced = gang
                .all_reduce(step as u64, &scalars, &nodes, &mut out, &mut [])
                .unwrap();
            (reduced, out)
        };
        jobs.iter()
            .enumerate()
            .map(one)
            .collect::<Vec<(Reduced, Vec<f32>)>>()
    });
    for (rank, steps) in results.iter().enumerate() {
        for (job, (reduced, out)) in jobs.iter().zip(steps) {
            let expected = job.value(0, shards);
            assert_eq!(reduced.present, expected.is_some());
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
            let expected = expected.unwrap_or_else(|| vec![f32::NAN; job.length]);
            assert!(
                bits(out) == bits(&expected),
                "rank {rank} of {ranks}, {shards} shards, {} values",
                job.length
            );
            let scalars: Vec<Option<Vec<f64>>> = (0..shards).map(|shard| job.scalars(shard)).collect();
            assert_eq!(reduced.scalars, scalars);
        }
    }
}

#[test]
fn any_number_of_trainers_gives_the_bits_of_one() {
    for ranks in 1..=5u64 {
        for (round, length) in [0, 1, 15, 17, 100, 5000].into_iter().enumerate() {
            let shards = ranks as u32 + (mix(ranks, 5, round as u32) % 9) as u32;
            let jobs: Vec<Job> = (0..4)
                .map(|step| Job::new(shards, length, step * 2, ranks * 1000 + step))
                .collect();
            run(ranks as usize, &jobs);
        }
    }
}

/// Frames between hosts end with a checksum, those within one do not.
#[test]
fn trainers_on_several_hosts_give_the_bits_of_one() {
    let hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.2", "127.0.0.1"];
    for length in [1, 5_000, 1 << 19] {
        let jobs: Vec<Job> = (0..3).map(|step| Job::new(9, length, step * 2, step)).collect();
        run_at(&hosts, &jobs);
    }
}

/// Between hosts, within one, and by way of a proxy.
#[test]
fn trainers_whose_connections_are_encrypted_give_the_bits_of_one() {
    encrypted(|| {
        for length in [1, 5_000, 1 << 20] {
            let jobs: Vec<Job> = (0..3).map(|step| Job::new(9, length, step * 2, step)).collect();
            run_at(&["127.0.0.1", "127.0.0.2", "127.0.0.2"], &jobs);
            run_via(&["127.0.0.2", "127.0.0.3"], proxy, &jobs);
        }
    });
}

/// Who dials sees one host, who listens behind the proxy two: the one sends checksums, the other none.
#[test]
fn trainers_that_judge_differently_where_the_other_is_understand_each_other() {
    let jobs: Vec<Job> = (0..3).map(|step| Job::new(9, 5_000, step * 2, step)).collect();
    run_via(&["127.0.0.2", "127.0.0.3", "127.0.0.4"], proxy, &jobs);
}

#[test]
fn big_vectors_of_all_ranks_do_not_lock() {
    for ranks in [2, 4] {
        let jobs: Vec<Job> = (0..2).map(|step| Job::new(8, 1 << 20, 1, step)).collect();
        run(ranks, &jobs);
    }
}

#[test]
fn without_rows_nothing_is_present_and_nothing_written() {
    for ranks in [1, 3] {
        run(ranks, &[Job::new(5, 100, 8, 1), Job::new(5, 100, 0, 2)]);
    }
}

#[test]
fn more_members_than_shards_is_legal_on_the_wire() {
    run(4, &[Job::new(2, 40, 0, 1)]);
}

#[test]
fn lists_of_any_length_reach_all_in_the_order_of_the_ranks() {
    // NaN of any bits, -0.0 and more values than a socket's buffers hold come through as they are.
    let list = |rank: usize| -> Vec<f64> {
        let length = [3, 0, 700_000, 1][rank % 4];
        (0..length)
            .map(|at| f64::from_bits(mix(at, rank as u64, 9)))
            .collect()
    };
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<u64>>();
    for ranks in [1usize, 2, 4] {
        let everything: Vec<f64> = (0..ranks).flat_map(list).collect();
        let results = gang(ranks, 8, LONG, |rank, gang, _| {
            let first = gang.all_gather("a list", &list(rank)).unwrap();
            gang.all_equal("in between", "x").unwrap();
            (first, gang.all_gather("nothing", &[]).unwrap())
        });
        for (all, nothing) in results {
            assert!(bits(&all) == bits(&everything), "{ranks} trainers");
            assert!(nothing.is_empty());
        }
    }
}

#[test]
fn the_bytes_of_one_reach_all_others_in_parts_of_any_length() {
    // The last one is longer than a part, 64 MiB.
    for length in [0, 1, 7, 8, 9, 1_000, (64 << 20) + 13] {
        for root in [0, 2] {
            let given: Vec<u8> = (0..length).map(|at: usize| (at * 31 + at / 257) as u8).collect();
            let results = gang(3, 8, LONG, |rank, gang, _| {
                let mine: &[u8] = if rank == root { &given } else { b"ignored" };
                let got = gang.broadcast("a state", root, mine, &|| ()).unwrap();
                gang.all_equal("after it", "same").unwrap();
                (rank, got)
            });
            for (rank, got) in results {
                let wanted: &[u8] = if rank == root { b"" } else { &given };
                assert!(
                    got == wanted,
                    "{length} bytes of {root} at {rank}: {} came",
                    got.len()
                );
            }
        }
    }
}
