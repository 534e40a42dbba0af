//! One workload of the comparison with PyTorch: `workloads WORKLOAD THREADS SHARDS RUNS [forward] [bf16]` prints one line of JSON
//! with the milliseconds of every run. `make bench-engine` runs it next to PyTorch (benchmarks/engine.py).

use candlewick_model::engine::{Batch, Engine, NodeGradient, Predictor, Slice};
use candlewick_model::network::Network;
use candlewick_model::optim::{Clip, Optimizer};
use candlewick_model::philox::{Key, uniform};
use candlewick_protocol::Failure;
use candlewick_protocol::job::{LabelKind, Precision};
use serde_json::{Value, json};
use std::time::Instant;

/// Steps before the clock is looked at.
const WARM_UP: usize = 5;

struct Workload {
    layers: Value,
    shape: Vec<usize>,
    rows: usize,
}

fn linear(size: usize) -> Value {
    json!({"type": "Linear", "out_features": size})
}

fn workload(name: &str) -> Option<Workload> {
    let relu = json!({"type": "ReLU"});
    let (layers, shape, rows) = match name {
        "mlp" => (
            vec![linear(512), relu.clone(), linear(256), relu, linear(10)],
            vec![784],
            256,
        ),
        "cnn" => {
            let conv = |size: usize| json!({"type": "Conv2d", "out_channels": size, "kernel_size": 3});
            let pool = json!({"type": "MaxPool2d", "kernel_size": 2});
            let flatten = json!({"type": "Flatten"});
            let head = [linear(128), relu.clone(), linear(10)];
            let body = [
                conv(32),
                relu.clone(),
                pool.clone(),
                conv(64),
                relu,
                pool,
                flatten,
            ];
            (body.into_iter().chain(head).collect(), vec![1, 28, 28], 64)
        }
        "lstm" => {
            let lstm = json!({"type": "LSTM", "hidden_size": 128, "output": "last"});
            (vec![lstm, linear(10)], vec![128, 64], 64)
        }
        "transformer" => {
            let layer = json!({"type": "TransformerEncoderLayer", "nhead": 8, "dim_feedforward": 1024, "dropout": 0.0});
            let flatten = json!({"type": "Flatten"});
            (
                vec![
                    layer.clone(),
                    layer.clone(),
                    layer.clone(),
                    layer,
                    flatten,
                    linear(10),
                ],
                vec![128, 256],
                16,
            )
        }
        _ => return None,
    };
    Some(Workload {
        layers: Value::from(layers),
        shape,
        rows,
    })
}

fn cut(rows: usize, shards: u32) -> Vec<Slice> {
    let count = shards as usize;
    let slice = |shard: u32| Slice {
        shard,
        rows: (shard as usize + 1) * rows / count - shard as usize * rows / count,
    };
    (0..shards).map(slice).collect()
}

fn forward(network: &Network, work: &Workload, threads: usize, runs: usize) -> Result<Vec<f64>, Failure> {
    let weights = network.initial_weights(1);
    let mut features = vec![0.0; work.rows * network.input_width()];
    uniform(Key::new(1, "bench"), 1.0, &mut features);
    let mut predictor = Predictor::new(network, threads)?;
    let mut times = Vec::new();
    for _ in 0..runs + WARM_UP {
        let start = Instant::now();
        predictor.predict(&weights, &features, work.rows)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times.split_off(WARM_UP))
}

fn steps(
    network: &Network,
    work: &Workload,
    (threads, shards): (usize, u32),
    runs: usize,
) -> Result<Vec<f64>, Failure> {
    let kind = LabelKind::class(10);
    let mut engine = Engine::new(network, &json!({"type": "CrossEntropyLoss"}), &kind, 1, threads)?;
    let mut optimizer = Optimizer::from_document(&json!({"type": "AdamW"}), network)?;
    optimizer.use_threads_of(&engine);
    let mut weights = network.initial_weights(1);
    let mut features = vec![0.0; work.rows * network.input_width()];
    uniform(Key::new(1, "bench"), 1.0, &mut features);
    let labels: Vec<f64> = (0u32..).take(work.rows).map(|row| f64::from(row % 10)).collect();
    let (slices, row_weights) = (cut(work.rows, shards), vec![1.0; work.rows]);
    let mut nodes = [NodeGradient::new(0, shards)];
    let mut times = Vec::new();
    for step in 0..runs + WARM_UP {
        let batch = Batch {
            step: step as u64,
            slices: &slices,
            features: (&features).into(),
            labels: &labels,
            weights: &row_weights,
        };
        let start = Instant::now();
        engine.step(&weights, &batch, &mut nodes)?;
        optimizer.update(
            &mut weights,
            &mut nodes[0].values,
            labels.len() as f64,
            &Clip::default(),
        )?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times.split_off(WARM_UP))
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|text| text != "--bench")
        .collect();
    let number = |at: usize, default: usize| {
        arguments
            .get(at)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let name = arguments.first().map_or("mlp", String::as_str);
    let Some(work) = workload(name) else {
        return Err(Failure::parameter(format!(
            "no workload {name:?}: mlp, cnn, lstm, transformer"
        )));
    };
    let (threads, shards, runs) = (number(1, 1), number(2, 8), number(3, 50));
    let document = json!({"format": "candlewick.network/1", "layers": work.layers});
    let named = |one: &Precision| arguments.iter().any(|text| text == one.name());
    let precision = Precision::ON_PROCESSORS
        .into_iter()
        .find(named)
        .unwrap_or_default();
    let network = Network::from_document(&document, &work.shape)?.with_precision(precision);
    let times = if arguments.iter().any(|text| text == "forward") {
        forward(&network, &work, threads, runs)?
    } else {
        steps(
            &network,
            &work,
            (threads, u32::try_from(shards).unwrap_or(1)),
            runs,
        )?
    };
    println!(
        "RESULT {}",
        json!({"level": candlewick_model::cpu_level(), "ms": times})
    );
    Ok(())
}
