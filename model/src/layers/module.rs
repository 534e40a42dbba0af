//! What a layer is to the engine: an elementwise function, a module with parameters, or a change of shape.

use super::error::LayerError;
#[cfg(any(test, feature = "candle"))]
use super::normalization::{NormBackward, NormForward};
use super::parameters::ParameterSpec;
use super::step::{Exchange, RowKey, Training};
#[cfg(any(test, feature = "candle"))]
use super::table::RowTable;
use crate::arguments::Arguments;
use crate::kernels::{Arithmetic, ByInput, Kernels, PackedLinear, Program, SimdLevel, SparseInput};
use crate::resident::{DeviceValues, DeviceVec, HeldRows};
use candlewick_protocol::Failure;
use candlewick_protocol::feed::FeatureDomain;
use candlewick_protocol::rows::SparseRows;
use std::fmt::Debug;
use std::sync::Arc;

/// What a layer does to its input.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// Changes the shape only.
    View,
    /// Changes every element by itself.
    Elementwise(Arc<dyn Elementwise>),
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

/// What the gradient of an elementwise layer needs to see again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SavedForBackward {
    /// Neither side.
    Nothing,
    /// Its input: it cannot overwrite it.
    Input,
    /// Its output: the next layer cannot overwrite it.
    Output,
}

impl SavedForBackward {
    /// True where the input must survive.
    pub(crate) fn input(self) -> bool {
        self == SavedForBackward::Input
    }

    /// True where the output must survive.
    pub(crate) fn output(self) -> bool {
        self == SavedForBackward::Output
    }
}

/// What an elementwise layer knows beside the values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ElementwiseContext<'a> {
    /// Instruction set.
    pub level: SimdLevel,
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
pub(crate) trait Elementwise: Debug + Send + Sync {
    /// What [`Elementwise::backward`] needs to see.
    fn saved_for_backward(&self) -> SavedForBackward;

    /// True where the layer is the identity when scoring.
    fn only_training(&self) -> bool {
        false
    }

    /// Cost of an element, in multiples of an addition; decides what is worth a thread.
    fn cost(&self) -> usize;

    /// Replaces whole rows of the input by the output.
    fn forward(&self, context: &ElementwiseContext<'_>, values: &mut [f32]);

    /// Replaces whole rows of the output's gradient by the input's; `saved` is the input, the output, or empty.
    fn backward(&self, context: &ElementwiseContext<'_>, saved: &[f32], gradient: &mut [f32]);
}

/// What a call of a module knows beside its inputs and outputs.
pub(crate) struct Context<'a> {
    /// Products, threads, memory to borrow.
    pub kernels: &'a mut Kernels,
    /// The module's own weights, its parameters one after another.
    pub weights: &'a [f32],
    /// The same where they stay on a device: what `weights` holds then means nothing.
    pub held: Option<&'a DeviceVec>,
    /// Rows of the batch.
    pub rows: usize,
    /// What the module reads, where that is the features and only what is not zero of them is there: the input has no values then.
    /// Only modules that [`Module::takes_sparse`] meet it.
    pub sparse: Option<SparseInput<'a>>,
    /// [`Module::saved`] values: what `forward` leaves for `backward`, and `backward` for `parameter_gradient`. What
    /// they hold before `forward` is not defined.
    pub saved: &'a mut [f32],
    /// While training.
    pub training: Option<Training<'a>>,
    /// What layers on a device give to each other.
    #[cfg_attr(
        not(any(test, feature = "candle")),
        expect(dead_code, reason = "only layers on devices use it")
    )]
    pub values: &'a mut DeviceValues,
    /// The trainers of the job, for what is normalised over the whole step (rule B7).
    pub exchange: &'a mut (dyn Exchange + Send),
}

/// What normalises over the rows of a step (rule B7), wherever its values lie.
#[cfg(any(test, feature = "candle"))]
pub(crate) trait StepNorm {
    /// Forward.
    ///
    /// # Errors
    /// Those of [`Context::exchange`], and of a device.
    fn forward_over(&self, ctx: &mut Context<'_>, ends: &mut dyn NormForward) -> Result<(), Failure>;

    /// Backward.
    ///
    /// # Errors
    /// As forward.
    fn backward_over(&self, ctx: &mut Context<'_>, ends: &mut dyn NormBackward) -> Result<(), Failure>;
}

/// A layer with parameters, with several inputs, or one that mixes the elements of a row.
///
/// A row's output and input gradient must have the same bits whatever rows it is computed with, unless the layer
/// normalises over the step by [`Context::exchange`].
pub(crate) trait Module: Debug + Send + Sync {
    /// The parameters and buffers, in order.
    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    /// Which ends [`Module::backward`] and [`Module::parameter_gradient`] read.
    fn saved_for_backward(&self) -> SavedForBackward {
        SavedForBackward::Input
    }

    /// The module for an engine of its own, where it holds more from forward to backward than [`Context::saved`] can;
    /// `None` where engines can share it.
    fn instance(&self) -> Option<Arc<dyn Module>> {
        None
    }

    /// Values of [`Context::saved`] for `rows` rows.
    fn saved(&self, _rows: usize, _training: bool) -> usize {
        0
    }

    /// True where evaluation is the identity, so that scoring leaves the layer out.
    fn only_training(&self) -> bool {
        false
    }

    /// What the input's elements have to be, where it does not take every number.
    fn input_domain(&self) -> Option<FeatureDomain> {
        None
    }

    /// The first element of the input that the output begins with, where the output is a part of it.
    fn selected(&self) -> Option<usize> {
        None
    }

    /// Whether it reads [`Context::sparse`]: a linear map of a whole row, the first of whose parameters is the matrix, a row for each
    /// output, whose gradient [`Module::sparse_gradient`] gives by columns then; or what [`Module::skips_zeros`].
    fn takes_sparse(&self) -> bool {
        false
    }

    /// Whether it takes that input from [`Context::values`], where the features are on its device, and not from memory of the host.
    fn reads_on_device(&self, _input: usize) -> bool {
        false
    }

    /// Whether it takes that input from memory of the host; some take it from both.
    fn reads_on_host(&self, input: usize) -> bool {
        !self.reads_on_device(input)
    }

    /// Whether it passes over zeros of dense rows too: sparse ones never take longer, whatever the precision. The first of its
    /// parameters is a table, a row for each value of its input.
    fn skips_zeros(&self) -> bool {
        false
    }

    /// The right operand of its product with rows of zeros, of the module's `weights`, where it is a linear map of a whole row.
    fn by_input(&self, _weights: &[f32]) -> Option<ByInput> {
        None
    }

    /// The module with its `weights` packed, where it is a linear map: gives what [`Module::forward`] gives when scoring, without
    /// packing them again for every block of rows.
    fn packed(&self, _arithmetic: Arithmetic, _weights: &[f32]) -> Option<PackedLinear> {
        None
    }

    /// The module as what normalises over the rows of a step, where it is that.
    #[cfg(any(test, feature = "candle"))]
    fn step_norm(&self) -> Option<&dyn StepNorm> {
        None
    }

    /// The table of which it puts out a row for every value of its input, where it is that.
    #[cfg(any(test, feature = "candle"))]
    fn row_table(&self) -> Option<&RowTable> {
        None
    }

    /// Output of all rows.
    ///
    /// # Errors
    /// Those of [`Context::exchange`].
    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure>;

    /// Sets the gradient of every input for which there is memory. Called once a step, before
    /// [`Module::parameter_gradient`], also where no input needs a gradient.
    ///
    /// # Errors
    /// Those of [`Context::exchange`].
    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure>;

    /// Sets the gradient of one parameter over a node of the reduction tree. Not called for buffers and sparse parameters.
    fn parameter_gradient(
        &self,
        _pass: &mut Context<'_>,
        _parameter: usize,
        _tree: &Program,
        _ends: BackwardInputs<'_>,
        _into: &mut [f32],
    ) {
    }

    /// The gradients of all parameters over a node, one after another as the weights lie, where the module has them on a device;
    /// [`Module::parameter_gradient`] is not called then. There are rows under the node.
    ///
    /// # Errors
    /// Those of the device.
    fn held_gradient(&self, _tree: &Program) -> Result<Option<DeviceVec>, Failure> {
        Ok(None)
    }

    /// As [`Module::parameter_gradient`], of a parameter that is a table: the rows that occur under the node (of a matrix that meets
    /// rows of zeros: its columns). None of their values is -0.0, so that a row that another node lacks may count as zeros.
    fn sparse_gradient(
        &self,
        _pass: &mut Context<'_>,
        _parameter: usize,
        _tree: &Program,
        _ends: BackwardInputs<'_>,
        _into: &mut SparseRows,
    ) {
    }

    /// The same, where the module has them on a device; [`Module::sparse_gradient`] is not called then. There are rows of the batch
    /// under the node.
    ///
    /// # Errors
    /// Those of the device.
    fn held_rows(&self, _tree: &Program) -> Result<Option<HeldRows>, Failure> {
        Ok(None)
    }

    /// Of what it saves in a step, so many values from the first on are all that [`Module::update_buffers`] reads; 0 where it
    /// has no buffers.
    fn statistics(&self) -> usize {
        0
    }

    /// Brings the module's buffers among its `weights` up to date after a step that counted; false where the step had
    /// too few values for that and was computed by the buffers instead (rule B7).
    fn update_buffers(&self, _kept: &[f32], _weights: &mut [f32]) -> bool {
        true
    }
}

/// All ends of a module for all rows of the batch. Those that [`Module::saved_for_backward`] does not name may have
/// been overwritten.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BackwardInputs<'a> {
    /// The inputs.
    pub inputs: &'a [&'a [f32]],
    /// The gradient of the output.
    pub gradient: &'a [f32],
}

/// A layer made for an input shape.
#[derive(Debug)]
pub(crate) struct BuiltLayer {
    /// What it does.
    pub operation: Operation,
    /// Shape of its output, without the batch.
    pub output: Vec<usize>,
}

impl BuiltLayer {
    /// A module.
    pub(crate) fn module(module: impl Module + 'static, output: Vec<usize>) -> Self {
        BuiltLayer {
            operation: Operation::Module(Arc::new(module)),
            output,
        }
    }
}

/// Makes a layer from its arguments, the shape that comes in, and its path (`2.0`), which names its random numbers.
/// It sets inferred sizes in the arguments. An error says what shape it wanted.
pub(super) type Make = fn(&mut Arguments, &[usize], &str) -> Result<BuiltLayer, LayerError>;

/// The layers of a family, by name.
pub(super) type Family = &'static [(&'static str, Make)];

/// Makes a layer of several inputs from its arguments, the shapes that come in, and its path.
pub(super) type MakeJoin = fn(&mut Arguments, &[&[usize]], &str) -> Result<BuiltLayer, LayerError>;
