//! Every layer's gradients against difference quotients in f64.
//!
//! The engine computes a layer's gradients in f32 by code of its own. Here the layer's expression on f64 tensors is
//! evaluated on both sides of every element of its inputs and parameters; the quotient is right to about 1e-9, so what
//! differs is the engine's rounding, or its mistake.

use super::subjects::{joins, layers};
use crate::catalogue::{Kind, entries};
use crate::device::lowering::layer::{Answer, Layer, Lowering, Rows, batched};
use crate::device::lowering::{self, HOST_LAYERS};
use crate::device::subgraph::Subgraph;
use crate::engine::{Alone, Batch, Engine, NodeGradient, Slice};
use crate::kernels::{Kernels, Program, SimdLevel};
use crate::layers::{
    BackwardInputs, Context, Elementwise, ElementwiseContext, Module, Operation, RowKey, Training,
};
use crate::network::{LayerNode, Network, ValueRef};
use crate::philox::{Key, uniform};
use crate::resident::{DeviceError, DeviceValues, Link};
use candle_core::{DType, Device, Tensor, Var};
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::rows::SparseRows;
use serde_json::json;

/// Largest difference to the quotient, relative to the largest gradient of the same tensor: f32 rounds to 6e-8, and a
/// gradient is a sum of some ten to a hundred such numbers.
const TOLERANCE: f64 = 1e-5;
/// How far both sides lie from an element.
const STEP: f64 = 1e-5;
/// Largest difference of candle's own f64 gradient, the tape that segments use, to the quotient.
const TAPE_TOLERANCE: f64 = 1e-7;
const ROWS: usize = 3;
const SEED: u64 = 11;
const STEPS: u64 = 7;

/// BatchNorm over all rows of the step, of which the tests have a single slice.
fn batch_norm(layer: &Layer<'_>) -> Answer {
    let x = layer.input();
    let (rows, channels) = (x.dims()[0], x.dims()[1]);
    let flat = x.reshape((rows, channels, x.elem_count() / (rows * channels)))?;
    let by_channel = flat.transpose(0, 1)?.contiguous()?;
    let values = by_channel.reshape((channels, by_channel.elem_count() / channels))?;
    let centred = values.broadcast_sub(&values.mean_keepdim(1)?)?;
    let deviation = (centred.sqr()?.mean_keepdim(1)? + layer.arguments.real("eps"))?.sqrt()?;
    let normal = centred.broadcast_div(&deviation)?.reshape(by_channel.dims())?;
    let mut y = normal.transpose(0, 1)?.contiguous()?.reshape(x.dims())?;
    let mut shape = vec![1; x.rank()];
    shape[1] = channels;
    if let Some(weight) = layer.parameter("weight") {
        y = y.broadcast_mul(&weight.reshape(shape.clone())?)?;
    }
    if let Some(bias) = layer.parameter("bias") {
        y = y.broadcast_add(&bias.reshape(shape)?)?;
    }
    Ok(y)
}

/// The expressions, and those of the layers that stay with the engine.
fn find(name: &str) -> Option<Lowering> {
    match HOST_LAYERS.contains(&name) {
        true => Some(batch_norm),
        false => lowering::find(name),
    }
}

fn numbers(what: &str, length: usize) -> Vec<f32> {
    let mut values = vec![0.0; length];
    uniform(Key::new(SEED, what), 2.0, &mut values);
    values
}

fn keys() -> Vec<RowKey> {
    (0..ROWS as u32).map(|row| RowKey { shard: 0, row }).collect()
}

/// A layer with everything that its gradients depend on.
struct Subject<'a> {
    node: &'a LayerNode,
    subgraph: Subgraph,
    inputs: Vec<Vec<f32>>,
    weights: Vec<f32>,
    gradient: Vec<f32>,
    /// The input that tells which steps are padding, where there is one.
    padding: Option<usize>,
}

/// Whether a layer reads from an input which steps are padding.
fn is_padding(network: &Network, node: &LayerNode, value: ValueRef) -> bool {
    let masked = ["RNN", "LSTM", "GRU", "MultiheadAttention"].contains(&node.name);
    matches!(value, ValueRef::Layer(layer) if masked && network.layers()[layer].output.len() == 1)
}

impl<'a> Subject<'a> {
    fn of(network: &'a Network, name: &str) -> Self {
        let at = network
            .layers()
            .iter()
            .position(|node| node.name == name)
            .unwrap();
        let node = &network.layers()[at];
        let subgraph = Subgraph::of(network, at..at + 1, &find).unwrap();
        let indices = name.starts_with("Embedding");
        let inputs = node.inputs.iter().enumerate().map(|(at, value)| {
            let width = match value {
                ValueRef::Features => network.input_width(),
                ValueRef::Layer(layer) => network.layers()[*layer].output.iter().product(),
            };
            let mut values = numbers(&format!("input {at} of {name}"), ROWS * width);
            if indices {
                values
                    .iter_mut()
                    .for_each(|value| *value = (*value + 2.0).floor());
                if node.arguments["mode"] == "max" && node.arguments["input"] == "counts" {
                    // What is added to a count of 0 puts its index into the bag.
                    values.iter_mut().for_each(|value| *value += 1.0);
                }
            }
            if is_padding(network, node, *value) {
                values
                    .iter_mut()
                    .for_each(|value| *value = if *value < 0.4 { 0.0 } else { 1.0 });
            }
            values
        });
        let inputs = inputs.collect();
        let all = numbers(&format!("weights of {name}"), network.num_parameters());
        let mut weights = all[node.weights.clone()].to_vec();
        // Recurrent steps and softmaxes of large numbers hardly depend on anything.
        weights.iter_mut().for_each(|weight| *weight *= 0.4);
        let all = node.inputs.iter();
        Subject {
            padding: all
                .map(|value| is_padding(network, node, *value))
                .position(|mask| mask),
            gradient: numbers("gradient", ROWS * subgraph.width()),
            node,
            subgraph,
            inputs,
            weights,
        }
    }

    /// The inputs of the subgraph, each once, as f64.
    fn tensors(&self) -> (Vec<Tensor>, Vec<Tensor>) {
        let inputs = self.subgraph.inputs.iter().map(|input| {
            let at = self
                .node
                .inputs
                .iter()
                .position(|value| *value == input.value)
                .unwrap();
            tensor(&self.inputs[at], &batched(ROWS, &input.shape))
        });
        let weights = self
            .subgraph
            .weights
            .iter()
            .map(|weight| tensor(&self.weights[weight.place.clone()], &weight.shape));
        (inputs.collect(), weights.collect())
    }

    /// Σ output · gradient.
    fn value(&self, inputs: &[Tensor], weights: &[Tensor]) -> Result<Tensor, DeviceError> {
        let keys = keys();
        let rows = Rows {
            seed: SEED,
            step: STEPS,
            keys: &keys,
        };
        let output = self
            .subgraph
            .run(inputs, weights, Some(rows), &Link::new(Device::Cpu))?;
        let gradient = tensor(&self.gradient, output.dims());
        Ok((output * gradient)?.sum_all()?)
    }

    /// The engine's gradients: of every input, then of every trained parameter.
    fn engine(&self) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
        match &self.node.operation {
            Operation::View => (vec![self.gradient.clone()], Vec::new()),
            Operation::Elementwise(function) => (vec![self.of_elementwise(&**function)], Vec::new()),
            Operation::Module(module) => self.of_module(&**module),
        }
    }

    fn of_elementwise(&self, function: &dyn Elementwise) -> Vec<f32> {
        let keys = keys();
        let context = ElementwiseContext {
            level: SimdLevel::detect(),
            width: self.inputs[0].len() / ROWS,
            seed: SEED,
            step: STEPS,
            rows: &keys,
        };
        let mut output = self.inputs[0].clone();
        function.forward(&context, &mut output);
        let saved: &[f32] = match (
            function.saved_for_backward().input(),
            function.saved_for_backward().output(),
        ) {
            (true, _) => &self.inputs[0],
            (_, true) => &output,
            _ => &[],
        };
        let mut gradient = self.gradient.clone();
        function.backward(&context, saved, &mut gradient);
        gradient
    }

    fn of_module(&self, module: &dyn Module) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
        let (slices, keys) = ([Slice { shard: 0, rows: ROWS }], keys());
        let mut saved = vec![0.0; module.saved(ROWS, true)];
        let mut kernels = Kernels::new(1).unwrap();
        let inputs: Vec<&[f32]> = self.inputs.iter().map(Vec::as_slice).collect();
        let mut ctx = Context {
            sparse: None,
            kernels: &mut kernels,
            weights: &self.weights,
            held: None,
            rows: ROWS,
            saved: &mut saved,
            training: Some(Training {
                seed: SEED,
                step: STEPS,
                rows: &keys,
                slices: &slices,
            }),
            values: &mut DeviceValues::default(),
            exchange: &mut Alone,
        };
        let mut output = vec![0.0; self.gradient.len()];
        module.forward(&mut ctx, &inputs, &mut output).unwrap();
        let nan = |values: &Vec<f32>| vec![f32::NAN; values.len()];
        let mut gradients: Vec<Vec<f32>> = self.inputs.iter().map(nan).collect();
        let mut into: Vec<Option<&mut [f32]>> = gradients
            .iter_mut()
            .map(|into| Some(into.as_mut_slice()))
            .collect();
        let ends = BackwardInputs {
            inputs: &inputs,
            gradient: &self.gradient,
        };
        module.backward(&mut ctx, ends, &mut into).unwrap();
        let tree = Program::of(0, 1, &|_| (0, ROWS));
        let trained = self
            .subgraph
            .weights
            .iter()
            .enumerate()
            .filter(|(_, weight)| weight.trained);
        let parameters = trained.map(|(at, weight)| {
            if module.parameters()[at].sparse {
                let [entries, width] = weight.shape[..] else {
                    panic!("a table has two dimensions");
                };
                let mut rows = SparseRows::new(entries, width);
                module.sparse_gradient(&mut ctx, at, &tree, ends, &mut rows);
                let mut gradient = vec![0.0; weight.place.len()];
                for (row, values) in rows.iter() {
                    gradient[row as usize * width..][..width].copy_from_slice(values);
                }
                return gradient;
            }
            let mut gradient = vec![f32::NAN; weight.place.len()];
            module.parameter_gradient(&mut ctx, at, &tree, ends, &mut gradient);
            gradient
        });
        let parameters = parameters.collect();
        (gradients, parameters)
    }

    fn check_inputs(
        &self,
        name: &str,
        (inputs, weights): (&[Tensor], &[Tensor]),
        of_inputs: &[Vec<f32>],
        tape: &mut impl Iterator<Item = Vec<f64>>,
    ) {
        assert_eq!(inputs.len(), of_inputs.len(), "{name}");
        for (at, gradient) in of_inputs.iter().enumerate() {
            if self.padding == Some(at) {
                // Nothing depends on it by degrees.
                assert!(gradient.iter().all(|value| *value == 0.0), "{name}, padding");
                assert!(
                    tape.next().unwrap().iter().all(|value| *value == 0.0),
                    "{name}, padding"
                );
                continue;
            }
            let quotients = quotients(&inputs[at], |moved| {
                let mut inputs = inputs.to_vec();
                inputs[at] = moved;
                self.value(&inputs, weights).unwrap()
            });
            close(
                gradient.iter().copied().map(f64::from),
                &quotients,
                TOLERANCE,
                &format!("{name}, input {at}"),
            );
            close(
                tape.next().unwrap(),
                &quotients,
                TAPE_TOLERANCE,
                &format!("{name}, tape, input {at}"),
            );
        }
    }

    fn check(&self) {
        let name = format!("{} {:?}", self.node.name, self.node.arguments);
        let (inputs, weights) = self.tensors();
        let (of_inputs, of_weights) = self.engine();
        let tape = self.tape(&inputs, &weights);
        let mut tape = tape.into_iter();
        if !self.node.name.starts_with("Embedding") || self.node.arguments["input"] == "counts" {
            self.check_inputs(&name, (&inputs, &weights), &of_inputs, &mut tape);
        } else {
            tape.next();
        }
        let trained = (0..weights.len()).filter(|at| self.subgraph.weights[*at].trained);
        for (at, gradient) in trained.zip(&of_weights) {
            let mut quotients = quotients(&weights[at], |moved| {
                let mut weights = weights.clone();
                weights[at] = moved;
                self.value(&inputs, &weights).unwrap()
            });
            if let Some(padding) = self.node.arguments["padding_idx"].as_u64() {
                // By definition, not by differences, the row of the padding has no gradient.
                let width = self.node.arguments["embedding_dim"].as_u64().unwrap();
                let row = (padding * width) as usize..((padding + 1) * width) as usize;
                quotients[row].fill(0.0);
            }
            let what = format!("{name}, parameter {at}");
            close(
                gradient.iter().copied().map(f64::from),
                &quotients,
                TOLERANCE,
                &what,
            );
            close(
                tape.next().unwrap(),
                &quotients,
                TAPE_TOLERANCE,
                &format!("{what}, tape"),
            );
        }
    }

    /// candle's gradients in f64: of every input, then of every trained parameter.
    fn tape(&self, inputs: &[Tensor], weights: &[Tensor]) -> Vec<Vec<f64>> {
        let variable = |tensor: &Tensor| Var::from_tensor(tensor).unwrap().into_inner();
        let inputs: Vec<Tensor> = inputs.iter().map(variable).collect();
        let weights: Vec<Tensor> = weights.iter().map(variable).collect();
        let tape = self.value(&inputs, &weights).unwrap().backward().unwrap();
        let trained = weights
            .iter()
            .zip(&self.subgraph.weights)
            .filter(|(_, weight)| weight.trained);
        let all = inputs.iter().chain(trained.map(|(tensor, _)| tensor));
        all.map(|tensor| match tape.get(tensor) {
            Some(gradient) => gradient.flatten_all().unwrap().to_vec1().unwrap(),
            None => vec![0.0; tensor.elem_count()],
        })
        .collect()
    }
}

fn tensor(values: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape, &Device::Cpu)
        .unwrap()
        .to_dtype(DType::F64)
        .unwrap()
}

/// The slope along every element.
fn quotients(tensor: &Tensor, value: impl Fn(Tensor) -> Tensor) -> Vec<f64> {
    let values: Vec<f64> = tensor.flatten_all().unwrap().to_vec1().unwrap();
    let at = |element: usize, step: f64| {
        let mut moved = values.clone();
        moved[element] += step;
        let moved = Tensor::from_vec(moved, tensor.dims(), &Device::Cpu).unwrap();
        value(moved).to_scalar::<f64>().unwrap()
    };
    (0..values.len())
        .map(|element| (at(element, STEP) - at(element, -STEP)) / (2.0 * STEP))
        .collect()
}

fn close(got: impl IntoIterator<Item = f64>, wanted: &[f64], tolerance: f64, what: &str) {
    let got: Vec<f64> = got.into_iter().collect();
    assert_eq!(got.len(), wanted.len(), "{what}");
    let size = wanted.iter().fold(1e-3f64, |size, value| size.max(value.abs()));
    for (at, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        let wrong = (got - wanted).abs() / size;
        assert!(
            wrong <= tolerance,
            "{what}: element {at} is {got}, the quotient {wanted} ({wrong:e})"
        );
    }
}

#[test]
fn every_layer_of_the_catalogue_has_the_gradient_of_its_differences() {
    // Eq hands nothing back, and stays with the engine.
    let others = crate::network::composites().chain(["Eq"]);
    let mut checked: Vec<String> = others.map(str::to_owned).collect();
    let mut check = |network: &Network, name: &str| {
        Subject::of(network, name).check();
        checked.push(name.to_owned());
    };
    for (layer, shape) in layers() {
        let name = layer["type"].as_str().unwrap().to_owned();
        let end = json!({"type": "Linear", "out_features": 1});
        let mut list = vec![layer, end];
        if name == "Linear" {
            list.pop();
        }
        let document = json!({"format": "candlewick.network/1", "layers": list});
        let network =
            Network::from_document(&document, &shape).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        check(&network, &name);
    }
    for document in joins() {
        let layer = document["nodes"][0]["layer"]
            .as_object()
            .or(document["layers"][0].as_object());
        let name = layer.unwrap()["type"].as_str().unwrap().to_owned();
        let width = if document.get("nodes").is_some() { 18 } else { 4 };
        check(&Network::from_document(&document, &[width]).unwrap(), &name);
    }
    for entry in entries().filter(|entry| entry.kind == Kind::Layer) {
        assert!(
            checked.iter().any(|name| name == entry.name),
            "{} is not checked",
            entry.name
        );
    }
}

/// What a composite layer is made of, as a whole, within a network: all parameters against the loss.
#[test]
fn composite_layers_have_the_gradient_of_their_differences() {
    for first in [
        json!({"type": "TransformerEncoderLayer", "nhead": 2, "dim_feedforward": 5, "activation": "gelu"}),
        json!({"type": "TransformerEncoderLayer", "nhead": 1, "dim_feedforward": 3, "norm_first": true, "is_causal": true}),
    ] {
        let layers =
            json!([{"type": "Linear", "out_features": 4}, first, {"type": "Linear", "out_features": 1}]);
        let document = json!({"format": "candlewick.network/1", "layers": layers});
        let network = Network::from_document(&document, &[3, 2]).unwrap();
        let (weights, features) = (
            network.initial_weights(SEED),
            numbers("features", ROWS * network.input_width()),
        );
        let kind = LabelKind::Real {
            width: network.output_width() as u32,
        };
        let mut engine = Engine::new(&network, &json!({"type": "MSELoss"}), &kind, SEED, 1).unwrap();
        let batch = Batch {
            step: STEPS,
            slices: &[Slice { shard: 0, rows: ROWS }],
            features: (&features).into(),
            labels: &vec![0.0; ROWS * network.output_width()],
            weights: &[1.0; ROWS],
        };
        let mut nodes = [NodeGradient::new(0, 1)];
        engine.step(&weights, &batch, &mut nodes).unwrap();
        let subgraph = Subgraph::of(&network, 0..network.layers().len(), &find).unwrap();
        let inputs = [tensor(&features, &[ROWS, 3, 2])];
        let all: Vec<Tensor> = subgraph
            .weights
            .iter()
            .map(|weight| tensor(&weights[weight.place.clone()], &weight.shape))
            .collect();
        let keys = keys();
        let rows = Rows {
            seed: SEED,
            step: STEPS,
            keys: &keys,
        };
        for (at, weight) in subgraph.weights.iter().enumerate() {
            let quotients = quotients(&all[at], |moved| {
                let mut all = all.clone();
                all[at] = moved;
                let output = subgraph
                    .run(&inputs, &all, Some(rows), &Link::new(Device::Cpu))
                    .unwrap();
                // The numerator of the loss; nothing is divided yet.
                output.sqr().unwrap().sum_all().unwrap()
            });
            let got = nodes[0].values[weight.place.clone()]
                .iter()
                .copied()
                .map(f64::from);
            close(got, &quotients, TOLERANCE, &format!("{first}, parameter {at}"));
        }
    }
}
