//! Two trainers joined by a slow network: `make bench-overlap`. Wants root, `ip` and `tc`.
//!
//! Each trainer is a process in a network namespace of its own; a link joins the two, of a rate and a delay that are set
//! (slow_link/network.rs). The coordinator, here, reaches them over other devices. One thread a trainer.
//!
//! LINK is a rate as `tc` writes it, and after a comma the milliseconds that a packet takes: `100mbit`, `100mbit,5`.
//! `slow_link step LINK NETWORK ROUNDS [KIND]` prints a step's median time and the share of the exchange that was hidden, for each kind of
//! exchange in turn, or those whose name has KIND in it; `slow_link loss LINK NETWORK [KIND...]` prints the loss after each epoch and when
//! it was reached.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark ends where it cannot go on"
)]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "slow_link/network.rs"]
mod network;

use candlewick_model::resolve::{ResolveRequest, Task, resolve};
use candlewick_protocol::asynchrony::Asynchrony;
use candlewick_protocol::compression::GradientCompression;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::local_steps::LocalSteps;
use common::data::{Lcg, Row, job};
use common::{ELSEWHERE, Elsewhere, Gang, coordinator_config};
use network::{Network, address, space};
use serde_json::{Value, json};

/// Layers, shape of a row and rows of a step, as `model/benches/workloads.rs` has them.
fn workload(name: &str) -> (Value, Vec<usize>, u32) {
    let linear = |size: usize| json!({"type": "Linear", "out_features": size});
    let conv = |size: usize| json!({"type": "Conv2d", "out_channels": size, "kernel_size": 3});
    let (relu, flatten) = (json!({"type": "ReLU"}), json!({"type": "Flatten"}));
    let pool = json!({"type": "MaxPool2d", "kernel_size": 2});
    match name {
        // The second one computes about as long as it exchanges compressed gradients at 100 Mbit/s.
        "mlp" | "mlp-large-batch" => (
            json!([linear(512), relu, linear(256), relu, linear(10)]),
            vec![784],
            if name == "mlp" { 512 } else { 4_096 },
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
        _ => panic!("no network {name}: mlp, mlp-large-batch, cnn or encoder"),
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
    if matches!(name, "encoder" | "mlp-large-batch") {
        16
    } else {
        64
    }
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
fn less() -> [Kind; 6] {
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
        ("powersgd 4, delayed", |spec| {
            spec.train.gradient_compression = GradientCompression::PowerSgd(4);
            spec.train.asynchrony = Asynchrony::Delayed;
        }),
        ("stale 8", |spec| spec.train.asynchrony = Asynchrony::Stale(8)),
        ("stale 32", |spec| spec.train.asynchrony = Asynchrony::Stale(32)),
    ]
}

/// Of the kinds of these names, or in short epochs of all of them.
fn loss(name: &str, names: &[String]) {
    let (epochs, steps) = if names.is_empty() {
        (6, 16)
    } else {
        (8, steps(name))
    };
    let spec = spec(name, epochs);
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
    if let [what, rest @ ..] = arguments.as_slice()
        && what == network::RELAY
    {
        return network::relay(rest);
    }
    let [what, link, name, rest @ ..] = arguments.as_slice() else {
        panic!("slow_link step LINK NETWORK ROUNDS [KIND], or slow_link loss LINK NETWORK [KIND...]")
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
    let _network = Network::new(link);
    match (what.as_str(), rest) {
        ("step", [rounds]) => step(name, rounds.parse().unwrap(), ""),
        ("step", [rounds, only]) => step(name, rounds.parse().unwrap(), only),
        ("loss", names) => loss(name, names),
        _ => panic!("{arguments:?}"),
    }
}
