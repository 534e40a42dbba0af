//! Two trainers joined by a slow network: `make bench-overlap`. Wants root, `ip` and `tc`.
//!
//! Each trainer is a process in a network namespace of its own; a pair of virtual devices joins the two, whose rate a token bucket
//! limits in each direction. The coordinator, here, reaches them over other devices. One thread a trainer.
//!
//! `slow_link step RATE NETWORK ROUNDS [KIND]` prints a step's median time and the share of the exchange that was hidden, for each kind of
//! exchange in turn, or those whose name has KIND in it; `slow_link loss RATE [KIND...]` prints the loss after each epoch and when it was reached.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark ends where it cannot go on"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use candlewick_model::resolve::{ResolveRequest, Task, resolve};
use candlewick_protocol::asynchrony::Asynchrony;
use candlewick_protocol::compression::GradientCompression;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::local_steps::LocalSteps;
use common::data::{Lcg, Row, job};
use common::{ELSEWHERE, Elsewhere, Gang, coordinator_config};
use serde_json::{Value, json};
use std::process::Command;

/// Address of a trainer to the other one, by its index.
fn address(index: usize) -> String {
    format!("10.77.0.{}", index + 1)
}

fn space(index: usize) -> String {
    format!("candlewick-{index}")
}

fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(
        done.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// The namespaces; they go with it.
struct Network;

impl Network {
    /// With so much from each trainer to the other, as `tc` writes it.
    fn new(rate: &str) -> Self {
        Network::remove();
        for index in 0..2 {
            let (space, here) = (space(index), format!("10.78.{index}.1"));
            ip(&format!("netns add {space}"));
            ip(&format!("-n {space} link set lo up"));
            ip(&format!(
                "link add cw-here{index} type veth peer name cw-control netns {space}"
            ));
            ip(&format!("addr add {here}/24 dev cw-here{index}"));
            ip(&format!("link set cw-here{index} up"));
            ip(&format!("-n {space} addr add 10.78.{index}.2/24 dev cw-control"));
            ip(&format!("-n {space} link set cw-control up"));
        }
        ip(&format!(
            "-n {} link add cw-link type veth peer name cw-link netns {}",
            space(0),
            space(1)
        ));
        for index in 0..2 {
            let space = space(index);
            ip(&format!("-n {space} addr add {}/24 dev cw-link", address(index)));
            ip(&format!("-n {space} link set cw-link up"));
            ip(&format!(
                "netns exec {space} tc qdisc add dev cw-link root tbf rate {rate} burst 64kb latency 200ms"
            ));
            ip(&format!("route add {} via 10.78.{index}.2", address(index)));
        }
        // Both call the coordinator at the address of the first device.
        ip(&format!("-n {} route add 10.78.0.1 via 10.78.1.1", space(1)));
        Network
    }

    fn remove() {
        for index in 0..2 {
            // What is not there needs no removing.
            let _ = Command::new("ip").args(["netns", "del", &space(index)]).output();
            let _ = Command::new("ip")
                .args(["link", "del", &format!("cw-here{index}")])
                .output();
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        Network::remove();
    }
}

/// Layers, shape of a row and rows of a step, as `model/benches/workloads.rs` has them.
fn workload(name: &str) -> (Value, Vec<usize>, u32) {
    let linear = |size: usize| json!({"type": "Linear", "out_features": size});
    let conv = |size: usize| json!({"type": "Conv2d", "out_channels": size, "kernel_size": 3});
    let (relu, flatten) = (json!({"type": "ReLU"}), json!({"type": "Flatten"}));
    let pool = json!({"type": "MaxPool2d", "kernel_size": 2});
    match name {
        "mlp" => (
            json!([linear(512), relu, linear(256), relu, linear(10)]),
            vec![784],
            512,
        ),
        "cnn" => (
            json!([
                conv(32),
                relu,
                pool,
                conv(64),
                relu,
                pool,
                flatten,
                linear(128),
                relu,
                linear(10)
            ]),
            vec![1, 28, 28],
            256,
        ),
        "encoder" => {
            let layer = json!({"type": "TransformerEncoderLayer", "nhead": 8, "dim_feedforward": 1024, "dropout": 0.0});
            (
                json!([layer, layer, layer, layer, flatten, linear(10)]),
                vec![128, 256],
                16,
            )
        }
        _ => panic!("no network {name}: mlp, cnn or encoder"),
    }
}

fn spec(name: &str, epochs: u32) -> JobSpec {
    let (layers, shape, rows) = workload(name);
    let width: usize = shape.iter().product();
    let network = json!({"format": "candlewick.network/1", "layers": layers});
    let resolved = resolve(&ResolveRequest {
        network: &network,
        loss: None,
        optimizer: &json!({"type": "SGD", "lr": 0.02, "momentum": 0.9}),
        task: Task::Classifier,
        feature_width: width,
        input_shape: Some(&shape),
    })
    .unwrap();
    let mut spec = job(epochs, rows);
    spec.data.feature_width = u32::try_from(width).unwrap();
    spec.data.input_shape = resolved.input_shape;
    spec.data.label = resolved.label;
    spec.train.network = resolved.network.document().clone();
    spec.train.loss = resolved.loss;
    spec.train.optimizer = resolved.optimizer;
    spec.train.logical_shards = 2;
    spec
}

/// Rows of ten classes: a pattern for each, and noise.
fn rows(count: usize, width: usize) -> Vec<Row> {
    let mut random = Lcg(3);
    let patterns: Vec<Vec<f32>> = (0..10)
        .map(|_| (0..width).map(|_| random.real()).collect())
        .collect();
    let row = |at: usize| {
        let class = at % 10;
        let features = patterns[class].iter().map(|value| 0.2 * value + random.real());
        Row {
            features: features.collect(),
            label: class as f64,
            weight: 1.0,
        }
    };
    (0..count).map(row).collect()
}

/// The records of a fit.
fn fit(spec: JobSpec, rows: &[Row]) -> Vec<Value> {
    let mut config = coordinator_config(&spec);
    config.bind_host = "10.78.0.1".into();
    let mut gang = Gang::gather(config, 2, |_, address| address, &|_| None);
    gang.fix_members(&[]);
    gang.feed_and_seal(rows);
    gang.command(&json!({"cmd": "train"}));
    gang.event("done");
    gang.events_named("epoch")
        .into_iter()
        .map(|event| event["record"].clone())
        .collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A name, and what it sets.
type Kind = (&'static str, fn(&mut JobSpec));

fn kinds() -> [Kind; 3] {
    [
        ("as a whole, bf16", |spec| {
            spec.train.gradient_compression = GradientCompression::Bf16
        }),
        ("in parts", |_| ()),
        ("delayed", |spec| spec.train.asynchrony = Asynchrony::Delayed),
    ]
}

/// Steps of an epoch.
fn steps(name: &str) -> usize {
    if name == "encoder" { 16 } else { 64 }
}

fn step(name: &str, rounds: u32, only: &str) {
    let spec = spec(name, 2);
    let rows = rows(
        steps(name) * spec.train.batch_size as usize,
        spec.data.feature_width as usize,
    );
    for (kind, set) in kinds().into_iter().filter(|(kind, _)| kind.contains(only)) {
        let (mut times, mut shares) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let mut spec = spec.clone();
            set(&mut spec);
            for record in fit(spec, &rows).iter().skip(1) {
                times.push(record["seconds"].as_f64().unwrap() * 1e3 / steps(name) as f64);
                shares.extend(record["exchangeHidden"].as_f64());
            }
        }
        let hidden = if shares.is_empty() {
            "-".to_owned()
        } else {
            format!("{:.0} %", median(shares) * 100.0)
        };
        println!("{name}, {kind}: {:.2} ms a step, hidden {hidden}", median(times));
    }
}

/// Those that send less, or less often.
fn less() -> [Kind; 5] {
    const fn every(steps: u32) -> Option<LocalSteps> {
        Some(LocalSteps {
            steps,
            outer_learning_rate: 1.0,
            outer_momentum: 0.0,
        })
    }
    [
        ("localSteps 8", |spec| spec.train.local_steps = every(8)),
        ("localSteps 32", |spec| spec.train.local_steps = every(32)),
        ("powersgd 4", |spec| {
            spec.train.gradient_compression = GradientCompression::PowerSgd(4)
        }),
        ("stale 8", |spec| spec.train.asynchrony = Asynchrony::Stale(8)),
        ("stale 32", |spec| spec.train.asynchrony = Asynchrony::Stale(32)),
    ]
}

/// Of the kinds of these names, or in short epochs of all of them.
fn loss(names: &[String]) {
    let (epochs, steps) = if names.is_empty() { (6, 16) } else { (8, 64) };
    let spec = spec("mlp", epochs);
    let rows = rows(
        steps * spec.train.batch_size as usize,
        spec.data.feature_width as usize,
    );
    let all = kinds().into_iter().chain(less());
    for (kind, set) in all.filter(|(kind, _)| names.is_empty() || names.iter().any(|name| name == kind)) {
        let mut spec = spec.clone();
        set(&mut spec);
        let mut at = 0.0;
        let told: Vec<String> = fit(spec, &rows)
            .iter()
            .map(|record| {
                at += record["seconds"].as_f64().unwrap();
                format!("{:.4} at {at:.2} s", record["loss"].as_f64().unwrap())
            })
            .collect();
        println!("{kind}: {}", told.join(", "));
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| one != "--bench").collect();
    let [what, rate, rest @ ..] = arguments.as_slice() else {
        panic!("slow_link step RATE NETWORK ROUNDS [KIND], or slow_link loss RATE")
    };
    // Another build, to compare with.
    let program = std::env::var("CANDLEWICK_TEST_TRAINER");
    let program = program.unwrap_or_else(|_| env!("CARGO_BIN_EXE_candlewick-trainer").to_owned());
    let elsewhere = |index: usize| Elsewhere {
        command: ["ip", "netns", "exec", &space(index), &program]
            .map(str::to_owned)
            .to_vec(),
        host: address(index),
    };
    let _ = ELSEWHERE.set((0..2).map(elsewhere).collect());
    let _network = Network::new(rate);
    match (what.as_str(), rest) {
        ("step", [name, rounds]) => step(name, rounds.parse().unwrap(), ""),
        ("step", [name, rounds, only]) => step(name, rounds.parse().unwrap(), only),
        ("loss", names) => loss(names),
        _ => panic!("{arguments:?}"),
    }
}
