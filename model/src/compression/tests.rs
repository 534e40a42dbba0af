use super::*;
use candlewick_protocol::compression::GradientCompression as Kind;
use candlewick_protocol::order::mix;
use serde_json::json;

/// 96 values of a Linear, then 6 of BatchNorm's running statistics and count, which are not trained.
fn network() -> Network {
    let layers = json!([{"type": "Linear", "out_features": 8}, {"type": "BatchNorm1d"}, {"type": "Linear", "out_features": 700}]);
    Network::from_document(
        &json!({"format": "candlewick.network/1", "layers": layers}),
        &[11],
    )
    .unwrap()
}

fn codec(name: &str) -> Codec {
    let network = network();
    Codec::new(Kind::read(name).unwrap(), &network, network.num_dense()).unwrap()
}

const NAMES: [&str; 6] = ["bf16", "fp16", "topk:0.01", "topk:0.6", "topk:1", "1bit"];

fn values(codec: &Codec, seed: u64) -> Vec<f32> {
    let length = network().num_dense();
    let value = |at: usize| {
        let random = mix(at as u64, seed, 3);
        ((random >> 40) as f32 / 8e6 - 1.0) * 10f32.powi((random % 7) as i32 - 4)
    };
    let mut values: Vec<f32> = (0..length).map(value).collect();
    codec.clear_untrained(&mut values);
    values
}

#[test]
fn what_is_packed_comes_out_as_it_went_in() {
    for name in NAMES {
        let codec = codec(name);
        for seed in 0..3 {
            let mut sent = values(&codec, seed);
            if seed == 2 {
                sent.fill(0.0);
            }
            let mut memory = vec![0.0; if codec.sends_leaves() { sent.len() } else { 0 }];
            codec.leaf(&mut sent, &mut memory);
            // In chunks, as trainers exchange them.
            for chunk in sent.chunks(BLOCK) {
                let mut words = Vec::new();
                codec.pack(chunk, &mut words);
                assert!(words.len() <= codec.most_words(chunk.len()), "{name}");
                let mut read = vec![9.0; chunk.len()];
                words.push(5.0);
                assert_eq!(codec.unpack(&words, &mut read).unwrap(), [5.0], "{name}");
                assert_eq!(bits(&read), bits(chunk), "{name}");
                assert!(
                    codec.unpack(&words[..words.len() - 2], &mut read).is_err(),
                    "{name}"
                );
                let mut root = chunk.to_vec();
                codec.root(&mut root);
                words.clear();
                codec.pack_root(&root, &mut words);
                assert!(codec.unpack_root(&words, &mut read).unwrap().is_empty());
                assert_eq!(bits(&read), bits(&root), "{name}");
            }
        }
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn what_was_sent_and_what_is_left_are_the_gradients_together() {
    for name in ["topk:0.01", "topk:0.6", "1bit"] {
        let codec = codec(name);
        let mut memory = vec![0.0; values(&codec, 0).len()];
        let (mut all, mut sent) = (vec![0.0f64; memory.len()], vec![0.0f64; memory.len()]);
        for step in 0..50 {
            let mut gradient = values(&codec, step);
            all.iter_mut()
                .zip(&gradient)
                .for_each(|(sum, value)| *sum += f64::from(*value));
            codec.leaf(&mut gradient, &mut memory);
            // What is not trained has the means of its group until then.
            codec.finish(&mut gradient);
            sent.iter_mut()
                .zip(&gradient)
                .for_each(|(sum, value)| *sum += f64::from(*value));
        }
        for ((all, sent), left) in all.iter().zip(&sent).zip(&memory) {
            assert!(
                (all - sent - f64::from(*left)).abs() < 2e-2,
                "{name}: {all} {sent} {left}"
            );
        }
    }
}

#[test]
fn the_largest_are_kept_and_the_first_of_equals() {
    let kept = |share: f64, values: &[f32]| {
        let mut values = values.to_vec();
        topk::keep(share, &mut values);
        values
    };
    assert_eq!(kept(0.5, &[1.0, -3.0, 2.0, 0.5]), [0.0, -3.0, 2.0, 0.0]);
    assert_eq!(kept(0.5, &[1.0, -1.0, 1.0, 1.0, 2.0]), [1.0, -1.0, 0.0, 0.0, 2.0]);
    assert_eq!(kept(0.01, &[0.0, 0.0, 0.0]), [0.0, 0.0, 0.0]);
    assert_eq!(kept(1.0, &[1.0, 2.0]), [1.0, 2.0]);
    // ceil: one of a hundred and one values more than a hundredth.
    let values: Vec<f32> = (0..101).map(|at| at as f32).collect();
    assert_eq!(
        kept(0.01, &values).iter().filter(|value| **value != 0.0).count(),
        2
    );
}

#[test]
fn what_is_kept_is_what_a_sort_by_size_and_place_would_keep() {
    for seed in 0..40u64 {
        let length = 1 + (mix(seed, 1, 0) % 3_000) as usize;
        let value = |at: u64| {
            let random = mix(at, seed, 2);
            // Many of one size, zeros of both signs, and of all exponents.
            match (random >> 8) % 4 {
                0 => 0.25 * if random & 1 == 0 { 1.0 } else { -1.0 },
                1 => f32::from_bits((random as u32) << 31),
                _ => f32::from_bits(random as u32 & 0xff7f_ffff),
            }
        };
        let values: Vec<f32> = (0..length as u64).map(value).collect();
        let share = [0.001, 0.01, 0.3, 0.9][(seed % 4) as usize];
        let kept = ((share * length as f64).ceil() as usize).clamp(1, length);
        let mut order: Vec<usize> = (0..length).collect();
        order.sort_by_key(|at| std::cmp::Reverse(values[*at].to_bits() & 0x7fff_ffff));
        let mut expected = vec![0.0; length];
        order[..kept].iter().for_each(|at| expected[*at] = values[*at]);
        let mut found = values.clone();
        topk::keep(share, &mut found);
        assert_eq!(bits(&found), bits(&expected), "{seed}: {kept} of {length}");
    }
}

#[test]
fn a_bit_stands_for_the_mean_of_its_side() {
    let mut block = [1.0, -2.0, 3.0, -6.0, 0.0];
    one_bit::quantise(SimdLevel::detect(), &mut block);
    assert_eq!(block, [4.0 / 3.0, -4.0, 4.0 / 3.0, -4.0, 4.0 / 3.0]);
    let mut words = Vec::new();
    one_bit::pack(&block, &mut words);
    // Two means, and a bit a value.
    assert_eq!(words.len(), 3);
    assert_eq!(words[2].to_bits(), 0b01010);
}

#[test]
fn sizes_are_those_that_the_documents_name() {
    let words = |name: &str, count: usize| {
        let codec = codec(name);
        let length = network().num_dense();
        let mut leaf = values(&codec, 1);
        let mut memory = vec![0.0; length];
        codec.leaf(&mut leaf, &mut memory);
        let mut words = Vec::new();
        codec.pack(&leaf[..count], &mut words);
        words.len()
    };
    assert_eq!((words("bf16", 4096), words("fp16", 4096)), (2048, 2048));
    assert_eq!(words("1bit", 4096), 4096 / 32 + 2 * 4096 / 128);
    let network = network();
    let kept: usize = network
        .parameters()
        .iter()
        .filter(|parameter| parameter.trained)
        .map(|parameter| parameter.len().div_ceil(100))
        .sum();
    assert_eq!(words("topk:0.01", network.num_dense()), 1 + 2 * kept);
}

#[test]
fn a_gradient_that_is_not_finite_reaches_all_and_no_memory() {
    for name in NAMES {
        let codec = codec(name);
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut gradient = values(&codec, 4);
            let last = gradient.len() - 3;
            gradient[last] = wrong;
            let mut memory = vec![0.25; if codec.sends_leaves() { gradient.len() } else { 0 }];
            codec.leaf(&mut gradient, &mut memory);
            assert!(memory.iter().all(|value| *value == 0.25), "{name}");
            let mut words = Vec::new();
            codec.pack(&gradient, &mut words);
            let mut read = vec![0.0; gradient.len()];
            codec.unpack(&words, &mut read).unwrap();
            codec.root(&mut read);
            codec.finish(&mut read);
            assert!(!read.iter().all(|value| value.is_finite()), "{name} {wrong}");
        }
    }
}

#[test]
fn what_is_not_trained_has_no_gradient() {
    let codec = codec("1bit");
    let (mut gradient, length) = (values(&codec, 5), network().num_dense());
    let mut memory = vec![0.0; length];
    codec.leaf(&mut gradient, &mut memory);
    codec.finish(&mut gradient);
    assert!(!codec.untrained.is_empty());
    for range in &codec.untrained {
        assert!(
            gradient[range.clone()]
                .iter()
                .chain(&memory[range.clone()])
                .all(|value| *value == 0.0)
        );
    }
}

#[test]
fn a_sum_is_that_of_the_tree_and_rounded_at_every_node() {
    let codec = codec("bf16");
    let mut leaves: Vec<Vec<f32>> = (0..5).map(|seed| values(&codec, seed)).collect();
    leaves.iter_mut().for_each(|leaf| codec.leaf(leaf, &mut []));
    let parts = leaves.iter().enumerate().map(|(at, values)| Part {
        lo: at as u32,
        hi: at as u32 + 1,
        values: (at != 2).then_some(values.as_slice()),
    });
    let parts: Vec<Part<'_>> = parts.collect();
    let mut whole = vec![0.0; leaves[0].len()];
    assert!(sum((0, 5), &parts, codec.rounding(), &mut whole));
    let bf16 = |value: f32| {
        let mut value = [value];
        Short::Bf16.round(&mut value);
        value[0]
    };
    for (at, value) in whole.iter().enumerate() {
        let v = |leaf: usize| leaves[leaf][at];
        let expected = bf16(bf16(bf16(v(0) + v(1)) + v(3)) + v(4));
        assert_eq!(value.to_bits(), expected.to_bits());
    }
    // The same from nodes of several trainers.
    let mut left = vec![0.0; whole.len()];
    assert!(sum((0, 4), &parts, codec.rounding(), &mut left));
    let nodes = [
        Part {
            lo: 0,
            hi: 4,
            values: Some(&left),
        },
        parts[4],
    ];
    let mut again = vec![0.0; whole.len()];
    assert!(sum((0, 5), &nodes, codec.rounding(), &mut again));
    assert_eq!(bits(&again), bits(&whole));
    // By threads, of which each has many tiles.
    let many: Vec<f32> = whole.iter().copied().cycle().take(300_000).collect();
    let leaves = [0, 1, 2].map(|lo| Part {
        lo,
        hi: lo + 1,
        values: Some(many.as_slice()),
    });
    let (mut one, mut two) = (many.clone(), many.clone());
    assert!(sum((0, 3), &leaves, codec.rounding(), &mut one));
    let workers = crate::kernels::Workers::new(3).unwrap();
    assert!(sum_on(&workers, (0, 3), &leaves, codec.rounding(), &mut two));
    assert_eq!(bits(&one), bits(&two));
    assert!(!sum((2, 3), &parts[2..3], codec.rounding(), &mut again));
}

#[test]
fn nodes_are_read_as_they_were_written() {
    for name in NAMES {
        let codec = codec(name);
        let mut leaf = values(&codec, 7);
        let mut memory = vec![0.0; leaf.len()];
        codec.leaf(&mut leaf, &mut memory);
        let part = &leaf[..BLOCK];
        let mut words = Vec::new();
        write_node(&codec, (2, 3), Some(part), &mut words);
        write_node(&codec, (3, 4), None, &mut words);
        let nodes = read_nodes(&codec, &words, BLOCK).unwrap();
        assert_eq!((nodes[0].lo, nodes[0].hi, nodes[1].lo, nodes[1].hi), (2, 3, 3, 4));
        assert_eq!(nodes[0].values.as_deref().map(bits), Some(bits(part)));
        assert_eq!((nodes.len(), &nodes[1].values), (2, &None));
        assert!(read_nodes(&codec, &words[1..], BLOCK).is_err() || name.starts_with("topk"));
        assert!(read_nodes(&codec, &words[..words.len() - 1], BLOCK).is_err());
    }
}
