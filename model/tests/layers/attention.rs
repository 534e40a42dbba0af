//! Attention: PyTorch's numbers, the same bits, dropout by the rule, and errors.

use crate::support;
use candlewick_model::engine::Alone;
use candlewick_model::kernels::SimdLevel;
use candlewick_model::network::Network;
use candlewick_model::philox::{Key, Mask, mask_row};
use serde_json::{Value, json};

#[test]
fn attention() {
    support::check_layers(include_str!("../golden/attention.json"));
}

fn document(layers: &Value) -> Value {
    json!({"format": "candlewick.network/1", "layers": layers})
}

/// A case without PyTorch's numbers.
fn case(layers: &Value, shape: &[usize], rows: usize) -> support::Case {
    let network = Network::from_document(&document(layers), shape).unwrap();
    let mut weights = network.initial_weights(3);
    for (at, weight) in weights.iter_mut().enumerate() {
        *weight += ((at * 37 % 19) as f32 - 9.0) * 0.02;
    }
    let width = network.input_width();
    let outputs = network.output_width();
    support::Case {
        name: layers.to_string(),
        weights,
        features: (0..rows * width)
            .map(|at| ((at * 29 % 23) as f32 - 11.0) * 0.1)
            .collect(),
        labels: (0..rows * outputs)
            .map(|at| ((at * 31 % 17) as f64 - 8.0) * 0.1)
            .collect(),
        row_weights: (0..rows).map(|row| 0.5 + row as f64 * 0.1).collect(),
        network,
        own_loss: None,
        value: Value::Null,
    }
}

#[test]
fn dropout_has_the_same_bits_and_the_right_slope() {
    for causal in [false, true] {
        let attention =
            json!({"type": "MultiheadAttention", "num_heads": 2, "dropout": 0.3, "is_causal": causal});
        let layers = json!([{"type": "Linear", "out_features": 4}, attention,
            {"type": "PositionalEncoding", "dropout": 0.2}, {"type": "Linear", "out_features": 2}]);
        for length in [7, 133] {
            let case = case(&layers, &[length, 3], 13);
            case.same_bits();
            case.differences(1e-2);
        }
    }
}

/// Scores of one head over two positions of one value each, by hand.
#[test]
fn dropped_weights_are_those_of_the_rule() {
    let layers = json!([{"type": "MultiheadAttention", "num_heads": 2, "dropout": 0.5, "bias": false}]);
    let case = case(&layers, &[3, 2], 13);
    let (sums, _) = case.step(&mut case.engine(1), (0, support::SHARDS), &mut Alone);
    let got: f64 = sums.iter().map(|sum| sum.loss).sum();
    let matrix = |start: usize, out: usize, x: &[f32]| -> Vec<f64> {
        let row = |at: usize| x.iter().zip(&case.weights[start + 2 * at..]);
        (0..out)
            .map(|at| row(at).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum())
            .collect()
    };
    let mut wanted = 0.0;
    let mut row = 0;
    for slice in support::slices(case.rows()) {
        for own in 0..slice.rows as u32 {
            let x = &case.features[row * 6..(row + 1) * 6];
            let projected: Vec<Vec<f64>> = x.chunks(2).map(|x| matrix(0, 6, x)).collect();
            // Two heads of three queries and three keys.
            let mut mask = vec![1.0f32; 18];
            let place = [own, slice.shard, 5];
            let key = Key::new(3, "0.dropout");
            let (below, scale) = (1 << 31, 2.0);
            mask_row(
                SimdLevel::Generic,
                Mask {
                    key,
                    place,
                    below,
                    scale,
                },
                &mut mask,
            );
            for query in 0..3 {
                let heads: Vec<f32> = (0..2)
                    .map(|head| {
                        let score = |key: usize| (projected[query][head] * projected[key][2 + head]).exp();
                        let sum: f64 = (0..3).map(score).sum();
                        let weight =
                            |key: usize| score(key) / sum * f64::from(mask[(head * 3 + query) * 3 + key]);
                        (0..3)
                            .map(|key| weight(key) * projected[key][4 + head])
                            .sum::<f64>() as f32
                    })
                    .collect();
                for (at, y) in matrix(12, 2, &heads).into_iter().enumerate() {
                    let label = case.labels[row * 6 + query * 2 + at];
                    wanted += case.row_weights[row] * (y - label) * (y - label);
                }
            }
            row += 1;
        }
    }
    assert!((got - wanted).abs() < 1e-5 * wanted, "{got} {wanted}");
}

fn refused(layer: Value, shape: &[usize]) -> String {
    Network::from_document(&document(&json!([layer])), shape)
        .unwrap_err()
        .message
}

#[test]
fn sequences_that_do_not_fit_say_what_came() {
    let attention = |heads: u32| json!({"type": "MultiheadAttention", "num_heads": heads});
    for (layer, shape, wanted) in [
        (
            attention(2),
            &[6][..],
            "layers.0 (MultiheadAttention): expects inputs of shape [length, embed_dim], got [6]",
        ),
        (
            attention(4),
            &[5, 6],
            "expects an embed_dim that num_heads=4 divides, got 6",
        ),
        (
            json!({"type": "MultiheadAttention", "num_heads": 2, "embed_dim": 8}),
            &[5, 6],
            "expects 8 values in the last dimension (embed_dim=8), but the input has shape [5, 6]",
        ),
        (
            json!({"type": "PositionalEncoding", "max_len": 4}),
            &[5, 6],
            "expects at most 4 positions (max_len=4), but the input has shape [5, 6]; set max_len to 5 or more",
        ),
        (
            json!({"type": "LearnedPositionalEncoding", "d_model": 4}),
            &[5, 6],
            "(d_model=4), but the input has shape [5, 6]",
        ),
    ] {
        let message = refused(layer, shape);
        assert!(message.contains(wanted), "{message}");
    }
    let inputs = json!([{"name": "a", "shape": [3, 2]}, {"name": "b", "shape": [4, 2]}]);
    for (from, wanted) in [
        (
            json!(["a", "b"]),
            "expects a padding mask of shape [3], a number for each step, which is not 0 where the step is padding, as the last \
             input, got [4, 2]",
        ),
        (
            json!(["a", "b", "a"]),
            "expects as many values as keys, got keys [4, 2] and values [3, 2]",
        ),
    ] {
        let graph = json!({"format": "candlewick.network/1", "inputs": inputs,
            "nodes": [{"name": "y", "inputs": from, "layer": attention(1)}], "outputs": ["y"]});
        let message = Network::from_document(&graph, &[14]).unwrap_err().message;
        assert!(message.contains(wanted), "{message}");
    }
}
