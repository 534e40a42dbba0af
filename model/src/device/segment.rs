//! A run of layers on a device, for the engine one module: values of the host go in and come out.
//!
//! Training runs slice by slice, forward and backward: what a slice's rows give then depends on the slice alone (rule
//! B2), whoever holds it. Gradients of parameters come to the host slice by slice too and are combined there along
//! the tree of rule B5.

use super::circuit::Circuit;
use super::error::Trouble;
use super::express::layer::{Rows, batched};
use crate::kernels::{Program, add_into};
use crate::layers::{Ends, Keeps, Module, ParameterSpec, Pass, Training};
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

/// What is kept from forward to backward to the gradients of the parameters.
#[derive(Debug, Default)]
struct Kept {
    slices: Vec<Sliced>,
    weights: Vec<Tensor>,
    gradients: Vec<SliceGradient>,
    spare: Vec<Vec<f32>>,
}

/// A run of layers on a device.
#[derive(Debug)]
pub(super) struct Segment {
    circuit: Arc<Circuit>,
    device: Device,
    kept: Mutex<Kept>,
}

impl Segment {
    pub(super) fn new(circuit: Arc<Circuit>, device: Device) -> Self {
        Segment {
            circuit,
            device,
            kept: Mutex::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // What a panic left behind is replaced by the next forward pass.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self, trouble: Trouble) -> Failure {
        trouble.on(&self.device)
    }

    /// The weights on the device; while training gradients can be had for those that are trained.
    fn weights(&self, values: &[f32], training: bool) -> Result<Vec<Tensor>, Trouble> {
        let all = self.circuit.weights.iter().map(|weight| {
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
    fn uploaded(&self, inputs: &[&[f32]], rows: usize) -> Result<Vec<Tensor>, Trouble> {
        let all = inputs.iter().zip(&self.circuit.inputs);
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
    ) -> Result<(), Trouble> {
        let inputs = self.uploaded(inputs, rows)?;
        let weights = self.weights(weights, false)?;
        download(&self.circuit.run(&inputs, &weights, None)?, output)
    }

    fn train(
        &self,
        pass: &Pass<'_>,
        training: Training<'_>,
        inputs: &[&[f32]],
        output: &mut [f32],
    ) -> Result<(), Trouble> {
        let mut kept = self.kept();
        kept.slices.clear();
        kept.gradients.clear();
        kept.weights = self.weights(pass.weights, true)?;
        let inputs = self.uploaded(inputs, pass.rows)?;
        let mut start = 0;
        for slice in training.slices.iter().filter(|slice| slice.rows > 0) {
            let rows = start..start + slice.rows;
            start = rows.end;
            let sliced = self.slice(&kept.weights, training, &inputs, rows)?;
            kept.slices.push(sliced);
        }
        let outputs: Vec<&Tensor> = kept.slices.iter().map(|slice| &slice.output).collect();
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
    ) -> Result<Sliced, Trouble> {
        let mut read = Vec::with_capacity(inputs.len());
        let mut variables = Vec::with_capacity(inputs.len());
        for (tensor, input) in inputs.iter().zip(&self.circuit.inputs) {
            let own = tensor.narrow(0, rows.start, rows.len())?;
            // Nobody wants a gradient of the features.
            if input.wire == crate::network::Wire::Features {
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
            output: self.circuit.run(&read, weights, Some(which))?,
        })
    }

    fn back(&self, gradient: &[f32], rows: usize, into: &mut [Option<&mut [f32]>]) -> Result<(), Trouble> {
        let mut kept = self.kept();
        let kept = &mut *kept;
        let gradient = Tensor::from_slice(gradient, (rows, self.circuit.width()), &self.device)?;
        for slice in kept.slices.drain(..) {
            let own = gradient.narrow(0, slice.rows.start, slice.rows.len())?;
            // The gradient of Σ output · g by the output is g.
            let tape = (slice.output * own)?.sum_all()?.backward()?;
            for ((variable, into), input) in slice.inputs.iter().zip(&mut *into).zip(&self.circuit.inputs) {
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
            kept.gradients.push(SliceGradient {
                start: slice.rows.start,
                values: self.parameter_gradients(&tape, &kept.weights)?,
            });
        }
        kept.weights.clear();
        Ok(())
    }

    /// All gradients of parameters in one transfer.
    fn parameter_gradients(&self, tape: &GradStore, weights: &[Tensor]) -> Result<Vec<f32>, Trouble> {
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
fn download(tensor: &Tensor, into: &mut [f32]) -> Result<(), Trouble> {
    let values = tensor.flatten_all()?.to_vec1::<f32>()?;
    if values.len() != into.len() {
        return Err(Trouble::defect(format!(
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

    fn keeps(&self) -> Keeps {
        Keeps::Nothing
    }

    fn instance(&self) -> Option<Arc<dyn Module>> {
        Some(Arc::new(Segment::new(
            Arc::clone(&self.circuit),
            self.device.clone(),
        )))
    }

    fn forward(&self, pass: &mut Pass<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let done = match pass.training {
            Some(training) => self.train(pass, training, inputs, output),
            None => self.score(pass.weights, inputs, output, pass.rows),
        };
        done.map_err(|trouble| self.told(trouble))
    }

    fn backward(
        &self,
        pass: &mut Pass<'_>,
        ends: Ends<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        self.back(ends.gradient, pass.rows, into)
            .map_err(|trouble| self.told(trouble))
    }

    fn parameter_gradient(
        &self,
        pass: &mut Pass<'_>,
        parameter: usize,
        tree: &Program,
        _ends: Ends<'_>,
        into: &mut [f32],
    ) {
        let mut kept = self.kept();
        let Kept { gradients, spare, .. } = &mut *kept;
        let (place, level) = (&self.circuit.weights[parameter].place, pass.kernels.level());
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
    fn keeps(&self) -> Keeps {
        Keeps::Nothing
    }

    fn forward(&self, _pass: &mut Pass<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let rows = inputs[0].chunks_exact(self.whole);
        for (row, into) in rows.zip(output.chunks_exact_mut(self.place.len())) {
            into.copy_from_slice(&row[self.place.clone()]);
        }
        Ok(())
    }

    fn backward(
        &self,
        _pass: &mut Pass<'_>,
        ends: Ends<'_>,
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
