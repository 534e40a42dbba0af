//! Networks on devices against PyTorch and against the engine: the same numbers within f32, the same bits for any
//! number of trainers. The device is candle's CPU, or the one that `CANDLEWICK_TEST_DEVICE` names (`cuda:0`).

mod golden;
mod gradients;
mod limits;
mod mixed;
mod precision;
mod resident;
mod rows;
mod scoring;
mod subjects;
#[path = "../../../tests/support/mod.rs"]
mod support;
mod tables;

use super::{DeviceName, open, partition};
use crate::engine::{Alone, Engine, NodeGradient, Predictor};
use crate::network::Network;
use candle_core::Device;
use std::sync::OnceLock;
use support::{Case, SHARDS, assemble, assert_close, bits};

/// The device of the tests, opened once.
fn device() -> Device {
    static OPENED: OnceLock<Device> = OnceLock::new();
    let device = OPENED.get_or_init(|| {
        let name = std::env::var("CANDLEWICK_TEST_DEVICE").unwrap_or_else(|_| "candle".to_owned());
        let name: DeviceName = name.parse().unwrap();
        open(name).unwrap().unwrap()
    });
    device.clone()
}

/// The network on the device of the tests.
fn on_device(network: &Network) -> Network {
    partition::place(network, &device()).unwrap()
}

/// Layers of a placed network by name.
fn names(network: &Network) -> Vec<&'static str> {
    network.layers().iter().map(|node| node.name).collect()
}

/// A case of its own network and the same one on the device.
fn twins(case: Case) -> (Case, Case) {
    let twin = Case {
        name: format!("{} on the device", case.name),
        network: on_device(&case.network),
        weights: case.weights.clone(),
        features: case.features.clone(),
        labels: case.labels.clone(),
        row_weights: case.row_weights.clone(),
        own_loss: case.own_loss.clone(),
        value: case.value.clone(),
    };
    (case, twin)
}

/// Outputs, losses and gradients of the device are the engine's within f32.
fn same_numbers(host: &Case, twin: &Case, tolerance: f32) {
    let rows = host.rows();
    let mut engine = Predictor::new(&host.network, 1).unwrap();
    let wanted = engine.predict(&host.weights, &host.features, rows).unwrap();
    let mut segments = Predictor::new(&twin.network, 1).unwrap();
    let got = segments.predict(&twin.weights, &twin.features, rows).unwrap();
    assert_close(got, wanted, tolerance, &format!("{}, scored", twin.name));
    let (wanted_sums, wanted) = host.step(&mut host.engine(1), (0, SHARDS), &mut Alone);
    let (sums, got) = twin.step(&mut twin.engine(1), (0, SHARDS), &mut Alone);
    let (got_all, wanted_all) = (got[0].flat(&twin.network), wanted[0].flat(&host.network));
    for (got, wanted) in sums.iter().zip(&wanted_sums) {
        assert_close(&[got.loss as f32], &[wanted.loss as f32], tolerance, &twin.name);
    }
    for parameter in host
        .network
        .parameters()
        .iter()
        .filter(|parameter| parameter.trained)
    {
        let place = parameter.offset..parameter.offset + parameter.len();
        let what = format!("{}, gradient of {}", twin.name, parameter.name);
        assert_close(&got_all[place.clone()], &wanted_all[place], tolerance, &what);
    }
}

/// The same bits for one trainer, two, three, and for a second step of the same engine.
fn same_bits(twin: &Case) {
    let mut engine: Engine = twin.engine(1);
    let (sums, whole) = twin.step(&mut engine, (0, SHARDS), &mut Alone);
    let trained = |node: &NodeGradient| {
        let values = node.flat(&twin.network);
        let all = twin
            .network
            .parameters()
            .iter()
            .filter(|parameter| parameter.trained);
        all.flat_map(|parameter| bits(&values[parameter.offset..parameter.offset + parameter.len()]))
            .collect::<Vec<u32>>()
    };
    let wanted = trained(&whole[0]);
    let (_, again) = twin.step(&mut engine, (0, SHARDS), &mut Alone);
    assert_eq!(trained(&again[0]), wanted, "{}: a second step", twin.name);
    for cut in [vec![0, 3, SHARDS], vec![0, 1, 6, SHARDS]] {
        let (lines, nodes) = twin.trainers(&cut, 1);
        assert_eq!(lines, sums, "{}: sums of {cut:?}", twin.name);
        let root = assemble(&nodes, 0, SHARDS).unwrap();
        assert_eq!(trained(&root), wanted, "{}: {cut:?}", twin.name);
    }
}
