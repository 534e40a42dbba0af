//! Binary cross entropy, of logits and of probabilities.

use super::point::{Legal, Points, Pointwise, boxed, each};
use crate::arguments::Arguments;
use crate::kernels::{self, SimdLevel, simd_dispatch};
use crate::losses::error::{LossError, check_weights};
use crate::losses::loss::Loss;
use crate::numbers::to_f32;

/// `torch.nn.BCEWithLogitsLoss`.
#[derive(Debug)]
struct WithLogits {
    /// Weight of the label 1: none, one for all outputs, or one an output.
    positive: Vec<f32>,
    /// A weight an output; empty where all are 1.
    weights: Vec<f64>,
}

/// `torch.nn.BCELoss`.
#[derive(Debug)]
struct OfProbability {
    /// A weight an output; empty where all are 1.
    weights: Vec<f64>,
}

pub(in super::super) fn binary_with_logits(arguments: &Arguments) -> Result<Box<dyn Loss>, LossError> {
    boxed(WithLogits {
        positive: arguments.reals("pos_weight").into_iter().map(to_f32).collect(),
        weights: arguments.reals("weight"),
    })
}

pub(in super::super) fn binary(arguments: &Arguments) -> Result<Box<dyn Loss>, LossError> {
    boxed(OfProbability {
        weights: arguments.reals("weight"),
    })
}

/// (1 - y) log(1 + exp(z)) + p y log(1 + exp(-z)) and its slope, neither of which cancels.
#[inline(always)]
fn point(positive: f32, z: f32, y: f64) -> (f64, f32) {
    let small = kernels::exp(-z.abs());
    let log = f64::from(kernels::log1p(small));
    let likely = 1.0 / (1.0 + small);
    let unlikely = small * likely;
    let (of_one, of_zero) = if z >= 0.0 {
        (likely, unlikely)
    } else {
        (unlikely, likely)
    };
    let wide = f64::from(z);
    let against = wide.max(0.0) + log;
    let in_favour = (-wide).max(0.0) + log;
    #[expect(clippy::cast_possible_truncation, reason = "labels meet the outputs in f32")]
    let (one, zero) = (y as f32, 1.0 - y as f32);
    let loss = (1.0 - y) * against + f64::from(positive) * y * in_favour;
    (loss, zero * of_one - positive * one * of_zero)
}

simd_dispatch! {
    /// [`point`] with one weight.
    fn weighted(positive: f32, outputs: &[f32], labels: &[f64], losses: &mut [f64], slopes: &mut [f32]) {
        let points = Points { outputs, labels, losses, slopes };
        each(points, |z, y| point(positive, z, y));
    }
}

simd_dispatch! {
    /// [`point`] with a weight an output, over whole rows.
    fn weighted_each(positive: &[f32], outputs: &[f32], labels: &[f64], losses: &mut [f64], slopes: &mut [f32]) {
        let width = positive.len();
        let sides = outputs.chunks_exact(width).zip(labels.chunks_exact(width));
        let results = losses.chunks_exact_mut(width).zip(slopes.chunks_exact_mut(width));
        for ((outputs, labels), (losses, slopes)) in sides.zip(results) {
            let sides = outputs.iter().zip(labels).zip(positive);
            for (((z, y), weight), (loss, slope)) in sides.zip(losses.iter_mut().zip(slopes)) {
                (*loss, *slope) = point(*weight, *z, *y);
            }
        }
    }
}

impl Pointwise for WithLogits {
    const NAME: &'static str = "BCEWithLogitsLoss";

    fn labels(&self) -> Option<Legal<f64>> {
        Some(Legal {
            test: |label| (0.0..=1.0).contains(&label),
            expected: "0 to 1",
        })
    }

    fn weights(&self) -> &[f64] {
        &self.weights
    }

    fn check_width(&self, width: usize) -> Result<(), LossError> {
        match self.positive.len() {
            1 => Ok(()),
            weights => check_weights("pos_weight", weights, width, "one number, or one for each output"),
        }
    }

    fn compute(&self, level: SimdLevel, _width: usize, points: Points<'_>) {
        let Points {
            outputs,
            labels,
            losses,
            slopes,
        } = points;
        match self.positive[..] {
            [] => weighted(level, 1.0, outputs, labels, losses, slopes),
            [weight] => weighted(level, weight, outputs, labels, losses, slopes),
            _ => weighted_each(level, &self.positive, outputs, labels, losses, slopes),
        }
    }
}

impl Pointwise for OfProbability {
    const NAME: &'static str = "BCELoss";

    fn labels(&self) -> Option<Legal<f64>> {
        Some(Legal {
            test: |label| (0.0..=1.0).contains(&label),
            expected: "0 to 1",
        })
    }

    fn weights(&self) -> &[f64] {
        &self.weights
    }

    fn outputs(&self) -> Option<Legal<f32>> {
        Some(Legal {
            // NaN passes: the loss becomes NaN, which has a message of its own.
            test: |output| (0.0..=1.0).contains(&output) || output.is_nan(),
            expected: "probabilities from 0 to 1; end the network with Sigmoid, or use BCEWithLogitsLoss",
        })
    }

    fn compute(&self, _level: SimdLevel, _width: usize, points: Points<'_>) {
        each(points, |z, y| {
            let p = f64::from(z);
            // PyTorch's bounds, so that a certain and wrong prediction has a finite loss.
            let log = |x: f64| if x > 0.0 { libm::log(x).max(-100.0) } else { -100.0 };
            let loss = -(y * log(p) + (1.0 - y) * log(1.0 - p));
            let loss = if z.is_nan() { f64::NAN } else { loss };
            (loss, to_f32((p - y) / (p * (1.0 - p)).max(1e-12)))
        });
    }
}
