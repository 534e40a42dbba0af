//! Several trainers of one exchange, in threads: what each of them gets is what one trainer alone computes.

use super::super::SingleProcess;
use super::super::settled::{INTERVAL, SettledPoints};
use super::*;
use crate::train::support::{LONG, gang};
use candlewick_protocol::order::mix;
use candlewick_protocol::plan::ownership;
use serde_json::json;

const SHARDS: u32 = 8;
const STEPS: u64 = 4;

/// More values than three blocks, so that several trainers have a part of the sum.
fn network() -> Network {
    let layers = json!([{"type": "Linear", "out_features": 60}, {"type": "ReLU"}, {"type": "Linear", "out_features": 3}]);
    Network::from_document(
        &json!({"format": "candlewick.network/1", "layers": layers}),
        &[250],
    )
    .unwrap()
}

fn kind(name: &str) -> GradientCompression {
    GradientCompression::read(name).unwrap()
}

fn compressor(name: &str, network: &Network) -> Option<Compressor> {
    // Two threads: nothing may depend on which of them has a leaf.
    let workers = Arc::new(Workers::new(2).unwrap());
    Compressor::new(kind(name), SHARDS, network, &workers).unwrap()
}

/// The gradients of these shards in a step; every seventh has no rows.
fn fill(leaves: &mut [NodeGradient], step: u64, length: usize) {
    for leaf in leaves {
        let random = |at: u64| mix(at, step + 1, leaf.lo);
        leaf.present = !random(u64::MAX).is_multiple_of(7);
        let value =
            |at: u64| ((random(at) >> 40) as f32 / 8e6 - 1.0) * 10f32.powi((random(at) % 5) as i32 - 3);
        leaf.values = (0..length as u64).map(value).collect();
    }
}

/// The bits of all sums, and of what is left in the end.
fn run(name: &str, owned: Range<u32>, reduce: &mut dyn Reduce) -> Vec<u32> {
    let network = network();
    let mut compressor = compressor(name, &network).unwrap();
    let mut left = vec![0.0; left_len(kind(name), &network)];
    compressor.deal(&owned, &left);
    let points = SettledPoints::every(if compressor.remembers() { INTERVAL } else { 1 });
    let (mut nodes, mut out, mut bits) = (leaves(owned.clone()), Gradient::new(&network), Vec::new());
    for step in 0..STEPS {
        fill(&mut nodes, step, compressor.length);
        let scalars: Vec<(u32, Option<Vec<f64>>)> =
            owned.clone().map(|shard| (shard, Some(vec![1.0]))).collect();
        let reduced = compressor
            .reduce(reduce, (step, &scalars), &mut nodes, &mut out)
            .unwrap();
        assert!(reduced.present && reduced.scalars.len() == SHARDS as usize);
        bits.extend(out.iter().map(|value| value.to_bits()));
        assert_eq!(compressor.is_even(), !compressor.remembers());
        if compressor.remembers() && points.is_due(step, STEPS) {
            left = compressor.add_up(step, &nodes, reduce).unwrap();
            compressor.deal(&owned, &left);
        }
    }
    assert!(compressor.is_even());
    bits.extend(left.iter().map(|value| value.to_bits()));
    bits
}

#[test]
fn every_trainer_has_the_bits_of_one_alone() {
    for name in ["bf16", "fp16", "topk:0.01", "1bit", "powersgd:3"] {
        let mut alone = SingleProcess {
            logical_shards: SHARDS,
        };
        let expected = run(name, 0..SHARDS, &mut alone);
        for ranks in [2, 3, 8] {
            let all = gang(ranks, SHARDS, LONG, |rank, gang, _| {
                let (lo, hi) = ownership(SHARDS, ranks)[rank];
                run(name, lo..hi, gang)
            });
            for (rank, bits) in all.iter().enumerate() {
                assert!(*bits == expected, "{name}: trainer {rank} of {ranks}");
            }
        }
    }
}

/// A gradient that is not finite, and one whose product with a factor is not, spoil their own step alone.
#[test]
fn a_step_that_is_not_finite_leaves_what_is_remembered_as_it_was() {
    let network = network();
    for (name, value) in [
        ("topk:0.01", f32::NAN),
        ("1bit", f32::INFINITY),
        ("powersgd:3", f32::NAN),
        ("powersgd:3", f32::INFINITY),
        ("powersgd:3", 1e38),
    ] {
        let mut compressor = compressor(name, &network).unwrap();
        let begin = vec![0.0; left_len(kind(name), &network)];
        compressor.deal(&(0..SHARDS), &begin);
        let mut reduce = SingleProcess {
            logical_shards: SHARDS,
        };
        let (mut nodes, mut out) = (leaves(0..SHARDS), Gradient::new(&network));
        let mut remembered = Vec::new();
        for step in 0..3 {
            fill(&mut nodes, step, compressor.length);
            for node in &mut nodes {
                node.present = true;
                node.values.iter_mut().for_each(|value| *value *= 1e-3);
            }
            if step == 1 {
                // One column of a matrix: times Q it is finite, and 60 of them times P are not.
                nodes[2]
                    .values
                    .chunks_mut(250)
                    .take(60)
                    .for_each(|row| row[0] = value);
            }
            let scalars: Vec<(u32, Option<Vec<f64>>)> =
                (0..SHARDS).map(|shard| (shard, Some(vec![1.0]))).collect();
            compressor
                .reduce(&mut reduce, (step, &scalars), &mut nodes, &mut out)
                .unwrap();
            let finite = out.iter().all(|value| value.is_finite());
            assert_eq!(finite, step != 1, "{name}, {value}, step {step}");
            let factors = compressor.factors.as_ref().map(|factors| factors.right.clone());
            remembered.push((compressor.left.clone(), factors));
        }
        // With topk and 1bit the other shards go on.
        assert!(remembered[1].0[2] == remembered[0].0[2], "{name}, {value}");
        assert!(remembered[1].1 == remembered[0].1, "{name}, {value}");
    }
}

#[test]
fn who_asks_for_none_has_none_and_nobody_has_one_before_it_is_decided() {
    assert!(compressor("none", &network()).is_none() && compressor("auto", &network()).is_none());
}

#[test]
fn nodes_that_are_not_all_are_refused() {
    assert!(covers_all([(0, 4), (4, 8)].into_iter(), 8));
    for nodes in [&[(0, 4)][..], &[(0, 4), (5, 8)], &[(0, 5), (4, 8)], &[]] {
        assert!(!covers_all(nodes.iter().copied(), 8));
    }
}
