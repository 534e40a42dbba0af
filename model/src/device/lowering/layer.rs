//! What a lowering sees of its layer, and what lowerings share.

use super::Products;
use crate::arguments::Arguments;
use crate::layers::{ElementwiseContext, Operation, RandomZeros, RowKey};
use crate::resident::{DeviceError, Kind, Link};
use candle_core::{DType, Tensor};
use std::ops::Range;

/// What a lowering answers.
pub(in crate::device) type Answer = Result<Tensor, DeviceError>;

/// The output of a layer.
pub(in crate::device) type Lowering = fn(&Layer<'_>) -> Answer;

/// Which rows a segment computes while training.
#[derive(Debug, Clone, Copy)]
pub(in crate::device) struct Rows<'a> {
    /// Seed of the job.
    pub seed: u64,
    /// Global step.
    pub step: u64,
    /// Where each comes from.
    pub keys: &'a [RowKey],
}

/// What a lowering sees of its layer. All tensors have the batch as their first dimension.
pub(in crate::device) struct Layer<'a> {
    /// Complete arguments.
    pub arguments: &'a Arguments,
    /// Path of the layer's parameters and random numbers.
    pub path: &'a str,
    /// What comes in.
    pub inputs: &'a [Tensor],
    /// Shape of the output, without the batch.
    pub output: &'a [usize],
    /// Parameters by name, in order.
    pub parameters: &'a [(String, Tensor)],
    /// What the engine does; random zeros come from it.
    pub operation: &'a Operation,
    /// While training.
    pub training: Option<Rows<'a>>,
    /// What its products round their operands to.
    pub products: Products,
    /// The way to the device of the inputs.
    pub link: &'a Link,
}

impl Layer<'_> {
    /// The only input.
    pub(in crate::device) fn input(&self) -> &Tensor {
        &self.inputs[0]
    }

    /// Shape of an input, without the batch.
    pub(in crate::device) fn shape(&self, input: usize) -> &[usize] {
        &self.inputs[input].dims()[1..]
    }

    /// Rows of the batch.
    pub(in crate::device) fn rows(&self) -> usize {
        self.input().dims()[0]
    }

    pub(in crate::device) fn dtype(&self) -> DType {
        self.input().dtype()
    }

    /// A tensor with the rows of the batch and other dimensions.
    pub(in crate::device) fn reshaped(&self, tensor: &Tensor, shape: &[usize]) -> Answer {
        Ok(tensor.reshape(batched(self.rows(), shape))?)
    }

    /// A parameter that may be missing.
    pub(in crate::device) fn parameter(&self, name: &str) -> Option<&Tensor> {
        let mut all = self.parameters.iter();
        all.find(|(known, _)| known == name).map(|(_, tensor)| tensor)
    }

    /// A parameter that cannot be missing.
    pub(in crate::device) fn required(&self, name: &str) -> Result<&Tensor, DeviceError> {
        self.parameter(name).ok_or_else(|| {
            DeviceError::defect(format!(
                "{} {:?} lacks its {name}",
                self.arguments.name(),
                self.path
            ))
        })
    }

    /// A constant in the type and on the device of the inputs.
    pub(in crate::device) fn constant(&self, shape: &[usize], values: &[f64]) -> Answer {
        self.check(shape)?;
        let values = self.link.up(Kind::Constants, values, shape)?;
        Ok(values.to_dtype(self.dtype())?)
    }

    /// Indices on the device of the inputs.
    pub(in crate::device) fn indices(&self, indices: &[u32]) -> Answer {
        self.link.indices(indices)
    }

    /// The factors 0 and 1 / (1 - p) of random zeros, row by row as the engine draws them (rule B8).
    pub(in crate::device) fn factors(&self, zeros: &RandomZeros, rows: Rows<'_>, shape: &[usize]) -> Answer {
        let width: usize = shape.iter().product();
        let mut values = vec![1.0f32; rows.keys.len() * width];
        for (key, values) in rows.keys.iter().zip(values.chunks_exact_mut(width.max(1))) {
            crate::philox::mask_row(
                crate::kernels::SimdLevel::detect(),
                zeros.mask(rows.seed, *key, rows.step),
                values,
            );
        }
        self.uploaded(&values, shape)
    }

    /// The factors of a layer that is nothing but random zeros, drawn by the engine's own layer.
    pub(in crate::device) fn own_factors(&self, rows: Rows<'_>) -> Answer {
        let shape = self.shape(0);
        let width: usize = shape.iter().product();
        let mut values = vec![1.0f32; rows.keys.len() * width];
        let Operation::Elementwise(function) = self.operation else {
            return Err(DeviceError::defect(format!(
                "{} is not elementwise",
                self.arguments.name()
            )));
        };
        let context = ElementwiseContext {
            level: crate::kernels::SimdLevel::detect(),
            width,
            seed: rows.seed,
            step: rows.step,
            rows: rows.keys,
        };
        // The gradient of ones: what the layer adds to its input does not get in.
        function.backward(&context, &[], &mut values);
        self.uploaded(&values, shape)
    }

    /// The product of matrices or of batches of them. Both are laid out densely first: kernels for GPUs take nothing else.
    pub(in crate::device) fn product(&self, left: &Tensor, right: &Tensor) -> Answer {
        if let ([before @ .., _], [.., columns]) = (left.dims(), right.dims()) {
            self.check(&[before, &[*columns]].concat())?;
        }
        Ok(self
            .products
            .multiply(&left.contiguous()?, &right.contiguous()?)?)
    }

    /// x Wᵀ + b over the last dimension.
    pub(in crate::device) fn affine(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Answer {
        let (outputs, inputs) = weight.dims2()?;
        let mut shape = x.dims().to_vec();
        let rows = x.elem_count() / inputs.max(1);
        let flat = x.contiguous()?.reshape((rows, inputs))?;
        let mut y = self.products.multiply(&flat, &weight.t()?)?;
        if let Some(bias) = bias {
            y = y.broadcast_add(bias)?;
        }
        if let Some(last) = shape.last_mut() {
            *last = outputs;
        }
        Ok(y.reshape(shape)?)
    }

    pub(in crate::device) fn uploaded(&self, values: &[f32], shape: &[usize]) -> Answer {
        let tensor = self
            .link
            .up(Kind::Constants, values, batched(self.rows(), shape))?;
        Ok(tensor.to_dtype(self.dtype())?)
    }
}

/// Some rows, from the beginning of their memory on: kernels of GPUs add up in another order where they begin to read at an address
/// that is no multiple of 16 bytes, and the bits of a slice are not to depend on where it lies among the others (rule B2).
pub(in crate::device) fn rows_of(all: &Tensor, rows: &Range<usize>) -> Answer {
    let own = all.narrow(0, rows.start, rows.len())?;
    Ok(if own.layout().start_offset() == 0 {
        own.contiguous()?
    } else {
        own.force_contiguous()?
    })
}

/// A shape with a number of rows before it.
pub(in crate::device) fn batched(rows: usize, shape: &[usize]) -> Vec<usize> {
    std::iter::once(rows).chain(shape.iter().copied()).collect()
}

/// `yes` where the condition holds, else `no`; the gradient goes the same way.
pub(in crate::device) fn choose(condition: &Tensor, yes: &Tensor, no: &Tensor) -> Answer {
    Ok(condition.where_cond(yes, no)?)
}

/// A tensor like another, one value everywhere.
pub(in crate::device) fn filled(like: &Tensor, value: f64) -> Answer {
    Ok(like.ones_like()?.affine(value, 0.0)?)
}

/// A dimension that an argument counts with the batch as 0, or from the end; checked when the layer was made.
pub(in crate::device) fn dimension(given: i64, rank: usize) -> usize {
    let at = if given < 0 {
        given + i64::try_from(rank).unwrap_or(i64::MAX)
    } else {
        given
    };
    usize::try_from(at).unwrap_or(0)
}
