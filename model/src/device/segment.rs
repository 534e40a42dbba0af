//! A run of layers on a device, for the engine one module: values of the host go in and come out.
//!
//! Training runs slice by slice, forward and backward: what a slice's rows give then depends on the slice alone (rule
//! B2), whoever holds it. Gradients of parameters stay on the device and are combined there along the tree of rule B5; what
//! comes of a node stays too where the weights do and nobody else wants it, else it comes to the host in one transfer.

use super::lowering::layer::{Rows, batched};
use super::subgraph::Subgraph;
use crate::kernels::Program;
use crate::layers::{BackwardInputs, Context, Module, ParameterSpec, SavedForBackward, Training};
use crate::network::ValueRef;
use crate::resident::{DeviceError, DeviceVec, Kind, Link};
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use candlewick_protocol::Failure;
use candlewick_protocol::tree::Step;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A slice on its way from forward to backward.
#[derive(Debug)]
struct Sliced {
    rows: Range<usize>,
    /// The inputs that want a gradient.
    inputs: Vec<Option<Var>>,
    output: Tensor,
}

/// The gradients of all parameters over a slice, as they lie in the weights.
#[derive(Debug)]
struct SliceGradient {
    start: usize,
    values: Tensor,
}

/// What is saved from forward to backward to the gradients of the parameters.
#[derive(Debug, Default)]
struct Saved {
    slices: Vec<Sliced>,
    weights: Vec<Tensor>,
    gradients: Vec<SliceGradient>,
}

/// A run of layers on a device.
#[derive(Debug)]
pub(super) struct Segment {
    subgraph: Arc<Subgraph>,
    link: Arc<Link>,
    saved: Mutex<Saved>,
}

impl Segment {
    pub(super) fn new(subgraph: Arc<Subgraph>, link: Arc<Link>) -> Self {
        Segment {
            subgraph,
            link,
            saved: Mutex::default(),
        }
    }

    fn saved(&self) -> MutexGuard<'_, Saved> {
        // What a panic left behind is replaced by the next forward pass.
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The weights on the device, which stay there or are brought up; while training gradients can be had for those that are
    /// trained.
    fn weights(&self, ctx: &Context<'_>) -> Result<Vec<Tensor>, DeviceError> {
        if self.subgraph.weights.is_empty() {
            return Ok(Vec::new());
        }
        let flat = match ctx.held {
            Some(held) => held.tensor().clone(),
            None => self.link.up(Kind::Weights, ctx.weights, ctx.weights.len())?,
        };
        let all = self.subgraph.weights.iter().map(|weight| {
            let place = &weight.place;
            let own = flat.narrow(0, place.start, place.len())?;
            let own = own.reshape(weight.shape.as_slice())?;
            Ok(if ctx.training.is_some() && weight.trained {
                Var::from_tensor(&own)?.into_inner()
            } else {
                own
            })
        });
        all.collect()
    }

    /// All rows of the inputs on the device.
    fn uploaded(&self, inputs: &[&[f32]], rows: usize) -> Result<Vec<Tensor>, DeviceError> {
        let all = inputs.iter().zip(&self.subgraph.inputs);
        all.map(|(values, input)| self.link.up(Kind::Rows, values, batched(rows, &input.shape)))
            .collect()
    }

    fn score(&self, ctx: &Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), DeviceError> {
        let inputs = self.uploaded(inputs, ctx.rows)?;
        let weights = self.weights(ctx)?;
        let outputs = self.subgraph.run(&inputs, &weights, None, &self.link)?;
        self.link.down_into(Kind::Rows, &outputs, output)
    }

    fn train(
        &self,
        ctx: &Context<'_>,
        training: Training<'_>,
        inputs: &[&[f32]],
        output: &mut [f32],
    ) -> Result<(), DeviceError> {
        let mut saved = self.saved();
        saved.slices.clear();
        saved.gradients.clear();
        saved.weights = self.weights(ctx)?;
        let inputs = self.uploaded(inputs, ctx.rows)?;
        let mut start = 0;
        for slice in training.slices.iter().filter(|slice| slice.rows > 0) {
            let rows = start..start + slice.rows;
            start = rows.end;
            let sliced = self.slice(&saved.weights, training, &inputs, rows)?;
            saved.slices.push(sliced);
        }
        let outputs: Vec<&Tensor> = saved.slices.iter().map(|slice| &slice.output).collect();
        match outputs.as_slice() {
            [] => Ok(()),
            [one] => self.link.down_into(Kind::Rows, one, output),
            _ => self
                .link
                .down_into(Kind::Rows, &Tensor::cat(&outputs, 0)?, output),
        }
    }

    /// Forward over one slice.
    fn slice(
        &self,
        weights: &[Tensor],
        training: Training<'_>,
        inputs: &[Tensor],
        rows: Range<usize>,
    ) -> Result<Sliced, DeviceError> {
        let mut read = Vec::with_capacity(inputs.len());
        let mut variables = Vec::with_capacity(inputs.len());
        for (tensor, input) in inputs.iter().zip(&self.subgraph.inputs) {
            let own = tensor.narrow(0, rows.start, rows.len())?;
            // Nobody needs a gradient of the features.
            if input.value == ValueRef::Features {
                read.push(own);
                variables.push(None);
            } else {
                let variable = Var::from_tensor(&own.contiguous()?)?;
                read.push(variable.as_tensor().clone());
                variables.push(Some(variable));
            }
        }
        let which = Rows {
            seed: training.seed,
            step: training.step,
            keys: &training.rows[rows.clone()],
        };
        Ok(Sliced {
            rows,
            inputs: variables,
            output: self.subgraph.run(&read, weights, Some(which), &self.link)?,
        })
    }

    fn back(
        &self,
        gradient: &[f32],
        rows: usize,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), DeviceError> {
        let mut saved = self.saved();
        let saved = &mut *saved;
        let shape = (rows, self.subgraph.width());
        let gradient = self.link.up(Kind::Rows, gradient, shape)?;
        for slice in saved.slices.drain(..) {
            let own = gradient.narrow(0, slice.rows.start, slice.rows.len())?;
            // The gradient of Σ output · g by the output is g.
            let tape = (slice.output * own)?.sum_all()?.backward()?;
            for ((variable, into), input) in slice.inputs.iter().zip(&mut *into).zip(&self.subgraph.inputs) {
                let (Some(variable), Some(into)) = (variable, into) else {
                    continue;
                };
                let width: usize = input.shape.iter().product();
                let place = slice.rows.start * width..slice.rows.end * width;
                match tape.get(variable) {
                    Some(gradient) => self.link.down_into(Kind::Rows, gradient, &mut into[place])?,
                    None => into[place].fill(0.0),
                }
            }
            if let Some(values) = self.parameter_gradients(&tape, &saved.weights)? {
                saved.gradients.push(SliceGradient {
                    start: slice.rows.start,
                    values,
                });
            }
        }
        saved.weights.clear();
        Ok(())
    }

    /// The gradients of all parameters, one after another; none where there are no parameters.
    fn parameter_gradients(
        &self,
        tape: &GradStore,
        weights: &[Tensor],
    ) -> Result<Option<Tensor>, DeviceError> {
        let mut parts = Vec::with_capacity(weights.len());
        for weight in weights {
            parts.push(match tape.get(weight) {
                Some(gradient) => gradient.flatten_all()?,
                None => weight.zeros_like()?.flatten_all()?,
            });
        }
        match parts.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one.contiguous()?)),
            _ => Ok(Some(Tensor::cat(&parts, 0)?)),
        }
    }

    /// The sum over the slices of a node along its tree.
    fn node(&self, tree: &Program) -> Result<Tensor, DeviceError> {
        let saved = self.saved();
        let wrong = || DeviceError::defect("a node of the tree without its gradients".to_owned());
        let mut stack: Vec<Tensor> = Vec::with_capacity(tree.depth());
        for step in tree.steps() {
            let value = match step {
                Step::Push(leaf) => {
                    let at = saved
                        .gradients
                        .binary_search_by_key(&leaf.start, |gradient| gradient.start);
                    saved.gradients[at.map_err(|_| wrong())?].values.clone()
                }
                Step::Add => {
                    let (right, left) = (stack.pop(), stack.pop());
                    (left.ok_or_else(wrong)? + right.ok_or_else(wrong)?)?
                }
            };
            stack.push(value);
        }
        stack.pop().ok_or_else(wrong)
    }
}

impl Module for Segment {
    fn parameters(&self) -> Vec<ParameterSpec> {
        // The network has them already: a segment takes the place of layers that were made.
        Vec::new()
    }

    fn saved_for_backward(&self) -> SavedForBackward {
        SavedForBackward::Nothing
    }

    fn instance(&self) -> Option<Arc<dyn Module>> {
        Some(Arc::new(Segment::new(
            Arc::clone(&self.subgraph),
            Arc::clone(&self.link),
        )))
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let done = match ctx.training {
            Some(training) => self.train(ctx, training, inputs, output),
            None => self.score(ctx, inputs, output),
        };
        done.map_err(|error| self.link.failure(error))
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        self.back(ends.gradient, ctx.rows, into)
            .map_err(|error| self.link.failure(error))
    }

    fn held_gradient(&self, tree: &Program) -> Result<Option<DeviceVec>, Failure> {
        let sum = self.node(tree).map_err(|error| self.link.failure(error))?;
        Ok(Some(DeviceVec::of(sum, &self.link)))
    }
}

/// One of the values that a segment puts out one after another.
#[derive(Debug)]
pub(super) struct Part {
    /// Elements of a row of the segment.
    pub whole: usize,
    /// Those of this value.
    pub place: Range<usize>,
}

impl Module for Part {
    fn saved_for_backward(&self) -> SavedForBackward {
        SavedForBackward::Nothing
    }

    fn forward(&self, _ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let rows = inputs[0].chunks_exact(self.whole);
        for (row, into) in rows.zip(output.chunks_exact_mut(self.place.len())) {
            into.copy_from_slice(&row[self.place.clone()]);
        }
        Ok(())
    }

    fn backward(
        &self,
        _ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        if let Some(into) = &mut into[0] {
            into.fill(0.0);
            let rows = ends.gradient.chunks_exact(self.place.len());
            for (row, into) in rows.zip(into.chunks_exact_mut(self.whole)) {
                into[self.place.clone()].copy_from_slice(row);
            }
        }
        Ok(())
    }
}
