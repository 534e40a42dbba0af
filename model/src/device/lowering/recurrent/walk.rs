//! The order of the steps, which of them are padding, and what cells share.

use crate::device::lowering::Products;
use crate::device::lowering::layer::Layer;
use candle_core::{DType, Result, Tensor};

/// Which steps of which rows are padding: they leave the states as they are.
#[derive(Debug)]
pub(super) struct Padding {
    /// 1 where one is: [time, 1, rows], as bytes to choose by.
    mask: Tensor,
    /// The same as factors.
    factors: Tensor,
}

impl Padding {
    /// From [rows, time].
    pub(super) fn of(padded: &Tensor, dtype: DType) -> Result<Self> {
        let mask = padded.t()?.contiguous()?.unsqueeze(1)?;
        let factors = mask.to_dtype(dtype)?;
        Ok(Padding { mask, factors })
    }
}

/// The order of the steps.
#[derive(Debug)]
pub(super) struct Walk {
    steps: usize,
    back: bool,
    padding: Option<Padding>,
    /// Whether there is a way back.
    pub saves: bool,
    /// What products round their operands to.
    pub products: Products,
}

impl Walk {
    pub(super) fn new(steps: usize, back: bool, padding: Option<Padding>, layer: &Layer<'_>) -> Self {
        Walk {
            steps,
            back,
            padding,
            saves: layer.training.is_some(),
            products: layer.products,
        }
    }

    /// The steps of the sequence in the order in which they are taken.
    pub(super) fn order(&self) -> Vec<usize> {
        if self.back {
            (0..self.steps).rev().collect()
        } else {
            (0..self.steps).collect()
        }
    }

    /// What was put together in the order of the walk, in the order of time: [time, values, rows].
    pub(super) fn together(&self, mut taken: Vec<Tensor>) -> Result<Tensor> {
        if self.back {
            taken.reverse();
        }
        Tensor::stack(&taken, 0)
    }

    /// What was put together on the way back.
    pub(super) fn together_backward(&self, mut taken: Vec<Tensor>) -> Result<Tensor> {
        taken.reverse();
        self.together(taken)
    }

    /// For every step the values of the step taken before it; zeros before the first.
    pub(super) fn before(&self, values: &Tensor) -> Result<Tensor> {
        let rest = self.steps - 1;
        let zeros = values.narrow(0, 0, 1)?.zeros_like()?;
        if rest == 0 {
            return Ok(zeros);
        }
        if self.back {
            Tensor::cat(&[values.narrow(0, 1, rest)?, zeros], 0)
        } else {
            Tensor::cat(&[zeros, values.narrow(0, 0, rest)?], 0)
        }
    }

    /// A state after a step: that before it where the step is padding.
    pub(super) fn advanced(&self, step: usize, before: &Tensor, after: Tensor) -> Result<Tensor> {
        match &self.padding {
            Some(padding) => {
                let mask = at(&padding.mask, step)?;
                mask.broadcast_as(after.shape())?.where_cond(before, &after)
            }
            None => Ok(after),
        }
    }

    /// Values of all steps, 0 in place of those of padding.
    pub(super) fn without_padding(&self, values: Tensor) -> Result<Tensor> {
        self.in_padding(values, 0.0)
    }

    /// Values of all steps, 1 in place of those of padding.
    pub(super) fn through_padding(&self, values: Tensor) -> Result<Tensor> {
        self.in_padding(values, 1.0)
    }

    fn in_padding(&self, values: Tensor, other: f64) -> Result<Tensor> {
        match &self.padding {
            Some(padding) => {
                let other = values.ones_like()?.affine(other, 0.0)?;
                padding
                    .mask
                    .broadcast_as(values.shape())?
                    .where_cond(&other, &values)
            }
            None => Ok(values),
        }
    }

    /// Σ over steps and rows of left · right, both [time, values, rows].
    pub(super) fn outer(&self, left: &Tensor, right: &Tensor) -> Result<Tensor> {
        let (steps, height, rows) = left.dims3()?;
        let width = right.dims3()?.1;
        let left = left
            .permute((1, 0, 2))?
            .contiguous()?
            .reshape((height, steps * rows))?;
        let right = right
            .permute((0, 2, 1))?
            .contiguous()?
            .reshape((steps * rows, width))?;
        self.products.multiply(&left, &right)
    }

    /// A matrix as the products of all steps take it.
    pub(super) fn matrix(&self, weight: &Tensor) -> Result<Tensor> {
        self.products.rounded(weight)
    }

    /// The product of a [`Walk::matrix`] with values of a step, [values, rows].
    pub(super) fn product(&self, matrix: &Tensor, values: &Tensor) -> Result<Tensor> {
        self.products.with_rounded(matrix, values)
    }

    /// Adds to the gradient of the state before a step what padding hands on of that after it.
    pub(super) fn handed_on(&self, step: usize, after: &Tensor, before: Tensor) -> Result<Tensor> {
        match &self.padding {
            Some(padding) => before + after.broadcast_mul(&at(&padding.factors, step)?)?,
            None => Ok(before),
        }
    }
}

/// A step's part of [time, values, rows].
pub(super) fn at(values: &Tensor, step: usize) -> Result<Tensor> {
    values.narrow(0, step, 1)?.squeeze(0)
}

/// One of the parts of equal size of the values of all steps.
pub(super) fn part(values: &Tensor, at: usize, size: usize) -> Result<Tensor> {
    values.narrow(1, at * size, size)?.contiguous()
}

/// The factors of sums, [sums, 1]: 1/2 where a gate follows, which [`open`] makes of a hyperbolic tangent. They are powers of
/// two, so nothing is rounded.
pub(super) fn halves(blocks: &[f64], size: usize, like: &Tensor) -> Result<Tensor> {
    let ones = Tensor::ones((size, 1), like.dtype(), like.device())?;
    let blocks: Vec<Tensor> = blocks
        .iter()
        .map(|factor| ones.affine(*factor, 0.0))
        .collect::<Result<_>>()?;
    Tensor::cat(&blocks, 0)
}

/// 1 / (1 + e^-2x) from tanh x.
pub(super) fn open(tangent: &Tensor) -> Result<Tensor> {
    tangent.affine(0.5, 0.5)
}

/// The slope of a gate by its sum.
pub(super) fn gate_slope(gate: &Tensor) -> Result<Tensor> {
    gate * gate.affine(-1.0, 1.0)?
}

/// The slope of a hyperbolic tangent by its argument.
pub(super) fn tangent_slope(tangent: &Tensor) -> Result<Tensor> {
    tangent.sqr()?.affine(-1.0, 1.0)
}

/// Gradients of the sums, of the weight and of what the cell has beside it.
pub(super) type Gradients = (Tensor, Tensor, Option<Tensor>);
