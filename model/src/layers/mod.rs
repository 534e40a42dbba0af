//! Layers: one trait for those with parameters, one for elementwise functions, and the table that makes them.
//!
//! A new layer is an entry in the catalogue, a file here and a line in its family's table; neither the engine nor the trainer
//! knows any layer by name.

mod activation;
mod attention;
mod bilinear;
mod convolution;
mod dropout;
mod embedding;
mod join;
mod linear;
mod normalization;
mod pooling;
mod recurrent;
mod shape;
mod softmax;

use crate::arguments::Arguments;
use crate::engine::{Exchange, Slice};
use crate::kernels::{Kernels, Level, Program};
pub(crate) use attention::sines;
use candlewick_protocol::Failure;
use candlewick_protocol::rows::Rows;
#[cfg(any(test, feature = "candle"))]
pub(crate) use dropout::Dropout as RandomZeros;
pub(crate) use join::{join_outputs, select};
use std::fmt::Debug;
use std::sync::Arc;

/// What a layer does to its input.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// Changes the shape only.
    View,
    /// Changes every element by itself.
    Map(Arc<dyn Map>),
    /// Has parameters, or mixes elements.
    Module(Arc<dyn Module>),
}

impl Operation {
    /// The operation for an engine of its own, see [`Module::instance`].
    pub(crate) fn instance(&self) -> Operation {
        match self {
            Operation::Module(module) => match module.instance() {
                Some(own) => Operation::Module(own),
                None => self.clone(),
            },
            _ => self.clone(),
        }
    }
}

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Init {
    /// Uniform in ±bound.
    Uniform(f32),
    /// Normal around 0 with this standard deviation.
    Normal(f32),
    /// Uniform from the first to the second.
    Between(f32, f32),
    /// Normal of this mean and standard deviation.
    NormalAround(f32, f32),
    /// Normal of a mean and standard deviation, between two bounds only.
    Truncated([f32; 4]),
    /// Orthogonal vectors of this length.
    Orthogonal(f32),
    /// Everywhere this value.
    Constant(f32),
    /// Normal around 0 with deviation 1, but 0 from an element on, so many elements.
    NormalBut(usize, usize),
}

/// A parameter or a buffer of a layer.
#[derive(Debug, Clone)]
pub(crate) struct ParameterSpec {
    /// Name within the layer, PyTorch's: `weight`, `bias`, `weight_ih_l0`.
    pub name: String,
    /// Shape, PyTorch's.
    pub shape: Vec<usize>,
    /// How it starts.
    pub init: Init,
    /// False for a buffer: no optimiser touches it, the layer itself does ([`Module::update_buffers`]).
    pub trained: bool,
    /// True for a count: among the weights it is an f32, exact to 2^24; files and hashes hold it as I64, as PyTorch's.
    pub count: bool,
    /// True for a table of which a step touches few rows: its gradient comes from [`Module::row_gradient`].
    pub table: bool,
}

impl ParameterSpec {
    /// A parameter that is trained.
    pub(crate) fn new(name: &str, shape: &[usize], init: Init) -> Self {
        ParameterSpec {
            name: name.to_owned(),
            shape: shape.to_vec(),
            init,
            trained: true,
            count: false,
            table: false,
        }
    }

    /// A parameter that is trained, of so many rows, of which a step touches few.
    pub(crate) fn table(name: &str, [entries, width]: [usize; 2], init: Init) -> Self {
        ParameterSpec {
            table: true,
            ..ParameterSpec::new(name, &[entries, width], init)
        }
    }

    /// A buffer.
    pub(crate) fn buffer(name: &str, shape: &[usize], value: f32) -> Self {
        ParameterSpec {
            trained: false,
            ..ParameterSpec::new(name, shape, Init::Constant(value))
        }
    }

    /// A buffer that counts, from 0.
    pub(crate) fn count(name: &str) -> Self {
        ParameterSpec {
            count: true,
            ..ParameterSpec::buffer(name, &[], 0.0)
        }
    }
}

/// Uniform in ±1/√fan_in: how PyTorch starts weights (kaiming_uniform with a = √5) and biases of most layers.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a bound"
)]
pub(crate) fn uniform_by_fan(fan_in: usize) -> Init {
    Init::Uniform((1.0 / libm::sqrt(fan_in as f64)) as f32)
}

/// What the gradient of a map needs to see again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// Neither side.
    Nothing,
    /// Its input: it cannot overwrite it.
    Input,
    /// Its output: the next layer cannot overwrite it.
    Output,
}

impl Keeps {
    /// True where the input must survive.
    pub(crate) fn input(self) -> bool {
        self == Keeps::Input
    }

    /// True where the output must survive.
    pub(crate) fn output(self) -> bool {
        self == Keeps::Output
    }
}

/// Where a row comes from: random numbers depend on it, not on its position in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowKey {
    /// Logical shard.
    pub shard: u32,
    /// Row in the slice.
    pub row: u32,
}

/// What a map knows beside the values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MapContext<'a> {
    /// Instruction set.
    pub level: Level,
    /// Elements in a row.
    pub width: usize,
    /// Seed of the job.
    pub seed: u64,
    /// Global step.
    pub step: u64,
    /// The rows, while training.
    pub rows: &'a [RowKey],
}

/// A layer that changes every element by itself, in place.
pub(crate) trait Map: Debug + Send + Sync {
    /// What [`Map::backward`] needs to see.
    fn keeps(&self) -> Keeps;

    /// True where the layer is the identity when scoring.
    fn only_training(&self) -> bool {
        false
    }

    /// Cost of an element, in multiples of an addition; decides what is worth a thread.
    fn cost(&self) -> usize;

    /// Replaces whole rows of the input by the output.
    fn forward(&self, context: &MapContext<'_>, values: &mut [f32]);

    /// Replaces whole rows of the output's gradient by the input's; `kept` is the input, the output, or empty.
    fn backward(&self, context: &MapContext<'_>, kept: &[f32], gradient: &mut [f32]);
}

/// What a call of a module knows beside its inputs and outputs.
pub(crate) struct Pass<'a> {
    /// Products, threads, memory to borrow.
    pub kernels: &'a mut Kernels,
    /// The module's own weights, its parameters one after another.
    pub weights: &'a [f32],
    /// Rows of the batch.
    pub rows: usize,
    /// [`Module::kept`] values: what `forward` leaves for `backward`, and `backward` for `parameter_gradient`. What
    /// they hold before `forward` is not defined.
    pub kept: &'a mut [f32],
    /// While training.
    pub training: Option<Training<'a>>,
    /// The trainers of the job, for what is normalised over the whole step (rule B7).
    pub exchange: &'a mut (dyn Exchange + Send),
}

/// What a module knows while training.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Training<'a> {
    /// Seed of the job.
    pub seed: u64,
    /// Global step.
    pub step: u64,
    /// Every row's place, for random numbers.
    pub rows: &'a [RowKey],
    /// The slices the rows come in, by ascending shard, one after another; some may be empty.
    pub slices: &'a [Slice],
}

/// A layer with parameters, with several inputs, or one that mixes the elements of a row.
///
/// A row's output and input gradient must have the same bits whatever rows it is computed with, unless the layer
/// normalises over the step by [`Pass::exchange`].
pub(crate) trait Module: Debug + Send + Sync {
    /// The parameters and buffers, in order.
    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    /// Which ends [`Module::backward`] and [`Module::parameter_gradient`] read.
    fn keeps(&self) -> Keeps {
        Keeps::Input
    }

    /// The module for an engine of its own, where it holds more from forward to backward than [`Pass::kept`] can;
    /// `None` where engines can share it.
    fn instance(&self) -> Option<Arc<dyn Module>> {
        None
    }

    /// Values of [`Pass::kept`] for `rows` rows.
    fn kept(&self, _rows: usize, _training: bool) -> usize {
        0
    }

    /// True where evaluation is the identity, so that scoring leaves the layer out.
    fn only_training(&self) -> bool {
        false
    }

    /// Output of all rows.
    ///
    /// # Errors
    /// Those of [`Pass::exchange`].
    fn forward(&self, pass: &mut Pass<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure>;

    /// Sets the gradient of every input for which there is memory. Called once a step, before
    /// [`Module::parameter_gradient`], also where no input wants a gradient.
    ///
    /// # Errors
    /// Those of [`Pass::exchange`].
    fn backward(
        &self,
        pass: &mut Pass<'_>,
        ends: Ends<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure>;

    /// Sets the gradient of one parameter over a node of the reduction tree. Not called for buffers and tables.
    fn parameter_gradient(
        &self,
        _pass: &mut Pass<'_>,
        _parameter: usize,
        _tree: &Program,
        _ends: Ends<'_>,
        _into: &mut [f32],
    ) {
    }

    /// As [`Module::parameter_gradient`], of a parameter that is a table: the rows that occur under the node. None of
    /// their values is -0.0, so that a row that another node lacks may count as zeros.
    fn row_gradient(
        &self,
        _pass: &mut Pass<'_>,
        _parameter: usize,
        _tree: &Program,
        _ends: Ends<'_>,
        _into: &mut Rows,
    ) {
    }

    /// Brings the module's buffers among its `weights` up to date after a step that counted; false where the step had
    /// too few values for that and was computed by the buffers instead (rule B7).
    fn update_buffers(&self, _kept: &[f32], _weights: &mut [f32]) -> bool {
        true
    }
}

/// All ends of a module for all rows of the batch. Those that [`Module::keeps`] does not name may have been
/// overwritten.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends<'a> {
    /// The inputs.
    pub inputs: &'a [&'a [f32]],
    /// The gradient of the output.
    pub gradient: &'a [f32],
}

/// A layer made for an input shape.
#[derive(Debug)]
pub(crate) struct Made {
    /// What it does.
    pub operation: Operation,
    /// Shape of its output, without the batch.
    pub output: Vec<usize>,
}

impl Made {
    /// A module.
    pub(crate) fn module(module: impl Module + 'static, output: Vec<usize>) -> Self {
        Made {
            operation: Operation::Module(Arc::new(module)),
            output,
        }
    }
}

/// Makes a layer from its arguments, the shape that comes in, and its path (`2.0`), which names its random numbers.
/// It sets inferred sizes in the arguments. An error says what shape it wanted.
type Make = fn(&mut Arguments, &[usize], &str) -> Result<Made, String>;

/// The layers of a family, by name.
type Family = &'static [(&'static str, Make)];

/// How the layers of the catalogue are made, in its order.
const FAMILIES: &[Family] = &[
    linear::LAYERS,
    embedding::LAYERS,
    attention::LAYERS,
    activation::LAYERS,
    convolution::LAYERS,
    pooling::LAYERS,
    softmax::LAYERS,
    normalization::LAYERS,
    dropout::LAYERS,
    shape::LAYERS,
    recurrent::LAYERS,
];

/// Makes a layer of several inputs from its arguments, the shapes that come in, and its path.
type MakeJoin = fn(&mut Arguments, &[&[usize]], &str) -> Result<Made, String>;

/// Layers of several inputs.
const JOINS: &[&[(&str, MakeJoin)]] = &[join::JOINS, bilinear::JOINS, attention::JOINS];

/// Makes the layer that `arguments` describe.
pub(crate) fn make(arguments: &mut Arguments, inputs: &[&[usize]], path: &str) -> Result<Made, String> {
    let name = arguments.name();
    let mut joins = JOINS.iter().copied().flatten();
    if let Some((_, make)) = joins.find(|(join, _)| *join == name) {
        return make(arguments, inputs, path);
    }
    let &[input] = inputs else {
        return Err(format!("takes one input, got {}", inputs.len()));
    };
    let mut layers = FAMILIES.iter().copied().flatten();
    match layers.find(|(layer, _)| *layer == name) {
        Some((_, make)) => make(arguments, input, path),
        None => Err(format!("{name} cannot be made by this version")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Kind, entries};

    #[test]
    fn every_layer_of_the_catalogue_can_be_made() {
        let mut listed: Vec<&str> = entries()
            .filter(|entry| entry.kind == Kind::Layer)
            .map(|entry| entry.name)
            .collect();
        let one = FAMILIES.iter().copied().flatten().map(|(name, _)| *name);
        let joins = JOINS.iter().copied().flatten().map(|(name, _)| *name);
        let composites = crate::network::composites();
        let mut made: Vec<&str> = one.chain(joins).chain(composites).collect();
        listed.sort_unstable();
        made.sort_unstable();
        assert_eq!(listed, made);
    }
}
