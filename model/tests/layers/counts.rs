//! EmbeddingBag of counts: bags of indices by another name, the same bits from rows with and without zeros, and its errors.
//! PyTorch's numbers are in embedding.json, and `sparse_input.rs` trains with it.

use crate::support::bits;
use candlewick_model::engine::{Batch, Engine, Features, NodeGradient, Predictor, Slice};
use candlewick_model::job::complete;
use candlewick_model::kernels::Csr;
use candlewick_model::network::Network;
use candlewick_protocol::ErrorKind;
use candlewick_protocol::feed::{FeatureDomain, FeatureLimit};
use candlewick_protocol::job::{LabelKind, Precision};
use candlewick_protocol::order::mix;
use serde_json::{Value, json};

const ENTRIES: usize = 97;
const WIDTH: usize = 21;
const MODES: [&str; 3] = ["sum", "mean", "max"];

fn bag(mode: &str, padding: Option<i64>) -> Value {
    json!({"type": "EmbeddingBag", "num_embeddings": ENTRIES, "embedding_dim": WIDTH, "mode": mode, "padding_idx": padding,
        "input": "counts"})
}

fn network(layers: &Value, width: usize) -> Network {
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    Network::from_document(&document, &[width]).unwrap()
}

/// Rows of counts of at least 0, with their zeros and without; row 5 has none but the padding, row 6 none at all.
fn rows(count: usize, whole: bool) -> (Vec<f32>, Csr) {
    let (mut dense, mut sparse) = (Vec::new(), Csr::default());
    for row in 0..count {
        for at in 0..ENTRIES {
            let random = mix((row * ENTRIES + at) as u64, 3, 1);
            let some = random.is_multiple_of(if at < 4 { 2 } else { 30 }) && row != 5 && row != 6;
            let weight = if whole { 1.0 } else { (random >> 40) as f32 * 1e-6 };
            let value = if some || (row == 5 && at == 2) {
                weight
            } else {
                0.0
            };
            dense.push(value);
            sparse.push(at as u32, value);
        }
        sparse.end_row();
    }
    (dense, sparse)
}

/// Outputs of all rows, and the gradients of everything, of two shards.
fn results(network: &Network, features: Features<'_>, count: usize, threads: usize) -> (Vec<u32>, Vec<u32>) {
    let weights = network.initial_weights(3);
    let labels: Vec<f64> = (0..count * WIDTH).map(|at| (at % 17) as f64 * 0.1).collect();
    let slices = [
        Slice {
            shard: 0,
            rows: count / 3,
        },
        Slice {
            shard: 1,
            rows: count - count / 3,
        },
    ];
    let batch = Batch {
        step: 1,
        slices: &slices,
        features,
        labels: &labels,
        weights: &vec![1.0; count],
    };
    let kind = LabelKind::Real { width: WIDTH as u32 };
    let mut engine = Engine::new(network, &json!({"type": "MSELoss"}), &kind, 3, threads).unwrap();
    let mut nodes = [NodeGradient::new(0, 2)];
    engine.step(&weights, &batch, &mut nodes).unwrap();
    let mut predictor = Predictor::new(network, threads).unwrap();
    let outputs = bits(predictor.predict_features(&weights, features, count).unwrap());
    (outputs, bits(&nodes[0].flat(network)))
}

#[test]
fn rows_with_and_without_zeros_have_the_same_bits() {
    for mode in MODES {
        for padding in [None, Some(2), Some(-1)] {
            let net = network(&json!([bag(mode, padding)]), ENTRIES);
            let made = net.with_sparse_input().unwrap();
            assert_eq!(net.sparse_parameters(), made.sparse_parameters(), "one table");
            // So many that threads share them.
            for count in [61, 3_000] {
                let (dense, sparse) = rows(count, false);
                let wanted = results(&net, (&dense).into(), count, 1);
                for threads in [1, 3] {
                    let what = format!("{mode}, {padding:?}, {count} rows, {threads} threads");
                    assert!(results(&net, (&dense).into(), count, threads) == wanted, "{what}");
                    assert!(
                        results(&made, (&dense).into(), count, threads) == wanted,
                        "{what}"
                    );
                    assert!(
                        results(&made, (&sparse).into(), count, threads) == wanted,
                        "{what}"
                    );
                }
            }
        }
    }
}

#[test]
fn bf16_changes_no_bit() {
    let net = network(&json!([bag("mean", None)]), ENTRIES);
    let (dense, sparse) = rows(61, false);
    let wanted = results(&net, (&dense).into(), 61, 1);
    let short = net.with_precision(Precision::Bf16);
    assert!(short.takes_sparse() && short.skips_zeros());
    assert!(results(&short, (&dense).into(), 61, 1) == wanted);
    assert!(results(&short.with_sparse_input().unwrap(), (&sparse).into(), 61, 1) == wanted);
    let both =
        json!([{"type": "Concat", "layers": [bag("mean", None), {"type": "Linear", "out_features": 2}]}]);
    let both = network(&both, ENTRIES);
    assert!(both.takes_sparse() && !both.skips_zeros());
    assert!(!both.with_precision(Precision::Bf16).takes_sparse());
}

/// Bags of indices of one length, and the counts that say the same.
#[test]
fn counts_of_one_are_bags_of_indices() {
    const LENGTH: usize = 6;
    let count = 50;
    let (mut indices, mut counts) = (Vec::new(), vec![0.0; count * ENTRIES]);
    for row in 0..count {
        let mut own: Vec<usize> = (0..LENGTH).map(|at| (row * 7 + at * at * 5) % ENTRIES).collect();
        own.sort_unstable();
        own.dedup();
        assert_eq!(own.len(), LENGTH);
        own.iter().for_each(|index| counts[row * ENTRIES + index] = 1.0);
        indices.extend(own.into_iter().map(|index| index as f32));
    }
    for mode in MODES {
        for padding in [None, Some(5)] {
            let mut of_indices = bag(mode, padding);
            of_indices["input"] = json!("indices");
            let wanted = results(
                &network(&json!([of_indices]), LENGTH),
                (&indices).into(),
                count,
                1,
            );
            let net = network(&json!([bag(mode, padding)]), ENTRIES);
            assert!(
                results(&net, (&counts).into(), count, 1) == wanted,
                "{mode}, {padding:?}"
            );
        }
    }
}

#[test]
fn a_bag_of_nothing_is_zero_and_moves_nothing() {
    for mode in MODES {
        let net = network(&json!([bag(mode, Some(2))]), ENTRIES);
        let mut dense = vec![0.0; 2 * ENTRIES];
        // The padding alone, even with a value that a mean refuses elsewhere; and a zero with a sign.
        (dense[2], dense[ENTRIES + 4]) = (-3.0, -0.0);
        let (outputs, gradient) = results(&net, (&dense).into(), 2, 1);
        assert!(outputs.iter().chain(&gradient).all(|bits| *bits == 0), "{mode}");
    }
}

#[test]
fn a_mean_refuses_values_below_zero() {
    let net = network(&json!([{"type": "Identity"}, bag("mean", None)]), ENTRIES);
    let weights = net.initial_weights(1);
    let mut rows = vec![1.0; 3 * ENTRIES];
    rows[2 * ENTRIES + 8] = -2.5;
    let mut predictor = Predictor::new(&net, 2).unwrap();
    let failure = predictor.predict(&weights, &rows, 3).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::InvalidData);
    assert_eq!(
        failure.message,
        "EmbeddingBag \"1\": value 8 of its input is -2.5 in row 2 of those at hand: with mode=\"mean\" the values are counts, or \
         weights, of at least 0, by whose sum it divides; mode=\"sum\" takes any"
    );
    for mode in ["sum", "max"] {
        let net = network(&json!([bag(mode, None)]), ENTRIES);
        assert!(
            Predictor::new(&net, 1)
                .unwrap()
                .predict(&weights, &rows, 3)
                .is_ok()
        );
    }
}

#[test]
fn an_input_of_another_shape_is_refused() {
    let message = |shape: &[usize], padding: Option<i64>| {
        let document = json!({"format": "candlewick.network/1", "layers": [bag("sum", padding)]});
        Network::from_document(&document, shape).unwrap_err().message
    };
    let narrow = message(&[96], None);
    assert!(
        narrow.contains("layers.0 (EmbeddingBag)") && narrow.contains("got an input of shape [96]"),
        "{narrow}"
    );
    assert!(
        narrow.contains("set num_embeddings=96, or make vectors of 97 values"),
        "{narrow}"
    );
    assert!(message(&[1, 97], None).contains("put a Flatten before it"));
    assert!(message(&[97], Some(97)).contains("padding_idx=97 is not a row"));
}

#[test]
fn only_a_mean_asks_something_of_the_values_and_they_are_no_indices() {
    let limits = |layer: Value| network(&json!([layer]), ENTRIES).feature_limits();
    assert!(limits(bag("sum", None)).is_empty() && limits(bag("max", None)).is_empty());
    let limit = |domain| FeatureLimit {
        first: 0,
        count: ENTRIES,
        domain,
    };
    assert_eq!(limits(bag("mean", None)), [limit(FeatureDomain::Count)]);
    let of_indices = json!({"type": "EmbeddingBag", "num_embeddings": ENTRIES, "embedding_dim": 2});
    assert_eq!(limits(of_indices), [limit(FeatureDomain::Index(ENTRIES))]);
}

#[test]
fn a_job_of_bags_takes_any_sparse_rows() {
    let made = |layers: &Value, nonzeros: u64, precision: &str| {
        let input = json!({"job": "00", "task": "regressor", "featureWidth": ENTRIES, "featureTypes": ["vector"],
            "nonzeros": nonzeros, "params": {"precision": precision,
            "network": {"format": "candlewick.network/1", "layers": layers}}});
        let job = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
        Network::of_job(&job).unwrap().has_sparse_input()
    };
    let linear = json!({"type": "Linear", "out_features": 1});
    let alone = json!([bag("sum", None), linear]);
    let twice = json!([{"type": "Concat", "layers": [bag("sum", None), bag("mean", None)]}, linear]);
    let both = json!([{"type": "Concat", "layers": [bag("sum", None), linear]}, linear]);
    for precision in ["f32", "bf16"] {
        assert!(made(&alone, 9, precision) && made(&twice, 9, precision));
    }
    // Products pay for zeros: where there are some, they decide.
    assert!(!made(&both, 9, "f32") && made(&both, 0, "f32") && !made(&both, 0, "bf16"));
    assert!(!made(&json!([linear]), 9, "f32"));
}

#[test]
fn a_table_may_meet_computed_values_too() {
    let layers = json!([{"type": "Add", "layers": [bag("sum", None),
        {"type": "Sequential", "layers": [{"type": "ReLU"}, {"shares": "0.0"}]}]}]);
    let document = json!({"format": "candlewick.network/1", "layers": [layers[0], {"type": "Linear", "out_features": ENTRIES},
        {"type": "ReLU"}, {"shares": "0.0"}]});
    // The features go on into a ReLU, which takes no rows without zeros.
    let mixed = Network::from_document(&document, &[ENTRIES]).unwrap();
    assert!(!mixed.takes_sparse());
    let again = json!([bag("sum", None), {"type": "Linear", "out_features": ENTRIES}, {"type": "ReLU"}, {"shares": "0"}]);
    let net = network(&again, ENTRIES);
    let (dense, sparse) = rows(40, false);
    let wanted = results(&net, (&dense).into(), 40, 1);
    let made = net.with_sparse_input().unwrap();
    assert!(results(&made, (&sparse).into(), 40, 2) == wanted);
}
