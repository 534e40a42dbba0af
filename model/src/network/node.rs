//! The layers of a network in their places, and what they read.

use crate::layers::{Init, Operation};
use crate::parameter::{Parameter, SparseParameter};
use crate::resident::Residence;
use candlewick_protocol::Failure;
use candlewick_protocol::job::Precision;
use serde_json::Value;
use std::ops::Range;

/// The `format` of a network document.
pub const FORMAT: &str = "candlewick.network/1";

/// Sequentials within Sequentials.
pub(super) const MAX_NESTING: usize = 32;

/// What a layer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueRef {
    /// The features of a row.
    Features,
    /// What an earlier layer puts out.
    Layer(usize),
}

/// A layer in its place.
#[derive(Debug, Clone)]
pub(crate) struct LayerNode {
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
    pub inputs: Vec<ValueRef>,
    /// Shape that goes out.
    pub output: Vec<usize>,
    /// Its parameters, as indices into the network's.
    pub parameters: Range<usize>,
    /// Its elements in the flat weights.
    pub weights: Range<usize>,
    /// Where it calls the layer of an earlier node again: its first parameter among the repeats of the network.
    pub repeats: Option<usize>,
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

/// What a layer, or a node of a graph, puts out, by its name.
#[derive(Debug, Clone)]
pub(crate) struct InnerValue {
    /// Path of the layer (`2`, `2.0`), or name of the node.
    pub name: String,
    /// What it puts out.
    pub value: ValueRef,
    /// Elements of it in a row.
    pub width: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Inner {
    pub document: Value,
    pub input_shape: Vec<usize>,
    pub output: ValueRef,
    pub output_shape: Vec<usize>,
    pub outputs: Vec<Output>,
    pub output_values: Vec<ValueRef>,
    pub graph_inputs: Vec<(String, Vec<usize>)>,
    pub layers: Vec<LayerNode>,
    pub parameters: Vec<Parameter>,
    pub inits: Vec<Init>,
    pub sparse_parameters: Vec<SparseParameter>,
    pub repeats: Vec<usize>,
    /// Made for rows of zeros.
    pub sparse_input: bool,
    pub precision: Precision,
    /// Whether products of f32 on a GPU may be of TF32.
    pub tf32: bool,
    /// Which weights stay on a device while training.
    pub residence: Residence,
    pub named: Vec<InnerValue>,
    pub num_parameters: usize,
}

/// A failure of the document as a whole.
pub(super) fn wrong(message: impl std::fmt::Display) -> Failure {
    Failure::parameter(format!("network: {message}"))
}

/// A layer in its place, which another place may share.
pub(super) struct Placed {
    pub path: String,
    /// Its complete document.
    pub document: Value,
    /// Its parameters by index.
    pub parameters: Range<usize>,
}
