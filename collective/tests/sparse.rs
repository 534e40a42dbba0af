//! Tables of which a step touches few rows: the sum over all trainers has the bits of whole tables, and only rows that
//! somebody touched are sent.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use candlewick_collective::{Algorithm, Config, Node, Reduced};
use candlewick_protocol::order::mix;
use candlewick_protocol::plan::ownership;
use candlewick_protocol::rows::SparseRows;
use candlewick_protocol::tree::{NodeValue, assemble, cover};
use support::{LONG, gang, gang_over};

const SHARDS: u32 = 8;
/// Entries and width of the tables, the second of rows of one value.
const SHAPES: [(usize, usize); 2] = [(1_000, 24), (70_000, 1)];

/// What a leaf has: dense values and tables; `None` without rows.
type Leaf = Option<(Vec<f32>, Vec<SparseRows>)>;

fn value(bits: u64) -> f32 {
    // Very different sizes, so that the order of the additions shows; sums that started at +0 are never -0.
    let scale = 10f32.powi((bits % 13) as i32 - 6);
    ((bits >> 20) as i32) as f32 / 2e9 * scale + 0.0
}

fn leaf(step: u64, shard: u32, length: usize) -> Leaf {
    let random = |at: u64| mix(at, step, shard);
    if random(0) % 4 < step % 5 {
        return None;
    }
    let table = |(at, (entries, width)): (usize, &(usize, usize))| {
        let mut rows = SparseRows::new(*entries, *width);
        let many = random(1 + at as u64) % 3 * 60;
        let mut indices: Vec<u32> = (0..many)
            .map(|row| {
                let random = random(row * 7 + at as u64);
                // Small indices come often, so that trainers share rows.
                let limit = if row % 2 == 0 { 30 } else { *entries as u64 };
                ((random >> 9) % limit) as u32
            })
            .collect();
        indices.sort_unstable();
        indices.dedup();
        for row in indices {
            rows.indices.push(row);
            let values = (0..*width).map(|at| value(random(u64::from(row) * 100 + at as u64)));
            rows.values.extend(values);
        }
        rows
    };
    let values = (0..length).map(|at| value(random(at as u64))).collect();
    Some((values, SHAPES.iter().enumerate().map(table).collect()))
}

/// A node by whole tables, one after another behind the values.
fn whole(step: u64, lo: u32, hi: u32, length: usize) -> Option<Vec<f32>> {
    let mut find = |lo: u32, hi: u32| match hi - lo {
        1 => NodeValue::Known(leaf(step, lo, length).map(|(values, tables)| flat(&values, &tables))),
        _ => NodeValue::Split,
    };
    assemble(lo, hi, &mut find, &mut |left: Vec<f32>, right| {
        left.iter()
            .zip(&right)
            .map(|(left, right)| left + right)
            .collect()
    })
}

fn flat(values: &[f32], tables: &[SparseRows]) -> Vec<f32> {
    let mut all = values.to_vec();
    for table in tables {
        let start = all.len();
        all.resize(start + table.entries * table.width, 0.0);
        for (row, values) in table.iter() {
            all[start + row as usize * table.width..][..table.width].copy_from_slice(values);
        }
    }
    all
}

/// A node as a trainer has it.
fn node(step: u64, lo: u32, hi: u32, length: usize) -> Leaf {
    let mut find = |lo: u32, hi: u32| match hi - lo {
        1 => NodeValue::Known(leaf(step, lo, length)),
        _ => NodeValue::Split,
    };
    assemble(
        lo,
        hi,
        &mut find,
        &mut |left: (Vec<f32>, Vec<SparseRows>), right| {
            let values = left.0.iter().zip(&right.0).map(|(left, right)| left + right);
            let tables = left.1.iter().zip(&right.1).map(|(left, right)| {
                let mut sum = SparseRows::new(left.entries, left.width);
                sum.set_sum(left.view(), right.view());
                sum
            });
            (values.collect(), tables.collect())
        },
    )
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn any_number_of_trainers_gives_the_bits_of_whole_tables() {
    for ranks in 1..=5 {
        for length in [0, 7, 300] {
            check(Algorithm::Direct, ranks, length);
        }
    }
}

/// Rows of tables have one owner each, whom all know: they go directly, whatever was chosen for values alone.
#[test]
fn whatever_algorithm_is_set_tables_have_the_same_bits() {
    for algorithm in Algorithm::ALL {
        check(algorithm, 4, 300);
    }
}

fn check(algorithm: Algorithm, ranks: usize, length: usize) {
    let steps = 6;
    let set = |config: &mut Config| config.algorithm = Some(algorithm);
    let via = |host: &str, port| (host.to_owned(), port);
    let hosts = vec!["127.0.0.1"; ranks];
    let results = gang_over(&hosts, via, SHARDS, &set, |rank, gang, _| {
        let (lo, hi) = ownership(SHARDS, ranks)[rank];
        let mut tables = SHAPES.map(|(entries, width)| SparseRows::new(entries, width));
        let mut out = vec![f32::NAN; length];
        let one = |step: u64| {
            let owned = cover(lo, hi, SHARDS);
            let own: Vec<Leaf> = owned
                .iter()
                .map(|(lo, hi)| node(step, *lo, *hi, length))
                .collect();
            let nodes: Vec<Node<'_>> = owned
                .iter()
                .zip(&own)
                .map(|((lo, hi), own)| Node {
                    lo: *lo,
                    hi: *hi,
                    values: own.as_ref().map(|own| own.0.as_slice()),
                    tables: own.as_ref().map_or(&[], |own| own.1.as_slice()),
                })
                .collect();
            let reduced = gang.all_reduce(step, &[], &nodes, &mut out, &mut tables).unwrap();
            (reduced, out.clone(), tables.to_vec())
        };
        (0..steps)
            .map(one)
            .collect::<Vec<(Reduced, Vec<f32>, Vec<SparseRows>)>>()
    });
    for steps in results {
        for (step, (reduced, values, tables)) in (0u64..).zip(steps) {
            let expected = whole(step, 0, SHARDS, length);
            assert_eq!(reduced.present, expected.is_some(), "{ranks} ranks, step {step}");
            assert!(
                tables
                    .iter()
                    .all(|table| table.indices.is_sorted_by(|a, b| a < b))
            );
            match expected {
                Some(expected) => assert!(
                    bits(&flat(&values, &tables)) == bits(&expected),
                    "{ranks} ranks, {length} values, step {step}"
                ),
                None => assert!(tables.iter().all(|table| table.indices.is_empty())),
            }
        }
    }
}

#[test]
fn tables_of_another_shape_are_refused_at_once() {
    let errors = gang(1, SHARDS, LONG, |_, gang, _| {
        let nodes = [Node {
            lo: 0,
            hi: SHARDS,
            values: Some(&[]),
            tables: &[SparseRows::new(10, 3)],
        }];
        gang.all_reduce(0, &[], &nodes, &mut [], &mut [SparseRows::new(10, 4)])
            .unwrap_err()
    });
    assert_eq!(
        errors[0].failure.message,
        "the node 0..8 has other tables than the sum"
    );
}
