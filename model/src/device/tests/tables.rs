//! Tables on the device: the host's numbers, equal bits for any number of trainers, and what crosses.

use super::resident::{ROWS, SHARDS, STEPS, Trainer, WIDTH, spec, there_again};
use super::support::{Case, assemble};
use super::{assert_close, bits, device, names, on_device, same_bits, same_numbers, twins};
use crate::device::scoring::{DeviceModel, Place, Rows};
use crate::engine::{Alone, Batch, Engine, Features, NodeGradient, Predictor, Slice, TypedRows};
use crate::network::Network;
use crate::resident::Traffic;
use candlewick_protocol::features::DenseValues;
use candlewick_protocol::job::{LabelKind, Precision, TrainSpec};
use candlewick_protocol::score_abi::Asked;
use serde_json::{Value, json};

const CASE_ROWS: usize = 21;

fn chain(layers: Value) -> Value {
    json!({"format": "candlewick.network/1", "layers": layers})
}

fn table(entries: usize, width: usize) -> Value {
    json!({"type": "Embedding", "num_embeddings": entries, "embedding_dim": width})
}

fn padded(entries: usize, width: usize, padding: i64) -> Value {
    let mut table = table(entries, width);
    table["padding_idx"] = json!(padding);
    table
}

fn linear(size: usize) -> Value {
    json!({"type": "Linear", "out_features": size})
}

/// A case whose features are indices below `entries`, some of which come often.
fn case(name: &str, document: &Value, shape: &[usize], entries: usize) -> Case {
    let network = Network::from_document(document, shape).unwrap();
    let count = CASE_ROWS * network.input_width();
    let features = (0..count).map(|at| (at * at * 7 % 31 % entries) as f32).collect();
    let labels = (0..CASE_ROWS * network.output_width()).map(|at| (at % 5) as f64 / 3.0 - 0.5);
    Case {
        name: name.to_owned(),
        weights: network.initial_weights(2),
        features,
        labels: labels.collect(),
        row_weights: (0..CASE_ROWS).map(|row| 0.5 + (row % 3) as f64).collect(),
        network,
        own_loss: None,
        value: Value::Null,
    }
}

fn node(name: &str, input: &str, layer: Value) -> Value {
    json!({"name": name, "inputs": [input], "layer": layer})
}

/// Two tables and numbers, each with columns of its own, and a table that two layers of the device and one of the host read.
fn columns() -> Value {
    json!({"format": "candlewick.network/1",
        "inputs": [{"name": "x", "shape": [2]}, {"name": "y", "shape": [3]}, {"name": "z", "shape": [2, 2]}],
        "nodes": [
            node("a", "x", table(9, 3)), node("b", "y", padded(11, 2, -1)), node("flat", "z", json!({"type": "Flatten"})),
            node("c", "flat", table(4, 2)), node("own", "y", linear(4)),
            node("af", "a", json!({"type": "Flatten"})), node("bf", "b", json!({"type": "Flatten"})),
            node("cf", "c", json!({"type": "Flatten"})), node("norm", "a", json!({"type": "BatchNorm1d"})),
            node("nf", "norm", json!({"type": "Flatten"})),
            json!({"name": "all", "inputs": ["af", "bf", "cf", "nf", "own"], "layer": {"type": "Concat"}}),
            node("end", "all", linear(2))],
        "outputs": ["end"]})
}

#[test]
fn tables_that_the_device_reads_are_there() {
    let sequence = json!([table(20, 4), {"type": "LSTM", "hidden_size": 3, "output": "last"}, linear(2)]);
    let deep = json!([{"type": "Flatten"}, table(13, 2), {"type": "Flatten"}, linear(2)]);
    let both = || vec!["Embedding", "Segment"];
    for (name, document, shape, entries, wanted) in [
        (
            "a chain",
            chain(json!([table(20, 4), {"type": "Flatten"}, linear(2)])),
            vec![5],
            20,
            both(),
        ),
        (
            "padding",
            chain(json!([padded(20, 4, 3), {"type": "Flatten"}, linear(2)])),
            vec![5],
            20,
            both(),
        ),
        (
            "one row",
            chain(json!([table(1, 3), {"type": "Flatten"}, linear(2)])),
            vec![7],
            1,
            both(),
        ),
        (
            "nothing but padding",
            chain(json!([padded(1, 3, 0), {"type": "Flatten"}, linear(2)])),
            vec![2],
            1,
            both(),
        ),
        (
            // The third slice has one row, and in it the padding.
            "nothing but padding in a slice",
            chain(json!([padded(2, 3, 0), {"type": "Flatten"}, linear(2)])),
            vec![1],
            2,
            both(),
        ),
        ("a sequence", chain(sequence), vec![6], 20, both()),
        (
            "behind a view",
            chain(deep),
            vec![2, 3],
            13,
            vec!["Flatten", "Embedding", "Segment"],
        ),
    ] {
        let (host, twin) = twins(case(name, &document, &shape, entries));
        assert_eq!(names(&twin.network), wanted, "{name}");
        let places = twin.network.residence().places().iter();
        let held: usize = places.map(std::ops::Range::len).sum();
        assert_eq!(held, twin.network.num_parameters(), "{name}");
        same_numbers(&host, &twin, 1e-5);
        same_bits(&twin);
    }
}

#[test]
fn tables_have_columns_of_their_own() {
    let (host, twin) = twins(case("columns", &columns(), &[9], 4));
    let there = names(&twin.network);
    assert_eq!(
        there.iter().filter(|name| **name == "Embedding").count(),
        3,
        "{there:?}"
    );
    same_numbers(&host, &twin, 2e-5);
    same_bits(&twin);
}

#[test]
fn a_table_whose_values_the_host_wants_too_gives_them() {
    // A normalisation over slices reads what the host has of it: it is a layer that is called again.
    let document = json!({"format": "candlewick.network/1", "inputs": [{"name": "x", "shape": [4]}],
        "nodes": [node("t", "x", table(7, 3)), node("a", "t", linear(3)), node("n", "a", json!({"type": "BatchNorm1d"})),
            json!({"name": "again", "inputs": ["t"], "shares": "n"}), json!({"name": "both", "inputs": ["n", "again"], "layer": {"type": "Add"}}),
            node("flat", "both", json!({"type": "Flatten"})), node("end", "flat", linear(2))],
        "outputs": ["end"]});
    let (host, twin) = twins(case("both", &document, &[4], 7));
    let reads = twin.network.layers().iter().find(|node| node.name == "Embedding");
    assert_eq!(reads.map(|node| node.output.clone()), Some(vec![4, 3]));
    same_numbers(&host, &twin, 2e-5);
    same_bits(&twin);
}

#[test]
fn tables_that_others_share_or_make_stay_on_the_host() {
    let shared = json!({"format": "candlewick.network/1", "inputs": [{"name": "x", "shape": [2]}, {"name": "y", "shape": [2]}],
        "nodes": [node("a", "x", table(5, 2)), json!({"name": "b", "inputs": ["y"], "shares": "a"}),
            json!({"name": "sum", "inputs": ["a", "b"], "layer": {"type": "Add"}}), node("flat", "sum", json!({"type": "Flatten"})),
            node("end", "flat", linear(1))],
        "outputs": ["end"]});
    let bag = json!([{"type": "EmbeddingBag", "num_embeddings": 5, "embedding_dim": 2}, linear(1)]);
    let made = json!([{"type": "ReLU"}, table(5, 2), {"type": "Flatten"}, linear(1)]);
    let alone = json!([table(5, 2), {"type": "BatchNorm1d", "scope": "slice"}]);
    for (document, stays) in [
        (shared, true),
        (chain(bag), true),
        (chain(made), true),
        (chain(alone), false),
        (chain(json!([table(5, 2)])), true),
    ] {
        let (host, twin) = twins(case(&document.to_string(), &document, &[4], 5));
        let held = |place: &std::ops::Range<usize>| {
            let mut sparse = twin.network.sparse_parameters().iter();
            sparse.any(|table| place.contains(&table.offset))
        };
        assert_eq!(
            !twin.network.residence().places().iter().any(held),
            stays,
            "{document}"
        );
        same_numbers(&host, &twin, 2e-5);
        same_bits(&twin);
    }
}

fn words() -> Value {
    json!([padded(30, 6, 2), {"type": "Flatten"}, {"type": "Tanh"}, linear(2)])
}

fn with(mut train: TrainSpec, optimizer: Value, more: &Value) -> TrainSpec {
    let mut document = serde_json::to_value(&train).unwrap();
    document["optimizer"] = optimizer;
    for (name, value) in more.as_object().into_iter().flatten() {
        document[name] = value.clone();
    }
    train = serde_json::from_value(document).unwrap();
    train
}

/// What rules leave untouched rows, and what does not; and what is done to gradients before.
fn trainings() -> Vec<TrainSpec> {
    let optimizers = [
        json!({"type": "SGD", "lr": 0.05}),
        json!({"type": "SGD", "lr": 0.05, "momentum": 0.9}),
        json!({"type": "Adagrad", "lr": 0.05}),
        json!({"type": "Adagrad", "lr": 0.05, "weight_decay": 0.1}),
        json!({"type": "AdamW", "lr": 0.01}),
        json!({"type": "LAMB", "lr": 0.01}),
    ];
    let more = [
        json!({}),
        json!({"gradientAccumulationSteps": 2, "clipNorm": null}),
        json!({"clipValue": 0.05}),
    ];
    let all = optimizers.iter().flat_map(|optimizer| {
        let own = more
            .iter()
            .map(|more| with(spec(words()), optimizer.clone(), more));
        own.collect::<Vec<_>>()
    });
    all.collect()
}

/// A trainer whose features are indices of all rows of the table.
fn reading(network: &Network, train: &TrainSpec, shards: std::ops::Range<u32>) -> Trainer {
    let mut trainer = Trainer::new(network, train, shards);
    trainer.entries = 30.0;
    trainer
}

/// A step that touches no row of a table at all, on one trainer and on two.
#[test]
fn a_table_of_which_nothing_is_touched_stays_as_it_is() {
    for optimizer in [
        json!({"type": "SGD", "lr": 0.1}),
        json!({"type": "AdamW", "weight_decay": 0.0}),
    ] {
        let layers = json!([padded(3, 2, 0), {"type": "Flatten"}, linear(2)]);
        let train = with(spec(layers), optimizer, &json!({}));
        let there = || on_device(&there_again(&train));
        let mut all = [0..SHARDS, 0..2, 2..SHARDS].map(|shards| Trainer::new(&there(), &train, shards));
        for step in 0..2 {
            for trainer in &mut all {
                trainer.entries = 1.0;
                trainer.compute(step);
            }
            let [single, others @ ..] = &mut all;
            single.apply(None, step);
            let nodes: Vec<NodeGradient> = others.iter().flat_map(|trainer| trainer.nodes.clone()).collect();
            let root = assemble(&nodes, 0, SHARDS).unwrap();
            assert!(root.sparse_rows[0].indices.is_empty());
            others
                .iter_mut()
                .for_each(|trainer| trainer.apply(Some(&root), step));
        }
        let [single, others @ ..] = &all;
        let weights = single.weights.all().unwrap();
        let start = there_again(&train).initial_weights(3);
        assert_eq!(weights[..6], start[..6]);
        assert_ne!(weights[6..], start[6..]);
        others
            .iter()
            .for_each(|trainer| assert_eq!(trainer.hash(), single.hash()));
    }
}

#[test]
fn training_moves_no_weights_and_no_rows_of_tables() {
    for train in trainings() {
        let what = format!("{} {:?}", train.optimizer, train.clip_value);
        let network = there_again(&train);
        let there = on_device(&network);
        let [mut host, mut twin] = [&network, &there].map(|network| reading(network, &train, 0..SHARDS));
        let count: usize = ROWS.iter().sum();
        for step in 0..STEPS {
            let before = twin.traffic();
            for trainer in [&mut host, &mut twin] {
                trainer.compute(step);
                trainer.apply(None, step);
            }
            let crossed = twin.traffic() - before;
            assert_eq!((crossed.up.weights, crossed.down.weights), (0, 0), "{what}");
            assert_eq!(crossed.down.rows, 4 * 2 * count as u64, "{what}");
            // Features and the gradient of the outputs; then 32 bits for each index at most so many times: where it is added up, in
            // two sums of the tree, in the order of rows, where rows are read, and twice where they are written, half of it empty.
            let (features, indices) = (4 * (count * (WIDTH + 2)) as u64, 4 * (count * WIDTH) as u64);
            assert!(
                crossed.up.rows > features && crossed.up.rows <= features + 9 * indices,
                "{what}"
            );
        }
        let (wanted, got) = (host.weights.all().unwrap(), twin.weights.all().unwrap());
        assert_close(&got, &wanted, 1e-4, &what);
        assert_ne!(wanted, network.initial_weights(3), "{what}");
    }
}

#[test]
fn any_number_of_trainers_comes_to_the_same_state() {
    for train in trainings() {
        let what = format!("{} {:?}", train.optimizer, train.clip_value);
        // The second shard has no rows.
        for cut in [vec![0, 2, SHARDS], vec![0, 1, 3, SHARDS], vec![0, 1, 2, SHARDS]] {
            let mut all: Vec<Trainer> = cut
                .windows(2)
                .map(|ends| reading(&on_device(&there_again(&train)), &train, ends[0]..ends[1]))
                .collect();
            let mut single = reading(&on_device(&there_again(&train)), &train, 0..SHARDS);
            for step in 0..STEPS {
                single.compute(step);
                single.apply(None, step);
                let before: Vec<Traffic> = all.iter().map(Trainer::traffic).collect();
                all.iter_mut().for_each(|trainer| trainer.compute(step));
                let nodes: Vec<NodeGradient> = all.iter().flat_map(|trainer| trainer.nodes.clone()).collect();
                assert!(nodes.iter().all(|node| !node.is_held()));
                let root = assemble(&nodes, 0, SHARDS).unwrap();
                let bytes =
                    |node: &NodeGradient| 4 * (node.values.len() + node.sparse_rows[0].values.len()) as u64;
                for (trainer, before) in all.iter_mut().zip(before) {
                    trainer.apply(Some(&root), step);
                    let crossed = trainer.traffic() - before;
                    let present = trainer.nodes.iter().filter(|node| node.present);
                    // The rows that were touched, and not the table.
                    assert_eq!(
                        (crossed.up.weights, crossed.down.weights),
                        (bytes(&root), present.map(bytes).sum()),
                        "{what}"
                    );
                }
            }
            for trainer in &all {
                assert_eq!(trainer.hash(), single.hash(), "{what} {cut:?}");
            }
        }
    }
}

/// What a layer puts out, where it is asked for.
fn scored(network: &Network, features: &[f32], inner: &str) -> (Vec<f32>, Traffic) {
    let place = Place::Rehearsal {
        address: "0".to_owned(),
        memory: None,
    };
    let rows = features.len() / network.input_width();
    let mut model = DeviceModel::open(network, &network.initial_weights(5), &place).unwrap();
    let asked = Asked {
        precision: Precision::F32,
        inner: vec![inner.to_owned()],
    };
    let mut read = vec![0.0; rows * network.inner_width(inner).unwrap()];
    let mut outputs = vec![0.0; rows * network.output_width()];
    let rows = Rows {
        count: rows,
        features,
        outputs: &mut outputs,
        inner: &mut read,
    };
    model.score(&asked, rows).unwrap();
    (read, model.traffic())
}

#[test]
fn rows_that_are_looked_up_have_the_bits_of_the_table() {
    let network = Network::from_document(&chain(words()), &[WIDTH]).unwrap();
    let features: Vec<f32> = (0..6 * WIDTH).map(|at| (at * 11 % 30) as f32).collect();
    let mut own = Predictor::with_inner(&network, 1, &["0"]).unwrap();
    own.predict(&network.initial_weights(5), &features, 6).unwrap();
    let (read, traffic) = scored(&network, &features, "0");
    assert_eq!(bits(&read), bits(own.inner(0)));
    assert_eq!(traffic.up.weights, 4 * network.num_parameters() as u64);
    assert_eq!(traffic.up.rows, 4 * features.len() as u64);
}

/// A step of a trainer alone by what its rows are held as.
fn step(
    network: &Network,
    features: Features<'_>,
) -> Result<(Vec<u32>, Traffic), candlewick_protocol::Failure> {
    const SIX: usize = 6;
    let label = LabelKind::Real { width: 2 };
    let mut engine = Engine::new(network, &json!({"type": "MSELoss"}), &label, 3, 1)?;
    let before = network.traffic();
    let batch = Batch {
        step: 0,
        slices: &[Slice { shard: 0, rows: 4 }, Slice { shard: 1, rows: 2 }],
        features,
        labels: &[0.5; 2 * SIX],
        weights: &[1.0; SIX],
    };
    let mut nodes = [NodeGradient::new(0, 2)];
    engine.step_among(&network.initial_weights(5), &batch, &mut nodes, &mut Alone)?;
    let crossed = before.map(|before| network.traffic().unwrap() - before);
    Ok((bits(&nodes[0].flat(network)), crossed.unwrap_or_default()))
}

#[test]
fn indices_are_read_in_the_type_that_rows_are_held_in() {
    let network = Network::from_document(&chain(words()), &[WIDTH]).unwrap();
    let bytes: Vec<u8> = (0..6 * WIDTH).map(|at| (at * 13 % 30) as u8).collect();
    let floats: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte)).collect();
    let (wanted, more) = step(&on_device(&network), Features::Dense(&floats)).unwrap();
    let placed = on_device(&network);
    let typed = TypedRows::new(DenseValues::UInt8(&bytes), 1.0);
    let (got, less) = step(&placed, Features::Typed(typed)).unwrap();
    assert_eq!(got, wanted);
    assert_eq!(more.up.rows - less.up.rows, 3 * bytes.len() as u64);
    // Those that another thread has put there ahead do not go up again.
    let ahead = placed.put_ahead(DenseValues::UInt8(&bytes), 1.0).unwrap();
    let (got, none) = step(&placed, Features::Typed(typed.with_ahead(ahead.as_ref()))).unwrap();
    assert_eq!(got, wanted);
    assert_eq!(less.up.rows - none.up.rows, bytes.len() as u64);
}

#[test]
fn a_value_that_is_no_index_is_refused_as_on_the_host() {
    let network = Network::from_document(&chain(words()), &[WIDTH]).unwrap();
    let placed = on_device(&network);
    for wrong in [30.0, -1.0, 2.5, f32::NAN, 4e9] {
        let mut features = vec![1.0; 6 * WIDTH];
        features[17] = wrong;
        let [host, there] =
            [&network, &placed].map(|network| step(network, Features::Dense(&features)).unwrap_err());
        assert_eq!(host, there);
        assert!(there.message.contains("is not an index of its table"), "{there}");
    }
    assert!(step(&placed, Features::Dense(&[29.0; 6 * WIDTH])).is_ok());
    let _opened = device();
}
