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

fn compressor(name: &str, network: &Network) -> Option<Compressor> {
    Compressor::new(GradientCompression::read(name).unwrap(), SHARDS, network)
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
    let mut left = vec![0.0; compressor.left_len()];
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
