//! Logistic losses beside those of [`super::binary`]: of labels of 1 and -1, and of several labels a row.

use super::super::error::LossError;
use super::super::loss::{Loss, real};
use super::point::{Legal, Points, Pointwise, boxed, each};
use crate::arguments::Arguments;
use crate::kernels::SimdLevel;
use crate::numbers::to_f32;

/// `torch.nn.SoftMarginLoss`.
#[derive(Debug)]
struct SoftMargin;

/// `torch.nn.MultiLabelSoftMarginLoss`: the loss of a row is a mean.
#[derive(Debug)]
struct MultiLabelSoftMargin {
    /// A weight an output; empty where all are 1.
    weights: Vec<f64>,
}

pub(in super::super) fn soft_margin(_arguments: &Arguments) -> Result<Box<dyn Loss>, LossError> {
    boxed(SoftMargin)
}

pub(in super::super) fn multi_label_soft_margin(arguments: &Arguments) -> Result<Box<dyn Loss>, LossError> {
    boxed(MultiLabelSoftMargin {
        weights: arguments.reals("weight"),
    })
}

/// log(1 + e^-x) and its slope, -1 / (1 + e^x); neither overflows.
fn softplus_of_negative(x: f64) -> (f64, f64) {
    let small = libm::exp(-x.abs());
    let slope = if x >= 0.0 {
        -small / (1.0 + small)
    } else {
        -1.0 / (1.0 + small)
    };
    ((-x).max(0.0) + libm::log1p(small), slope)
}

impl Pointwise for SoftMargin {
    const NAME: &'static str = "SoftMarginLoss";

    fn labels(&self) -> Option<Legal<f64>> {
        Some(Legal {
            test: |label| label == 1.0 || label == -1.0,
            expected: "1 or -1",
        })
    }

    fn compute(&self, _level: SimdLevel, _width: usize, points: Points<'_>) {
        each(points, |z, y| {
            let (loss, slope) = softplus_of_negative(y * f64::from(z));
            (loss, to_f32(y * slope))
        });
    }
}

impl Pointwise for MultiLabelSoftMargin {
    const NAME: &'static str = "MultiLabelSoftMarginLoss";

    fn labels(&self) -> Option<Legal<f64>> {
        Some(Legal {
            test: |label| (0.0..=1.0).contains(&label),
            expected: "0 to 1",
        })
    }

    fn weights(&self) -> &[f64] {
        &self.weights
    }

    fn by_row(&self) -> bool {
        true
    }

    fn compute(&self, _level: SimdLevel, width: usize, points: Points<'_>) {
        let share = 1.0 / real(width);
        each(points, |z, y| {
            let (in_favour, up) = softplus_of_negative(f64::from(z));
            let (against, down) = softplus_of_negative(-f64::from(z));
            (
                share * (y * in_favour + (1.0 - y) * against),
                to_f32(share * (y * up - (1.0 - y) * down)),
            )
        });
    }
}
