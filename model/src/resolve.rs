//! Checks everything about a network, a loss and an optimiser that can be wrong, before anything starts.

use crate::arguments::Arguments;
use crate::catalogue::{self, Kind};
use crate::layers::Operation;
pub use crate::losses::Task;
use crate::losses::{self, NO_CLASS, label_kind};
use crate::network::{Network, Output};
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
    pub task: Task,
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
    let &[output_width] = output else {
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
             all of them with a NeuralRegressor and nn.MultiLoss",
            names.join(", ")
        )));
    }
    let default = json!({"type": default_loss(request.task, output_width)});
    let loss = request.loss.filter(|loss| !loss.is_null()).unwrap_or(&default);
    let loss = Arguments::read(Kind::Loss, loss, "loss")?;
    let criterion = losses::make(&loss)?;
    let mut label = label_kind(request.task, &criterion, output_width)?;
    mark_ignored(&mut label, &loss);
    check_end(request.task, loss.name(), ending(&network))?;
    let optimizer = optim::read(request.optimizer, &network)?;
    Ok(Resolved {
        loss: losses::complete(&loss),
        optimizer: optimizer.to_document(),
        label,
        input_shape,
        network,
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
    let own = said.or_else(|| first_size(document).map(|size| vec![size]));
    if let Some(shape) = input_shape.or(own.as_deref()) {
        return Ok(Some(Network::from_document(document, shape)?.outputs().to_vec()));
    }
    // Most layers fix a width of their own: what two inputs agree on, all do.
    let of = |width| Network::from_document(document, &[width]).map(|network| network.outputs().to_vec());
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

fn default_loss(task: Task, output_width: usize) -> &'static str {
    match task {
        Task::Classifier if output_width == 1 => "BCEWithLogitsLoss",
        Task::Classifier => "CrossEntropyLoss",
        Task::Regressor { .. } => "MSELoss",
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
/// takes probabilities or their logarithms and gets logits.
fn check_end(task: Task, loss: &str, end: Option<Ending<'_>>) -> Result<(), Failure> {
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
        "NLLLoss" if task == Task::Classifier && name != "LogSoftmax" => format!(
            "NLLLoss takes logarithms of probabilities, but the network does not end in LogSoftmax{}; put LogSoftmax \
             at its end, or use CrossEntropyLoss, which applies it itself",
            but(&place)
        ),
        "BCELoss" if task == Task::Classifier && !PROBABILITIES.contains(&name) => format!(
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

/// How a network ends.
pub(crate) fn ending(network: &Network) -> Option<Ending<'_>> {
    let last = network
        .layers()
        .iter()
        .rev()
        .find(|layer| match &layer.operation {
            Operation::View => false,
            Operation::Elementwise(map) => !map.only_training(),
            Operation::Module(_) => true,
        });
    last.map(|layer| Ending {
        name: layer.name,
        place: &layer.place,
    })
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
