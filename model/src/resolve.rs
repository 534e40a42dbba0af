//! Checks everything about a network, a loss and an optimiser that can be wrong, before anything starts.

use crate::arguments::Arguments;
use crate::catalogue::{self, Kind};
use crate::layers::Operation;
use crate::losses::{self, NO_CLASS, Names, label_kind};
pub use crate::losses::{Task, output_classes};
use crate::network::{LayerNode, Network, Output, ValueRef};
use crate::numbers::clamp_u32;
use crate::optim;
use candlewick_protocol::Failure;
use candlewick_protocol::job::LabelKind;
use serde_json::{Value, json};

/// What a user set.
#[derive(Debug, Clone, Copy)]
pub struct ResolveRequest<'a> {
    /// Network document.
    pub network: &'a Value,
    /// Loss document, if set.
    pub loss: Option<&'a Value>,
    /// Optimiser document.
    pub optimizer: &'a Value,
    /// Which estimator asks.
    pub task: Task<'a>,
    /// Values in a row's features.
    pub feature_width: usize,
    /// Shape that views the features as a tensor, if set.
    pub input_shape: Option<&'a [usize]>,
}

/// The network, complete documents, and what follows from them.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The network; its document has its sizes inferred.
    pub network: Network,
    /// Loss document.
    pub loss: Value,
    /// Optimiser document.
    pub optimizer: Value,
    /// What the labels mean.
    pub label: LabelKind,
    /// Shape of the input, without the batch.
    pub input_shape: Vec<usize>,
}

/// Checks a request, infers sizes, fills in defaults. A missing or null loss is CrossEntropyLoss for a classifier
/// (BCEWithLogitsLoss where the network has one output) and MSELoss for a regressor.
///
/// ```
/// use candlewick_model::resolve::{ResolveRequest, Task, resolve};
/// use serde_json::json;
/// let resolved = resolve(&ResolveRequest {
///     network: &json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 3}]}),
///     loss: None,
///     optimizer: &json!({"type": "AdamW", "lr": 0.01}),
///     task: Task::Classifier,
///     feature_width: 4,
///     input_shape: None,
/// })?;
/// assert_eq!(resolved.loss["type"], "CrossEntropyLoss");
/// assert_eq!(resolved.network.document()["layers"][0]["in_features"], 4);
/// # Ok::<(), candlewick_protocol::Failure>(())
/// ```
///
/// # Errors
/// `InvalidParameter`: what was wrong, what was expected, what to change.
pub fn resolve(request: &ResolveRequest<'_>) -> Result<Resolved, Failure> {
    let input_shape = input_shape(request)?;
    let network = Network::from_document(request.network, &input_shape)?;
    let output = network.output_shape();
    let [_] = output else {
        return Err(Failure::parameter(format!(
            "the network ends in shape {output:?} a row, but one list of numbers is expected; put Flatten before its \
             last Linear"
        )));
    };
    if request.task == Task::Classifier && network.outputs().len() > 1 {
        let names: Vec<&str> = network
            .outputs()
            .iter()
            .map(|output| output.name.as_str())
            .collect();
        return Err(Failure::parameter(format!(
            "the network has the outputs {}, but a classifier reads one: name one of them as the only output, or train \
             all of them with a NeuralEstimator, which has a loss for each",
            names.join(", ")
        )));
    }
    let (loss, label) = loss_and_label(request, &network)?;
    let optimizer = optim::read(request.optimizer, &network)?;
    Ok(Resolved {
        loss: losses::complete(&loss),
        optimizer: optimizer.to_document(),
        label,
        input_shape,
        network,
    })
}

/// The complete loss, and what the label means.
fn loss_and_label(
    request: &ResolveRequest<'_>,
    network: &Network,
) -> Result<(Arguments, LabelKind), Failure> {
    let (task, width) = (request.task, network.output_width());
    let given = request.loss.filter(|loss| !loss.is_null()).cloned();
    let default = || Some(json!({"type": default_loss(task, width)?}));
    let Some(document) = given.or_else(default) else {
        return Err(Failure::parameter(
            "parameter loss is not set: a NeuralEstimator has no loss of its own. Set one, such as nn.MSELoss(), or one for \
             each output by its name: loss={\"digit\": nn.CrossEntropyLoss()}",
        ));
    };
    let names = Names {
        outputs: network.outputs(),
        labels: match task {
            Task::Estimator { labels } => Some(labels),
            _ => None,
        },
    };
    let document = losses::ranges(&document, names)?;
    let loss = Arguments::read(Kind::Loss, &document, "loss")?;
    let criterion = losses::make(&loss)?;
    losses::all_are_read(&document, names, width)?;
    if let (Task::Estimator { labels }, "MultiLoss") = (task, loss.name()) {
        let width = losses::label_width(labels);
        // That the terms fit the label is checked as a regressor's are.
        label_kind(
            Task::Regressor { label_width: width },
            &criterion,
            network.output_width(),
        )?;
        let label = term_labels(&document, network, width)?;
        return Ok((loss, label));
    }
    let mut label = label_kind(task, &criterion, width)?;
    mark_ignored(&mut label, &loss);
    let classes = matches!(label, LabelKind::Class { .. });
    check_end(classes, loss.name(), ending(network))?;
    Ok((loss, label))
}

/// What the label of several losses means; each has to fit the end of the output that it reads.
fn term_labels(document: &Value, network: &Network, width: usize) -> Result<LabelKind, Failure> {
    let terms = losses::read_terms(document, network.output_width(), width)?;
    for term in &terms {
        let ends = network.outputs().iter().zip(network.output_values());
        for (_, value) in ends.filter(|(output, _)| output.range == term.outputs) {
            let name = term.arguments.name();
            check_end(true, name, ending_of(network, value))
                .map_err(|failure| Failure::parameter(format!("{}: {}", term.place, failure.message)))?;
        }
    }
    Ok(LabelKind::Targets {
        width: clamp_u32(width),
        targets: losses::targets(&terms),
    })
}

/// The outputs of a network in a row, also before anybody knows how wide its input is: `None` where they depend on it.
///
/// ```
/// use candlewick_model::resolve::outputs;
/// use serde_json::json;
/// let document = json!({"format": "candlewick.network/1",
///     "layers": [{"type": "Linear", "out_features": 3}, {"type": "Softplus"}]});
/// let known = outputs(&document, None)?;
/// assert_eq!(known.map(|outputs| outputs[0].range.len()), Some(3));
/// # Ok::<(), candlewick_protocol::Failure>(())
/// ```
///
/// # Errors
/// `InvalidParameter` where the input is known, and the network is not legal for it.
pub fn outputs(document: &Value, input_shape: Option<&[usize]>) -> Result<Option<Vec<Output>>, Failure> {
    let said = document.pointer("/input/shape").and_then(Value::as_array);
    let said: Option<Vec<usize>> = said.and_then(|sizes| sizes.iter().map(as_size).collect());
    if let Some(shape) = input_shape.or(said.as_deref()) {
        return Ok(Some(Network::from_document(document, shape)?.outputs().to_vec()));
    }
    let of = |width| Network::from_document(document, &[width]).map(|network| network.outputs().to_vec());
    // The first layer says the last of the sizes, or, of a convolution, the first: a row may have others too.
    if let Some(Ok(outputs)) = first_size(document).map(of) {
        return Ok(Some(outputs));
    }
    // Most layers fix a width of their own: what two inputs agree on, all do.
    Ok(match PROBES.map(of) {
        [Ok(one), Ok(other)] if one == other => Some(one),
        _ => None,
    })
}

/// Two widths that many numbers of groups and heads divide.
const PROBES: [usize; 2] = [192, 240];

/// The size of the input that the first layer gives, if it gives one.
fn first_size(document: &Value) -> Option<usize> {
    let first = document.get("layers")?.get(0)?;
    if let Some(size) = first_size(first) {
        return Some(size);
    }
    let entry = catalogue::find(Kind::Layer, first.get("type")?.as_str()?)?;
    let mut inputs = entry.args.iter().filter(|arg| arg.input);
    inputs.find_map(|arg| as_size(first.get(arg.name)?))
}

fn input_shape(request: &ResolveRequest<'_>) -> Result<Vec<usize>, Failure> {
    let width = request.feature_width;
    if width == 0 {
        return Err(Failure::parameter(
            "the features are empty: a row needs at least one value",
        ));
    }
    let Some(shape) = request.input_shape else {
        let said = request.network.pointer("/input/shape").and_then(Value::as_array);
        let sizes: Option<Vec<usize>> = said.map(|list| list.iter().filter_map(as_size).collect());
        let shape = sizes
            .filter(|sizes| product(sizes) == Some(width))
            .unwrap_or_else(|| vec![width]);
        return Ok(shape);
    };
    if product(shape) != Some(width) {
        let values = product(shape).map_or("too many".to_owned(), |values| values.to_string());
        return Err(Failure::parameter(format!(
            "inputShape {shape:?} has {values} values, but a row's features have {width}; its sizes must multiply to \
             {width}"
        )));
    }
    Ok(shape.to_vec())
}

fn as_size(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|size| usize::try_from(size).ok())
}

fn product(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1usize, |product, size| product.checked_mul(*size))
}

fn default_loss(task: Task<'_>, output_width: usize) -> Option<&'static str> {
    match task {
        Task::Classifier if output_width == 1 => Some("BCEWithLogitsLoss"),
        Task::Classifier => Some("CrossEntropyLoss"),
        Task::Regressor { .. } => Some("MSELoss"),
        Task::Estimator { .. } => None,
    }
}

/// An `ignore_index` that is no class, such as -1, is a label for rows that do not count. The default is none: most
/// who have a label of -100 never heard of it, and want to know.
fn mark_ignored(label: &mut LabelKind, loss: &Arguments) {
    if let LabelKind::Class { num_classes, ignored } = label
        && loss.has("ignore_index")
    {
        let index = loss.int("ignore_index");
        *ignored =
            Some(index).filter(|index| *index != NO_CLASS && !(0..i64::from(*num_classes)).contains(index));
    }
}

/// A loss that takes logits after a layer that has already squashed them trains badly, and silently; so does one that
/// takes probabilities or their logarithms and gets logits. `classes`: the label is a class.
fn check_end(classes: bool, loss: &str, end: Option<Ending<'_>>) -> Result<(), Failure> {
    let name = end.map_or("", |end| end.name);
    let place = end.map_or(String::new(), |end| format!("{} ({name})", end.place));
    let squashed = ["Sigmoid", "Softmax", "LogSoftmax"].contains(&name);
    let wrong = match loss {
        "CrossEntropyLoss" if name == "LogSoftmax" => format!(
            "{place}: {loss} applies it itself, to the outputs before it; remove this layer (transform returns \
             probabilities all the same), or use NLLLoss, which is made for it"
        ),
        "BCEWithLogitsLoss" if name == "Sigmoid" => format!(
            "{place}: {loss} applies it itself, to the outputs before it; remove this layer (transform returns \
             probabilities all the same), or use BCELoss, which is made for it"
        ),
        "CrossEntropyLoss" | "BCEWithLogitsLoss" if squashed => format!(
            "{place}: {loss} applies it itself, to the outputs before it; remove this layer (transform returns \
             probabilities all the same)"
        ),
        "NLLLoss" if classes && name != "LogSoftmax" => format!(
            "NLLLoss takes logarithms of probabilities, but the network does not end in LogSoftmax{}; put LogSoftmax \
             at its end, or use CrossEntropyLoss, which applies it itself",
            but(&place)
        ),
        "BCELoss" if classes && !PROBABILITIES.contains(&name) => format!(
            "BCELoss takes probabilities, but the network does not end in Sigmoid{}; put Sigmoid at its end, or use \
             BCEWithLogitsLoss, which applies it itself",
            but(&place)
        ),
        _ => return Ok(()),
    };
    Err(Failure::parameter(wrong))
}

/// The last layer that changes values when scoring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending<'a> {
    /// Type.
    pub name: &'a str,
    /// Path in the document.
    pub place: &'a str,
}

/// Whether a layer leaves the values of its first input as they are when scoring.
fn passes(layer: &LayerNode) -> bool {
    match &layer.operation {
        Operation::View => true,
        Operation::Elementwise(map) => map.only_training(),
        // An output that is another name for a node is a sum of one.
        Operation::Module(module) => {
            module.only_training() || (layer.inputs.len() == 1 && ALONE.contains(&layer.name))
        }
    }
}

/// Layers that give a single input back.
const ALONE: [&str; 3] = ["Add", "Multiply", "Concat"];

/// How a network ends.
pub(crate) fn ending(network: &Network) -> Option<Ending<'_>> {
    let last = network.layers().iter().rev().find(|layer| !passes(layer));
    last.map(|layer| Ending {
        name: layer.name,
        place: &layer.place,
    })
}

/// How an output of a network ends that is read from `value`.
pub(crate) fn ending_of(network: &Network, value: ValueRef) -> Option<Ending<'_>> {
    let mut value = value;
    while let ValueRef::Layer(at) = value {
        let layer = network.layers().get(at)?;
        match layer.inputs.first() {
            Some(input) if passes(layer) => value = *input,
            _ => {
                return Some(Ending {
                    name: layer.name,
                    place: &layer.place,
                });
            }
        }
    }
    None
}

/// Layers whose single output is a probability.
pub(crate) const PROBABILITIES: [&str; 2] = ["Sigmoid", "Hardsigmoid"];

fn but(place: &str) -> String {
    if place.is_empty() {
        String::new()
    } else {
        format!(" but in {place}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Widths of the outputs of such a chain, as far as they are known.
    fn widths(layers: &Value, shape: Option<&[usize]>) -> Option<Vec<usize>> {
        let document = json!({"format": "candlewick.network/1", "layers": layers});
        let known = outputs(&document, shape).unwrap()?;
        Some(known.iter().map(|output| output.range.len()).collect())
    }

    #[test]
    fn outputs_are_known_as_far_as_the_layers_say() {
        let linear = json!({"type": "Linear", "out_features": 3});
        let conv = json!({"type": "Conv1d", "in_channels": 2, "out_channels": 4, "kernel_size": 2});
        let told = json!({"type": "Linear", "in_features": 7, "out_features": 3});
        assert_eq!(widths(&json!([linear]), None), Some(vec![3]));
        assert_eq!(widths(&json!([told, {"type": "ReLU"}]), None), Some(vec![3]));
        assert_eq!(widths(&json!([{"type": "ReLU"}]), None), None);
        // The channels alone are no shape.
        let flat = json!([conv, {"type": "Flatten"}]);
        assert_eq!(widths(&flat, None), None);
        assert_eq!(widths(&flat, Some(&[2, 5])), Some(vec![16]));
    }
}
