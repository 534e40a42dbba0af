//! PyTorch's own samples of its layers, losses and optimisers (torch.testing's module_db and optim_db), all of them:
//! what ours computes has PyTorch's numbers, and what ours refuses stands with its reason in `golden/refused.json`.
//!
//! The files are written by `golden/make_modules.py` and `golden/make_optim_db.py`. A layer's input is a row of an
//! Embedding, so that the gradient of the table is that of the input; the loss is the sum of |output - label|, whose
//! gradient by the outputs is 1 or -1.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use candlewick_model::catalogue::{self, Kind};
use candlewick_model::engine::{Batch, Engine, NodeGradient, Predictor, Slice};
use candlewick_model::network::Network;
use candlewick_model::optim::{Clip, Optimizer};
use candlewick_model::parameter::Parameter;
use candlewick_protocol::Failure;
use candlewick_protocol::job::LabelKind;
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NUMBERS: &[u8] = include_bytes!("golden/modules.safetensors");
const TOLERANCE: f32 = 1e-5;

fn content(text: &str) -> Value {
    let mut file: Value = serde_json::from_str(text).unwrap();
    assert_eq!(file["torch"], "2.13.0");
    file["content"].take()
}

/// The tensors of the file by name.
struct Numbers<'a>(SafeTensors<'a>);

impl Numbers<'_> {
    fn get(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let tensor = self.0.tensor(name).unwrap_or_else(|_| panic!("no tensor {name}"));
        let bytes = tensor.data().as_chunks::<4>().0.iter();
        let values = bytes.map(|bytes| f32::from_le_bytes(*bytes)).collect();
        (tensor.shape().to_vec(), values)
    }

    /// Names and values of the tensors below a path.
    fn below(&self, path: &str) -> BTreeMap<String, Vec<f32>> {
        let names = self.0.names().into_iter();
        let inner = names.filter_map(|name| name.strip_prefix(path)?.strip_prefix('/'));
        inner
            .map(|name| (name.to_owned(), self.get(&format!("{path}/{name}")).1))
            .collect()
    }
}

/// What is different, relative to the largest element; nothing where all is close.
fn difference(got: &[f32], expected: &[f32], what: &str, tolerance: f32) -> Result<(), String> {
    if got.len() != expected.len() {
        return Err(format!(
            "{what}: {} values, PyTorch has {}",
            got.len(),
            expected.len()
        ));
    }
    let size = expected.iter().fold(1e-3f32, |size, value| size.max(value.abs()));
    for (at, (got, expected)) in got.iter().zip(expected).enumerate() {
        let wrong = (got - expected).abs() / size;
        if wrong.is_nan() || wrong > tolerance {
            return Err(format!(
                "{what}: element {at} is {got}, PyTorch has {expected} ({wrong:e})"
            ));
        }
    }
    Ok(())
}

/// Samples with an output or gradient that is what is left of 1 less a number near it, 1 - tanh², 1 - p or 1 + erf: f32
/// has 6e-8 of it, in PyTorch too, and the golden numbers are those of f64.
const SATURATED: [&str; 4] = ["Tanh/1", "GELU/0", "RNN/30", "CrossEntropyLoss/55"];

fn tolerance(name: &str) -> f32 {
    if SATURATED.contains(&name) {
        1e-4
    } else {
        TOLERANCE
    }
}

/// How a sample ended.
#[derive(Debug)]
enum Outcome {
    Equal,
    /// Ours does not take it.
    Refused(String),
    Different(String),
}

impl From<Result<(), String>> for Outcome {
    fn from(result: Result<(), String>) -> Self {
        result.map_or_else(Outcome::Different, |()| Outcome::Equal)
    }
}

fn refused(failure: Failure) -> Outcome {
    Outcome::Refused(failure.message)
}

/// A layer in a network whose inputs are rows of tables.
struct Subject {
    network: Network,
    features: Vec<f32>,
    rows: usize,
}

impl Subject {
    fn of(name: &str, document: &Value, index: bool, numbers: &Numbers<'_>) -> Result<Self, Failure> {
        let (mut inputs, mut nodes, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        let (mut features, mut rows) = (Vec::new(), 0);
        let given: Vec<(Vec<usize>, Vec<f32>)> = (0..)
            .map(|at| format!("{name}/input/{at}"))
            .take_while(|input| numbers.0.tensor(input).is_ok())
            .map(|input| numbers.get(&input))
            .collect();
        for (at, (shape, values)) in given.iter().enumerate() {
            rows = shape[0];
            let (input, shape) = (format!("x{at}"), &shape[1..]);
            if index {
                inputs.push(json!({"name": input, "shape": shape}));
                features.clone_from(values);
                ends.push(input);
                continue;
            }
            let width: usize = shape.iter().product();
            inputs.push(json!({"name": input, "shape": [1]}));
            nodes.push(json!({"name": format!("table{at}"), "inputs": [input],
                "layer": {"type": "Embedding", "num_embeddings": rows, "embedding_dim": width}}));
            nodes.push(
                json!({"name": format!("in{at}"), "inputs": [format!("table{at}")],
                "layer": {"type": "Reshape", "shape": shape}}),
            );
            ends.push(format!("in{at}"));
        }
        if !index {
            let row = |row: usize| std::iter::repeat_n(row as f32, given.len());
            features = (0..rows).flat_map(row).collect();
        }
        nodes.push(json!({"name": "layer", "inputs": ends, "layer": document}));
        let network =
            json!({"format": "candlewick.network/1", "inputs": inputs, "nodes": nodes, "outputs": ["layer"]});
        let width = features.len() / rows;
        Ok(Subject {
            network: Network::from_document(&network, &[width])?,
            features,
            rows,
        })
    }

    /// The weights: tables of the inputs, parameters of the layer.
    fn weights(&self, name: &str, numbers: &Numbers<'_>) -> Result<Vec<f32>, String> {
        let mut known = numbers.below(&format!("{name}/parameter"));
        let mut weights = Vec::new();
        for parameter in self.network.parameters() {
            let values = match parameter.name.strip_prefix("table") {
                Some(rest) => {
                    let at = rest.trim_end_matches(".weight");
                    numbers.get(&format!("{name}/input/{at}")).1
                }
                None => known
                    .remove(parameter.name.trim_start_matches("layer."))
                    .ok_or_else(|| format!("PyTorch has no {}", parameter.name))?,
            };
            if values.len() != parameter.len() {
                return Err(format!("{} has another size in PyTorch", parameter.name));
            }
            weights.extend(values);
        }
        match known.keys().next() {
            Some(name) => Err(format!("ours has no parameter {name}")),
            None => Ok(weights),
        }
    }

    fn check(&self, name: &str, value: f64, numbers: &Numbers<'_>) -> Result<(), String> {
        let (mut weights, tolerance) = (self.weights(name, numbers)?, tolerance(name));
        let outputs = Predictor::new(&self.network, 1)
            .unwrap()
            .predict(&weights, &self.features, self.rows)
            .unwrap()
            .to_vec();
        difference(
            &outputs,
            &numbers.get(&format!("{name}/evaluated")).1,
            "evaluated",
            tolerance,
        )?;
        let kind = LabelKind::Real {
            width: self.network.output_width() as u32,
        };
        let loss = json!({"type": "L1Loss", "reduction": "sum"});
        let mut engine = Engine::new(&self.network, &loss, &kind, 0, 1).unwrap();
        let labels = numbers.get(&format!("{name}/labels")).1;
        let labels: Vec<f64> = labels.iter().map(|label| f64::from(*label)).collect();
        let (loss, _, gradient) = step(&mut engine, &self.network, &weights, (&self.features, &labels));
        difference(
            &[loss as f32],
            &[value as f32],
            "sum of the outputs, while training",
            tolerance,
        )?;
        for parameter in self.network.parameters().iter().filter(|one| one.trained) {
            let own = &gradient[parameter.offset..parameter.offset + parameter.len()];
            let place = match parameter.name.strip_prefix("table") {
                Some(rest) => format!("{name}/input_gradient/{}", rest.trim_end_matches(".weight")),
                None => format!("{name}/gradient/{}", parameter.name.trim_start_matches("layer.")),
            };
            difference(own, &numbers.get(&place).1, &place, tolerance)?;
        }
        engine.update_buffers(&mut weights);
        for parameter in self.network.parameters().iter().filter(|one| !one.trained) {
            let own = &weights[parameter.offset..parameter.offset + parameter.len()];
            let place = format!("{name}/after/{}", parameter.name.trim_start_matches("layer."));
            difference(own, &numbers.get(&place).1, &place, tolerance)?;
        }
        Ok(())
    }
}

/// Numerator, denominator and gradient of the numerator, all rows in one slice.
fn step(
    engine: &mut Engine,
    network: &Network,
    weights: &[f32],
    (features, labels): (&[f32], &[f64]),
) -> (f64, f64, Vec<f32>) {
    let rows = features.len() / network.input_width();
    let batch = Batch {
        step: 0,
        slices: &[Slice { shard: 0, rows }],
        features: features.into(),
        labels,
        weights: &vec![1.0; rows],
    };
    let mut nodes = [NodeGradient::new(0, 1)];
    let sums = engine.step(weights, &batch, &mut nodes).unwrap();
    (
        sums.iter().map(|sum| sum.loss).sum(),
        sums.iter().map(|sum| sum.denominator).sum(),
        nodes[0].flat(network),
    )
}

fn layer(name: &str, sample: &Value, numbers: &Numbers<'_>) -> Outcome {
    let index = sample["index"].as_bool().unwrap();
    match Subject::of(name, &sample["document"], index, numbers) {
        Ok(subject) => subject
            .check(name, sample["value"].as_f64().unwrap(), numbers)
            .into(),
        Err(failure) => refused(failure),
    }
}

fn loss(name: &str, sample: &Value, numbers: &Numbers<'_>) -> Outcome {
    let (shape, outputs) = numbers.get(&format!("{name}/outputs"));
    let (label_shape, labels) = numbers.get(&format!("{name}/labels"));
    let &[rows, width] = &shape[..] else {
        panic!("{name}: outputs of shape {shape:?}");
    };
    let document = &sample["document"];
    let classes = ["CrossEntropyLoss", "NLLLoss", "MultiMarginLoss"];
    let kind = match classes.iter().any(|kind| document["type"] == **kind) {
        true => LabelKind::class(width as u32),
        false => LabelKind::Real {
            width: label_shape[1] as u32,
        },
    };
    let network = json!({"format": "candlewick.network/1", "layers": [
        {"type": "Embedding", "num_embeddings": rows, "embedding_dim": width}, {"type": "Flatten"}]});
    let network = Network::from_document(&network, &[1]).unwrap();
    let mut engine = match Engine::new(&network, document, &kind, 0, 1) {
        Ok(engine) => engine,
        Err(failure) => return refused(failure),
    };
    let features: Vec<f32> = (0..rows).map(|row| row as f32).collect();
    let labels: Vec<f64> = labels.iter().map(|label| f64::from(*label)).collect();
    let batch = Batch {
        step: 0,
        slices: &[Slice { shard: 0, rows }],
        features: (&features).into(),
        labels: &labels,
        weights: &vec![1.0; rows],
    };
    // A label that the loss does not take is refused here.
    let mut nodes = [NodeGradient::new(0, 1)];
    if let Err(failure) = engine.step(&outputs, &batch, &mut nodes) {
        return refused(failure);
    }
    let (loss, denominator, gradient) = step(&mut engine, &network, &outputs, (&features, &labels));
    let (by, tolerance) = (engine.denominator(denominator), tolerance(name));
    let value = sample["value"].as_f64().unwrap();
    let gradient: Vec<f32> = gradient.iter().map(|g| (f64::from(*g) / by) as f32).collect();
    difference(&[(loss / by) as f32], &[value as f32], "value", tolerance)
        .and_then(|()| {
            let expected = numbers.get(&format!("{name}/output_gradient")).1;
            difference(&gradient, &expected, "gradient", tolerance)
        })
        .into()
}

fn optimizer(sample: &Value) -> Outcome {
    let floats = |value: &Value| -> Vec<f32> {
        let values: Vec<f64> = serde_json::from_value(value.clone()).unwrap();
        values.iter().map(|value| *value as f32).collect()
    };
    let mut weights = floats(&sample["start"]);
    let parameter = Parameter {
        name: "weight".to_owned(),
        shape: vec![weights.len()],
        offset: 0,
        trained: true,
        count: false,
    };
    let mut optimizer = match Optimizer::for_parameters(&sample["document"], &[parameter]) {
        Ok(optimizer) => optimizer,
        Err(failure) => return refused(failure),
    };
    for (at, (gradient, after)) in (sample["gradients"].as_array().unwrap().iter())
        .zip(sample["after"].as_array().unwrap())
        .enumerate()
    {
        let mut gradient = floats(gradient);
        optimizer
            .update(&mut weights, &mut gradient, 1.0, &Clip::default())
            .unwrap();
        if let Err(wrong) = difference(
            &weights,
            &floats(after),
            &format!("after step {}", at + 1),
            TOLERANCE,
        ) {
            return Outcome::Different(wrong);
        }
    }
    Outcome::Equal
}

/// Runs samples, prints the counts, and compares the refused ones with the list.
fn run(group: &str, samples: &Value, sample: impl Fn(&str, &Value) -> Outcome) {
    let listed: Value = serde_json::from_str(include_str!("golden/refused.json")).unwrap();
    let mut expected = BTreeMap::new();
    for entry in listed[group].as_array().unwrap() {
        for name in entry["samples"].as_array().unwrap() {
            let reason = entry["reason"].as_str().unwrap();
            let twice = expected.insert(name.as_str().unwrap(), reason);
            assert!(twice.is_none(), "{name} is listed twice");
        }
    }
    let (mut equal, mut refusals, mut wrong) = (0, 0, Vec::new());
    for one in samples.as_array().unwrap() {
        let name = one["name"].as_str().unwrap();
        let outcome = match one["beyond"].as_str() {
            Some(reason) => Outcome::Refused(reason.to_owned()),
            None => sample(name, one),
        };
        match (outcome, expected.remove(name)) {
            (Outcome::Equal, None) => equal += 1,
            (Outcome::Refused(_), Some(_)) => refusals += 1,
            (Outcome::Equal, Some(reason)) => {
                wrong.push(format!("{name} passes; take it off the list ({reason})"));
            }
            (Outcome::Refused(why), None) => wrong.push(format!("{name} is refused and not listed: {why}")),
            (Outcome::Different(how), _) => wrong.push(format!("{name} differs: {how}: {}", one["document"])),
        }
    }
    wrong.extend(
        expected
            .keys()
            .map(|name| format!("{name} is listed, but no sample")),
    );
    println!(
        "{group}: {} samples, {equal} equal to PyTorch's, {refusals} refused as listed",
        samples.as_array().unwrap().len()
    );
    assert!(
        wrong.is_empty(),
        "{} of {group}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn layers_have_the_numbers_of_torchs_own_samples() {
    let numbers = Numbers(SafeTensors::deserialize(NUMBERS).unwrap());
    let content = content(include_str!("golden/modules.json"));
    run("layers", &content["layers"], |name, sample| {
        layer(name, sample, &numbers)
    });
}

#[test]
fn losses_have_the_numbers_of_torchs_own_samples() {
    let numbers = Numbers(SafeTensors::deserialize(NUMBERS).unwrap());
    let content = content(include_str!("golden/modules.json"));
    run("losses", &content["losses"], |name, sample| {
        loss(name, sample, &numbers)
    });
}

#[test]
fn optimizers_have_the_numbers_of_torchs_own_samples() {
    let content = content(include_str!("golden/optim_db.json"));
    run("optimizers", &content["samples"], |_, sample| optimizer(sample));
}

/// A layer, loss or optimiser that comes to the catalogue comes to the samples: run `make golden`.
#[test]
fn everything_of_the_catalogue_is_sampled_or_has_no_samples() {
    let (modules, optimizers) = (
        content(include_str!("golden/modules.json")),
        content(include_str!("golden/optim_db.json")),
    );
    let types = |samples: &Value| -> Vec<String> {
        let samples = samples.as_array().unwrap().iter();
        samples
            .map(|sample| sample["document"]["type"].as_str().unwrap().to_owned())
            .collect()
    };
    let texts = |list: &Value| -> Vec<String> { serde_json::from_value(list.clone()).unwrap() };
    for (kind, sampled) in [
        (
            Kind::Layer,
            [types(&modules["layers"]), texts(&modules["absent"])],
        ),
        (Kind::Loss, [types(&modules["losses"]), texts(&modules["absent"])]),
        (
            Kind::Optimizer,
            [types(&optimizers["samples"]), texts(&optimizers["absent"])],
        ),
    ] {
        for name in catalogue::names(kind) {
            let known = name == catalogue::CONTAINER || sampled.iter().flatten().any(|known| known == name);
            assert!(known, "{name} is not in the golden files; run make golden");
        }
    }
}
