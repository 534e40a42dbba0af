//! Checks everything about a network, a loss and an optimiser that can be wrong, before anything starts.

use crate::arguments::{Arguments, excerpt};
use crate::catalogue::Kind;
use crate::network::Network;
use crate::optim;
use candlewick_protocol::Failure;
use candlewick_protocol::job::LabelKind;
use serde_json::{Value, json};

/// Which estimator asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// NeuralClassifier: the label is a class.
    Classifier,
    /// NeuralRegressor: the label is one or more real numbers.
    Regressor {
        /// Values in a label.
        label_width: usize,
    },
}

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

/// Complete documents, and what follows from them.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// Network document, sizes inferred.
    pub network: Value,
    /// Loss document.
    pub loss: Value,
    /// Optimiser document.
    pub optimizer: Value,
    /// What the labels mean.
    pub label: LabelKind,
    /// Shape of the input, without the batch.
    pub input_shape: Vec<usize>,
    /// Outputs of the network in a row.
    pub output_width: usize,
    /// Number of trained numbers.
    pub parameters: usize,
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
/// assert_eq!(resolved.network["layers"][0]["in_features"], 4);
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
    let default = json!({"type": default_loss(request.task, output_width)});
    let loss = request.loss.filter(|loss| !loss.is_null()).unwrap_or(&default);
    let loss = Arguments::read(Kind::Loss, loss, "loss")?;
    let label = label_kind(request.task, loss.name(), output_width)?;
    check_end(&network, loss.name())?;
    let optimizer = optim::read(request.optimizer, &network)?;
    Ok(Resolved {
        network: network.document().clone(),
        loss: loss.to_document(),
        optimizer: optimizer.to_document(),
        label,
        input_shape,
        output_width,
        parameters: network.num_parameters(),
    })
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

fn label_kind(task: Task, loss: &str, width: usize) -> Result<LabelKind, Failure> {
    let short = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
    match (task, loss) {
        (Task::Classifier, "CrossEntropyLoss") if width == 1 => Err(Failure::parameter(
            "CrossEntropyLoss needs one output per class, at least 2, but the network ends in width 1; end it with \
             out_features=2 or more, or use BCEWithLogitsLoss for two classes",
        )),
        (Task::Classifier, "CrossEntropyLoss") => Ok(LabelKind::Class {
            num_classes: short(width),
        }),
        (Task::Classifier, "BCEWithLogitsLoss") if width == 1 => Ok(LabelKind::Class { num_classes: 2 }),
        (Task::Classifier, "BCEWithLogitsLoss") => Err(Failure::parameter(format!(
            "BCEWithLogitsLoss makes a classifier of two classes from one output, but the network ends in width \
             {width}; end it with out_features=1, or use CrossEntropyLoss for {width} classes"
        ))),
        (Task::Classifier, other) => Err(Failure::parameter(format!(
            "{other} is no loss of a classifier; use CrossEntropyLoss or BCEWithLogitsLoss, or a NeuralRegressor"
        ))),
        (Task::Regressor { .. }, "CrossEntropyLoss") => Err(Failure::parameter(
            "CrossEntropyLoss is no loss of a regressor; use MSELoss, or a NeuralClassifier",
        )),
        (Task::Regressor { label_width }, _) if label_width != width => Err(Failure::parameter(format!(
            "the network ends in width {width}, but the label has {label_width} value(s); end it with \
             out_features={label_width}"
        ))),
        (Task::Regressor { .. }, _) => Ok(LabelKind::Real { width: short(width) }),
    }
}

/// Checks that a loss, a label and a network's output width fit together.
pub(crate) fn check_loss(loss: &str, label: &LabelKind, output_width: usize) -> Result<(), Failure> {
    let task = match label {
        LabelKind::Class { .. } => Task::Classifier,
        LabelKind::Real { width } => Task::Regressor {
            label_width: *width as usize,
        },
    };
    let wanted = label_kind(task, loss, output_width)?;
    if wanted == *label {
        return Ok(());
    }
    Err(Failure::parameter(format!(
        "{loss} over a network that ends in width {output_width} wants a label of {wanted:?}, got {label:?}"
    )))
}

/// A loss that takes logits after a layer that has already squashed them trains badly, and silently.
fn check_end(network: &Network, loss: &str) -> Result<(), Failure> {
    if !["CrossEntropyLoss", "BCEWithLogitsLoss"].contains(&loss) {
        return Ok(());
    }
    let shapes_nothing = |name: &str| ["Flatten", "Dropout"].contains(&name);
    match network
        .layers()
        .iter()
        .rev()
        .find(|layer| !shapes_nothing(layer.name))
    {
        Some(layer) if ["Sigmoid", "Softmax", "LogSoftmax"].contains(&layer.name) => {
            Err(Failure::parameter(format!(
                "{} ({}): {loss} applies it itself, to the outputs before it; remove this layer (transform gives \
                 probabilities all the same)",
                layer.place, layer.name
            )))
        }
        _ => Ok(()),
    }
}

/// Reads a loss document for an engine.
pub(crate) fn read_loss(document: &Value) -> Result<Arguments, Failure> {
    if document.is_null() {
        return Err(Failure::parameter(format!(
            "loss: expected a document, got {}",
            excerpt(document)
        )));
    }
    Arguments::read(Kind::Loss, document, "loss")
}
