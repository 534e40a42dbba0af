//! Updates on a device against those of the host: the same bits, to the sign of a zero. The device is candle's CPU, which rounds
//! every operation as the host does.

use super::Updates;
use crate::engine::{Engine, Gradient, NodeGradient};
use crate::network::Network;
use crate::philox::{Key, uniform};
use candlewick_protocol::job::{LabelKind, TrainSpec};
use candlewick_protocol::rows::SparseRows;
use serde_json::{Value, json};

const STEPS: u64 = 7;

fn document() -> Value {
    json!({"format": "candlewick.network/1", "layers": [
        {"type": "Linear", "out_features": 5}, {"type": "Tanh"}, {"type": "Linear", "out_features": 3},
        {"type": "BatchNorm1d"}, {"type": "Linear", "out_features": 2}]})
}

/// With a table, of whose gradient a step has some rows.
fn with_table() -> Value {
    json!({"format": "candlewick.network/1", "layers": [
        {"type": "Embedding", "num_embeddings": 70, "embedding_dim": 3}, {"type": "Flatten"}, {"type": "Linear", "out_features": 5},
        {"type": "Tanh"}, {"type": "Linear", "out_features": 2}]})
}

/// Every rule with what it can do, and groups whose parameters are frozen, as `frozen` is, or have settings of their own.
fn optimizers(frozen: &str) -> Vec<Value> {
    let mut all = vec![
        json!({"type": "SGD", "lr": 0.1}),
        json!({"type": "SGD", "lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01, "maximize": true}),
        json!({"type": "SGD", "lr": 0.1, "momentum": 0.9, "nesterov": true}),
        json!({"type": "Adam", "weight_decay": 0.1}),
        json!({"type": "Adam", "amsgrad": true, "betas": [0.3, 0.6]}),
        json!({"type": "AdamW", "maximize": true}),
        json!({"type": "NAdam", "weight_decay": 0.1}),
        json!({"type": "NAdam", "weight_decay": 0.1, "decoupled_weight_decay": true}),
        json!({"type": "RAdam", "betas": [0.9, 0.6]}),
        json!({"type": "RAdam", "weight_decay": 0.1}),
        json!({"type": "Adagrad", "lr_decay": 0.1, "initial_accumulator_value": 0.5}),
        json!({"type": "Adadelta", "weight_decay": 0.1}),
        json!({"type": "RMSprop"}),
        json!({"type": "RMSprop", "centered": true, "momentum": 0.9}),
        json!({"type": "RMSprop", "momentum": 0.5, "weight_decay": 0.1}),
        json!({"type": "RMSprop", "centered": true}),
        json!({"type": "Adamax", "weight_decay": 0.1}),
        json!({"type": "Lion", "weight_decay": 0.1}),
        json!({"type": "Lion", "betas": [0.2, 0.3], "maximize": true}),
        json!({"type": "LAMB", "weight_decay": 0.1}),
        json!({"type": "LAMB", "bias_correction": false, "grad_averaging": false, "trust_clip": true, "max_grad_norm": 0.2}),
        json!({"type": "LARS", "momentum": 0.9, "weight_decay": 0.1}),
        json!({"type": "LARS", "trust_clip": true, "always_adapt": true}),
    ];
    for name in ["AdamW", "SGD", "LAMB"] {
        all.push(json!({"type": name, "groups": [
            {"params": frozen, "frozen": true}, {"params": "2.weight", "lr": 0.3, "weight_decay": 0.2}]}));
    }
    all
}

fn spec(optimizer: &Value, more: &Value) -> TrainSpec {
    let mut spec = json!({
        "network": document(), "loss": {"type": "MSELoss"}, "optimizer": optimizer, "epochs": 2, "batchSize": 4,
        "dropLast": false, "seed": 0, "logicalShards": 1, "clipNorm": null, "clipValue": null});
    for (name, value) in more.as_object().into_iter().flatten() {
        spec[name] = value.clone();
    }
    serde_json::from_value(spec).unwrap()
}

fn numbers(what: &str, length: usize) -> Vec<f32> {
    let mut values = vec![0.0f32; length];
    uniform(Key::new(4, what), 2.0, &mut values);
    values
}

/// What a run of updates ends with: weights, all of the state.
struct End {
    weights: Vec<f32>,
    average: Vec<f32>,
    state: super::Saved,
    hash: String,
}

fn run(network: &Network, train: &TrainSpec, on_device: bool) -> End {
    let engine = Engine::new(network, &train.loss, &LabelKind::Real { width: 2 }, 0, 1).unwrap();
    let start = network.initial_weights(3);
    let mut updates = Updates::new(train, network, &engine, &start).unwrap();
    let mut weights = if on_device {
        updates.move_to_device(network, start).unwrap()
    } else {
        start.into()
    };
    assert_eq!(!weights.runs().is_empty(), on_device);
    updates.begin(4).unwrap();
    for step in 0..STEPS {
        let mut node = NodeGradient::new(0, 1);
        node.present = true;
        node.values = numbers(&format!("gradient {step}"), Gradient::node_len(network));
        for table in network.sparse_parameters() {
            let mut rows = SparseRows::new(table.entries, table.width);
            rows.indices = (0..70)
                .filter(|row| (u64::from(*row) * 3 + step) % 4 == 0)
                .collect();
            rows.values = numbers(&format!("rows {step}"), rows.indices.len() * table.width);
            node.sparse_rows.push(rows);
        }
        for buffer in network.parameters().iter().filter(|parameter| !parameter.trained) {
            node.values[buffer.offset..buffer.offset + buffer.len()].fill(0.0);
        }
        let mut gradient = Gradient::new(network);
        gradient.set(&node);
        // In the fourth step no row counts.
        let denominator = if step == 3 { 0.0 } else { 4.0 };
        updates
            .step_with(weights.view_mut(), &mut gradient, denominator, step)
            .unwrap();
        if step == 4 && on_device {
            // What another trainer takes in is what is told.
            let mut other = Updates::new(train, network, &engine, &network.initial_weights(9)).unwrap();
            let mut taken = other.move_to_device(network, network.initial_weights(9)).unwrap();
            other.begin(4).unwrap();
            other.restore(&mut updates.state().unwrap()).unwrap();
            taken.set(&weights.all().unwrap()).unwrap();
            (updates, weights) = (other, taken);
        }
    }
    let all = weights.all().unwrap().into_owned();
    End {
        average: updates.judged(weights.view()).all().unwrap().into_owned(),
        state: updates.state().unwrap(),
        hash: updates.state_hash(&all).unwrap(),
        weights: all,
    }
}

#[test]
fn every_rule_gives_the_bits_of_the_host() {
    gives_the_bits_of_the_host(&document(), "0.bias");
}

#[test]
fn every_rule_gives_the_bits_of_the_host_for_tables() {
    gives_the_bits_of_the_host(&with_table(), "0.weight");
}

fn gives_the_bits_of_the_host(document: &Value, frozen: &str) {
    let network = Network::from_document(document, &[4]).unwrap();
    let there = crate::device::on(&network, &candle_core::Device::Cpu).unwrap();
    for optimizer in optimizers(frozen) {
        for more in [
            json!({}),
            json!({"emaDecay": 0.3, "gradientAccumulationSteps": 3, "clipValue": 0.2}),
            json!({"emaDecay": 0.9, "lrScheduler": {"type": "OneCycleLR", "max_lr": 0.2}}),
        ] {
            let moves = more.get("lrScheduler").is_some();
            if moves && ["Adagrad", "Adadelta"].contains(&optimizer["type"].as_str().unwrap()) {
                continue;
            }
            let train = spec(&optimizer, &more);
            let (host, device) = (run(&network, &train, false), run(&there, &train, true));
            let what = format!("{optimizer} {more}");
            assert_ne!(host.weights, network.initial_weights(3), "{what}");
            // LAMB and LARS measure, and bound norms: the order of a sum differs.
            let close = ["LAMB", "LARS"].contains(&optimizer["type"].as_str().unwrap());
            let pairs = [(&host.weights, &device.weights), (&host.average, &device.average)];
            let state = host.state.tensors.iter().zip(&device.state.tensors);
            let state = state.map(|(host, device)| {
                assert_eq!(host.name, device.name, "{what}");
                (&host.values, &device.values)
            });
            for (host, device) in pairs.into_iter().chain(state) {
                assert_eq!(host.len(), device.len(), "{what}");
                for (a, b) in host.iter().zip(device) {
                    let near = (a - b).abs() <= 2e-6 * a.abs().max(1e-3);
                    assert!(
                        a == b || (close && near),
                        "{what}: {a} on the host, {b} on the device"
                    );
                }
            }
            assert_eq!(host.state.counters, device.state.counters, "{what}");
            if !close
                && host
                    .weights
                    .iter()
                    .zip(&device.weights)
                    .all(|(a, b)| a.to_bits() == b.to_bits())
            {
                let zeros = host
                    .state
                    .tensors
                    .iter()
                    .zip(&device.state.tensors)
                    .any(|(a, b)| {
                        let bits =
                            |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                        bits(&a.values) != bits(&b.values)
                    });
                assert!(zeros || host.hash == device.hash, "{what}");
            }
        }
    }
}

#[test]
fn norms_are_bounded_alike() {
    let network = Network::from_document(&document(), &[4]).unwrap();
    let there = crate::device::on(&network, &candle_core::Device::Cpu).unwrap();
    let train = spec(
        &json!({"type": "SGD", "lr": 0.1}),
        &json!({"clipNorm": 0.5, "clipValue": 0.1}),
    );
    let (host, device) = (run(&network, &train, false), run(&there, &train, true));
    for (a, b) in host.weights.iter().zip(&device.weights) {
        assert!((a - b).abs() <= 1e-6, "{a} {b}");
    }
}

#[test]
fn weights_of_another_place_are_refused() {
    let network = Network::from_document(&document(), &[4]).unwrap();
    let there = crate::device::on(&network, &candle_core::Device::Cpu).unwrap();
    let train = spec(&json!({"type": "SGD", "lr": 0.1}), &json!({}));
    let engine = Engine::new(&there, &train.loss, &LabelKind::Real { width: 2 }, 0, 1).unwrap();
    let mut updates = Updates::new(&train, &there, &engine, &there.initial_weights(3)).unwrap();
    let refused = updates.move_to_device(&there, vec![0.0]).unwrap_err();
    assert!(
        refused.message.contains("1 weights of a network that has"),
        "{refused}"
    );
    let _there = updates.move_to_device(&there, there.initial_weights(3)).unwrap();
    let mut gradient = Gradient::new(&there);
    let refused = updates
        .step(&mut there.initial_weights(3), &mut gradient, 1.0, 0)
        .unwrap_err();
    assert!(
        refused
            .message
            .contains("0 runs of weights with 0 runs of gradients by an optimiser for 2"),
        "{refused}"
    );
}
