//! Layers that normalise, softmax and PReLU: PyTorch's numbers, the same bits, and their errors.

use crate::support;
use candlewick_model::engine::{Alone, Batch, Engine, NodeGradient, Predictor, Slice};
use candlewick_model::network::Network;
use candlewick_protocol::job::LabelKind;
use serde_json::{Value, json};

#[test]
fn normalisations_softmax_and_prelu() {
    support::check_layers(include_str!("../golden/normalization.json"));
}

fn document(layers: &Value) -> Value {
    json!({"format": "candlewick.network/1", "layers": layers})
}

fn network(layers: &Value, shape: &[usize]) -> Network {
    Network::from_document(&document(layers), shape).unwrap()
}

fn assert_refused(layer: &Value, shape: &[usize], wanted: &str) {
    let failure = Network::from_document(&document(&json!([layer])), shape).unwrap_err();
    assert!(failure.message.contains(wanted), "{failure}");
}

#[test]
fn batch_norm_says_what_came() {
    for (layer, shape, wanted) in [
        (
            json!({"type": "BatchNorm1d"}),
            vec![2, 3, 4],
            "layers.0 (BatchNorm1d): expects an input of shape [C] or [C, L] without the batch, got [2, 3, 4]",
        ),
        (
            json!({"type": "BatchNorm2d"}),
            vec![2],
            "expects an input of shape [C, H, W] without the batch, got [2]",
        ),
        (
            json!({"type": "BatchNorm1d", "num_features": 3}),
            vec![2, 3],
            "expects 3 channels in the first dimension (num_features=3), but the input has shape [2, 3]; set \
             num_features to 2 or leave it out",
        ),
        (
            json!({"type": "BatchNorm1d", "track_running_stats": false}),
            vec![2],
            "track_running_stats=false is not possible",
        ),
        (
            json!({"type": "BatchNorm1d", "scope": "all"}),
            vec![2],
            "scope = \"all\" is not legal: expected \"step\" or \"slice\"",
        ),
    ] {
        assert_refused(&layer, &shape, wanted);
    }
}

#[test]
fn shapes_that_do_not_fit_say_what_came() {
    for (layer, shape, wanted) in [
        (
            json!({"type": "LayerNorm", "normalized_shape": [2, 4]}),
            vec![2, 3],
            "expects an input that ends in normalized_shape=[2, 4], got [2, 3]",
        ),
        (
            json!({"type": "GroupNorm", "num_groups": 2}),
            vec![3],
            "num_groups=2 does not divide the 3 channels of an input of shape [3]",
        ),
        (
            json!({"type": "InstanceNorm2d", "track_running_stats": true}),
            vec![3, 2, 2],
            "track_running_stats=true is not possible",
        ),
        (
            json!({"type": "Softmax", "dim": 0}),
            vec![3],
            "dim=0 is not a dimension of an input of shape [3] without the batch, which is 0",
        ),
        (
            json!({"type": "PReLU", "num_parameters": 2}),
            vec![3],
            "num_parameters=2 is neither 1 nor the 3 channels",
        ),
    ] {
        assert_refused(&layer, &shape, wanted);
    }
}

#[test]
fn sizes_are_inferred() {
    let layers =
        json!([{"type": "LayerNorm"}, {"type": "BatchNorm1d"}, {"type": "GroupNorm", "num_groups": 1}]);
    let network = network(&layers, &[3, 4]);
    let complete = &network.document()["layers"];
    assert_eq!(complete[0]["normalized_shape"], json!([4]));
    assert_eq!(complete[1]["num_features"], 3);
    assert_eq!(complete[2]["num_channels"], 3);
    let again = Network::from_document(network.document(), &[3, 4]).unwrap();
    assert_eq!(again.document(), network.document());
}

/// One step; the root's gradient and the weights with their buffers up to date.
fn step(network: &Network, weights: &[f32], slices: &[usize], features: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let kind = LabelKind::Real {
        width: network.output_width() as u32,
    };
    let mut engine = Engine::new(network, &json!({"type": "MSELoss"}), &kind, 3, 1).unwrap();
    let slices: Vec<Slice> = slices
        .iter()
        .zip(0..)
        .map(|(rows, shard)| Slice { shard, rows: *rows })
        .collect();
    let rows = slices.iter().map(|slice| slice.rows).sum();
    let labels = vec![0.5; rows * network.output_width()];
    let mut nodes = [NodeGradient::new(0, slices.len() as u32)];
    let batch = Batch {
        step: 0,
        slices: &slices,
        features: features.into(),
        labels: &labels,
        weights: &vec![1.0; rows],
    };
    engine
        .step_among(weights, &batch, &mut nodes, &mut Alone)
        .unwrap();
    let mut after = weights.to_vec();
    let fallen_back = !engine.update_buffers(&mut after);
    assert_eq!(
        fallen_back,
        slices.iter().map(|slice| slice.rows).sum::<usize>() == 1
    );
    (nodes[0].values.clone(), after)
}

#[test]
fn a_single_value_a_channel_is_normalised_by_the_running_statistics() {
    let layers = json!([{"type": "BatchNorm1d"}, {"type": "Linear", "out_features": 1, "bias": false}]);
    let network = network(&layers, &[2]);
    // weight, bias, running mean, running variance, batches, and the Linear's weight.
    let weights = [2.0, 1.0, 0.5, -0.5, 3.0, 4.0, 4.0, 1.0, 7.0, 1.0, 1.0];
    let features = [5.0, 6.0];
    let (gradient, after) = step(&network, &weights, &[0, 1, 0], &features);
    assert_eq!(after, weights);
    let mut predictor = Predictor::new(&network, 1).unwrap();
    let output = predictor.predict(&weights, &features, 1).unwrap()[0];
    assert!((output - 4.0).abs() < 1e-4, "{output}");
    let slope = 2.0 * (output - 0.5);
    // The Linear's weight sees the layer's outputs: (5 - 3) / 2 * 2 + 0.5 and (6 - 4) / 1 - 0.5.
    assert!((gradient[9] - slope * 2.5).abs() < 1e-3 && (gradient[10] - slope * 1.5).abs() < 1e-3);
    assert!((gradient[2] - slope).abs() < 1e-3, "{gradient:?}");
    assert_eq!(gradient[4..9], [0.0; 5], "buffers have no gradient");
}

#[test]
fn statistics_are_the_step_s_or_the_slice_s() {
    let of = |scope: &str| {
        let layers = json!([{"type": "BatchNorm1d", "scope": scope, "momentum": 1.0},
            {"type": "Linear", "out_features": 1, "bias": false}]);
        network(&layers, &[1])
    };
    // weight, bias, running mean, running variance, batches, the Linear's weight.
    let weights = [1.0, 0.0, 0.0, 1.0, 0.0, 1.0];
    let features = [1.0, 3.0, 11.0, 13.0, 100.0];
    let (_, after) = step(&of("step"), &weights, &[2, 0, 2, 1], &features);
    let (_, by_slice) = step(&of("slice"), &weights, &[2, 0, 2, 1], &features);
    assert_eq!(after, by_slice, "running statistics are those of the step");
    assert!((after[2] - 25.6).abs() < 1e-5 && after[4] == 1.0);
    // In a slice of its own the last value meets the running statistics; the pairs become -1 and 1.
    let (gradient, _) = step(&of("slice"), &weights, &[2, 0, 2, 1], &features);
    let wanted: f32 = [(-1.0f32, 2), (1.0, 2), (100.0, 1)]
        .iter()
        .map(|(y, times)| 2.0 * (y - 0.5) * y * *times as f32)
        .sum();
    assert!(
        (gradient[5] - wanted).abs() / wanted < 1e-4,
        "{} {wanted}",
        gradient[5]
    );
}

#[test]
fn slices_normalised_by_themselves_have_the_same_bits() {
    for value in support::content(include_str!("../golden/normalization.json")) {
        let mut value = value;
        if !value["name"].as_str().unwrap().starts_with("batch norm") {
            continue;
        }
        for layer in value["network"]["layers"].as_array_mut().unwrap() {
            if layer["type"].as_str().unwrap().starts_with("BatchNorm") {
                layer["scope"] = json!("slice");
            }
        }
        let case = support::Case::of(&value);
        case.same_bits();
        // Of two values one becomes -1 and one 1, however close they are: such a loss bends.
        case.differences(3e-2);
    }
}

#[test]
fn large_inputs_have_the_same_bits_with_threads() {
    let layers = json!([{"type": "LayerNorm"}, {"type": "BatchNorm1d"}, {"type": "GroupNorm", "num_groups": 4},
        {"type": "RMSNorm"}, {"type": "PReLU"}, {"type": "Softmax"}, {"type": "Linear", "out_features": 1}]);
    let network = network(&layers, &[8, 500]);
    let rows = 100;
    let features: Vec<f32> = (0..rows * 4000)
        .map(|at| ((at * 7919) % 1013) as f32 / 100.0)
        .collect();
    let run = |threads| {
        let kind = LabelKind::Real { width: 8 };
        let mut engine = Engine::new(&network, &json!({"type": "MSELoss"}), &kind, 3, threads).unwrap();
        let weights = network.initial_weights(1);
        let mut nodes = [NodeGradient::new(0, 3)];
        let batch = Batch {
            step: 0,
            slices: &[(0, 40), (1, 0), (2, 60)].map(|(shard, rows)| Slice { shard, rows }),
            features: (&features).into(),
            labels: &vec![0.1; rows * 8],
            weights: &vec![1.0; rows],
        };
        engine.step(&weights, &batch, &mut nodes).unwrap();
        support::bits(&nodes[0].values)
    };
    assert_eq!(run(1), run(2));
}

#[test]
fn counts_are_whole_numbers_in_files() {
    let network = network(&json!([{"type": "BatchNorm1d", "affine": false}]), &[1]);
    let weights = [0.5, 2.0, 3.0];
    let bytes = network.save_weights(&weights).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let count = &header["0.num_batches_tracked"];
    assert_eq!((&count["dtype"], &count["shape"]), (&json!("I64"), &json!([])));
    let start = 8 + length + count["data_offsets"][0].as_u64().unwrap() as usize;
    assert_eq!(bytes[start..start + 8], 3i64.to_le_bytes());
    assert_eq!(network.load_weights(&bytes).unwrap(), weights);
    assert_ne!(
        network.weights_hash(&weights),
        network.weights_hash(&[0.5, 2.0, 4.0])
    );
}
