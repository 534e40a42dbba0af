//! Losses over named outputs and label columns: PyTorch's numbers, the same bits on any number of trainers, what the
//! label means, and what is refused. The file is written by `golden/make_multitask.py`.

use crate::support::{Case, content};
use candlewick_model::head::Head;
use candlewick_model::resolve::{ResolveRequest, Resolved, Task, output_classes, resolve};
use candlewick_protocol::Failure;
use candlewick_protocol::job::{LabelColumn, LabelKind, Target};
use serde_json::{Value, json};

fn columns(all: &[(&str, u32)]) -> Vec<LabelColumn> {
    let column = |(name, width): &(&str, u32)| LabelColumn {
        name: (*name).to_owned(),
        width: *width,
    };
    all.iter().map(column).collect()
}

fn ask(network: &Value, loss: &Value, labels: &[LabelColumn]) -> Result<Resolved, Failure> {
    resolve(&ResolveRequest {
        network,
        loss: Some(loss),
        optimizer: &json!({"type": "SGD"}),
        task: Task::Estimator { labels },
        feature_width: 5,
        input_shape: None,
    })
}

#[test]
fn numbers_of_pytorch_and_the_same_bits() {
    for value in content(include_str!("../golden/multitask.json")) {
        let labels: Vec<LabelColumn> = serde_json::from_value(value["columns"].clone()).unwrap();
        let resolved = ask(&value["network"], &value["loss"], &labels).unwrap();
        let again = ask(&value["network"], &resolved.loss, &labels).unwrap();
        assert_eq!(again, resolved, "what came out goes in again");
        let case = Case::of(&value).with_loss(resolved.loss, resolved.label);
        case.numbers(1e-5);
        case.same_bits();
        case.differences(2e-3);
    }
}

/// Two heads over five features.
fn heads(kind: &Value, width: &Value) -> Value {
    json!({
        "format": "candlewick.network/1",
        "inputs": [{"name": "x", "shape": [5]}],
        "nodes": [
            {"name": "kind", "inputs": ["x"], "layer": kind},
            {"name": "width", "inputs": ["x"], "layer": width},
        ],
        "outputs": ["kind", "width"],
    })
}

fn linear(size: u32) -> Value {
    json!({"type": "Linear", "out_features": size})
}

fn ended(size: u32, layer: &str) -> Value {
    json!({"type": "Sequential", "layers": [linear(size), {"type": layer}]})
}

fn term(output: &str, loss: &str, label: &str) -> Value {
    json!({"type": "LossTerm", "loss": {"type": loss}, "output": output, "label": label})
}

fn sum(terms: &[Value]) -> Value {
    json!({"type": "MultiLoss", "losses": terms})
}

#[test]
fn the_label_says_what_outputs_are_compared_with() {
    let network = heads(&linear(4), &ended(1, "Sigmoid"));
    let labels = columns(&[("k", 1), ("w", 1), ("v", 4)]);
    let loss = sum(&[
        term("kind", "CrossEntropyLoss", "k"),
        term("width", "BCELoss", "w"),
        term("kind", "MSELoss", "v"),
    ]);
    let resolved = ask(&network, &loss, &labels).unwrap();
    let target = |labels, outputs, num_classes| Target {
        labels,
        outputs,
        num_classes,
    };
    let wanted = LabelKind::Targets {
        width: 6,
        targets: vec![
            target([0, 1], [0, 4], Some(4)),
            target([1, 2], [4, 5], Some(2)),
            target([2, 6], [0, 4], None),
        ],
    };
    assert_eq!(resolved.label, wanted);
    let head = |at: usize| {
        let output = &resolved.network.outputs()[at];
        Head::of_output(&resolved.label, &resolved.network, output).unwrap()
    };
    assert_eq!(head(0), Head::ClassLogits { n: 4 });
    assert_eq!(
        head(1),
        Head::BinaryProbability,
        "the end of this output, not of the network"
    );
    assert_eq!(
        Head::of(&resolved.label, &resolved.network),
        Ok(Head::Values { width: 5 })
    );
    assert_eq!(
        output_classes(&loss, resolved.network.outputs()),
        [Some(4), Some(2)]
    );
    assert_eq!(
        output_classes(&json!("crossEntropyLoss"), &resolved.network.outputs()[..1]),
        [Some(4)]
    );
    // One loss over the one output is what the other estimators have.
    let chain = json!({"format": "candlewick.network/1", "layers": [linear(3)]});
    let one = |loss: &str, labels: &[(&str, u32)]| {
        ask(&chain, &json!({"type": loss}), &columns(labels)).map(|resolved| resolved.label)
    };
    assert_eq!(one("CrossEntropyLoss", &[("y", 1)]), Ok(LabelKind::class(3)));
    assert_eq!(
        one("MSELoss", &[("y", 1), ("z", 2)]),
        Ok(LabelKind::Real { width: 3 })
    );
    assert_eq!(one("TripletMarginLoss", &[]), Ok(LabelKind::Real { width: 1 }));
}

fn told(network: &Value, loss: &Value, labels: &[(&str, u32)]) -> String {
    ask(network, loss, &columns(labels)).unwrap_err().message
}

/// A class and a value.
const TWO: &[(&str, u32)] = &[("k", 1), ("w", 1)];

#[test]
fn what_does_not_fit_is_refused() {
    let plain = heads(&linear(4), &linear(1));
    for (network, loss, words) in [
        (&plain, Value::Null, "a NeuralEstimator has no loss of its own"),
        (
            &plain,
            sum(&[term("kind", "CrossEntropyLoss", "k")]),
            "no loss reads the label column 'w'",
        ),
        (
            &plain,
            sum(&[
                term("width", "CrossEntropyLoss", "w"),
                term("kind", "CrossEntropyLoss", "k"),
            ]),
            "loss: losses.0: CrossEntropyLoss reads one output for each class, at least 2",
        ),
        (
            &plain,
            sum(&[term("kind", "MSELoss", "k"), term("width", "MSELoss", "w")]),
            "reads 4 value(s) of the label for its 4 output(s), but its labels are 0 to 1, which is 1 value(s): give the end of the network another width",
        ),
        (
            &heads(&ended(4, "Softmax"), &linear(1)),
            sum(&[
                term("kind", "CrossEntropyLoss", "k"),
                term("width", "MSELoss", "w"),
            ]),
            "CrossEntropyLoss applies it itself",
        ),
        (
            &heads(&linear(4), &linear(1)),
            sum(&[term("kind", "NLLLoss", "k"), term("width", "MSELoss", "w")]),
            "the network does not end in LogSoftmax but in nodes.kind (Linear)",
        ),
        (
            &plain,
            json!({"type": "MSELoss"}),
            "it is not said which of them the loss is for",
        ),
    ] {
        let message = told(network, &loss, TWO);
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_loss_over_a_chain_is_refused_where_its_label_does_not_fit() {
    let chain = json!({"format": "candlewick.network/1", "layers": [linear(3)]});
    let several = told(&chain, &json!({"type": "CrossEntropyLoss"}), TWO);
    assert!(
        several.contains("reads one class, but the label has 2 values"),
        "{several}"
    );
    let nameless = told(&chain, &term("kind", "MSELoss", "k"), TWO);
    assert!(
        nameless.contains("the one output of this network has no name"),
        "{nameless}"
    );
    let none = told(&chain, &json!({"type": "MSELoss"}), &[]);
    assert!(none.contains("there is no label column"), "{none}");
    let unread = told(&chain, &json!({"type": "TripletMarginLoss"}), &[("y", 1)]);
    assert!(unread.contains("no loss reads the label column 'y'"), "{unread}");
}
