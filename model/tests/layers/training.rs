//! A hundred steps of training next to PyTorch: the loss of every step. The file is written by
//! `golden/make_training.py`.

use crate::support::{SHARDS, content, doubles, slices};
use candlewick_model::engine::{Batch, Engine, NodeGradient};
use candlewick_model::network::Network;
use candlewick_model::optim::{Clip, Optimizer};
use candlewick_protocol::job::LabelKind;
use serde_json::{Value, json};

/// Largest difference of a step's loss, relative to PyTorch's.
const TOLERANCE: f64 = 1e-4;

/// As `values` in `golden/make_training.py`.
fn values(seed: u32, count: usize) -> Vec<f32> {
    let value = |at: u32| {
        let x = at
            .wrapping_mul(2_654_435_761)
            .wrapping_add(seed.wrapping_mul(40_503))
            .wrapping_add(1);
        let x = (x ^ (x >> 15)).wrapping_mul(2_246_822_519);
        let x = (x ^ (x >> 13)).wrapping_mul(3_266_489_917);
        ((x ^ (x >> 16)) >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0u32..).take(count).map(value).collect()
}

fn scale(fan: usize) -> f32 {
    let mut scale = 1.0f32;
    while scale * scale * fan as f32 > 4.0 {
        scale /= 2.0;
    }
    scale
}

/// As `start` there; buffers start as the network has them.
fn start(network: &Network) -> Vec<f32> {
    let mut weights = network.initial_weights(0);
    let trained = network.parameters().iter().filter(|parameter| parameter.trained);
    for (seed, parameter) in (1000u32..).zip(trained) {
        let one = parameter.shape.len() == 1;
        let (factor, shift) = if one {
            (0.125, f32::from(u8::from(parameter.name.ends_with("weight"))))
        } else {
            (scale(parameter.shape[1..].iter().product()), 0.0)
        };
        let place = parameter.offset..parameter.offset + parameter.len();
        for (weight, value) in weights[place].iter_mut().zip(values(seed, parameter.len())) {
            *weight = value * factor + shift;
        }
    }
    weights
}

/// The labels of a batch, by the features at some places.
fn labels(loss: &str, features: &[f32], width: usize, places: &[usize]) -> Vec<f64> {
    let label = |row: &[f32]| {
        let seen: Vec<f64> = places.iter().map(|at| f64::from(row[*at])).collect();
        if loss == "MSELoss" {
            let product = seen[0] * seen[1];
            return seen
                .iter()
                .map(|value| f64::from((product + value) as f32))
                .collect();
        }
        let largest = (1..seen.len()).fold(0, |best, at| if seen[at] > seen[best] { at } else { best });
        vec![largest as f64]
    };
    features.chunks_exact(width).flat_map(label).collect()
}

/// Trains as the trainer does, and gives the loss of every step.
fn curve(case: &Value, threads: usize) -> Vec<f64> {
    let sizes = |key: &str| doubles(&case[key]).iter().map(|size| *size as usize).collect();
    let (shape, places): (Vec<usize>, Vec<usize>) = (sizes("inputShape"), sizes("places"));
    let (rows, loss) = (
        case["rows"].as_u64().unwrap() as usize,
        case["loss"].as_str().unwrap(),
    );
    let network = Network::from_document(&case["network"], &shape).unwrap();
    let outputs = network.output_width() as u32;
    let kind = match loss {
        "MSELoss" => LabelKind::Real { width: outputs },
        _ => LabelKind::class(outputs),
    };
    let mut engine = Engine::new(&network, &json!({"type": loss}), &kind, 0, threads).unwrap();
    let mut optimizer = Optimizer::from_document(&case["optimizer"], &network).unwrap();
    optimizer.use_threads_of(&engine);
    let (mut weights, slices) = (start(&network), slices(rows));
    let mut nodes = [NodeGradient::new(0, SHARDS)];
    let steps = case["losses"].as_array().unwrap().len();
    let one = |step: usize| {
        let features = values(step as u32, rows * network.input_width());
        let batch = Batch {
            step: step as u64,
            slices: &slices,
            features: (&features).into(),
            labels: &labels(loss, &features, network.input_width(), &places),
            weights: &vec![1.0; rows],
        };
        let sums = engine.step(&weights, &batch, &mut nodes).unwrap();
        let denominator = engine.denominator(sums.iter().map(|sum| sum.denominator).sum());
        optimizer
            .update(&mut weights, &mut nodes[0].values, denominator, &Clip::default())
            .unwrap();
        engine.update_buffers(&mut weights);
        sums.iter().map(|sum| sum.loss).sum::<f64>() / denominator
    };
    (0..steps).map(one).collect()
}

#[test]
fn a_hundred_steps_stay_on_the_curve_of_pytorch() {
    for case in content(include_str!("../golden/curves.json")) {
        let name = case["name"].as_str().unwrap();
        let (wanted, got) = (doubles(&case["losses"]), curve(&case, 1));
        assert_eq!(wanted.len(), 100);
        assert!(
            wanted[99] < 0.8 * wanted[0],
            "{name}: nothing was learnt, so nothing was compared"
        );
        let mut largest = 0.0f64;
        for (step, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
            let wrong = (got - wanted).abs() / wanted;
            assert!(
                wrong <= TOLERANCE,
                "{name}: the loss of step {step} is {got}, PyTorch has {wanted} ({wrong:e})"
            );
            largest = largest.max(wrong);
        }
        println!("{name}: at most {largest:.1e} from PyTorch's loss");
        assert_eq!(got, curve(&case, 2), "{name}: two threads");
    }
}
