//! Models that score on a device: outputs as the engine's, layers in between, memory that does not suffice.

use super::precision::distance;
use super::support::assert_close;
use crate::device::scoring::{DeviceModel, Place, Rows};
use crate::engine::Predictor;
use crate::network::Network;
use crate::philox::{Key, uniform};
use candlewick_protocol::feed::FeatureDomain;
use candlewick_protocol::job::Precision;
use candlewick_protocol::score_abi::Asked;
use candlewick_protocol::{ErrorKind, Failure};
use serde_json::{Value, json};

const ROWS: usize = 37;

fn place(memory: Option<u64>) -> Place {
    Place::Rehearsal {
        address: "3".to_owned(),
        memory,
    }
}

fn features(network: &Network) -> Vec<f32> {
    let mut values = vec![0.0f32; ROWS * network.input_width()];
    uniform(Key::new(5, "features"), 2.0, &mut values);
    // Tables read whole numbers.
    for limit in network.feature_limits() {
        for row in values.chunks_mut(network.input_width()) {
            let own = &mut row[limit.first..limit.first + limit.count];
            for (at, value) in own.iter_mut().enumerate() {
                *value = match limit.domain {
                    FeatureDomain::Index(entries) => (at % entries) as f32,
                    FeatureDomain::Count => value.abs(),
                };
            }
        }
    }
    values
}

fn asked(inner: &[&str], precision: Precision) -> Asked {
    let inner = inner.iter().map(|name| (*name).to_owned()).collect();
    Asked { precision, inner }
}

/// Outputs and what else is asked for.
fn scored(model: &mut DeviceModel, inner: &[&str]) -> Result<(Vec<f32>, Vec<f32>), Failure> {
    scored_in(Precision::F32, model, inner)
}

fn scored_in(
    precision: Precision,
    model: &mut DeviceModel,
    inner: &[&str],
) -> Result<(Vec<f32>, Vec<f32>), Failure> {
    let network = model.network().clone();
    let features = features(&network);
    let widths = inner.iter().map(|name| network.inner_width(name).unwrap());
    let mut outputs = vec![f32::NAN; ROWS * network.output_width()];
    let mut values = vec![f32::NAN; ROWS * widths.sum::<usize>()];
    let rows = Rows {
        count: ROWS,
        features: &features,
        outputs: &mut outputs,
        inner: &mut values,
    };
    model.score(&asked(inner, precision), rows)?;
    Ok((outputs, values))
}

/// A model gives on a device what the engine gives.
fn as_the_engine(name: &str, document: &Value, shape: &[usize], inner: &[&str]) {
    let network =
        Network::from_document(document, shape).unwrap_or_else(|failure| panic!("{name}: {failure}"));
    let weights = network.initial_weights(2);
    let mut engine = Predictor::with_inner(&network, 1, inner).unwrap();
    let wanted = engine
        .predict(&weights, &features(&network), ROWS)
        .unwrap()
        .to_vec();
    let mut model = DeviceModel::open(&network, &weights, &place(None)).unwrap();
    let (alone, _) = scored(&mut model, &[]).unwrap();
    assert_close(&alone, &wanted, 1e-5, name);
    let (outputs, values) = scored(&mut model, inner).unwrap();
    assert_close(&outputs, &wanted, 1e-5, name);
    let mut rest = values.as_slice();
    for (index, layer) in inner.iter().enumerate() {
        let wanted = engine.inner(index);
        let (own, more) = rest.split_at(wanted.len());
        assert_close(own, wanted, 1e-5, &format!("{name}, what {layer} puts out"));
        rest = more;
    }
}

fn chain(layers: Value) -> Value {
    json!({"format": "candlewick.network/1", "layers": layers})
}

fn linear(size: usize) -> Value {
    json!({"type": "Linear", "out_features": size})
}

#[test]
fn every_kind_of_model_scores_as_on_processors() {
    let mlp = json!([linear(9), {"type": "ReLU"}, {"type": "Dropout", "p": 0.4}, linear(3)]);
    as_the_engine("a classifier", &chain(mlp), &[5], &["0", "1", "3"]);
    let regressor = json!([linear(7), {"type": "Tanh"}, linear(1), {"type": "Softplus"}]);
    as_the_engine("a regressor", &chain(regressor), &[5], &["2"]);
    let normed = json!([linear(6), {"type": "BatchNorm1d"}, {"type": "ReLU"}, linear(2)]);
    as_the_engine("a norm between", &chain(normed), &[4], &["0", "1", "2"]);
    let pictures = json!([{"type": "Conv2d", "out_channels": 4, "kernel_size": 3, "padding": 1}, {"type": "BatchNorm2d"},
        {"type": "ReLU"}, {"type": "MaxPool2d", "kernel_size": 2}, {"type": "Flatten"}, linear(10)]);
    as_the_engine("pictures", &chain(pictures), &[1, 8, 8], &["2", "4"]);
    let words = json!([{"type": "Embedding", "num_embeddings": 11, "embedding_dim": 4}, {"type": "LSTM", "hidden_size": 5},
        {"type": "Flatten"}, linear(2)]);
    as_the_engine("words by a table", &chain(words), &[6], &["0", "2"]);
    let graph = json!({"format": "candlewick.network/1", "inputs": [{"name": "x", "shape": [6]}], "nodes": [
        {"name": "hidden", "layer": linear(8), "inputs": ["x"]},
        {"name": "bent", "layer": {"type": "ReLU"}, "inputs": ["hidden"]},
        {"name": "kind", "layer": linear(3), "inputs": ["bent"]},
        {"name": "price", "layer": linear(1), "inputs": ["hidden"]}], "outputs": ["kind", "price"]});
    as_the_engine("two outputs", &graph, &[6], &["bent", "price", "hidden"]);
}

#[test]
fn products_are_of_the_precision_that_is_asked_for_by_the_same_weights() {
    let pictures = json!([{"type": "Conv2d", "out_channels": 4, "kernel_size": 3}, {"type": "ReLU"}, {"type": "Flatten"}, linear(10)]);
    let words = json!([{"type": "Embedding", "num_embeddings": 11, "embedding_dim": 4}, {"type": "LSTM", "hidden_size": 5},
        {"type": "Flatten"}, linear(2)]);
    for (document, shape) in [(pictures, &[1, 8, 8][..]), (words, &[6])] {
        let network = Network::from_document(&chain(document), shape).unwrap();
        let weights = network.initial_weights(2);
        let mut model = DeviceModel::open(&network, &weights, &place(None)).unwrap();
        let (exact, _) = scored(&mut model, &["1"]).unwrap();
        let (outputs, values) = scored_in(Precision::Bf16, &mut model, &["1"]).unwrap();
        assert_eq!(model.traffic().up.weights, weights.len() as u64 * 4);
        let short = network.with_precision(Precision::Bf16);
        let mut engine = Predictor::with_inner(&short, 1, &["1"]).unwrap();
        let wanted = engine
            .predict(&weights, &features(&network), ROWS)
            .unwrap()
            .to_vec();
        // A value at the middle of two of bf16 may go to the other one, by another order of the sum that it comes from.
        assert!(distance(&outputs, &wanted) < 1e-3 && distance(&values, engine.inner(0)) < 1e-3);
        assert!(distance(&exact, &wanted) > 1e-3, "f32 was computed");
        assert_eq!(
            scored(&mut model, &["1"]).unwrap().0,
            exact,
            "a precision that stays for others"
        );
    }
}

fn small() -> (Network, Vec<f32>) {
    let network =
        Network::from_document(&chain(json!([linear(8), {"type": "ReLU"}, linear(2)])), &[16]).unwrap();
    let weights = network.initial_weights(2);
    (network, weights)
}

#[test]
fn weights_go_up_once_and_rows_with_each_batch() {
    let (network, weights) = small();
    let mut model = DeviceModel::open(&network, &weights, &place(None)).unwrap();
    for _ in 0..3 {
        scored(&mut model, &["1"]).unwrap();
    }
    let traffic = model.traffic();
    assert_eq!(traffic.up.weights, weights.len() as u64 * 4);
    assert_eq!(traffic.up.rows, 3 * (ROWS * 16 * 4) as u64);
    assert_eq!(traffic.down.rows, 3 * (ROWS * (2 + 8) * 4) as u64);
}

#[test]
fn where_memory_is_short_fewer_rows_go_up_together() {
    let (network, weights) = small();
    let held = weights.len() as u64 * 4;
    let (wanted, _) = scored(
        &mut DeviceModel::open(&network, &weights, &place(None)).unwrap(),
        &[],
    )
    .unwrap();
    // Room for five rows: 37, 18 and 9 do not fit, and 4 do.
    let mut model = DeviceModel::open(&network, &weights, &place(Some(held + 5 * 64))).unwrap();
    for _ in 0..2 {
        let (outputs, _) = scored(&mut model, &[]).unwrap();
        assert_close(&outputs, &wanted, 1e-6, "fewer rows at a time");
    }
    assert_eq!(model.most(), 4);
    let mut model = DeviceModel::open(&network, &weights, &place(Some(held + 63))).unwrap();
    let failure = scored(&mut model, &[]).unwrap_err();
    assert!(
        failure.kind == ErrorKind::JobFailed
            && failure.message.starts_with("the memory of the GPU is used up")
            && failure
                .message
                .contains("Lower spark.candlewick.modelCache.maxSize"),
        "{failure}"
    );
    let failure = DeviceModel::open(&network, &weights, &place(Some(held - 1))).unwrap_err();
    assert!(
        failure.message.starts_with("the memory of the GPU is used up"),
        "{failure}"
    );
}

#[test]
fn what_does_not_fit_is_told() {
    let (network, weights) = small();
    let failure = DeviceModel::open(&network, &weights[1..], &place(None)).unwrap_err();
    assert!(failure.message.contains("weights for a network of"), "{failure}");
    let nowhere = Place::Rehearsal {
        address: "9".to_owned(),
        memory: None,
    };
    let failure = DeviceModel::open(&network, &weights, &nowhere).unwrap_err();
    assert!(
        failure
            .message
            .contains("no GPU by the address that was asked for"),
        "{failure}"
    );
    let mut model = DeviceModel::open(&network, &weights, &place(None)).unwrap();
    assert!(scored_with(&mut model, &["nine"]).contains("no layer or node \"nine\""));
    let rows = Rows {
        count: 2,
        features: &[0.0; 32],
        outputs: &mut [0.0; 3],
        inner: &mut [],
    };
    let failure = model.score(&Asked::default(), rows).unwrap_err();
    assert!(failure.message.contains("expected [32, 4, 0]"), "{failure}");
}

fn scored_with(model: &mut DeviceModel, inner: &[&str]) -> String {
    let rows = Rows {
        count: 0,
        features: &[],
        outputs: &mut [],
        inner: &mut [],
    };
    model
        .score(&asked(inner, Precision::F32), rows)
        .unwrap_err()
        .message
}

#[test]
fn a_row_that_a_layer_refuses_is_wrong_data() {
    let words = chain(
        json!([{"type": "Embedding", "num_embeddings": 3, "embedding_dim": 4}, {"type": "Flatten"}, linear(2)]),
    );
    let network = Network::from_document(&words, &[1]).unwrap();
    let mut model = DeviceModel::open(&network, &network.initial_weights(1), &place(None)).unwrap();
    let rows = Rows {
        count: 2,
        features: &[1.0, 7.0],
        outputs: &mut [0.0; 4],
        inner: &mut [],
    };
    let failure = model.score(&Asked::default(), rows).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::InvalidData, "{failure}");
}
