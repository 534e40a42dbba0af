//! A run of layers on a device, for the engine one module: values of the host go in and come out.
//!
//! Training runs slice by slice, forward and backward: what a slice's rows give then depends on the slice alone (rule
//! B2), whoever holds it. Gradients of parameters come to the host slice by slice too and are combined there along
//! the tree of rule B5.

use super::error::DeviceError;
use super::lowering::layer::{Rows, batched};
use super::subgraph::Subgraph;
use crate::kernels::{Program, add_into};
use crate::layers::{BackwardInputs, Context, Module, ParameterSpec, SavedForBackward, Training};
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use candlewick_protocol::Failure;
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
    values: Vec<f32>,
}

/// What is saved from forward to backward to the gradients of the parameters.
#[derive(Debug, Default)]
struct Saved {
    slices: Vec<Sliced>,
    weights: Vec<Tensor>,
    gradients: Vec<SliceGradient>,
    spare: Vec<Vec<f32>>,
}

/// A run of layers on a device.
#[derive(Debug)]
pub(super) struct Segment {
    subgraph: Arc<Subgraph>,
    device: Device,
    saved: Mutex<Saved>,
}

impl Segment {
    pub(super) fn new(subgraph: Arc<Subgraph>, device: Device) -> Self {
        Segment {
            subgraph,
            device,
            saved: Mutex::default(),
        }
    }

    fn saved(&self) -> MutexGuard<'_, Saved> {
        // What a panic left behind is replaced by the next forward pass.
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self, error: DeviceError) -> Failure {
        error.on(&self.device)
    }

    /// The weights on the device; while training gradients can be had for those that are trained.
    fn weights(&self, values: &[f32], training: bool) -> Result<Vec<Tensor>, DeviceError> {
        let all = self.subgraph.weights.iter().map(|weight| {
            let values = &values[weight.place.clone()];
            let shape = weight.shape.as_slice();
            Ok(if training && weight.trained {
                Var::from_slice(values, shape, &self.device)?.into_inner()
            } else {
                Tensor::from_slice(values, shape, &self.device)?
            })
        });
        all.collect()
    }

    /// All rows of the inputs on the device.
    fn uploaded(&self, inputs: &[&[f32]], rows: usize) -> Result<Vec<Tensor>, DeviceError> {
        let all = inputs.iter().zip(&self.subgraph.inputs);
        all.map(|(values, input)| {
            Ok(Tensor::from_slice(
                values,
                batched(rows, &input.shape),
                &self.device,
            )?)
        })
        .collect()
    }

    fn score(
        &self,
        weights: &[f32],
        inputs: &[&[f32]],
        output: &mut [f32],
        rows: usize,
    ) -> Result<(), DeviceError> {
        let inputs = self.uploaded(inputs, rows)?;
        let weights = self.weights(weights, false)?;
        download(&self.subgraph.run(&inputs, &weights, None)?, output)
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
        saved.weights = self.weights(ctx.weights, true)?;
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
            [one] => download(one, output),
            _ => download(&Tensor::cat(&outputs, 0)?, output),
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
            if input.value == crate::network::ValueRef::Features {
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
            output: self.subgraph.run(&read, weights, Some(which))?,
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
        let gradient = Tensor::from_slice(gradient, (rows, self.subgraph.width()), &self.device)?;
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
                    Some(gradient) => download(gradient, &mut into[place])?,
                    None => into[place].fill(0.0),
                }
            }
            saved.gradients.push(SliceGradient {
                start: slice.rows.start,
                values: self.parameter_gradients(&tape, &saved.weights)?,
            });
        }
        saved.weights.clear();
        Ok(())
    }

    /// All gradients of parameters in one transfer.
    fn parameter_gradients(&self, tape: &GradStore, weights: &[Tensor]) -> Result<Vec<f32>, DeviceError> {
        let mut parts = Vec::with_capacity(weights.len());
        for weight in weights {
            parts.push(match tape.get(weight) {
                Some(gradient) => gradient.flatten_all()?,
                None => weight.zeros_like()?.flatten_all()?,
            });
        }
        match parts.as_slice() {
            [] => Ok(Vec::new()),
            _ => Ok(Tensor::cat(&parts, 0)?.to_vec1::<f32>()?),
        }
    }
}

/// Brings a tensor to the host.
fn download(tensor: &Tensor, into: &mut [f32]) -> Result<(), DeviceError> {
    let values = tensor.flatten_all()?.to_vec1::<f32>()?;
    if values.len() != into.len() {
        return Err(DeviceError::defect(format!(
            "{} values come from the device, not {}",
            values.len(),
            into.len()
        )));
    }
    into.copy_from_slice(&values);
    Ok(())
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
            self.device.clone(),
        )))
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let done = match ctx.training {
            Some(training) => self.train(ctx, training, inputs, output),
            None => self.score(ctx.weights, inputs, output, ctx.rows),
        };
        done.map_err(|error| self.failure(error))
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        self.back(ends.gradient, ctx.rows, into)
            .map_err(|error| self.failure(error))
    }

    fn parameter_gradient(
        &self,
        ctx: &mut Context<'_>,
        parameter: usize,
        tree: &Program,
        _ends: BackwardInputs<'_>,
        into: &mut [f32],
    ) {
        let mut saved = self.saved();
        let Saved { gradients, spare, .. } = &mut *saved;
        let (place, level) = (&self.subgraph.weights[parameter].place, ctx.kernels.level());
        let leaf = |start: usize, _rows: usize, into: &mut [f32]| match gradients
            .binary_search_by_key(&start, |gradient| gradient.start)
        {
            Ok(at) => into.copy_from_slice(&gradients[at].values[place.clone()]),
            Err(_) => into.fill(0.0),
        };
        tree.evaluate(into, spare, leaf, |left, right| add_into(level, left, right));
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
