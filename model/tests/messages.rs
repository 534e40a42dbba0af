//! What a user reads who got something wrong, and documents that come out complete.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use candlewick_model::network::Network;
use candlewick_model::resolve::{ResolveRequest, Resolved, Task, resolve};
use candlewick_model::summary::summary_for;
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::{ErrorKind, Failure};
use serde_json::{Value, json};

fn document(layers: Value) -> Value {
    json!({"format": "candlewick.network/1", "layers": layers})
}

fn linear(width: u64) -> Value {
    json!({"type": "Linear", "out_features": width})
}

fn ask(
    network: &Value,
    loss: Option<&Value>,
    task: Task<'_>,
    shape: Option<&[usize]>,
) -> Result<Resolved, Failure> {
    let optimizer = json!({"type": "AdamW", "lr": 0.001});
    resolve(&ResolveRequest {
        network,
        loss,
        optimizer: &optimizer,
        task,
        feature_width: 12,
        input_shape: shape,
    })
}

fn refused(network: Value, loss: Option<&str>, task: Task<'_>) -> String {
    let loss = loss.map(|name| json!({"type": name}));
    let failure = ask(&network, loss.as_ref(), task, None).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::InvalidParameter);
    failure.message
}

const CLASSIFIER: Task<'static> = Task::Classifier;

#[test]
fn documents_come_out_complete() {
    let layers = json!([{"type": "Flatten"}, linear(5), {"type": "Sequential", "layers": [{"type": "GELU"}]}, linear(3)]);
    let resolved = ask(&document(layers), None, CLASSIFIER, Some(&[3, 4])).unwrap();
    assert_eq!(resolved.label, LabelKind::class(3));
    assert_eq!(
        (resolved.network.output_width(), resolved.network.num_parameters()),
        (3, 12 * 5 + 5 + 5 * 3 + 3)
    );
    assert_eq!(
        *resolved.network.document(),
        json!({"format": "candlewick.network/1", "input": {"shape": [3, 4]}, "layers": [
            {"type": "Flatten", "start_dim": 1, "end_dim": -1},
            {"type": "Linear", "in_features": 12, "out_features": 5, "bias": true},
            {"type": "Sequential", "layers": [{"type": "GELU", "approximate": "none"}]},
            {"type": "Linear", "in_features": 5, "out_features": 3, "bias": true}]})
    );
    assert_eq!(
        resolved.loss,
        json!({"type": "CrossEntropyLoss", "weight": null, "ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0})
    );
    assert_eq!(resolved.optimizer["weight_decay"], json!(0.01));
    // What came out goes in again unchanged.
    let again = ask(
        resolved.network.document(),
        Some(&resolved.loss),
        CLASSIFIER,
        Some(&[3, 4]),
    )
    .unwrap();
    assert_eq!(again, resolved);
    let again = ask(resolved.network.document(), Some(&Value::Null), CLASSIFIER, None).unwrap();
    assert_eq!(again, resolved);
}

#[test]
fn losses_follow_the_estimator() {
    let one = ask(&document(json!([linear(1)])), None, CLASSIFIER, None).unwrap();
    assert_eq!(one.loss["type"], "BCEWithLogitsLoss");
    assert_eq!(one.label, LabelKind::class(2));
    let ignored = |index: i64| {
        let loss = json!({"type": "CrossEntropyLoss", "ignore_index": index});
        ask(&document(json!([linear(3)])), Some(&loss), CLASSIFIER, None)
            .unwrap()
            .label
    };
    let marked = LabelKind::Class {
        num_classes: 3,
        ignored: Some(-1),
    };
    assert_eq!(
        [-100, 2, -1].map(ignored),
        [LabelKind::class(3), LabelKind::class(3), marked]
    );
    let two = ask(
        &document(json!([linear(2)])),
        None,
        Task::Regressor { label_width: 2 },
        None,
    )
    .unwrap();
    assert_eq!(two.loss["type"], "MSELoss");
    assert_eq!(two.label, LabelKind::Real { width: 2 });
}

#[test]
fn shapes_that_do_not_fit_name_layer_and_shapes() {
    let message = refused(
        document(json!([linear(5), {"type": "Linear", "in_features": 7, "out_features": 2}])),
        None,
        CLASSIFIER,
    );
    assert_eq!(
        message,
        "layers.1 (Linear): expects 7 values in the last dimension (in_features=7), but the input has shape [5]; set \
         in_features to 5 or leave it out"
    );
    let nested = json!([linear(5), {"type": "Sequential", "layers": [{"type": "Linear", "in_features": 4, "out_features": 2}]}]);
    assert!(
        refused(document(nested), None, CLASSIFIER)
            .starts_with("layers.1.layers.0 (Linear): expects 4 values")
    );
    let flatten = json!([{"type": "Flatten", "start_dim": 2}, linear(2)]);
    assert!(
        refused(document(flatten), None, CLASSIFIER)
            .contains("start_dim=2 is not a dimension of the input [12]")
    );
    let batch = json!([{"type": "Flatten", "start_dim": 0}, linear(2)]);
    assert!(refused(document(batch), None, CLASSIFIER).contains("start_dim=0 is the batch dimension"));
    let failure = ask(&document(json!([linear(2)])), None, CLASSIFIER, Some(&[3, 4])).unwrap_err();
    assert!(
        failure.message.contains("ends in shape [3, 2]") && failure.message.contains("Flatten"),
        "{failure}"
    );
    let failure = ask(&document(json!([linear(2)])), None, CLASSIFIER, Some(&[3, 5])).unwrap_err();
    assert!(
        failure.message.contains("inputShape [3, 5] has 15 values"),
        "{failure}"
    );
}

#[test]
fn unknown_names_list_the_legal_ones() {
    let message = refused(document(json!([{"type": "Conv9d"}])), None, CLASSIFIER);
    assert!(
        message.starts_with("layers.0: unknown type \"Conv9d\"; legal types are Linear, ")
            && message.ends_with(", Sequential; did you mean 'Conv2d'?"),
        "{message}"
    );
    let message = refused(
        document(json!([linear(3), {"type": "Softmax"}])),
        None,
        CLASSIFIER,
    );
    assert!(
        message.contains("layers.1 (Softmax): CrossEntropyLoss applies it itself")
            && message.contains("remove this layer"),
        "{message}"
    );
    let message = refused(
        document(json!([{"type": "Linear", "out_features": 3, "biass": true}])),
        None,
        CLASSIFIER,
    );
    assert!(
        message.contains("unknown argument \"biass\"; legal arguments are in_features, out_features, bias")
    );
    let message = refused(
        document(json!([{"type": "Sequential", "layer": []}])),
        None,
        CLASSIFIER,
    );
    assert!(
        message.contains("layers.0 (Sequential): unknown argument \"layer\""),
        "{message}"
    );
    assert!(
        refused(document(json!([linear(3)])), Some("HubertLoss"), CLASSIFIER)
            .contains("legal types are CrossEntropyLoss")
    );
}

/// An output of a graph that is another name for a node is a sum of one, and ends as that node does.
#[test]
fn a_named_end_is_seen_behind_the_name_of_its_output() {
    let graph = |width: usize, end: &str, behind: &str| {
        json!({"format": "candlewick.network/1",
        "inputs": [{"name": "x", "shape": [12]}],
        "nodes": [
            {"name": "hidden", "inputs": ["x"], "layer": {"type": "Linear", "out_features": width}},
            {"name": "chance", "inputs": ["hidden"], "layer": {"type": end}},
            {"name": "out", "inputs": ["chance"], "layer": {"type": behind}}],
        "outputs": ["out"]})
    };
    for behind in ["Add", "Multiply", "Concat", "Dropout", "Flatten"] {
        for (width, end, loss) in [
            (3, "Softmax", "CrossEntropyLoss"),
            (1, "Sigmoid", "BCEWithLogitsLoss"),
        ] {
            let message = refused(graph(width, end, behind), None, CLASSIFIER);
            assert!(
                message.starts_with(&format!("nodes.chance ({end}): {loss} applies it itself")),
                "{behind}: {message}"
            );
        }
        ask(
            &graph(1, "Sigmoid", behind),
            Some(&json!({"type": "BCELoss"})),
            CLASSIFIER,
            None,
        )
        .unwrap();
    }
}

#[test]
fn ends_that_do_not_fit_the_loss() {
    let message = refused(document(json!([linear(1)])), Some("CrossEntropyLoss"), CLASSIFIER);
    assert!(
        message.contains("at least 2") && message.contains("BCEWithLogitsLoss"),
        "{message}"
    );
    let message = refused(
        document(json!([linear(4)])),
        Some("BCEWithLogitsLoss"),
        CLASSIFIER,
    );
    assert!(
        message.contains("ends in width 4") && message.contains("CrossEntropyLoss"),
        "{message}"
    );
    let message = refused(
        document(json!([linear(1), {"type": "Sigmoid"}])),
        None,
        CLASSIFIER,
    );
    assert!(
        message.starts_with("layers.1 (Sigmoid): BCEWithLogitsLoss applies it itself"),
        "{message}"
    );
    let message = refused(
        document(json!([linear(3), {"type": "Sigmoid"}, {"type": "Dropout"}])),
        None,
        CLASSIFIER,
    );
    assert!(message.contains("remove this layer"), "{message}");
    let message = refused(
        document(json!([linear(3)])),
        None,
        Task::Regressor { label_width: 1 },
    );
    assert!(
        message.contains("ends in width 3") && message.contains("out_features=1"),
        "{message}"
    );
    assert!(
        refused(document(json!([linear(3)])), Some("MSELoss"), CLASSIFIER)
            .contains("not a classification loss")
    );
    let regressor = Task::Regressor { label_width: 3 };
    assert!(
        refused(document(json!([linear(3)])), Some("CrossEntropyLoss"), regressor)
            .contains("not a regression loss")
    );
}

#[test]
fn documents_that_are_none() {
    for wrong in [json!(null), json!([]), json!({}), json!("net"), json!(3)] {
        let message = refused(wrong, None, CLASSIFIER);
        assert!(
            message.contains("expected a document such as {\"format\""),
            "{message}"
        );
    }
    assert!(
        refused(json!({"layers": []}), None, CLASSIFIER)
            .contains("expected \"format\": \"candlewick.network/1\", got none")
    );
    assert!(refused(json!({"format": "x/2", "layers": []}), None, CLASSIFIER).contains("got \"x/2\""));
    assert!(
        refused(json!({"format": "candlewick.network/1"}), None, CLASSIFIER)
            .contains("\"layers\" is missing")
    );
    assert!(refused(document(json!([])), None, CLASSIFIER).contains("at least one layer"));
    assert!(refused(document(json!({})), None, CLASSIFIER).contains("at least one layer"));
    assert!(refused(document(json!([null])), None, CLASSIFIER).starts_with("layers.0: expected an object"));
    assert!(refused(document(json!([{"type": "ReLU"}])), None, CLASSIFIER).contains("no parameters"));
    let extra = json!({"format": "candlewick.network/1", "layers": [linear(2)], "layer": 1});
    assert!(refused(extra, None, CLASSIFIER).contains("unknown key \"layer\""));
    let other = json!({"format": "candlewick.network/1", "layers": [linear(2)], "input": {"shape": [7]}});
    assert!(
        refused(other, None, CLASSIFIER).contains("its \"input\" says shape [7], but the features have [12]")
    );
    let mut deep = json!([linear(2)]);
    for _ in 0..40 {
        deep = json!([{"type": "Sequential", "layers": deep}]);
    }
    assert!(refused(document(deep), None, CLASSIFIER).contains("nested more than 32 deep"));
}

#[test]
fn absurd_sizes_are_refused() {
    let message = refused(
        document(json!([linear(1 << 30), linear(1 << 30)])),
        None,
        CLASSIFIER,
    );
    assert!(message.contains("more than 2147483648 parameters"), "{message}");
    assert!(
        refused(document(json!([linear(1 << 40)])), None, CLASSIFIER)
            .contains("out_features = 1099511627776 is not legal")
    );
    let shape = [usize::MAX, 2];
    assert!(Network::from_document(&document(json!([linear(2)])), &shape).is_err());
    assert!(Network::from_document(&document(json!([linear(2)])), &[]).is_err());
}

#[test]
fn weights_travel_as_safetensors() {
    let network =
        Network::from_document(&document(json!([linear(5), {"type": "Tanh"}, linear(2)])), &[4]).unwrap();
    let weights = network.initial_weights(3);
    let bytes = network.save_weights(&weights).unwrap();
    assert_eq!(network.load_weights(&bytes).unwrap(), weights);
    let names: Vec<&str> = network.parameters().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["0.weight", "0.bias", "2.weight", "2.bias"]);

    let other = Network::from_document(&document(json!([linear(5), linear(2)])), &[4]).unwrap();
    assert!(
        other
            .load_weights(&bytes)
            .unwrap_err()
            .message
            .contains("a tensor \"2.bias\" that the network does not have")
    );
    let wider =
        Network::from_document(&document(json!([linear(6), {"type": "Tanh"}, linear(2)])), &[4]).unwrap();
    let failure = wider.load_weights(&bytes).unwrap_err();
    assert!(
        failure
            .message
            .contains("of shape [5, 4]; the network expects F32 of shape [6, 4]"),
        "{failure}"
    );
    let longer = json!([linear(5), {"type": "Tanh"}, linear(2), linear(2)]);
    let longer = Network::from_document(&document(longer), &[4]).unwrap();
    assert!(
        longer
            .load_weights(&bytes)
            .unwrap_err()
            .message
            .contains("lack the tensor \"3.weight\"")
    );
    assert!(
        network
            .load_weights(&bytes[..40])
            .unwrap_err()
            .message
            .contains("not a safetensors file")
    );
    assert!(network.save_weights(&weights[1..]).is_err());
}

#[test]
fn hashes_and_initial_weights_are_fixed_for_ever() {
    let network = Network::from_document(&document(json!([linear(3)])), &[4]).unwrap();
    let weights = network.initial_weights(7);
    assert!(weights.iter().all(|weight| (-0.5..0.5).contains(weight)));
    assert_ne!(weights, network.initial_weights(8));
    // A change of these two is a change of the format: models saved before would not compare.
    assert_eq!(
        network.weights_hash(&[0.0; 15]),
        "de1ec4531dfe904b3424c47e48974426"
    );
    assert_eq!(network.weights_hash(&weights), "499a4faf6d8021625b1d0e02e7d364c4");
    let mut other = weights.clone();
    other[14] += 0.25;
    assert_ne!(network.weights_hash(&other), network.weights_hash(&weights));
}

#[test]
fn the_summary_is_a_table() {
    let layers = json!([linear(5), {"type": "BatchNorm1d"}, {"type": "ReLU"}, linear(2)]);
    let network = Network::from_document(&document(layers), &[4]).unwrap();
    assert_eq!((network.num_parameters(), network.num_trained()), (58, 47));
    assert_eq!(
        summary_for(&network, 100, &json!({"type": "Adam"})).unwrap(),
        "layer  type         output  trained  buffers
0      Linear       [5]          25        0
1      BatchNorm1d  [5]          10       11
2      ReLU         [5]           0        0
3      Linear       [2]          12        0
input [4], output [2]
58 parameters: 47 trained, 11 in buffers
memory of a trainer with 100 rows a step: 13.7 KiB (weights 232 B, gradients 464 B, optimiser 376 B, activations 12.7 KiB)"
    );
}
