//! A vector on a device, and the arithmetic of updates on it: each operation is one kernel, so nothing is fused and every
//! result is rounded once, as the host's.

use super::error::DeviceError;
use super::link::{Kind, Link};
use candle_core::{DType, Tensor};
use candlewick_protocol::Failure;
use std::ops::Range;
use std::sync::Arc;

/// Elements of a partial sum.
const BLOCK: usize = 4_096;
/// Elements that are widened to f64 together: bounds the memory that a norm takes.
const CHUNK: usize = BLOCK << 12;

/// A vector of f32 on a device. Clones share their elements; [`DeviceVec::put`] changes them for all.
#[derive(Debug, Clone)]
pub(crate) struct DeviceVec {
    tensor: Tensor,
    link: Arc<Link>,
}

/// The same vector: elements are not looked at.
impl PartialEq for DeviceVec {
    fn eq(&self, other: &Self) -> bool {
        self.tensor.id() == other.tensor.id()
    }
}

impl DeviceVec {
    /// Elements of the host, brought up.
    pub(crate) fn up(link: &Arc<Link>, values: &[f32]) -> Result<Self, Failure> {
        let tensor = link.up(Kind::Weights, values, values.len());
        Ok(DeviceVec {
            tensor: tensor.map_err(|error| link.failure(error))?,
            link: Arc::clone(link),
        })
    }

    /// A vector of one dimension that is there already.
    pub(crate) fn of(tensor: Tensor, link: &Arc<Link>) -> Self {
        DeviceVec {
            tensor,
            link: Arc::clone(link),
        }
    }

    /// Elements of the host, brought to where this vector is.
    pub(crate) fn beside(&self, values: &[f32]) -> Result<Self, Failure> {
        DeviceVec::up(&self.link, values)
    }

    pub(crate) fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// The way to where it is.
    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    fn len(&self) -> usize {
        self.tensor.elem_count()
    }

    /// Brings the elements down.
    pub(crate) fn read(&self, into: &mut [f32]) -> Result<(), Failure> {
        let done = self.link.down_into(Kind::Weights, &self.tensor, into);
        done.map_err(|error| self.link.failure(error))
    }

    fn made(&self, tensor: candle_core::Result<Tensor>) -> Result<Self, Failure> {
        match tensor {
            Ok(tensor) => Ok(DeviceVec {
                tensor,
                link: Arc::clone(&self.link),
            }),
            Err(error) => Err(self.link.failure(DeviceError::Candle(error))),
        }
    }

    /// Some of the elements, not copied.
    pub(crate) fn part(&self, range: &Range<usize>) -> Result<Self, Failure> {
        self.made(self.tensor.narrow(0, range.start, range.len()))
    }

    /// The elements once more, apart.
    pub(crate) fn copied(&self) -> Result<Self, Failure> {
        self.made(self.tensor.copy())
    }

    /// Writes a vector to the elements from `start` on; takes its place where it has as many.
    pub(crate) fn put(&mut self, start: usize, part: &DeviceVec) -> Result<(), Failure> {
        if start == 0 && part.len() == self.len() && part.tensor.is_contiguous() {
            self.tensor = part.tensor.clone();
            return Ok(());
        }
        let done = part
            .tensor
            .contiguous()
            .and_then(|part| self.tensor.slice_set(&part, 0, start));
        done.map_err(|error| self.link.failure(DeviceError::Candle(error)))
    }

    /// `self * factor`.
    pub(crate) fn times(&self, factor: f32) -> Result<Self, Failure> {
        self.made(self.tensor.affine(f64::from(factor), 0.0))
    }

    /// `self / divisor`, divided and not multiplied by its reciprocal.
    pub(crate) fn over(&self, divisor: f32) -> Result<Self, Failure> {
        let one = self.tensor.narrow(0, 0, 1).and_then(|first| first.ones_like());
        let divisor = one.and_then(|one| one.affine(f64::from(divisor), 0.0));
        self.made(divisor.and_then(|divisor| self.tensor.broadcast_div(&divisor)))
    }

    /// `self + summand`.
    pub(crate) fn plus(&self, summand: f32) -> Result<Self, Failure> {
        self.made(self.tensor.affine(1.0, f64::from(summand)))
    }

    pub(crate) fn add(&self, other: &Self) -> Result<Self, Failure> {
        self.made(&self.tensor + &other.tensor)
    }

    pub(crate) fn sub(&self, other: &Self) -> Result<Self, Failure> {
        self.made(&self.tensor - &other.tensor)
    }

    pub(crate) fn mul(&self, other: &Self) -> Result<Self, Failure> {
        self.made(&self.tensor * &other.tensor)
    }

    pub(crate) fn div(&self, other: &Self) -> Result<Self, Failure> {
        self.made(&self.tensor / &other.tensor)
    }

    pub(crate) fn sqrt(&self) -> Result<Self, Failure> {
        self.made(self.tensor.sqrt())
    }

    pub(crate) fn abs(&self) -> Result<Self, Failure> {
        self.made(self.tensor.abs())
    }

    /// The larger of two, element by element.
    pub(crate) fn max(&self, other: &Self) -> Result<Self, Failure> {
        self.made(self.tensor.maximum(&other.tensor))
    }

    /// 1, -1, or 0; NaN stays NaN.
    pub(crate) fn sign(&self) -> Result<Self, Failure> {
        let sign = self.made(self.tensor.sign())?;
        // Of what is not finite it is not trusted to any kernel.
        sign.add(&self.times(0.0)?)
    }

    /// Each element within `limit` on both sides; NaN stays NaN, which the minimum and maximum of a GPU pass over.
    pub(crate) fn bounded(&self, limit: f32) -> Result<Self, Failure> {
        let bounded = self.tensor.clamp(-limit, limit);
        let kept =
            bounded.and_then(|bounded| self.tensor.ne(&self.tensor)?.where_cond(&self.tensor, &bounded));
        self.made(kept)
    }

    /// The sum of all elements' squares in f64: blocks of 4,096 first, then their sums.
    pub(crate) fn squares(&self) -> Result<Self, Failure> {
        self.made(self.summed(|values| values.to_dtype(DType::F64)?.sqr()))
    }

    /// A number that is 0 where all elements are finite, else NaN.
    pub(crate) fn flaw(&self) -> Result<Self, Failure> {
        self.made(self.summed(|values| values.affine(0.0, 0.0)?.to_dtype(DType::F64)))
    }

    fn summed(&self, map: impl Fn(&Tensor) -> candle_core::Result<Tensor>) -> candle_core::Result<Tensor> {
        let mut sums = Vec::new();
        for start in (0..self.len()).step_by(CHUNK) {
            let length = CHUNK.min(self.len() - start);
            let mapped = map(&self.tensor.narrow(0, start, length)?)?;
            let whole = length / BLOCK * BLOCK;
            if whole > 0 {
                let blocks = mapped.narrow(0, 0, whole)?.reshape((whole / BLOCK, BLOCK))?;
                sums.push(blocks.sum(1)?);
            }
            if whole < length {
                sums.push(mapped.narrow(0, whole, length - whole)?.sum_keepdim(0)?);
            }
        }
        match sums.as_slice() {
            [] => Tensor::zeros(1, DType::F64, self.link.device()),
            _ => Tensor::cat(&sums, 0)?.sum_keepdim(0),
        }
    }

    /// Brings down what [`DeviceVec::squares`] and [`DeviceVec::flaw`] gave, in one transfer.
    pub(crate) fn sums(all: &[DeviceVec]) -> Result<Vec<f64>, Failure> {
        let Some(first) = all.first() else {
            return Ok(Vec::new());
        };
        let tensors: Vec<&Tensor> = all.iter().map(|sum| &sum.tensor).collect();
        let read = Tensor::cat(&tensors, 0).map_err(DeviceError::Candle);
        let read = read.and_then(|sums| first.link.down(Kind::Sums, &sums));
        read.map_err(|error| first.link.failure(error))
    }
}
