//! Every algorithm of the allreduce, between threads and between processes: the bits of one process, whatever the trainers; the ring,
//! which gives up that, the same sums on all.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use candlewick_collective::{Algorithm, Collective, Config, Halts, Node, Reduced};
use candlewick_protocol::order::mix;
use candlewick_protocol::plan::ownership;
use candlewick_protocol::tree::{NodeValue, assemble, cover};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{config, gang_over, listener, members};

/// Beginning with this, standard output of a member says something.
const TOLD: &str = "told:";

/// By shard, what it has in a step; `None` without rows.
fn leaf(shard: u32, length: usize, step: u64) -> Option<Vec<f32>> {
    let value = |at: usize| {
        let bits = mix(at as u64, step, shard);
        // Very different sizes, so that the order of the additions shows.
        ((bits >> 33) as f32 - 1e9) * 10f32.powi((bits % 13) as i32 - 6)
    };
    (mix(3, step, shard) % 8 >= step % 4 * 2).then(|| (0..length).map(value).collect())
}

fn node((lo, hi): (u32, u32), length: usize, step: u64) -> Option<Vec<f32>> {
    let mut find = |lo: u32, hi: u32| match hi - lo {
        1 => NodeValue::Known(leaf(lo, length, step)),
        _ => NodeValue::Split,
    };
    let mut add = |mut left: Vec<f32>, right: Vec<f32>| {
        left.iter_mut()
            .zip(&right)
            .for_each(|(left, right)| *left += right);
        left
    };
    assemble(lo, hi, &mut find, &mut add)
}

fn scalars(shard: u32, step: u64) -> Option<Vec<f64>> {
    // As many as the metrics of some hundred outputs have, now and then.
    let count = if step.is_multiple_of(3) { 2 } else { 2_000 };
    leaf(shard, 0, step).map(|_| (0..count).map(|at| f64::from(shard + at) + step as f64).collect())
}

/// One step of a member; the bits of the sum.
fn sum(gang: &mut Collective, shards: u32, length: usize, step: u64) -> (Reduced, Vec<u32>) {
    let (rank, ranks) = gang.rank();
    let (lo, hi) = ownership(shards, ranks)[rank];
    let owned = cover(lo, hi, shards);
    let values: Vec<Option<Vec<f32>>> = owned.iter().map(|span| node(*span, length, step)).collect();
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
    let scalars: Vec<(u32, Option<Vec<f64>>)> = (lo..hi).map(|shard| (shard, scalars(shard, step))).collect();
    let mut out = vec![f32::NAN; length];
    let reduced = gang
        .all_reduce(step, &scalars, &nodes, &mut out, &mut [])
        .unwrap();
    (reduced, out.iter().map(|value| value.to_bits()).collect())
}

/// What one process gets.
fn alone(shards: u32, length: usize, step: u64) -> (Reduced, Vec<u32>) {
    let root = node((0, shards), length, step);
    let reduced = Reduced {
        present: root.is_some(),
        scalars: (0..shards).map(|shard| scalars(shard, step)).collect(),
    };
    let values = root.unwrap_or_else(|| vec![f32::NAN; length]);
    (reduced, values.iter().map(|value| value.to_bits()).collect())
}

/// Hosts of two trainers, the last one of one where the number is odd.
fn hosts(ranks: usize) -> Vec<String> {
    (0..ranks)
        .map(|rank| format!("127.0.0.{}", 1 + rank / 2))
        .collect()
}

fn run(algorithm: Algorithm, ranks: usize, shards: u32, lengths: &[usize]) -> Vec<Vec<(Reduced, Vec<u32>)>> {
    run_on(&hosts(ranks), algorithm, shards, lengths)
}

fn run_on(
    hosts: &[String],
    algorithm: Algorithm,
    shards: u32,
    lengths: &[usize],
) -> Vec<Vec<(Reduced, Vec<u32>)>> {
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let set = |config: &mut Config| config.algorithm = Some(algorithm);
    let via = |host: &str, port| (host.to_owned(), port);
    gang_over(&hosts, via, shards, &set, |_, gang, _| {
        let steps = lengths.iter().zip(0..);
        steps
            .map(|(length, step)| sum(gang, shards, *length, step))
            .collect()
    })
}

/// Several tiles, a few values, none; steps in which fewer shards have rows, and one in which none may.
const LENGTHS: [usize; 8] = [700_000, 1, 0, 17, 5_000, 100, 33, 300_001];

#[test]
fn every_algorithm_of_the_tree_gives_the_bits_of_one_process() {
    for algorithm in Algorithm::ALL.into_iter().filter(|one| *one != Algorithm::Ring) {
        for ranks in [1usize, 2, 3, 4, 6, 7] {
            let shards = ranks as u32 + (mix(ranks as u64, 5, 1) % 9) as u32;
            let lengths = if ranks % 2 == 0 {
                &LENGTHS[..]
            } else {
                &LENGTHS[1..]
            };
            for steps in run(algorithm, ranks, shards, lengths) {
                for ((got, length), step) in steps.iter().zip(lengths).zip(0..) {
                    let name = algorithm.name();
                    assert!(
                        *got == alone(shards, *length, step),
                        "{name}, {ranks} trainers, {length} values"
                    );
                }
            }
        }
    }
}

/// Where groups have very different numbers of trainers, one gives another several ranges, which come back beside the sum and are
/// copied to where they belong.
#[test]
fn several_ranges_for_one_trainer_come_back_to_where_they_were() {
    let uneven: Vec<String> = [1, 1, 2, 3, 3, 3].map(|host| format!("127.0.0.{host}")).to_vec();
    let lengths = [17, 0, 5_000];
    for (hosts, algorithm, shards) in [
        (uneven.clone(), Algorithm::TwoLevel, 9),
        (uneven, Algorithm::HostHalving, 9),
        (hosts(11), Algorithm::Halving, 16),
    ] {
        for steps in run_on(&hosts, algorithm, shards, &lengths) {
            for ((got, length), step) in steps.iter().zip(&lengths).zip(0..) {
                assert!(
                    *got == alone(shards, *length, step),
                    "{}, {length} values",
                    algorithm.name()
                );
            }
        }
    }
}

/// Trainers are measured in pairs, of which both know; whoever has nobody waits for no one.
#[test]
fn links_are_measured_on_any_hosts_and_all_know_the_same() {
    for (hosts, near, far) in [
        (&[1, 1, 2, 2, 2][..], true, true),
        (&[1, 2, 2], true, true),
        (&[1, 2, 3], false, true),
        (&[1, 1, 1], true, false),
    ] {
        let names: Vec<String> = hosts.iter().map(|host| format!("127.0.0.{host}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let measured = |config: &mut Config| config.algorithm = None;
        let via = |host: &str, port| (host.to_owned(), port);
        let all = gang_over(&names, via, 8, &measured, |_, gang, _| gang.speeds().unwrap());
        assert_eq!(
            (all[0].near.is_some(), all[0].far.is_some()),
            (near, far),
            "{hosts:?}"
        );
        for speed in [all[0].near, all[0].far].into_iter().flatten() {
            assert!(
                speed.latency > 0.0 && speed.per_byte > 0.0,
                "{hosts:?}: {speed:?}"
            );
        }
        assert!(all.iter().all(|speeds| *speeds == all[0]), "{hosts:?}: {all:?}");
    }
}

#[test]
fn a_ring_gives_all_trainers_the_same_sum() {
    for ranks in 1..=5usize {
        let (shards, lengths) = (8, &LENGTHS[1..]);
        let results = run(Algorithm::Ring, ranks, shards, lengths);
        for (at, length) in lengths.iter().enumerate() {
            let (reduced, bits) = alone(shards, *length, at as u64);
            for steps in &results {
                assert_eq!(steps[at].0, reduced);
                assert!(
                    steps[at].1 == results[0][at].1,
                    "{ranks} trainers, {length} values"
                );
                // In another order: a little off where large values cancel.
                let largest = bits
                    .iter()
                    .map(|bits| f32::from_bits(*bits).abs())
                    .fold(0.0, f32::max);
                for (got, expected) in steps[at].1.iter().zip(&bits) {
                    let (got, expected) = (f32::from_bits(*got), f32::from_bits(*expected));
                    assert!((got - expected).abs() <= 1e-5 * largest || (got.is_nan() && expected.is_nan()));
                }
            }
        }
    }
}

/// A member in a process of its own, which this test binary is again: prints its port, reads those of all, prints its sums.
#[test]
#[ignore = "what a_process_a_trainer starts"]
fn member() {
    let word = |name: &str| std::env::var(name).unwrap();
    let (rank, algorithm) = (
        word("RANK").parse().unwrap(),
        Algorithm::of_name(&word("ALGORITHM")),
    );
    let listener = listener(rank, "07");
    println!("\n{TOLD}{}", listener.port());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let ports: Vec<u16> = line
        .split_whitespace()
        .map(|port| port.parse().unwrap())
        .collect();
    let config = Config {
        algorithm,
        ..config(rank, &members(&ports, 8), support::LONG)
    };
    let mut gang = Collective::connect(&listener, config, &Halts::default()).unwrap();
    for (length, step) in LENGTHS.iter().zip(0..) {
        println!("\n{TOLD}{}", digest(&sum(&mut gang, 8, *length, step)));
    }
}

fn digest((reduced, bits): &(Reduced, Vec<u32>)) -> String {
    let sum = bits.iter().fold(7u64, |sum, bits| mix(sum, u64::from(*bits), 1));
    format!("{reduced:?} {sum}")
}

/// The next thing that a member tells.
fn told(from: &mut impl BufRead) -> String {
    loop {
        let mut line = String::new();
        assert!(from.read_line(&mut line).unwrap() > 0, "a member ended");
        if let Some(told) = line.trim_end().strip_prefix(TOLD) {
            return told.to_owned();
        }
    }
}

#[test]
fn a_process_a_trainer_gives_the_bits_of_one_process() {
    for (algorithm, ranks) in [
        (Algorithm::Halving, 4),
        (Algorithm::Halving, 3),
        (Algorithm::TwoLevel, 4),
        (Algorithm::HostHalving, 6),
    ] {
        let start = |rank: usize| -> Child {
            Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "member", "--nocapture"])
                .env("RANK", rank.to_string())
                .env("ALGORITHM", algorithm.name())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let mut members: Vec<Child> = (0..ranks).map(start).collect();
        let mut outputs: Vec<_> = members
            .iter_mut()
            .map(|member| BufReader::new(member.stdout.take().unwrap()))
            .collect();
        let ports: Vec<String> = outputs.iter_mut().map(told).collect();
        for member in &mut members {
            let mut stdin = member.stdin.take().unwrap();
            writeln!(stdin, "{}", ports.join(" ")).unwrap();
        }
        for (length, step) in LENGTHS.iter().zip(0..) {
            let expected = digest(&alone(8, *length, step));
            for output in &mut outputs {
                assert_eq!(
                    told(output),
                    expected,
                    "{}, {ranks} trainers, {length} values",
                    algorithm.name()
                );
            }
        }
        for mut member in members {
            assert!(member.wait().unwrap().success());
        }
    }
}

/// Trainers that wait for each other in a chain all blame the one that is gone, or silent, and not the one that they wait for.
#[test]
fn whoever_is_lost_is_blamed_by_all() {
    for algorithm in Algorithm::ALL.into_iter().filter(|one| *one != Algorithm::Direct) {
        for silent in [false, true] {
            let hosts = hosts(6);
            let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
            let set = |config: &mut Config| {
                config.algorithm = Some(algorithm);
                (config.timeout, config.patience) = (Duration::from_secs(2), Duration::from_secs(2));
            };
            let left = AtomicUsize::new(5);
            let via = |host: &str, port| (host.to_owned(), port);
            let blamed = gang_over(&hosts, via, 8, &set, |rank, gang, _| {
                sum(gang, 8, 1_000, 0);
                if rank == 2 {
                    while silent && left.load(Ordering::Acquire) > 0 {
                        std::thread::yield_now();
                    }
                    gang.disconnect();
                    return None;
                }
                let mut out = vec![0.0; 1_000];
                let (lo, hi) = ownership(8, 6)[rank];
                let nodes: Vec<Node<'_>> = cover(lo, hi, 8)
                    .into_iter()
                    .map(|(lo, hi)| Node {
                        lo,
                        hi,
                        values: None,
                        tables: &[],
                    })
                    .collect();
                let error = gang.all_reduce(1, &[], &nodes, &mut out, &mut []).unwrap_err();
                left.fetch_sub(1, Ordering::AcqRel);
                Some(error)
            });
            for (rank, error) in blamed.iter().enumerate().filter(|(rank, _)| *rank != 2) {
                let error = error.as_ref().unwrap();
                let name = algorithm.name();
                assert_eq!(
                    error.peer.as_deref(),
                    Some("id-2"),
                    "{name}, trainer {rank}: {error}"
                );
                assert!(error.failure.message.contains("in allreduce, step 1"), "{error}");
            }
        }
    }
}
