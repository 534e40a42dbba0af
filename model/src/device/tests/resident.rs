//! Whole steps with weights that stay on the device: next to the host's, with equal bits for any number of trainers, and what crosses.

use super::on_device;
use super::support::assemble;
use crate::engine::{Alone, Batch, Engine, Features, Gradient, NodeGradient, Predictor, Slice};
use crate::network::Network;
use crate::optim::Updates;
use crate::philox::{Key, uniform};
use crate::resident::{DeviceVec, Flat, Link, Traffic};
use candlewick_protocol::job::{LabelKind, TrainSpec};
use candlewick_protocol::tree;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) const SHARDS: u32 = 4;
pub(super) const ROWS: [usize; SHARDS as usize] = [3, 0, 2, 4];
pub(super) const WIDTH: usize = 5;
pub(super) const STEPS: u64 = 6;

fn numbers(what: &str, length: usize) -> Vec<f32> {
    let mut values = vec![0.0f32; length];
    uniform(Key::new(4, what), 2.0, &mut values);
    values
}

pub(super) fn spec(layers: Value) -> TrainSpec {
    serde_json::from_value(json!({
        "network": {"format": "candlewick.network/1", "layers": layers}, "loss": {"type": "MSELoss"},
        "optimizer": {"type": "AdamW", "lr": 0.01}, "emaDecay": 0.5, "epochs": 1, "batchSize": 9, "dropLast": false, "seed": 3,
        "logicalShards": SHARDS, "clipNorm": 0.7, "clipValue": null}))
    .unwrap()
}

fn dense() -> Value {
    json!([{"type": "Linear", "out_features": 7}, {"type": "Dropout", "p": 0.2}, {"type": "Tanh"}, {"type": "Linear", "out_features": 2}])
}

/// With layers that are no part of a segment: a table first, then a normalisation.
fn mixed() -> Value {
    json!([
        {"type": "Embedding", "num_embeddings": 5, "embedding_dim": 3}, {"type": "Flatten"},
        {"type": "Linear", "out_features": 6, "bias": false}, {"type": "BatchNorm1d"}, {"type": "Tanh"}, {"type": "Linear", "out_features": 2}])
}

/// A trainer of the shards `lo..hi`.
pub(super) struct Trainer {
    engine: Engine,
    network: Network,
    pub(super) nodes: Vec<NodeGradient>,
    pub(super) weights: Flat,
    updates: Updates,
    gradient: Gradient,
    shards: std::ops::Range<u32>,
    /// Features are whole numbers from 0 on, below this.
    pub(super) entries: f32,
}

impl Trainer {
    pub(super) fn new(network: &Network, train: &TrainSpec, shards: std::ops::Range<u32>) -> Self {
        Trainer::with_threads(network, train, shards, 1)
    }

    fn with_threads(
        network: &Network,
        train: &TrainSpec,
        shards: std::ops::Range<u32>,
        threads: usize,
    ) -> Self {
        let label = LabelKind::Real { width: 2 };
        let engine = Engine::new(network, &train.loss, &label, 3, threads).unwrap();
        let start = network.initial_weights(3);
        let mut updates = Updates::new(train, network, &engine, &start).unwrap();
        let weights = updates.move_to_device(network, start).unwrap();
        updates.begin(STEPS).unwrap();
        let nodes = tree::cover(shards.start, shards.end, SHARDS)
            .into_iter()
            .map(|(lo, hi)| NodeGradient::new(lo, hi));
        let alone = shards.len() == SHARDS as usize;
        Trainer {
            nodes: nodes
                .map(|node| if alone { node.staying() } else { node })
                .collect(),
            gradient: Gradient::new(network),
            network: network.clone(),
            engine,
            weights,
            updates,
            shards,
            entries: 4.0,
        }
    }

    pub(super) fn compute(&mut self, step: u64) {
        let all: usize = ROWS.iter().sum();
        let features: Vec<f32> = numbers(&format!("features {step}"), all * WIDTH);
        let whole = |value: &f32| {
            ((value + 2.0) / 4.0 * self.entries)
                .floor()
                .min(self.entries - 1.0)
        };
        let features: Vec<f32> = features.iter().map(whole).collect();
        let labels: Vec<f64> = numbers(&format!("labels {step}"), all * 2)
            .into_iter()
            .map(f64::from)
            .collect();
        let own = self.shards.start as usize..self.shards.end as usize;
        let before: usize = ROWS[..own.start].iter().sum();
        let count: usize = ROWS[own.clone()].iter().sum();
        let slices: Vec<Slice> = self
            .shards
            .clone()
            .map(|shard| Slice {
                shard,
                rows: ROWS[shard as usize],
            })
            .collect();
        let batch = Batch {
            step,
            slices: &slices,
            features: Features::Dense(&features[before * WIDTH..(before + count) * WIDTH]),
            labels: &labels[before * 2..(before + count) * 2],
            weights: &vec![1.0; count],
        };
        self.engine
            .step_with(self.weights.view(), &batch, &mut self.nodes, &mut Alone)
            .unwrap();
    }

    pub(super) fn apply(&mut self, root: Option<&NodeGradient>, step: u64) {
        self.gradient.set(root.unwrap_or(&self.nodes[0]));
        self.engine.update_buffers(self.weights.view_mut().host_mut());
        assert!(self.gradient.is_finite().unwrap());
        self.updates
            .step_with(self.weights.view_mut(), &mut self.gradient, 18.0, step)
            .unwrap();
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.network.traffic().unwrap()
    }

    pub(super) fn hash(&self) -> String {
        self.updates.state_hash(&self.weights.all().unwrap()).unwrap()
    }
}

#[test]
fn training_is_the_hosts_within_f32_and_moves_no_weights() {
    for (layers, held) in [
        (dense(), WIDTH * 7 + 7 + 7 * 2 + 2),
        (mixed(), 5 * 3 + 15 * 6 + 6 * 2 + 2),
    ] {
        let train = spec(layers);
        let network = Network::from_document(&train.network, &[WIDTH]).unwrap();
        let mut host = Trainer::new(&network, &train, 0..SHARDS);
        assert!(network.traffic().is_none() && host.weights.runs().is_empty());
        let there = on_device(&network);
        let mut twin = Trainer::new(&there, &train, 0..SHARDS);
        let places = twin.weights.runs().iter().map(|run| run.place.len());
        assert_eq!(places.sum::<usize>(), held);
        // Weights, two moments, the average.
        assert_eq!(twin.traffic().up.weights, 4 * 4 * held as u64);
        for step in 0..STEPS {
            let before = twin.traffic();
            for trainer in [&mut host, &mut twin] {
                trainer.compute(step);
                trainer.apply(None, step);
            }
            let crossed = twin.traffic() - before;
            assert_eq!((crossed.up.weights, crossed.down.weights), (0, 0), "step {step}");
            assert!(crossed.up.rows > 0 && crossed.down.rows > 0);
        }
        let (wanted, got) = (host.weights.all().unwrap(), twin.weights.all().unwrap());
        super::assert_close(&got, &wanted, 1e-4, "weights");
        assert_ne!(wanted, network.initial_weights(3));
        let judged = |trainer: &Trainer| {
            let view = trainer.weights.view();
            trainer.updates.judged(view).all().unwrap().into_owned()
        };
        super::assert_close(&judged(&twin), &judged(&host), 1e-4, "average");
        // Scoring takes the average where it lies.
        let features: Vec<f32> = (0..3 * WIDTH).map(|at| (at % 4) as f32).collect();
        let before = twin.traffic();
        let mut predictor = Predictor::new(&there, 1).unwrap();
        let average = twin.updates.judged(twin.weights.view());
        let outputs = predictor
            .predict_with(average, Features::Dense(&features), 3)
            .unwrap()
            .to_vec();
        let crossed = twin.traffic() - before;
        assert_eq!((crossed.up.weights, crossed.down.weights), (0, 0));
        let again = predictor.predict(&judged(&twin), &features, 3).unwrap();
        assert_eq!(again, outputs);
    }
}

#[test]
fn any_number_of_trainers_comes_to_the_same_state() {
    let train = spec(dense());
    let there = on_device(&Network::from_document(&train.network, &[WIDTH]).unwrap());
    let mut alone = Trainer::new(&there, &train, 0..SHARDS);
    for cut in [vec![0, 2, SHARDS], vec![0, 1, 3, SHARDS]] {
        let mut all: Vec<Trainer> = cut
            .windows(2)
            .map(|ends| Trainer::new(&on_device(&there_again(&train)), &train, ends[0]..ends[1]))
            .collect();
        let mut single = Trainer::new(&there, &train, 0..SHARDS);
        for step in 0..STEPS {
            single.compute(step);
            single.apply(None, step);
            let before: Vec<Traffic> = all.iter().map(Trainer::traffic).collect();
            all.iter_mut().for_each(|trainer| trainer.compute(step));
            let nodes: Vec<NodeGradient> = all.iter().flat_map(|trainer| trainer.nodes.clone()).collect();
            assert!(nodes.iter().all(|node| !node.is_held()));
            let root = assemble(&nodes, 0, SHARDS).unwrap();
            for (trainer, before) in all.iter_mut().zip(before) {
                trainer.apply(Some(&root), step);
                let (crossed, bytes) = (trainer.traffic() - before, 4 * there.num_parameters() as u64);
                let present = trainer.nodes.iter().filter(|node| node.present).count() as u64;
                assert_eq!(
                    (crossed.up.weights, crossed.down.weights),
                    (bytes, present * bytes)
                );
            }
        }
        for trainer in &all {
            assert_eq!(trainer.hash(), single.hash(), "{cut:?}");
        }
    }
    alone.compute(0);
    assert!(alone.nodes[0].is_held());
}

/// Threads of the engine hand kernels to the device, and updates come from this one: all are to be in one order.
#[test]
fn any_number_of_threads_comes_to_the_same_state() {
    for layers in [dense(), mixed()] {
        let train = spec(layers);
        let hashes = [1, 4].map(|threads| {
            let there = on_device(&there_again(&train));
            let mut trainer = Trainer::with_threads(&there, &train, 0..SHARDS, threads);
            for step in 0..50 {
                trainer.compute(step);
                trainer.apply(None, step);
            }
            trainer.hash()
        });
        assert_eq!(hashes[0], hashes[1]);
    }
}

#[test]
fn bounding_keeps_what_is_no_number() {
    let link = Arc::new(Link::new(super::device()));
    let given = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 2.0, -0.5];
    let bounded = DeviceVec::up(&link, &given).unwrap().bounded(1.0).unwrap();
    let mut read = [0.0; 5];
    bounded.read(&mut read).unwrap();
    assert!(read[0].is_nan(), "{read:?}");
    assert_eq!(read[1..], [1.0, -1.0, 1.0, -0.5]);
}

pub(super) fn there_again(train: &TrainSpec) -> Network {
    Network::from_document(&train.network, &[WIDTH]).unwrap()
}

#[test]
fn weights_that_a_layer_of_the_host_reads_do_not_stay() {
    let linear = json!({"type": "Linear", "out_features": 3});
    let document = json!({
        "format": "candlewick.network/1", "inputs": [{"name": "x", "shape": [3]}],
        "nodes": [
            {"name": "a", "inputs": ["x"], "layer": linear}, {"name": "b", "inputs": ["a"], "layer": {"type": "BatchNorm1d"}},
            {"name": "again", "inputs": ["b"], "shares": "a"}, {"name": "c", "inputs": ["again"], "layer": linear}],
        "outputs": ["c"]});
    let network = Network::from_document(&document, &[3]).unwrap();
    let placed = on_device(&network);
    let first = &network.parameters()[0];
    let places = placed.residence().places();
    assert!(
        places.iter().all(|place| !place.contains(&first.offset)),
        "{places:?}"
    );
    assert_eq!(
        places.iter().map(std::ops::Range::len).sum::<usize>(),
        12,
        "{places:?}"
    );
}
