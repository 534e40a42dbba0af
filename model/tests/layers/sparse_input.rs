//! Training from rows of which only what is not zero is there: the same bits as from the rows with their zeros, in every network,
//! optimiser, number of threads, shards and trainers.

use crate::support;
use crate::support::{SHARDS, bits};
use candlewick_model::engine::{Batch, Engine, Features, Gradient, NodeGradient, Predictor, Slice};
use candlewick_model::kernels::Csr;
use candlewick_model::network::Network;
use candlewick_model::optim::Updates;
use candlewick_protocol::job::{LabelKind, TrainSpec};
use candlewick_protocol::order::mix;
use candlewick_protocol::rows::SparseRows;
use candlewick_protocol::tree::{NodeValue, assemble, cover};
use serde_json::{Value, json};

/// So wide that a step touches less than a thirtieth of the columns: optimisers pass over the others.
const WIDTH: usize = 10_007;
const ROWS: usize = 67;
const CLASSES: u32 = 3;

/// Networks whose weights meet the features in every way that is taken.
fn network(kind: &str) -> Network {
    let linear = |outputs: u32, bias: bool| json!({"type": "Linear", "out_features": outputs, "bias": bias});
    let bag = |mode: &str| {
        json!({"type": "EmbeddingBag", "num_embeddings": WIDTH, "embedding_dim": 11, "mode": mode, "padding_idx": 3,
            "input": "counts"})
    };
    let layers = match kind {
        "sum" => json!([bag("sum"), {"type": "Tanh"}, linear(CLASSES, true)]),
        "max" => json!([bag("max"), {"type": "Tanh"}, linear(CLASSES, true)]),
        "both" => {
            json!([{"type": "Concat", "layers": [linear(7, true), bag("sum")]}, {"type": "Tanh"}, linear(CLASSES, true)])
        }
        "linear" => json!([linear(CLASSES, true)]),
        "no bias" => json!([linear(CLASSES, false)]),
        "deep" => json!([{"type": "Flatten"}, linear(33, true), {"type": "ReLU"}, linear(CLASSES, true)]),
        "two" => json!([{"type": "Add", "layers": [
            {"type": "Sequential", "layers": [linear(5, true), {"type": "Tanh"}, linear(CLASSES, true)]},
            linear(CLASSES, false)]}]),
        _ => json!([{"type": "Concat", "layers": [linear(7, true), {"shares": "0.0"}]}, {"type": "Tanh"},
            {"type": "BatchNorm1d"}, linear(CLASSES, true)]),
    };
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    Network::from_document(&document, &[WIDTH]).unwrap()
}

const KINDS: [&str; 8] = ["linear", "no bias", "deep", "two", "shared", "sum", "max", "both"];

/// What is not zero of a row: few columns are touched often, most by one row or none, the last by all.
fn values(row: usize, step: u64) -> Vec<(usize, f32)> {
    let random = |at: u64| mix(row as u64 * 100 + at, step, 7);
    let often = (0..9).filter(|column| random(*column).is_multiple_of(2));
    let seldom = (9..12).map(|at| 9 + random(at) % (WIDTH as u64 - 10));
    let mut columns: Vec<u64> = often.chain(seldom).chain([WIDTH as u64 - 1]).collect();
    columns.sort_unstable();
    columns.dedup();
    if row == 11 {
        // A row without values too.
        columns.clear();
    }
    let value = |column: u64| ((random(column + 50) >> 20) as f32 / (1u64 << 43) as f32) - 1.0;
    columns
        .into_iter()
        .map(|column| (column as usize, value(column)))
        .collect()
}

struct Rows {
    dense: Vec<f32>,
    sparse: Csr,
    labels: Vec<f64>,
}

fn rows(range: std::ops::Range<usize>, step: u64) -> Rows {
    let mut rows = Rows {
        dense: Vec::new(),
        sparse: Csr::default(),
        labels: range
            .clone()
            .map(|row| (mix(row as u64, step, 4) % u64::from(CLASSES)) as f64)
            .collect(),
    };
    for row in range {
        let start = rows.dense.len();
        rows.dense.resize(start + WIDTH, 0.0);
        for (column, value) in values(row, step) {
            rows.dense[start + column] = value;
            rows.sparse.push(column as u32, value);
        }
        rows.sparse.end_row();
    }
    rows
}

fn engine(network: &Network, threads: usize) -> Engine {
    let kind = LabelKind::class(CLASSES);
    Engine::new(network, &json!({"type": "CrossEntropyLoss"}), &kind, 1, threads).unwrap()
}

/// The nodes of a trainer that owns the shards `lo..hi` of a step.
fn nodes(
    engine: &mut Engine,
    weights: &[f32],
    sparse: bool,
    (step, lo, hi): (u64, u32, u32),
) -> Vec<NodeGradient> {
    let slices = support::slices(ROWS);
    let start: usize = slices[..lo as usize].iter().map(|slice| slice.rows).sum();
    let own = &slices[lo as usize..hi as usize];
    let count: usize = own.iter().map(|slice: &Slice| slice.rows).sum();
    let rows = rows(start..start + count, step);
    let batch = Batch {
        step,
        slices: own,
        features: if sparse {
            Features::Sparse(&rows.sparse)
        } else {
            Features::Dense(&rows.dense)
        },
        labels: &rows.labels,
        weights: &vec![1.0; count],
    };
    let ends = cover(lo, hi, SHARDS).into_iter();
    let mut nodes: Vec<NodeGradient> = ends.map(|(lo, hi)| NodeGradient::new(lo, hi)).collect();
    engine.step(weights, &batch, &mut nodes).unwrap();
    nodes
}

#[test]
fn gradients_have_the_bits_of_dense_rows() {
    for kind in KINDS {
        let network = network(kind);
        let sparse = network.with_sparse_input().unwrap();
        let tables = if kind == "two" || kind == "both" { 2 } else { 1 };
        assert_eq!(sparse.sparse_parameters().len(), tables, "{kind}");
        assert!(sparse.has_sparse_input() && !network.has_sparse_input());
        let weights = network.initial_weights(1);
        for (lo, hi) in [(0, SHARDS), (0, 3), (3, 7)] {
            let wanted = nodes(&mut engine(&network, 1), &weights, false, (2, lo, hi));
            for (threads, kept) in [(1, true), (2, true), (1, false)] {
                let got = nodes(&mut engine(&sparse, threads), &weights, kept, (2, lo, hi));
                for (got, wanted) in got.iter().zip(&wanted) {
                    let what = format!("{kind}, {lo}..{hi}, {threads} threads");
                    assert_eq!(bits(&got.flat(&sparse)), bits(&wanted.flat(&network)), "{what}");
                    let touched = &got.sparse_rows[0];
                    assert!(
                        !touched.indices.is_empty() && touched.indices.len() < WIDTH,
                        "{what}"
                    );
                    assert!(
                        touched
                            .values
                            .iter()
                            .all(|value| value.to_bits() != (-0.0f32).to_bits())
                    );
                }
            }
        }
    }
}

#[test]
fn trainers_add_up_to_the_columns_of_one() {
    for kind in KINDS {
        let network = network(kind);
        if kind == "shared" {
            // Its normalisation would need the others in the middle of the step.
            continue;
        }
        let network = network.with_sparse_input().unwrap();
        let weights = network.initial_weights(1);
        let root = nodes(&mut engine(&network, 1), &weights, true, (5, 0, SHARDS)).remove(0);
        for cut in [vec![0, 3, 8], vec![0, 1, 6, 8]] {
            let parts: Vec<NodeGradient> = cut
                .windows(2)
                .flat_map(|ends| nodes(&mut engine(&network, 2), &weights, true, (5, ends[0], ends[1])))
                .collect();
            for (at, whole) in root.sparse_rows.iter().enumerate() {
                let mut find =
                    |lo: u32, hi: u32| match parts.iter().find(|node| (node.lo, node.hi) == (lo, hi)) {
                        Some(node) => NodeValue::Known(node.present.then(|| node.sparse_rows[at].clone())),
                        None => NodeValue::Split,
                    };
                let sum = assemble(
                    0,
                    SHARDS,
                    &mut find,
                    &mut |left: SparseRows, right: SparseRows| {
                        let mut sum = SparseRows::new(left.entries, left.width);
                        sum.set_sum(left.view(), right.view());
                        sum
                    },
                );
                let sum = sum.unwrap();
                assert_eq!(sum.indices, whole.indices, "{kind}, {cut:?}");
                assert_eq!(bits(&sum.values), bits(&whole.values), "{kind}, {cut:?}");
            }
        }
    }
}

/// Many rows in one shard: the sums over rows have several blocks, and the tree is evaluated leaf by leaf.
#[test]
fn long_shards_have_the_bits_of_dense_rows() {
    let document =
        json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 5}]});
    let network = Network::from_document(&document, &[40]).unwrap();
    let sparse = network.with_sparse_input().unwrap();
    for counts in [vec![1_300], vec![700, 0, 4_000]] {
        let all: usize = counts.iter().sum();
        let (mut values, mut csr) = (Vec::new(), Csr::default());
        for row in 0..all {
            for column in 0..40 {
                let random = mix(row as u64, column, 9);
                let often = random.is_multiple_of(if column < 3 { 2 } else { 600 });
                let value = if often {
                    (random >> 40) as f32 * 1e-5 - 80.0
                } else {
                    0.0
                };
                values.push(value);
                csr.push(column as u32, value);
            }
            csr.end_row();
        }
        let labels: Vec<f64> = (0..all).map(|row| (row % 5) as f64).collect();
        let slices: Vec<Slice> = (0u32..)
            .zip(&counts)
            .map(|(shard, rows)| Slice { shard, rows: *rows })
            .collect();
        let flat = |network: &Network, features: Features<'_>| {
            let mut engine = Engine::new(
                network,
                &json!({"type": "CrossEntropyLoss"}),
                &LabelKind::class(5),
                1,
                2,
            )
            .unwrap();
            let mut nodes = [NodeGradient::new(0, counts.len() as u32)];
            let batch = Batch {
                step: 0,
                slices: &slices,
                features,
                labels: &labels,
                weights: &vec![1.0; all],
            };
            engine
                .step(&network.initial_weights(3), &batch, &mut nodes)
                .unwrap();
            bits(&nodes[0].flat(network))
        };
        assert_eq!(
            flat(&sparse, (&csr).into()),
            flat(&network, (&values).into()),
            "{counts:?}"
        );
    }
}

fn updates(network: &Network, engine: &Engine, weights: &[f32], parts: &Value) -> Updates {
    let mut train = json!({
        "network": network.document(), "loss": {"type": "CrossEntropyLoss"}, "optimizer": {"type": "SGD"},
        "gradientAccumulationSteps": 1, "epochs": 1, "batchSize": ROWS, "dropLast": false, "seed": 0,
        "logicalShards": SHARDS, "clipNorm": null, "clipValue": null,
    });
    train
        .as_object_mut()
        .unwrap()
        .extend(parts.as_object().unwrap().clone());
    let train: TrainSpec = serde_json::from_value(train).unwrap();
    let mut updates = Updates::new(&train, network, engine, weights).unwrap();
    updates.begin(7).unwrap();
    updates
}

/// Trains some steps; gives the hashes of the weights and of all states.
fn train(network: &Network, sparse: bool, threads: usize, parts: &Value) -> (String, String) {
    let mut engine = engine(network, threads);
    let mut weights = network.initial_weights(1);
    // Zeros of both signs must stay what they are.
    for (at, weight) in weights[300..2_000].iter_mut().enumerate() {
        *weight = [*weight, 0.0, -0.0][at % 3];
    }
    let mut updates = updates(network, &engine, &weights, parts);
    let mut gradient = Gradient::new(network);
    for step in 0..7 {
        let nodes = nodes(&mut engine, &weights, sparse, (step, 0, SHARDS));
        gradient.set(&nodes[0]);
        updates
            .step(&mut weights, &mut gradient, ROWS as f64, step)
            .unwrap();
        engine.update_buffers(&mut weights);
    }
    (
        network.weights_hash(&weights),
        updates.state_hash(&weights).unwrap(),
    )
}

fn optimizers() -> Vec<Value> {
    let names = [
        "SGD", "LARS", "Adam", "AdamW", "NAdam", "RAdam", "Adagrad", "Adadelta", "RMSprop", "Adamax", "LAMB",
        "Lion",
    ];
    let mut all: Vec<Value> = names
        .iter()
        .map(|name| json!({"type": name, "lr": 0.1}))
        .collect();
    all.extend([
        json!({"type": "SGD", "lr": 0.1, "momentum": 0.9, "nesterov": true}),
        json!({"type": "SGD", "lr": 0.1, "weight_decay": 0.01}),
        json!({"type": "SGD", "lr": 0.1, "maximize": true}),
        json!({"type": "LARS", "lr": 0.1, "always_adapt": true}),
        json!({"type": "LAMB", "lr": 0.1, "weight_decay": 0, "max_grad_norm": 0.1}),
        json!({"type": "Adagrad", "lr": 0.1, "weight_decay": 0.01}),
    ]);
    all
}

#[test]
fn every_optimiser_trains_to_the_weights_of_dense_rows() {
    let ways = [
        json!({}),
        json!({"clipNorm": 0.01}),
        json!({"clipValue": 0.001}),
        json!({"clipNorm": 0.02, "clipValue": 0.001, "gradientAccumulationSteps": 3, "emaDecay": 0.9}),
    ];
    for kind in ["linear", "deep", "sum"] {
        let network = network(kind);
        let sparse = network.with_sparse_input().unwrap();
        for optimizer in optimizers() {
            for way in &ways {
                let mut parts = way.clone();
                parts["optimizer"] = optimizer.clone();
                let wanted = train(&network, false, 1, &parts);
                let got = train(&sparse, true, 1, &parts);
                assert_eq!(got, wanted, "{kind}, {parts}");
            }
        }
    }
}

#[test]
fn threads_and_networks_do_not_change_what_is_trained() {
    for kind in KINDS {
        let network = network(kind);
        let sparse = network.with_sparse_input().unwrap();
        for optimizer in [
            json!({"type": "SGD", "lr": 0.1}),
            json!({"type": "Adagrad", "lr": 0.1}),
            json!({"type": "AdamW"}),
        ] {
            let parts = json!({"clipNorm": 0.5, "optimizer": optimizer});
            let wanted = train(&network, false, 1, &parts);
            for threads in [1, 2] {
                assert_eq!(
                    train(&sparse, true, threads, &parts),
                    wanted,
                    "{kind}, {parts}, {threads} threads"
                );
            }
        }
    }
}

#[test]
fn a_frozen_weight_stays_as_it_is() {
    let network = network("deep");
    let sparse = network.with_sparse_input().unwrap();
    let parts =
        json!({"optimizer": {"type": "SGD", "lr": 0.1, "groups": [{"params": "1.weight", "frozen": true}]}});
    assert_eq!(train(&sparse, true, 1, &parts), train(&network, false, 1, &parts));
}

#[test]
fn scoring_has_the_bits_of_dense_rows() {
    for kind in KINDS {
        let network = network(kind);
        let weights = network.initial_weights(1);
        // More rows than go through the layers together.
        let rows = rows(0..1_100, 1);
        for threads in [1, 2] {
            let mut predictor = Predictor::new(&network, threads).unwrap();
            let wanted = bits(predictor.predict(&weights, &rows.dense, 1_100).unwrap());
            let got = bits(
                predictor
                    .predict_features(&weights, (&rows.sparse).into(), 1_100)
                    .unwrap(),
            );
            assert!(got == wanted, "{kind}, {threads} threads");
        }
    }
}

#[test]
fn networks_that_do_not_take_them_say_so() {
    let layers = |layers: Value| {
        Network::from_document(&json!({"format": "candlewick.network/1", "layers": layers}), &[5]).unwrap()
    };
    let linear = json!({"type": "Linear", "out_features": 5});
    for (what, layers) in [
        ("dropout", layers(json!([{"type": "Dropout"}, linear]))),
        (
            "the features go on",
            layers(json!([{"type": "Residual", "layers": [linear]}])),
        ),
        (
            "the weights meet something else",
            layers(json!([linear, {"type": "ReLU"}, {"shares": "0"}])),
        ),
    ] {
        assert!(!layers.takes_sparse(), "{what}");
        assert!(
            layers
                .with_sparse_input()
                .unwrap_err()
                .message
                .contains("linear layers over whole rows")
        );
    }
}

#[test]
fn scoring_refuses_rows_whose_features_go_on() {
    let layers = json!([{"type": "Residual", "layers": [{"type": "Linear", "out_features": 5}]}]);
    let network =
        Network::from_document(&json!({"format": "candlewick.network/1", "layers": layers}), &[5]).unwrap();
    let weights = network.initial_weights(1);
    let mut rows = Csr::default();
    rows.push(2, 1.0);
    rows.end_row();
    let mut predictor = Predictor::new(&network, 1).unwrap();
    let failure = predictor
        .predict_features(&weights, (&rows).into(), 1)
        .err()
        .unwrap();
    assert!(failure.message.contains("linear layers over whole rows"));
    assert!(
        predictor
            .predict_features(&weights, (&[0.0, 0.0, 1.0, 0.0, 0.0]).into(), 1)
            .is_ok()
    );
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let network = network("linear");
    let weights = network.initial_weights(1);
    let failure = |network: &Network, indices: &[u32]| {
        let mut rows = Csr::default();
        indices.iter().for_each(|index| rows.push(*index, 1.0));
        rows.end_row();
        let batch = Batch {
            step: 0,
            slices: &[Slice { shard: 0, rows: 1 }],
            features: (&rows).into(),
            labels: &[0.0],
            weights: &[1.0],
        };
        let mut nodes = [NodeGradient::new(0, 1)];
        engine(network, 1)
            .step(&weights, &batch, &mut nodes)
            .unwrap_err()
            .message
    };
    assert!(failure(&network, &[1]).contains("not made for them"));
    let sparse = network.with_sparse_input().unwrap();
    for indices in [vec![WIDTH as u32], vec![4, 4], vec![4, 3]] {
        assert!(
            failure(&sparse, &indices).contains("do not ascend or are not below 10007"),
            "{indices:?}"
        );
    }
}
