//! A network: what its document says, with every shape known.

mod builder;
mod composite;
mod graph;
mod init;
mod summary;

use crate::checkpoint::{self, Report};
use crate::layers::{Init, Operation};
use crate::weights;
use builder::Builder;
use candlewick_protocol::Failure;
#[cfg(test)]
pub(crate) use composite::composites;
use serde_json::Value;
use std::ops::Range;
use std::sync::Arc;
pub use summary::StepMemory;

/// The `format` of a network document.
pub const FORMAT: &str = "candlewick.network/1";
/// Parameters a network can have, and elements a row can have anywhere in it.
const MAX_ELEMENTS: usize = 1 << 31;
/// Sequentials within Sequentials.
const MAX_NESTING: usize = 32;

/// A parameter and its place in the flat weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Name, PyTorch's: `0.weight`.
    pub name: String,
    /// Shape, PyTorch's.
    pub shape: Vec<usize>,
    /// First element in the flat weights.
    pub offset: usize,
    /// False for a buffer, such as a running mean, which no optimiser touches.
    pub trained: bool,
    /// True for a count, which files and hashes hold as I64.
    pub count: bool,
}

impl Parameter {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True where it has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A parameter of which a step touches few rows, and its place in the flat weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// First element in the flat weights.
    pub offset: usize,
    /// Number of rows.
    pub entries: usize,
    /// Values of a row.
    pub width: usize,
}

impl Table {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries * self.width
    }

    /// True where it has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a layer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// The features of a row.
    Features,
    /// What an earlier layer puts out.
    Layer(usize),
}

/// A layer in its place.
#[derive(Debug)]
pub(crate) struct Placed {
    /// Path in the document, for messages: `layers.2.layers.0`.
    pub place: String,
    /// Path of its parameters and random numbers: `2.0`.
    #[cfg_attr(
        not(any(test, feature = "candle")),
        expect(dead_code, reason = "devices find both by it")
    )]
    pub path: String,
    /// Type.
    pub name: &'static str,
    /// What it does.
    pub operation: Operation,
    /// Its complete arguments.
    pub arguments: Value,
    /// What it reads.
    pub inputs: Vec<Wire>,
    /// Shape that goes out.
    pub output: Vec<usize>,
    /// Its parameters, as indices into the network's.
    pub parameters: Range<usize>,
    /// Its elements in the flat weights.
    pub weights: Range<usize>,
}

/// A named output of a graph network, or the one output of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Name of the node; empty for a chain.
    pub name: String,
    /// Shape, without the batch.
    pub shape: Vec<usize>,
    /// Its elements in a row of outputs.
    pub range: Range<usize>,
}

#[derive(Debug)]
struct Inner {
    document: Value,
    input_shape: Vec<usize>,
    output: Wire,
    output_shape: Vec<usize>,
    outputs: Vec<Output>,
    output_wires: Vec<Wire>,
    graph_inputs: Vec<(String, Vec<usize>)>,
    layers: Vec<Placed>,
    parameters: Vec<Parameter>,
    inits: Vec<Init>,
    tables: Vec<Table>,
    num_parameters: usize,
}

/// A network whose shapes are known. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Network {
    inner: Arc<Inner>,
}

/// Networks are equal where their complete documents are.
impl PartialEq for Network {
    fn eq(&self, other: &Self) -> bool {
        self.document() == other.document() && self.input_shape() == other.input_shape()
    }
}

impl Network {
    /// Reads a network document for inputs of `input_shape` (without the batch): checks every argument, infers sizes.
    ///
    /// ```
    /// use candlewick_model::network::Network;
    /// let document = serde_json::json!({"format": "candlewick.network/1",
    ///     "layers": [{"type": "Linear", "out_features": 3}, {"type": "ReLU"}]});
    /// let network = Network::from_document(&document, &[4])?;
    /// assert_eq!((network.output_width(), network.num_parameters()), (3, 15));
    /// assert_eq!(network.parameters()[0].name, "0.weight");
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidParameter`, with the layer's index and type where a layer is at fault.
    pub fn from_document(document: &Value, input_shape: &[usize]) -> Result<Self, Failure> {
        let mut builder = Builder::new(input_shape)?;
        let (body, ends) = builder.body(document)?;
        if builder.parameters.is_empty() {
            return Err(Failure::parameter(
                "the network has no parameters, so there is nothing to train: add a Linear layer",
            ));
        }
        Ok(Network {
            inner: Arc::new(builder.finish(body, ends)),
        })
    }

    /// The complete document: sizes inferred, defaults filled in.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.inner.document
    }

    /// Elements of a row that come in.
    #[must_use]
    pub fn input_width(&self) -> usize {
        self.inner.input_shape.iter().product()
    }

    /// Shape that comes in, without the batch.
    #[must_use]
    pub fn input_shape(&self) -> &[usize] {
        &self.inner.input_shape
    }

    /// Elements of a row that go out.
    #[must_use]
    pub fn output_width(&self) -> usize {
        self.inner.output_shape.iter().product()
    }

    /// Shape that goes out, without the batch.
    #[must_use]
    pub fn output_shape(&self) -> &[usize] {
        &self.inner.output_shape
    }

    /// Elements of all parameters.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.inner.num_parameters
    }

    /// The parameters in order; together they cover the flat weights.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.inner.parameters
    }

    /// The parameters of which a step touches few rows: their gradients are given by rows.
    #[must_use]
    pub fn tables(&self) -> &[Table] {
        &self.inner.tables
    }

    /// Elements of all parameters that are no tables.
    #[must_use]
    pub fn num_dense(&self) -> usize {
        self.num_parameters() - self.tables().iter().map(Table::len).sum::<usize>()
    }

    /// The outputs, one after another in a row of outputs; one without a name for a chain of layers.
    #[must_use]
    pub fn outputs(&self) -> &[Output] {
        &self.inner.outputs
    }

    /// What each of the outputs is read from.
    pub(crate) fn output_wires(&self) -> impl Iterator<Item = Wire> + '_ {
        self.inner.output_wires.iter().copied()
    }

    /// Names and shapes of the inputs of a graph, one after another in a row of features; empty for a chain of layers.
    #[must_use]
    pub fn graph_inputs(&self) -> &[(String, Vec<usize>)] {
        &self.inner.graph_inputs
    }

    pub(crate) fn output_wire(&self) -> Wire {
        self.inner.output
    }

    pub(crate) fn layers(&self) -> &[Placed] {
        &self.inner.layers
    }

    /// The same network with other layers, which compute the same and use the same parameters. What belongs to its
    /// document rather than to computing (exports, summaries) is to be asked of the original.
    #[cfg(any(test, feature = "candle"))]
    pub(crate) fn with_layers(&self, layers: Vec<Placed>, output: Wire) -> Network {
        let inner = &self.inner;
        Network {
            inner: Arc::new(Inner {
                document: inner.document.clone(),
                input_shape: inner.input_shape.clone(),
                output,
                output_shape: inner.output_shape.clone(),
                outputs: inner.outputs.clone(),
                output_wires: Vec::new(),
                graph_inputs: inner.graph_inputs.clone(),
                layers,
                parameters: inner.parameters.clone(),
                tables: inner.tables.clone(),
                inits: inner.inits.clone(),
                num_parameters: inner.num_parameters,
            }),
        }
    }

    /// The weights that training starts from: a function of the seed and the parameters' names and shapes.
    #[must_use]
    pub fn initial_weights(&self, seed: u64) -> Vec<f32> {
        let mut weights = vec![0.0; self.num_parameters()];
        for (parameter, init) in self.inner.parameters.iter().zip(&self.inner.inits) {
            let values = &mut weights[parameter.offset..parameter.offset + parameter.len()];
            init::fill(*init, seed, parameter, values);
        }
        weights
    }

    /// Hash of the weights, rule B12: XXH3-128, 32 hexadecimal digits, over every parameter in order: length of its
    /// name (u32), name, `F32`, number of dimensions (u32), dimensions (u64 each), values (f32), little endian. A count is
    /// `I64`, its value an i64.
    ///
    /// # Panics
    /// Where there are fewer weights than [`Network::num_parameters`].
    #[must_use]
    pub fn weights_hash(&self, weights: &[f32]) -> String {
        weights::hash(&self.inner.parameters, weights)
    }

    /// The weights as a safetensors file with PyTorch's names and layouts.
    ///
    /// # Errors
    /// `Internal` where the number of weights is not the network's.
    pub fn save_weights(&self, weights: &[f32]) -> Result<Vec<u8>, Failure> {
        if weights.len() != self.num_parameters() {
            return Err(Failure::internal(format!(
                "{} weights to save, but the network has {}",
                weights.len(),
                self.num_parameters()
            )));
        }
        weights::save(&self.inner.parameters, weights)
    }

    /// Reads a safetensors file that holds exactly this network's parameters.
    ///
    /// # Errors
    /// `InvalidParameter` where it is no such file, or lacks a tensor, or holds another, or one of another shape.
    pub fn load_weights(&self, bytes: &[u8]) -> Result<Vec<f32>, Failure> {
        weights::load(&self.inner.parameters, self.num_parameters(), bytes)
    }

    /// The weights to start from by a safetensors file with names of PyTorch's `state_dict`, F32, F64, F16 or BF16.
    /// Where it is not `strict`, what the file lacks or has in another shape starts as [`Network::initial_weights`].
    ///
    /// # Errors
    /// `InvalidParameter` where the file is damaged, or, if `strict`, does not hold exactly this network's parameters.
    pub fn load_initial(&self, bytes: &[u8], strict: bool, seed: u64) -> Result<(Vec<f32>, Report), Failure> {
        let mut weights = self.initial_weights(seed);
        let report = checkpoint::load_into(&self.inner.parameters, &mut weights, bytes)?;
        if strict {
            report.check()?;
        }
        Ok((weights, report))
    }
}
