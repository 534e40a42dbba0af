//! Embedding and EmbeddingBag: PyTorch's numbers, the same bits as a dense evaluation, and their errors.

use crate::support;
use candlewick_model::engine::{Alone, Batch, Engine, NodeGradient, Predictor, Slice};
use candlewick_model::network::Network;
use candlewick_model::philox::{Key, uniform};
use candlewick_protocol::ErrorKind;
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::rows::SparseRows;
use candlewick_protocol::tree::split;
use serde_json::{Value, json};

#[test]
fn embeddings() {
    support::check_layers(include_str!("../golden/embedding.json"));
}

fn document(layers: &Value) -> Value {
    json!({"format": "candlewick.network/1", "layers": layers})
}

/// The dense table of a node, leaf by leaf: what the sparse evaluation has to equal bit for bit.
fn dense(lo: u32, hi: u32, leaf: &dyn Fn(u32) -> Option<Vec<f32>>) -> Option<Vec<f32>> {
    if hi - lo == 1 {
        return leaf(lo);
    }
    let middle = split(lo, hi);
    match (dense(lo, middle, leaf), dense(middle, hi, leaf)) {
        (Some(left), Some(right)) => Some(left.iter().zip(&right).map(|(l, r)| l + r).collect()),
        (left, right) => left.or(right),
    }
}

const ENTRIES: usize = 11;
const WIDTH: usize = 40;
const LENGTH: usize = 5;
const PADDING: usize = 3;

/// The table of a leaf, row after row and value after value.
fn table(rows: std::ops::Range<usize>, weights: &[f32], features: &[f32], labels: &[f64]) -> Vec<f32> {
    let mut table = vec![0.0f32; ENTRIES * WIDTH];
    for row in rows {
        for at in 0..LENGTH * WIDTH {
            let index = features[row * LENGTH + at / WIDTH] as usize;
            if index != PADDING {
                let place = index * WIDTH + at % WIDTH;
                table[place] += 2.0 * (weights[place] - labels[row * LENGTH * WIDTH + at] as f32);
            }
        }
    }
    table
}

#[test]
fn the_gradient_is_that_of_whole_tables() {
    let layers = json!([{"type": "Embedding", "num_embeddings": ENTRIES, "embedding_dim": WIDTH, "padding_idx": PADDING}]);
    let network = Network::from_document(&document(&layers), &[LENGTH]).unwrap();
    let weights = network.initial_weights(3);
    assert!(
        weights[PADDING * WIDTH..][..WIDTH]
            .iter()
            .all(|value| *value == 0.0)
    );
    assert!(weights[..PADDING * WIDTH].iter().all(|value| *value != 0.0));
    let counts = [3, 0, 5, 1, 0, 0, 2, 1500];
    let slices: Vec<Slice> = (0..8)
        .zip(counts)
        .map(|(shard, rows)| Slice { shard, rows })
        .collect();
    let rows: usize = counts.iter().sum();
    let mut features = vec![0.0; rows * LENGTH];
    uniform(Key::new(1, "indices"), 1.0, &mut features);
    for value in &mut features {
        *value = ((*value + 1.0) * 0.5 * ENTRIES as f32).floor();
    }
    let mut labels = vec![0.0f32; rows * LENGTH * WIDTH];
    uniform(Key::new(1, "labels"), 3.0, &mut labels);
    let labels: Vec<f64> = labels.into_iter().map(f64::from).collect();
    let batch = Batch {
        step: 1,
        slices: &slices,
        features: (&features).into(),
        labels: &labels,
        weights: &vec![1.0; rows],
    };
    let leaf = |shard: u32| {
        let start: usize = counts[..shard as usize].iter().sum();
        let count = counts[shard as usize];
        (count > 0).then(|| table(start..start + count, &weights, &features, &labels))
    };
    let wanted = dense(0, 8, &leaf).unwrap();
    let width = (LENGTH * WIDTH) as u32;
    for threads in [1, 2, 3] {
        let loss = json!({"type": "MSELoss"});
        let mut engine = Engine::new(&network, &loss, &LabelKind::Real { width }, 3, threads).unwrap();
        let mut nodes = [NodeGradient::new(0, 8)];
        // The memory of a step before must not show.
        nodes[0].sparse_rows = vec![SparseRows {
            entries: ENTRIES,
            width: WIDTH,
            indices: vec![1, 5, 9],
            values: vec![f32::NAN; 3 * WIDTH],
        }];
        engine
            .step_among(&weights, &batch, &mut nodes, &mut Alone)
            .unwrap();
        assert_eq!(
            support::bits(&nodes[0].flat(&network)),
            support::bits(&wanted),
            "{threads} threads"
        );
    }
}

#[test]
fn bags_on_threads_have_the_same_bits() {
    for mode in ["sum", "mean", "max"] {
        let layers =
            json!([{"type": "EmbeddingBag", "num_embeddings": 50, "embedding_dim": 32, "mode": mode}]);
        let network = Network::from_document(&document(&layers), &[10]).unwrap();
        let weights = network.initial_weights(3);
        let rows = 701;
        let features: Vec<f32> = (0..rows * 10).map(|at| (at * 7919 % 50) as f32).collect();
        let slices = [Slice { shard: 0, rows: 300 }, Slice { shard: 1, rows: 401 }];
        let labels: Vec<f64> = (0..rows * 32).map(|at| (at % 17) as f64 * 0.1).collect();
        let batch = Batch {
            step: 1,
            slices: &slices,
            features: (&features).into(),
            labels: &labels,
            weights: &vec![1.0; rows],
        };
        let at = |threads: usize| {
            let kind = LabelKind::Real { width: 32 };
            let loss = json!({"type": "MSELoss"});
            let mut engine = Engine::new(&network, &loss, &kind, 3, threads).unwrap();
            let mut nodes = [NodeGradient::new(0, 2)];
            engine.step(&weights, &batch, &mut nodes).unwrap();
            let mut predictor = Predictor::new(&network, threads).unwrap();
            let outputs = support::bits(predictor.predict(&weights, &features, rows).unwrap());
            (outputs, support::bits(&nodes[0].flat(&network)))
        };
        assert!(at(1) == at(3), "{mode}");
    }
}

#[test]
fn what_is_no_index_is_named() {
    let layers = json!([{"type": "Embedding", "num_embeddings": 10, "embedding_dim": 2}]);
    let network = Network::from_document(&document(&layers), &[2]).unwrap();
    let weights = network.initial_weights(1);
    let mut predictor = Predictor::new(&network, 1).unwrap();
    for (value, text) in [
        (10.0, "10"),
        (-1.0, "-1"),
        (2.5, "2.5"),
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
    ] {
        let failure = predictor.predict(&weights, &[1.0, value], 1).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::InvalidData);
        assert_eq!(
            failure.message,
            format!(
                "Embedding \"0\": {text} is not an index of its table: expected whole numbers from 0 to 9 \
                 (num_embeddings=10)"
            )
        );
    }
    assert!(predictor.predict(&weights, &[9.0, -0.0], 1).is_ok());
}

#[test]
fn arguments_that_are_wrong_say_what_is_legal() {
    let table = |padding: i64| json!({"type": "Embedding", "num_embeddings": 10, "embedding_dim": 2, "padding_idx": padding});
    for (layer, wanted) in [
        (
            table(10),
            "layers.0 (Embedding): padding_idx=10 is not a row of a table of num_embeddings=10 rows",
        ),
        (table(-11), "padding_idx=-11 is not a row"),
        (
            json!({"type": "Embedding", "num_embeddings": (1 << 24) + 1, "embedding_dim": 2}),
            "num_embeddings = 16777217 is not legal: expected a whole number from 1 to 16777216",
        ),
        (
            json!({"type": "EmbeddingBag", "num_embeddings": 10, "embedding_dim": 2, "mode": "min"}),
            "mode = \"min\" is not legal: expected \"sum\" or \"mean\" or \"max\"",
        ),
        (
            json!({"type": "Embedding", "num_embeddings": 10}),
            "the argument embedding_dim is missing",
        ),
    ] {
        let message = Network::from_document(&document(&json!([layer])), &[3])
            .unwrap_err()
            .message;
        assert!(message.contains(wanted), "{message}");
    }
}
