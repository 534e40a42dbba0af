//! A run of layers on a device, for the engine one module: values of the host go in and come out.
//!
//! Training runs slice by slice, forward and backward: what a slice's rows give then depends on the slice alone (rule
//! B2), whoever holds it. Gradients of parameters stay on the device and are combined there along the tree of rule B5; what
//! comes of a node stays too where the weights do and nobody else wants it, else it comes to the host in one transfer.

use super::lowering::layer::{Rows, batched, rows_of};
use super::lowering::limits;
use super::subgraph::Subgraph;
use crate::kernels::Program;
use crate::layers::{BackwardInputs, Context, Module, ParameterSpec, SavedForBackward, Training};
use crate::network::ValueRef;
use crate::resident::{DeviceError, DeviceRows, DeviceVec, Kind, Link};
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
    /// What goes to the host, and what stays.
    output: Option<Tensor>,
    held: Vec<Tensor>,
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

/// An input on the device.
enum Arrived {
    /// The features of all rows, which have this shape without the batch.
    Features(DeviceRows, Vec<usize>),
    /// All rows.
    Whole(Tensor),
    /// Those of each slice.
    Slices(Vec<Tensor>),
}

impl Arrived {
    /// The rows of a slice.
    fn slice(&self, at: usize, rows: Range<usize>) -> Result<Tensor, DeviceError> {
        match self {
            Arrived::Features(all, shape) => {
                let shape = batched(rows.len(), shape);
                limits::check_features(&shape)?;
                Ok(all.read(&rows)?.reshape(shape)?)
            }
            Arrived::Whole(tensor) => rows_of(tensor, &rows),
            Arrived::Slices(slices) => {
                let missing = || DeviceError::defect(format!("slice {at} is not on the device"));
                slices.get(at).cloned().ok_or_else(missing)
            }
        }
    }
}

/// The gradients of a slice; none where nobody gave one of what it put out.
fn tape<'a>(
    slice: &Sliced,
    gradient: Option<&Tensor>,
    held: impl Iterator<Item = Option<&'a DeviceVec>>,
) -> Result<Option<GradStore>, DeviceError> {
    // The gradient of Σ output · g by the output is g.
    let mut terms = Vec::new();
    if let (Some(output), Some(gradient)) = (&slice.output, gradient) {
        let own = gradient.narrow(0, slice.rows.start, slice.rows.len())?;
        terms.push((output * own)?.sum_all()?);
    }
    for (output, gradient) in slice.held.iter().zip(held) {
        if let Some(gradient) = gradient {
            terms.push((output * gradient.tensor())?.sum_all()?);
        }
    }
    let mut terms = terms.into_iter();
    let Some(mut sum) = terms.next() else {
        return Ok(None);
    };
    for term in terms {
        sum = (sum + term)?;
    }
    Ok(Some(sum.backward()?))
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

    /// The inputs on the device: the features, all rows of those of the host, the slices of the others.
    fn arrived(&self, ctx: &Context<'_>, inputs: &[&[f32]]) -> Result<Vec<Arrived>, DeviceError> {
        let all = inputs.iter().zip(&self.subgraph.inputs);
        all.map(|(values, input)| match input.held {
            None if input.value == ValueRef::Features => {
                let features = ctx.values.features().map_err(DeviceError::Failure)?;
                Ok(Arrived::Features(features.clone(), input.shape.clone()))
            }
            None => {
                let shape = batched(ctx.rows, &input.shape);
                Ok(Arrived::Whole(self.link.up(Kind::Rows, values, shape)?))
            }
            Some(layer) => {
                let slices = ctx.values.get(layer).map_err(DeviceError::Failure)?;
                Ok(Arrived::Slices(
                    slices.iter().map(|slice| slice.tensor().clone()).collect(),
                ))
            }
        })
        .collect()
    }

    /// Leaves what stays to those that read it: by output, of each a tensor for every slice.
    fn leave(&self, ctx: &mut Context<'_>, slices: &[Vec<Tensor>]) {
        for (at, layer) in self.subgraph.held.iter().enumerate() {
            let own = slices
                .iter()
                .map(|held| DeviceVec::of(held[at].detach(), &self.link));
            ctx.values.put(*layer, own.collect());
        }
    }

    fn score(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), DeviceError> {
        let inputs = self.arrived(ctx, inputs)?;
        let inputs: Vec<Tensor> = inputs
            .iter()
            .map(|input| input.slice(0, 0..ctx.rows))
            .collect::<Result<_, _>>()?;
        let weights = self.weights(ctx)?;
        let (outputs, held) = self.subgraph.run_all(&inputs, &weights, None, &self.link)?;
        self.leave(ctx, &[held]);
        match outputs {
            Some(outputs) => self.link.down_into(Kind::Rows, &outputs, output),
            None => Ok(()),
        }
    }

    fn train(
        &self,
        ctx: &mut Context<'_>,
        training: Training<'_>,
        inputs: &[&[f32]],
        output: &mut [f32],
    ) -> Result<(), DeviceError> {
        let mut saved = self.saved();
        saved.slices.clear();
        saved.gradients.clear();
        saved.weights = self.weights(ctx)?;
        let inputs = self.arrived(ctx, inputs)?;
        let mut start = 0;
        let slices = training.slices.iter().filter(|slice| slice.rows > 0);
        for (at, slice) in slices.enumerate() {
            let rows = start..start + slice.rows;
            start = rows.end;
            let sliced = self.slice(&saved.weights, training, &inputs, (at, rows))?;
            saved.slices.push(sliced);
        }
        let held: Vec<Vec<Tensor>> = saved.slices.iter().map(|slice| slice.held.clone()).collect();
        self.leave(ctx, &held);
        let outputs: Vec<&Tensor> = saved
            .slices
            .iter()
            .filter_map(|slice| slice.output.as_ref())
            .collect();
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
        inputs: &[Arrived],
        (at, rows): (usize, Range<usize>),
    ) -> Result<Sliced, DeviceError> {
        let mut read = Vec::with_capacity(inputs.len());
        let mut variables = Vec::with_capacity(inputs.len());
        for (tensor, input) in inputs.iter().zip(&self.subgraph.inputs) {
            let own = tensor.slice(at, rows.clone())?;
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
        let (output, held) = self.subgraph.run_all(&read, weights, Some(which), &self.link)?;
        Ok(Sliced {
            rows,
            inputs: variables,
            output,
            held,
        })
    }

    fn back(
        &self,
        ctx: &mut Context<'_>,
        gradient: &[f32],
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), DeviceError> {
        let mut saved = self.saved();
        let saved = &mut *saved;
        let width = self.subgraph.width();
        let gradient = match width {
            0 => None,
            _ => Some(self.link.up(Kind::Rows, gradient, (ctx.rows, width))?),
        };
        let held = self.subgraph.held.iter();
        let held: Vec<Option<Vec<DeviceVec>>> = held.map(|layer| ctx.values.take_gradient(*layer)).collect();
        let mut given: Vec<Vec<DeviceVec>> = vec![Vec::new(); self.subgraph.inputs.len()];
        for (at, slice) in saved.slices.drain(..).enumerate() {
            let tape = tape(
                &slice,
                gradient.as_ref(),
                held.iter().map(|all| Some(&all.as_ref()?[at])),
            )?;
            let inputs = self.subgraph.inputs.iter().zip(&mut given);
            for ((variable, into), (input, given)) in slice.inputs.iter().zip(&mut *into).zip(inputs) {
                let (Some(variable), Some(into)) = (variable, into) else {
                    continue;
                };
                let gradient = tape.as_ref().and_then(|tape| tape.get(variable));
                if input.held.is_some() {
                    let own = gradient.map_or_else(|| variable.zeros_like(), |own| Ok(own.clone()))?;
                    given.push(DeviceVec::of(own, &self.link));
                    // The host has nothing of it, or something of others that has no part in this.
                    into.fill(0.0);
                    continue;
                }
                let width: usize = input.shape.iter().product();
                let place = slice.rows.start * width..slice.rows.end * width;
                match gradient {
                    Some(gradient) => self.link.down_into(Kind::Rows, gradient, &mut into[place])?,
                    None => into[place].fill(0.0),
                }
            }
            if let Some(values) = self.parameter_gradients(tape.as_ref(), &saved.weights)? {
                saved.gradients.push(SliceGradient {
                    start: slice.rows.start,
                    values,
                });
            }
        }
        saved.weights.clear();
        for (input, given) in self.subgraph.inputs.iter().zip(given) {
            if let (Some(layer), false) = (input.held, given.is_empty()) {
                let added = ctx.values.add_gradient(layer, given);
                added.map_err(DeviceError::Failure)?;
            }
        }
        Ok(())
    }

    /// The gradients of all parameters, one after another; none where there are no parameters.
    fn parameter_gradients(
        &self,
        tape: Option<&GradStore>,
        weights: &[Tensor],
    ) -> Result<Option<Tensor>, DeviceError> {
        let mut parts = Vec::with_capacity(weights.len());
        for weight in weights {
            parts.push(match tape.and_then(|tape| tape.get(weight)) {
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

    fn reads_on_device(&self, input: usize) -> bool {
        let read = self.subgraph.inputs.get(input);
        read.is_some_and(|input| input.value == ValueRef::Features)
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
        self.back(ctx, ends.gradient, into)
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

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    /// Where a GPU's kernels begin to read decides in which order they add up.
    #[test]
    fn what_a_slice_reads_begins_where_its_memory_does() {
        let values: Vec<f32> = (0..18u8).map(f32::from).collect();
        let whole = Tensor::from_slice(&values, (6, 3), &Device::Cpu).unwrap();
        let arrived = Arrived::Whole(whole);
        for (at, rows) in [0..2, 2..3, 3..6].into_iter().enumerate() {
            let slice = arrived.slice(at, rows.clone()).unwrap();
            assert_eq!(slice.layout().start_offset(), 0, "{rows:?}");
            let read = slice.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(read, values[rows.start * 3..rows.end * 3]);
        }
    }
}
