//! An independent reference: candle's tape on the CPU.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use candle_core::{D, DType, Device, Tensor, Var};
use candlewick_model::engine::{Batch, Engine, NodeGradient, Slice};
use candlewick_model::network::Network;
use candlewick_model::philox::{Key, uniform};
use candlewick_protocol::job::LabelKind;
use serde_json::json;

const ROWS: usize = 24;

fn candle_gradients(
    weights: &[Var],
    features: &[f32],
    labels: &[u32],
) -> candle_core::Result<(f32, Vec<f32>)> {
    let x = Tensor::from_slice(features, (ROWS, 20), &Device::Cpu)?;
    let hidden = x.matmul(&weights[0].t()?)?.broadcast_add(&weights[1])?.relu()?;
    let hidden = hidden
        .matmul(&weights[2].t()?)?
        .broadcast_add(&weights[3])?
        .tanh()?;
    let logits = hidden.matmul(&weights[4].t()?)?.broadcast_add(&weights[5])?;
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    let log_softmax = shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)?;
    let labels = Tensor::from_slice(labels, (ROWS, 1), &Device::Cpu)?;
    let loss = log_softmax.gather(&labels, 1)?.neg()?.sum_all()?;
    let tape = loss.backward()?;
    let mut flat = Vec::new();
    for weight in weights {
        let gradient = tape.get(weight).cloned().unwrap_or(weight.zeros_like()?);
        flat.extend(gradient.flatten_all()?.to_vec1::<f32>()?);
    }
    Ok((loss.to_dtype(DType::F32)?.to_scalar()?, flat))
}

#[test]
fn gradients_agree_with_the_tape_of_candle() {
    let layers = json!([{"type": "Linear", "out_features": 31}, {"type": "ReLU"},
        {"type": "Linear", "out_features": 18}, {"type": "Tanh"}, {"type": "Linear", "out_features": 5}]);
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    let network = Network::from_document(&document, &[20]).unwrap();
    let weights = network.initial_weights(8);
    let mut features = vec![0.0; ROWS * 20];
    uniform(Key::new(1, "features"), 2.0, &mut features);
    let labels: Vec<u32> = (0..ROWS as u32).map(|row| row * 3 % 5).collect();

    let vars: Vec<Var> = network
        .parameters()
        .iter()
        .map(|p| {
            Var::from_slice(
                &weights[p.offset..p.offset + p.len()],
                p.shape.clone(),
                &Device::Cpu,
            )
            .unwrap()
        })
        .collect();
    let (loss, wanted) = candle_gradients(&vars, &features, &labels).unwrap();

    let kind = LabelKind::class(5);
    let mut engine = Engine::new(&network, &json!({"type": "CrossEntropyLoss"}), &kind, 0, 1).unwrap();
    let slices: Vec<Slice> = (0..4)
        .map(|shard| Slice {
            shard,
            rows: ROWS / 4,
        })
        .collect();
    let labels: Vec<f64> = labels.into_iter().map(f64::from).collect();
    let batch = Batch {
        step: 0,
        slices: &slices,
        features: (&features).into(),
        labels: &labels,
        weights: &[1.0; ROWS],
    };
    let mut nodes = [NodeGradient::new(0, 4)];
    let sums = engine.step(&weights, &batch, &mut nodes).unwrap();
    let total: f64 = sums.iter().map(|sum| sum.loss).sum();
    assert!((total - f64::from(loss)).abs() < 1e-4, "{total} {loss}");
    for (at, (got, wanted)) in nodes[0].values.iter().zip(&wanted).enumerate() {
        assert!(
            (got - wanted).abs() < 1e-5 * (1.0 + wanted.abs()),
            "element {at}: {got} {wanted}"
        );
    }
}
