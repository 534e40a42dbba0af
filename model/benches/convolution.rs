//! Time of a training step of a small convolutional network: `cargo bench -p candlewick-model --bench convolution
//! [-- THREADS]`. Numbers are medians; with `each`, also the parts of it that end at each layer; with
//! `norm`, steps of networks with batch norm by one and by eight shards instead.

use candlewick_model::engine::{Batch, Engine, NodeGradient, Predictor, Slice};
use candlewick_model::network::Network;
use candlewick_model::optim::{Clip, Optimizer};
use candlewick_model::philox::{Key, uniform};
use candlewick_protocol::Failure;
use candlewick_protocol::job::LabelKind;
use serde_json::{Value, json};
use std::time::Instant;

const ROWS: usize = 64;
const STEPS: usize = 60;
const WARM: usize = 20;

fn layers() -> Vec<Value> {
    vec![
        json!({"type": "Reshape", "shape": [1, 28, 28]}),
        json!({"type": "Conv2d", "out_channels": 32, "kernel_size": 3}),
        json!({"type": "ReLU"}),
        json!({"type": "MaxPool2d", "kernel_size": 2}),
        json!({"type": "Conv2d", "out_channels": 64, "kernel_size": 3}),
        json!({"type": "ReLU"}),
        json!({"type": "MaxPool2d", "kernel_size": 2}),
        json!({"type": "Flatten"}),
        json!({"type": "Linear", "out_features": 128}),
        json!({"type": "ReLU"}),
        json!({"type": "Linear", "out_features": 10}),
    ]
}

/// Networks in which normalisation over the step weighs most: V = 8 may cost a quarter more than V = 1.
fn normalised() -> [(&'static str, Vec<Value>); 3] {
    let conv = json!({"type": "Conv2d", "out_channels": 32, "kernel_size": 3});
    let (flatten, end) = (
        json!({"type": "Flatten"}),
        json!({"type": "Linear", "out_features": 10}),
    );
    let reshape = json!({"type": "Reshape", "shape": [1, 28, 28]});
    let linear = json!({"type": "Linear", "out_features": 512});
    let (relu, pool) = (
        json!({"type": "ReLU"}),
        json!({"type": "MaxPool2d", "kernel_size": 2}),
    );
    [
        (
            "convolution and BatchNorm2d",
            vec![
                reshape.clone(),
                conv,
                json!({"type": "BatchNorm2d"}),
                relu.clone(),
                pool,
                flatten.clone(),
                end.clone(),
            ],
        ),
        (
            "BatchNorm2d alone",
            vec![
                json!({"type": "Reshape", "shape": [16, 7, 7]}),
                json!({"type": "BatchNorm2d"}),
                flatten,
                end.clone(),
            ],
        ),
        (
            "Linear and BatchNorm1d",
            vec![linear, json!({"type": "BatchNorm1d"}), relu, end],
        ),
    ]
}

fn values(count: usize) -> Vec<f32> {
    let mut values = vec![0.0; count];
    uniform(Key::new(1, "bench"), 1.0, &mut values);
    values
}

/// Milliseconds that this process's first thread has run, where the system tells: what a busy machine does not
/// change much. Counts for one thread only.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|text| text.parse::<f64>().ok());
    nanoseconds.unwrap_or_default() / 1e6
}

/// Times of a step in milliseconds.
struct Times {
    median: f64,
    least: f64,
    cpu: f64,
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Times { median, least, cpu } = self;
        write!(
            f,
            "median {median:.2} ms, least {least:.2} ms, this thread's processor time {cpu:.2} ms"
        )
    }
}

/// Runs `body` so many times; the first do not count.
fn timed(runs: usize, mut body: impl FnMut() -> Result<(), Failure>) -> Result<Times, Failure> {
    for _ in 0..WARM {
        body()?;
    }
    let before = cpu();
    let mut times = Vec::new();
    for _ in 0..runs {
        let start = Instant::now();
        body()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let cpu = (cpu() - before) / runs as f64;
    times.sort_by(f64::total_cmp);
    Ok(Times {
        median: times[runs / 2],
        least: times[0],
        cpu,
    })
}

fn step(layers: &[Value], threads: usize, shards: u32) -> Result<Times, Failure> {
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    let network = Network::from_document(&document, &[784])?;
    let width = network.output_width();
    let (loss, label) = if width == 10 {
        ("CrossEntropyLoss", LabelKind::class(10))
    } else {
        let width = u32::try_from(width).unwrap_or(u32::MAX);
        ("MSELoss", LabelKind::Real { width })
    };
    let labels: Vec<f64> = if width == 10 {
        (0..64).map(|row| f64::from(row % 10)).collect()
    } else {
        vec![0.5; ROWS * width]
    };
    let mut engine = Engine::new(&network, &json!({"type": loss}), &label, 1, threads)?;
    let mut optimizer = Optimizer::from_document(&json!({"type": "AdamW"}), &network)?;
    optimizer.use_threads_of(&engine);
    let mut weights = network.initial_weights(1);
    let features = values(ROWS * 784);
    let slices: Vec<Slice> = (0..shards)
        .map(|shard| Slice {
            shard,
            rows: ROWS / shards as usize,
        })
        .collect();
    let mut nodes = [NodeGradient::new(0, shards)];
    let mut step = 0;
    timed(STEPS, || {
        step += 1;
        let batch = Batch {
            step,
            slices: &slices,
            features: (&features).into(),
            labels: &labels,
            weights: &[1.0; ROWS],
        };
        engine.step(&weights, &batch, &mut nodes)?;
        optimizer
            .update(&mut weights, &mut nodes[0].values, 64.0, &Clip::default())
            .map(|_| ())
    })
}

fn scoring(threads: usize) -> Result<(), Failure> {
    let document = json!({"format": "candlewick.network/1", "layers": layers()});
    let network = Network::from_document(&document, &[784])?;
    let weights = network.initial_weights(1);
    let mut predictor = Predictor::new(&network, threads)?;
    let many = values(1024 * 784);
    for rows in [1024, 1] {
        let times = timed(20, || {
            predictor.predict(&weights, &many[..rows * 784], rows).map(|_| ())
        })?;
        println!("scoring {rows} rows: {times}");
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let threads = std::env::args().find_map(|text| text.parse().ok()).unwrap_or(1);
    if std::env::args().any(|text| text == "norm") {
        for (name, layers) in normalised() {
            let [one, eight] = [step(&layers, threads, 1)?, step(&layers, threads, 8)?];
            println!("{name}, threads {threads}, V=1: {one}");
            println!(
                "{name}, threads {threads}, V=8: {eight}; ratio of the least {:.2}, of the medians {:.2}",
                eight.least / one.least,
                eight.median / one.median
            );
        }
        return Ok(());
    }
    let all = layers();
    for shards in [1, 8] {
        let times = step(&all, threads, shards)?;
        println!("cnn step, threads {threads}, V={shards}: {times}");
    }
    if std::env::args().any(|text| text == "each") {
        for count in [2, 3, 4, 5, 6, 7] {
            let times = step(&all[..count], threads, 8)?;
            println!("up to {}: {times}", all[count - 1]["type"]);
        }
        scoring(threads)?;
    }
    Ok(())
}
