//! Losses and activations: the numbers of PyTorch with every option, gradients by differences, and what is refused.
//! The files are written by `golden/make_losses.py`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use candlewick_model::engine::{Batch, Engine, NodeGradient, Predictor, Slice};
use candlewick_model::network::Network;
use candlewick_model::resolve::{ResolveRequest, Resolved, Task, resolve};
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::{ErrorKind, Failure};
use serde_json::{Value, json};

fn content(text: &str) -> Vec<Value> {
    let mut file: Value = serde_json::from_str(text).unwrap();
    assert_eq!(file["torch"], "2.13.0");
    serde_json::from_value(file["content"].take()).unwrap()
}

fn doubles(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn floats(value: &Value) -> Vec<f32> {
    doubles(value).iter().map(|number| *number as f32).collect()
}

/// Largest difference, relative to the largest element.
fn assert_close(got: &[f64], wanted: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    let size = wanted.iter().fold(1e-3f64, |size, value| size.max(value.abs()));
    for (at, (g, w)) in got.iter().zip(wanted).enumerate() {
        let wrong = (g - w).abs() / size;
        assert!(
            wrong <= tolerance,
            "{what}: element {at} is {g}, not {w} ({wrong:e})"
        );
    }
}

fn linear(width: usize, then: &[Value]) -> Network {
    let mut layers = vec![json!({"type": "Linear", "out_features": width})];
    layers.extend_from_slice(then);
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    Network::from_document(&document, &[width]).unwrap()
}

/// Weights with which a Linear gives its input.
fn identity(width: usize) -> Vec<f32> {
    let mut weights = vec![0.0; width * width + width];
    weights[..width * width]
        .iter_mut()
        .step_by(width + 1)
        .for_each(|one| *one = 1.0);
    weights
}

/// A loss over outputs that are given: the network is the identity, and the gradient of its bias is that of the
/// outputs where every row is a shard.
struct Direct {
    engine: Engine,
    weights: Vec<f32>,
    width: usize,
}

/// What a loss gives: the numerator, the denominator, and the gradient of the numerator by the outputs.
struct Given {
    loss: f64,
    denominator: f64,
    gradient: Vec<f64>,
}

impl Direct {
    fn new(loss: &Value, label: &LabelKind, network: &Network) -> Result<Self, Failure> {
        let width = network.output_width();
        Ok(Direct {
            engine: Engine::new(network, loss, label, 0, 1)?,
            weights: identity(width),
            width,
        })
    }

    fn step(&mut self, outputs: &[f32], labels: &[f64], weights: &[f64]) -> Result<Given, Failure> {
        let rows = weights.len() as u32;
        let slices: Vec<Slice> = (0..rows).map(|shard| Slice { shard, rows: 1 }).collect();
        let mut nodes: Vec<NodeGradient> = (0..rows)
            .map(|shard| NodeGradient::new(shard, shard + 1))
            .collect();
        let batch = Batch {
            step: 0,
            slices: &slices,
            features: outputs.into(),
            labels,
            weights,
        };
        let sums = self.engine.step(&self.weights, &batch, &mut nodes)?;
        let bias = self.width * self.width;
        Ok(Given {
            loss: sums.iter().map(|sum| sum.loss).sum(),
            denominator: self
                .engine
                .denominator(sums.iter().map(|sum| sum.denominator).sum()),
            gradient: nodes
                .iter()
                .flat_map(|node| node.values[bias..].iter().map(|g| f64::from(*g)))
                .collect(),
        })
    }

    /// The sums where all rows are one slice.
    fn one_slice(&mut self, outputs: &[f32], labels: &[f64], weights: &[f64]) -> (f64, f64) {
        let slices = [Slice {
            shard: 0,
            rows: weights.len(),
        }];
        let batch = Batch {
            step: 0,
            slices: &slices,
            features: outputs.into(),
            labels,
            weights,
        };
        let mut node = [NodeGradient::new(0, 1)];
        let sums = self.engine.step(&self.weights, &batch, &mut node).unwrap();
        (sums[0].loss, self.engine.denominator(sums[0].denominator))
    }
}

#[test]
fn values_and_gradients_of_pytorch() {
    for case in content(include_str!("golden/losses.json")) {
        let label: LabelKind = serde_json::from_value(case["label"].clone()).unwrap();
        let network = linear(case["width"].as_u64().unwrap() as usize, &[]);
        let mut direct = Direct::new(&case["loss"], &label, &network).unwrap();
        let (outputs, labels, weights) = (
            floats(&case["outputs"]),
            doubles(&case["labels"]),
            doubles(&case["weights"]),
        );
        let what = format!("{} of {}", case["loss"], case["outputs"]);
        let given = direct.step(&outputs, &labels, &weights).unwrap();
        let value = case["value"].as_f64().unwrap();
        assert_close(&[given.loss / given.denominator], &[value], 1e-6, &what);
        let gradient: Vec<f64> = given.gradient.iter().map(|g| g / given.denominator).collect();
        assert_close(&gradient, &doubles(&case["gradient"]), 1e-6, &what);

        let (loss, denominator) = direct.one_slice(&outputs, &labels, &weights);
        assert_close(
            &[loss, denominator],
            &[given.loss, given.denominator],
            1e-12,
            &what,
        );
    }
}

#[test]
fn gradients_are_those_of_differences() {
    let step = 1.0 / 512.0;
    for case in content(include_str!("golden/losses.json")) {
        let label: LabelKind = serde_json::from_value(case["label"].clone()).unwrap();
        let network = linear(case["width"].as_u64().unwrap() as usize, &[]);
        let mut direct = Direct::new(&case["loss"], &label, &network).unwrap();
        let (labels, weights) = (doubles(&case["labels"]), doubles(&case["weights"]));
        // Not too near the ends, and not in the bends.
        let probability = case["loss"]["type"] == "BCELoss";
        let outputs: Vec<f32> = floats(&case["outputs"])
            .iter()
            .map(|x| if probability { x.clamp(0.2, 0.8) } else { *x })
            .collect();
        let given = direct.step(&outputs, &labels, &weights).unwrap();
        let (width, eps) = (
            network.output_width(),
            case["loss"]["eps"].as_f64().unwrap_or(0.0),
        );
        for at in 0..outputs.len() {
            // The cosine of a vector of zeros has no slope.
            if case["loss"]["type"] == "CosineEmbeddingLoss" && outputs[at] == 0.0 {
                continue;
            }
            // The bound of a variance does not stop the gradient, as in PyTorch, so that it is none of a difference.
            if case["loss"]["type"] == "GaussianNLLLoss"
                && at % width >= width / 2
                && f64::from(outputs[at]) < eps
            {
                continue;
            }
            let mut moved = outputs.clone();
            let mut at_step = |by: f32| {
                moved[at] = outputs[at] + by;
                let loss = direct.step(&moved, &labels, &weights);
                loss.map(|given| (given.loss, f64::from(moved[at])))
            };
            let (Ok((high, right)), Ok((low, left))) = (at_step(step), at_step(-step)) else {
                // A negative variance.
                continue;
            };
            let bend = (high + low - 2.0 * given.loss).abs() / f64::from(step);
            let slope = (high - low) / (right - left);
            let size = given.gradient[at].abs().max(1.0);
            let tolerance = 2e-3 * size + bend;
            assert!(
                (slope - given.gradient[at]).abs() < tolerance,
                "{}: output {at}, slope {slope}, gradient {}",
                case["loss"],
                given.gradient[at]
            );
        }
    }
}

#[test]
fn activations_of_pytorch() {
    for case in content(include_str!("golden/activations.json")) {
        let input = floats(&case["input"]);
        let (width, what) = (input.len(), case["layer"].to_string());
        let network = linear(width, std::slice::from_ref(&case["layer"]));
        let weights = identity(width);
        let mut predictor = Predictor::new(&network, 1).unwrap();
        let outputs = predictor.predict(&weights, &input, 1).unwrap();
        for (at, wanted) in doubles(&case["output"]).iter().enumerate() {
            // GELU's 1 + erf x has lost its digits far below 0, as in PyTorch's f32.
            let wrong = (f64::from(outputs[at]) - wanted).abs();
            assert!(
                wrong <= 1e-6 * wanted.abs() + 1e-7 * (1.0 + f64::from(input[at]).abs()),
                "{what} of {}: {} not {wanted}",
                input[at],
                outputs[at]
            );
        }
        let loss = json!({"type": "L1Loss", "reduction": "sum"});
        let label = LabelKind::Real { width: width as u32 };
        let mut direct = Direct::new(&loss, &label, &network).unwrap();
        // All outputs lie above these labels, so that the slope of the loss is 1.
        let given = direct.step(&input, &vec![-1e6; width], &[1.0]).unwrap();
        assert_close(&given.gradient, &doubles(&case["slope"]), 1e-6, &what);
    }
}

#[test]
fn labels_and_outputs_that_are_not_legal_are_named() {
    let refused = |loss: Value, output: &[f32], label: &[f64], kind: ErrorKind| {
        let label_kind = LabelKind::Real {
            width: label.len() as u32,
        };
        let mut direct = Direct::new(&loss, &label_kind, &linear(output.len(), &[])).unwrap();
        let failure = direct.step(output, label, &[1.0]).err().unwrap();
        assert_eq!(failure.kind, kind, "{failure}");
        failure.message
    };
    for (loss, label, words) in [
        (
            "BCEWithLogitsLoss",
            1.5,
            "label 1.5 is not legal: BCEWithLogitsLoss expects 0 to 1",
        ),
        ("BCELoss", -0.1, "BCELoss expects 0 to 1"),
        ("PoissonNLLLoss", -1.0, "counts of at least 0"),
        ("KLDivLoss", -0.5, "set log_target to true"),
        ("HingeEmbeddingLoss", 0.0, "1 (similar) or -1 (different)"),
    ] {
        let message = refused(json!({"type": loss}), &[0.5], &[label], ErrorKind::InvalidData);
        assert!(message.contains(words), "{message}");
    }
    let cosine = json!({"type": "CosineEmbeddingLoss"});
    assert!(refused(cosine, &[0.5, 0.5], &[2.0], ErrorKind::InvalidData).contains("1 (similar)"));
    let message = refused(
        json!({"type": "BCELoss"}),
        &[1.25],
        &[1.0],
        ErrorKind::InvalidParameter,
    );
    assert!(
        message.contains("output 1.25") && message.contains("Sigmoid"),
        "{message}"
    );
    let gaussian = json!({"type": "GaussianNLLLoss"});
    let message = refused(gaussian, &[1.0, -0.5], &[1.0], ErrorKind::InvalidParameter);
    assert!(
        message.contains("variance -0.5") && message.contains("log_variance"),
        "{message}"
    );
    let classes = json!({"type": "MultiLoss", "losses": [{"type": "CrossEntropyLoss"}]});
    assert!(refused(classes, &[1.0, -0.5], &[-100.0], ErrorKind::InvalidData).contains("not a class"));
}

#[test]
fn logarithms_of_variances() {
    let label = LabelKind::Real { width: 1 };
    let plain = json!({"type": "GaussianNLLLoss", "full": true});
    let logs = json!({"type": "GaussianNLLLoss", "full": true, "log_variance": true});
    let network = linear(2, &[]);
    let of = |loss: &Value, second: f32| {
        let mut direct = Direct::new(loss, &label, &network).unwrap();
        direct.step(&[0.5, second], &[1.25], &[2.0]).unwrap()
    };
    let (a, b) = (of(&plain, 0.25), of(&logs, 0.25f32.ln()));
    assert_close(&[b.loss], &[a.loss], 1e-6, "loss");
    assert_close(
        &b.gradient,
        &[a.gradient[0], 0.25 * a.gradient[1]],
        1e-6,
        "gradient",
    );
}

fn ask(layers: Value, loss: Value, task: Task<'_>) -> Result<Resolved, Failure> {
    resolve(&ResolveRequest {
        network: &json!({"format": "candlewick.network/1", "layers": layers}),
        loss: Some(&loss),
        optimizer: &json!({"type": "SGD"}),
        task,
        feature_width: 5,
        input_shape: None,
    })
}

fn out(width: usize) -> Value {
    json!({"type": "Linear", "out_features": width})
}

fn regressor(label_width: usize) -> Task<'static> {
    Task::Regressor { label_width }
}

#[test]
fn labels_follow_the_loss() {
    for (loss, outputs, label_width) in [
        (json!({"type": "GaussianNLLLoss"}), 4, 2),
        (json!({"type": "QuantileLoss", "quantiles": [0.1, 0.9]}), 2, 1),
        (json!({"type": "CosineEmbeddingLoss"}), 8, 1),
        (json!({"type": "TripletMarginLoss"}), 9, 1),
        (json!({"type": "KLDivLoss"}), 3, 3),
    ] {
        let resolved = ask(json!([out(outputs)]), loss.clone(), regressor(label_width)).unwrap();
        let width = label_width as u32;
        assert_eq!(resolved.label, LabelKind::Real { width }, "{loss}");
        let again = ask(
            json!([out(outputs)]),
            resolved.loss.clone(),
            regressor(label_width),
        )
        .unwrap();
        assert_eq!(again, resolved);
    }
    let probability = json!([out(1), {"type": "Sigmoid"}]);
    let resolved = ask(probability, json!({"type": "BCELoss"}), Task::Classifier).unwrap();
    assert_eq!(resolved.label, LabelKind::class(2));
}

#[test]
fn widths_that_do_not_fit_the_loss() {
    for (loss, outputs, label_width, words) in [
        (json!({"type": "GaussianNLLLoss"}), 3, 1, "2 times the values"),
        (
            json!({"type": "GaussianNLLLoss"}),
            4,
            1,
            "label has 1 value(s) (GaussianNLLLoss reads 2 of it for them); end it with out_features=2",
        ),
        (
            json!({"type": "QuantileLoss", "quantiles": [0.1, 0.5, 0.9]}),
            4,
            1,
            "out_features=3",
        ),
        (json!({"type": "TripletMarginLoss"}), 4, 1, "multiple of 3"),
        (
            json!({"type": "CosineEmbeddingLoss"}),
            4,
            3,
            "give CosineEmbeddingLoss a label of 1",
        ),
        (
            json!({"type": "BCEWithLogitsLoss", "pos_weight": [1, 2]}),
            3,
            3,
            "has a pos_weight of 2 number(s), but the network has 3 output(s): pos_weight expects one number, or",
        ),
        (json!({"type": "HuberLoss", "delta": 0}), 1, 1, "delta = 0"),
        (
            json!({"type": "GaussianNLLLoss", "eps": 0}),
            2,
            1,
            "has eps = 0: expected a number above 0",
        ),
        (
            json!({"type": "QuantileLoss", "quantiles": [0.5, 1]}),
            2,
            1,
            "has quantiles = [0.5,1]: expected numbers above 0 and below 1",
        ),
        (
            json!({"type": "QuantileLoss"}),
            2,
            1,
            "argument quantiles is missing",
        ),
        (json!({"type": "NLLLoss"}), 2, 1, "not a regression loss"),
    ] {
        let failure = ask(json!([out(outputs)]), loss.clone(), regressor(label_width)).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::InvalidParameter);
        assert!(failure.message.contains(words), "{loss}: {failure}");
    }
    let weights = json!({"type": "CrossEntropyLoss", "weight": [1, 2]});
    let failure = ask(json!([out(3)]), weights, Task::Classifier).unwrap_err();
    assert!(failure.message.contains("one number for each class"), "{failure}");
}

#[test]
fn ends_that_do_not_fit_the_loss() {
    let sigmoid = json!({"type": "Sigmoid"});
    for (layers, loss, words) in [
        (
            json!([out(1), sigmoid]),
            "BCEWithLogitsLoss",
            "remove this layer (transform returns probabilities all the same), or use BCELoss",
        ),
        (
            json!([out(1)]),
            "BCELoss",
            "put Sigmoid at its end, or use BCEWithLogitsLoss",
        ),
        (
            json!([out(1), {"type": "Tanh"}]),
            "BCELoss",
            "but in layers.1 (Tanh)",
        ),
        (
            json!([out(3)]),
            "NLLLoss",
            "put LogSoftmax at its end, or use CrossEntropyLoss",
        ),
        (json!([out(2), sigmoid]), "BCELoss", "end it with out_features=1"),
        (json!([out(1)]), "NLLLoss", "at least 2"),
        (json!([out(3)]), "HuberLoss", "not a classification loss"),
    ] {
        let failure = ask(layers, json!({"type": loss}), Task::Classifier).unwrap_err();
        assert!(failure.message.contains(words), "{failure}");
    }
    // A layer that does nothing when scoring is no end.
    let layers = json!([out(1), sigmoid, {"type": "Identity"}, {"type": "Dropout"}]);
    assert!(ask(layers, json!({"type": "BCELoss"}), Task::Classifier).is_ok());
}

#[test]
fn sums_of_losses_that_do_not_fit() {
    let term = |loss: Value, outputs: [usize; 2], labels: [usize; 2]| json!({"type": "LossTerm", "loss": loss, "outputs": outputs, "labels": labels});
    let mse = json!({"type": "MSELoss"});
    for (losses, words) in [
        (json!([]), "losses = []"),
        (json!([{"type": "ReLU"}]), "losses.0: unknown type \"ReLU\""),
        (
            json!([mse, {"type": "L1Loss", "reduction": "sum"}]),
            "set the reduction of the MultiLoss",
        ),
        (
            json!([{"type": "CrossEntropyLoss", "weight": [1, 1, 2]}]),
            "cannot have class weights (weight) within a sum",
        ),
        (
            json!([{"type": "NLLLoss", "ignore_index": 1}]),
            "cannot have ignore_index",
        ),
        (
            json!([{"type": "MultiLoss", "losses": [mse]}]),
            "within another MultiLoss",
        ),
        (
            json!([term(mse.clone(), [0, 4], [0, 4])]),
            "outputs 0 to 4, but the network ends in width 3",
        ),
        (json!([term(mse.clone(), [2, 2], [0, 1])]), "expected [from, to]"),
        (
            json!([term(mse.clone(), [0, 2], [0, 1])]),
            "reads 2 value(s) of the label for its 2 output(s)",
        ),
        (
            json!([mse, {"type": "CrossEntropyLoss"}]),
            "over a label of 3 value(s) and a CrossEntropyLoss over one of 1",
        ),
        (
            json!([{"type": "CrossEntropyLoss"}, term(mse.clone(), [0, 2], [1, 3])]),
            "reads label values up to 3, but its CrossEntropyLoss",
        ),
        (
            json!([term(mse.clone(), [0, 2], [0, 2])]),
            "the label has 3 value(s) (MultiLoss reads 2",
        ),
        (
            json!([{"type": "LossTerm", "loss": {"type": "LossTerm", "loss": mse}}]),
            "part of a MultiLoss",
        ),
    ] {
        let loss = json!({"type": "MultiLoss", "losses": losses});
        let failure = ask(json!([out(3)]), loss.clone(), regressor(3)).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::InvalidParameter);
        assert!(failure.message.contains(words), "{loss}: {failure}");
    }
    let lonely = json!({"type": "LossTerm", "loss": mse});
    let failure = ask(json!([out(3)]), lonely, regressor(3)).unwrap_err();
    assert!(failure.message.contains("no loss by itself"), "{failure}");
    let fits = json!({"type": "MultiLoss", "losses": [term(mse, [0, 1], [0, 1]), term(json!({"type": "CrossEntropyLoss"}), [1, 3], [1, 2])]});
    assert!(ask(json!([out(3)]), fits, regressor(2)).is_ok());
}

#[test]
fn rows_without_weight_update_nothing() {
    for reduction in ["mean", "sum"] {
        let loss = json!({"type": "CrossEntropyLoss", "ignore_index": 1, "reduction": reduction});
        let label = LabelKind::class(2);
        let mut direct = Direct::new(&loss, &label, &linear(2, &[])).unwrap();
        let given = direct
            .step(&[0.0, 1.0, 2.0, 0.5], &[1.0, 1.0], &[1.0, 2.0])
            .unwrap();
        assert_eq!((given.loss, given.denominator), (0.0, 0.0));
        let given = direct
            .step(&[0.0, 1.0, 2.0, 0.5], &[1.0, 0.0], &[1.0, 0.0])
            .unwrap();
        assert_eq!((given.loss, given.denominator), (0.0, 0.0));
    }
}
