//! A network: what its document says, with every shape known.

mod builder;
mod composite;
mod graph;
mod indices;
mod init;
mod node;
mod of_job;
mod shared;
mod sparse;

use crate::layers::Operation;
use crate::parameter::{Parameter, SparseParameter};
use crate::resident::{Ahead, DeviceRows, Residence, Traffic};
use crate::weights::{self, Loading, Outgoing, Report, Rule};
use builder::Builder;
use candlewick_protocol::Failure;
use candlewick_protocol::features::DenseValues;
use candlewick_protocol::job::Precision;
#[cfg(test)]
pub(crate) use composite::composites;
use node::Inner;
pub use node::{FORMAT, Output};
pub(crate) use node::{InnerValue, LayerNode, ValueRef};
use serde_json::Value;
use std::sync::Arc;

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
        let (body, output) = builder.body(document)?;
        if builder.parameters.is_empty() {
            return Err(Failure::parameter(
                "the network has no parameters, so there is nothing to train: add a Linear layer",
            ));
        }
        Ok(Network {
            inner: Arc::new(builder.finish(body, output)),
        })
    }

    /// The same network with products of this precision, in training and in scoring.
    ///
    /// ```
    /// use candlewick_model::{engine::Predictor, network::Network};
    /// use candlewick_protocol::job::Precision;
    /// let document = serde_json::json!({"format": "candlewick.network/1",
    ///     "layers": [{"type": "Linear", "out_features": 1, "bias": false}]});
    /// let network = Network::from_document(&document, &[1])?.with_precision(Precision::Bf16);
    /// let outputs = Predictor::new(&network, 1)?.predict(&[1.0 / 3.0], &[1.0], 1)?.to_vec();
    /// assert_eq!(outputs, [0.333_984_375]);
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    #[must_use]
    pub fn with_precision(&self, precision: Precision) -> Network {
        let inner = Inner {
            precision,
            ..(*self.inner).clone()
        };
        Network {
            inner: Arc::new(inner),
        }
    }

    /// The same network, whose products of f32 may be of TF32 where a device has it; processors do not.
    #[must_use]
    pub fn with_tf32(&self, allowed: bool) -> Network {
        let inner = Inner {
            tf32: allowed,
            ..(*self.inner).clone()
        };
        Network {
            inner: Arc::new(inner),
        }
    }

    /// Whether they may be.
    #[must_use]
    pub fn allows_tf32(&self) -> bool {
        self.inner.tf32
    }

    /// What its products are computed in.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.inner.precision
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
    pub fn sparse_parameters(&self) -> &[SparseParameter] {
        &self.inner.sparse_parameters
    }

    /// Trained parameters once more for every further call of the layer that they belong to, as indices: each call has a gradient
    /// of its own until the gradients of all rows are there. Added up earlier, the sum would depend on who has which rows.
    pub(crate) fn repeats(&self) -> &[usize] {
        &self.inner.repeats
    }

    /// Whether the parameter of this index is a sparse one.
    pub(crate) fn is_sparse(&self, parameter: usize) -> bool {
        let offset = self.parameters()[parameter].offset;
        let sparse = self.sparse_parameters();
        sparse.binary_search_by_key(&offset, |one| one.offset).is_ok()
    }

    /// Elements of all parameters that are not sparse.
    #[must_use]
    pub fn num_dense(&self) -> usize {
        self.num_parameters()
            - self
                .sparse_parameters()
                .iter()
                .map(SparseParameter::len)
                .sum::<usize>()
    }

    /// Elements of the parameters that are trained.
    #[must_use]
    pub fn num_trained(&self) -> usize {
        let trained = self.parameters().iter().filter(|parameter| parameter.trained);
        trained.map(Parameter::len).sum()
    }

    /// The outputs, one after another in a row of outputs; one without a name for a chain of layers.
    #[must_use]
    pub fn outputs(&self) -> &[Output] {
        &self.inner.outputs
    }

    /// What each of the outputs is read from.
    pub(crate) fn output_values(&self) -> impl Iterator<Item = ValueRef> + '_ {
        self.inner.output_values.iter().copied()
    }

    /// Names and shapes of the inputs of a graph, one after another in a row of features; empty for a chain of layers.
    #[must_use]
    pub fn graph_inputs(&self) -> &[(String, Vec<usize>)] {
        &self.inner.graph_inputs
    }

    /// What the layer or node of that name puts out: `"2"` for the third layer of a chain, `"2.0"` for the first layer within
    /// it, or the name of a node of a graph.
    ///
    /// # Errors
    /// `InvalidParameter` with the names that there are.
    pub(crate) fn inner_value(&self, name: &str) -> Result<&InnerValue, Failure> {
        let named = &self.inner.named;
        named.iter().find(|known| known.name == name).ok_or_else(|| {
            // Layers within layers can be named too, but would make the list long.
            let names: Vec<&str> = named
                .iter()
                .map(|known| known.name.as_str())
                .filter(|name| !name.contains('.'))
                .collect();
            Failure::parameter(format!(
                "the network has no layer or node {name:?}; it has {}",
                names.join(", ")
            ))
        })
    }

    /// Values that the layer or node of that name puts out of a row.
    ///
    /// # Errors
    /// `InvalidParameter` with the names that there are.
    pub fn inner_width(&self, name: &str) -> Result<usize, Failure> {
        Ok(self.inner_value(name)?.width)
    }

    pub(crate) fn output_value(&self) -> ValueRef {
        self.inner.output
    }

    pub(crate) fn layers(&self) -> &[LayerNode] {
        &self.inner.layers
    }

    /// The same network with other layers, which compute the same and use the same parameters, and of which those values can be
    /// asked for by name. What belongs to its document rather than to computing (exports, summaries) is to be asked of the original.
    #[cfg(any(test, feature = "candle"))]
    pub(crate) fn with_layers(
        &self,
        layers: Vec<LayerNode>,
        output: ValueRef,
        named: Vec<InnerValue>,
        residence: Residence,
    ) -> Network {
        let inner = &self.inner;
        Network {
            inner: Arc::new(Inner {
                document: inner.document.clone(),
                input_shape: inner.input_shape.clone(),
                output,
                output_shape: inner.output_shape.clone(),
                outputs: inner.outputs.clone(),
                output_values: Vec::new(),
                graph_inputs: inner.graph_inputs.clone(),
                layers,
                parameters: inner.parameters.clone(),
                sparse_parameters: inner.sparse_parameters.clone(),
                named,
                inits: inner.inits.clone(),
                repeats: inner.repeats.clone(),
                sparse_input: inner.sparse_input,
                precision: inner.precision,
                tf32: inner.tf32,
                residence,
                num_parameters: inner.num_parameters,
            }),
        }
    }

    /// Which of its weights stay on a device while training.
    pub(crate) fn residence(&self) -> &Residence {
        &self.inner.residence
    }

    /// Whether something reads the features on the device that it was placed on. Then rows are best given in the type that they are
    /// held in ([`crate::engine::Features::Typed`]).
    #[must_use]
    pub fn reads_on_device(&self) -> bool {
        self.layers().iter().any(|node| match &node.operation {
            Operation::Module(module) => (0..node.inputs.len()).any(|input| module.reads_on_device(input)),
            _ => false,
        })
    }

    /// Puts the features of rows on its device, for a step to come; none where nothing reads them there. Any thread may do so while
    /// another computes: what is handed to a device is done in the order in which it is handed over, whoever does, and nothing that is
    /// under way reads or writes what is new.
    ///
    /// ```
    /// use candlewick_model::network::Network;
    /// use candlewick_protocol::features::DenseValues;
    /// let document = serde_json::json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 1}]});
    /// let network = Network::from_document(&document, &[2])?;
    /// assert!(network.put_ahead(DenseValues::UInt8(&[1, 2, 3, 4]), 0.5)?.is_none());
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    ///
    /// # Errors
    /// `JobFailed` where the device fails, such as for want of memory.
    pub fn put_ahead(&self, values: DenseValues<'_>, scale: f64) -> Result<Option<Ahead>, Failure> {
        let Some(link) = self.residence().link().filter(|_| self.reads_on_device()) else {
            return Ok(None);
        };
        let width = self.input_width();
        let rows = values.count() / width.max(1);
        DeviceRows::up(link, values, scale, (rows, width)).map(|rows| Some(Ahead(rows)))
    }

    /// What crossed to the device that it was placed on ([`crate::device::placed`]) and back, by everything that computes it;
    /// none where it is on no device.
    #[must_use]
    pub fn traffic(&self) -> Option<Traffic> {
        self.inner.residence.traffic()
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
    /// name (u32), name, `F32`, number of dimensions (u32), dimensions (u64 each), values (f32), little endian. A count
    /// is
    /// `I64`, its value an i64.
    ///
    /// # Panics
    /// Where there are fewer weights than [`Network::num_parameters`].
    #[must_use]
    pub fn weights_hash(&self, weights: &[f32]) -> String {
        weights::hash(&self.inner.parameters, weights)
    }

    /// The same of a file that [`Network::save_weights`] wrote, without reading it into weights.
    ///
    /// # Errors
    /// As [`Network::load_weights`].
    pub fn weights_hash_of_file(&self, file: &[u8]) -> Result<String, Failure> {
        weights::hash_of_file(&self.inner.parameters, file)
    }

    /// The weights as a safetensors file with PyTorch's names and layouts.
    ///
    /// # Errors
    /// `Internal` where the number of weights is not the network's.
    pub fn save_weights(&self, weights: &[f32]) -> Result<Vec<u8>, Failure> {
        /// Any multiple of 8.
        const PIECE: usize = 1 << 20;
        let file = self.weights_file(weights)?;
        let mut bytes = Vec::with_capacity(usize::try_from(file.total()).unwrap_or_default());
        file.pieces(PIECE).for_each(|piece| bytes.extend(piece));
        Ok(bytes)
    }

    /// The same, made while it is read in pieces.
    ///
    /// # Errors
    /// `Internal` where the number of weights is not the network's.
    pub fn weights_file<'a>(&'a self, weights: &'a [f32]) -> Result<Outgoing<'a>, Failure> {
        if weights.len() != self.num_parameters() {
            return Err(Failure::internal(format!(
                "{} weights to save, but the network has {}",
                weights.len(),
                self.num_parameters()
            )));
        }
        Outgoing::new(&self.inner.parameters, weights)
    }

    /// Reads a safetensors file that holds exactly this network's parameters.
    ///
    /// # Errors
    /// `InvalidParameter` where it is no such file, or lacks a tensor, or holds another, or one of another shape.
    pub fn load_weights(&self, bytes: &[u8]) -> Result<Vec<f32>, Failure> {
        let mut loading = self.begin_load();
        loading.push(bytes)?;
        Ok(loading.finish()?.0)
    }

    /// The same for a file that comes in pieces.
    ///
    /// ```
    /// # use candlewick_model::network::Network;
    /// # let document = serde_json::json!({"format": "candlewick.network/1",
    /// #     "layers": [{"type": "Linear", "out_features": 3}]});
    /// # let network = Network::from_document(&document, &[4])?;
    /// let weights = network.initial_weights(7);
    /// let mut loading = network.begin_load();
    /// for piece in network.weights_file(&weights)?.pieces(64) {
    ///     loading.push(&piece)?;
    /// }
    /// assert_eq!(loading.finish()?.0, weights);
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    #[must_use]
    pub fn begin_load(&self) -> Loading {
        self.loading(Rule::Exact)
    }

    /// The weights to start from by a safetensors file with names of PyTorch's `state_dict`, F32, F64, F16 or BF16.
    /// Where it is not `strict`, what the file lacks or has in another shape starts as [`Network::initial_weights`].
    ///
    /// # Errors
    /// `InvalidParameter` where the file is damaged, or, if `strict`, does not hold exactly this network's parameters.
    pub fn load_initial(&self, bytes: &[u8], strict: bool, seed: u64) -> Result<(Vec<f32>, Report), Failure> {
        let mut loading = self.begin_initial(strict, seed);
        loading.push(bytes)?;
        loading.finish()
    }

    /// The same for a file that comes in pieces.
    #[must_use]
    pub fn begin_initial(&self, strict: bool, seed: u64) -> Loading {
        let inner = Arc::clone(&self.inner);
        let fresh = Box::new(move |at: usize, values: &mut [f32]| {
            init::fill(inner.inits[at], seed, &inner.parameters[at], values);
        });
        self.loading(Rule::Initial { strict, fresh })
    }

    fn loading(&self, rule: Rule) -> Loading {
        Loading::new(self.inner.parameters.clone(), self.num_parameters(), rule)
    }
}
