//! Losses of distances between the parts of a row.

use super::error::LossError;
use super::loss::{Labels, Loss, SliceRows, Sums};
use crate::arguments::Arguments;
use crate::kernels::SimdLevel;
use crate::numbers::to_f32;
use candlewick_protocol::Failure;

/// PyTorch's guard against vectors of zeros.
const COSINE_EPS: f64 = 1e-12;

/// `torch.nn.CosineEmbeddingLoss`: a row has two vectors, one after the other.
#[derive(Debug)]
struct Cosine {
    margin: f64,
}

/// `torch.nn.TripletMarginLoss`: a row has anchor, positive and negative, one after another.
#[derive(Debug)]
struct Triplet {
    margin: f64,
    /// Degree of the norm.
    p: f64,
    /// Added to every difference.
    eps: f64,
    swap: bool,
}

pub(super) fn cosine(arguments: &Arguments) -> Result<Box<dyn Loss>, LossError> {
    Ok(Box::new(Cosine {
        margin: arguments.real("margin"),
    }))
}

pub(super) fn triplet(arguments: &Arguments) -> Result<Box<dyn Loss>, LossError> {
    Ok(Box::new(Triplet {
        margin: arguments.real("margin"),
        p: arguments.real("p"),
        eps: arguments.real("eps"),
        swap: arguments.flag("swap"),
    }))
}

fn parts_of(width: usize, parts: usize, what: &str) -> Result<(), LossError> {
    if width.is_multiple_of(parts) {
        return Ok(());
    }
    Err(LossError::Outputs {
        reads: format!("a row of outputs as {what} of equal length"),
        width,
        end: format!("a multiple of {parts}"),
    })
}

impl Cosine {
    /// Loss of a row; its gradient goes to `gradient`.
    fn row(&self, outputs: &[f32], label: f64, weight: f64, gradient: &mut [f32]) -> f64 {
        let (left, right) = outputs.split_at(outputs.len() / 2);
        let (mut dot, mut left_square, mut right_square) = (0.0, COSINE_EPS, COSINE_EPS);
        for (a, b) in left.iter().zip(right) {
            let (a, b) = (f64::from(*a), f64::from(*b));
            dot += a * b;
            left_square += a * a;
            right_square += b * b;
        }
        let size = libm::sqrt(left_square * right_square);
        let cosine = dot / size;
        let (loss, slope) = if label > 0.0 {
            (1.0 - cosine, -1.0)
        } else if cosine < self.margin {
            (0.0, 0.0)
        } else {
            (cosine - self.margin, 1.0)
        };
        let factor = weight * slope;
        let (by_left, by_right) = gradient.split_at_mut(outputs.len() / 2);
        for (at, (a, b)) in left.iter().zip(right).enumerate() {
            let (a, b) = (f64::from(*a), f64::from(*b));
            by_left[at] = to_f32(factor * (b / size - cosine * a / left_square));
            by_right[at] = to_f32(factor * (a / size - cosine * b / right_square));
        }
        loss
    }
}

impl Loss for Cosine {
    fn labels(&self, width: usize) -> Result<Labels, LossError> {
        parts_of(width, 2, "two vectors")?;
        Ok(Labels::Values(1))
    }

    fn elements(&self, _width: usize) -> usize {
        1
    }

    fn slice(&self, _level: SimdLevel, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure> {
        let mut sums = Sums::default();
        let lines = rows
            .outputs
            .chunks_exact(width)
            .zip(rows.gradient.chunks_exact_mut(width));
        for ((outputs, gradient), (label, weight)) in lines.zip(rows.labels.iter().zip(rows.weights)) {
            if *label != 1.0 && *label != -1.0 {
                return Err(Failure::data(format!(
                    "label {label} is not legal: CosineEmbeddingLoss expects 1 (similar) or -1 (different)"
                )));
            }
            sums.loss += weight * self.row(outputs, *label, *weight, gradient);
            sums.denominator += weight;
        }
        Ok(sums)
    }
}

impl Triplet {
    /// The distance of two vectors.
    fn distance(&self, left: &[f32], right: &[f32]) -> f64 {
        let differences = left.iter().zip(right).map(|(a, b)| self.difference(*a, *b).abs());
        if self.p == 2.0 {
            libm::sqrt(differences.map(|d| d * d).sum())
        } else if self.p == 1.0 {
            differences.sum()
        } else {
            libm::pow(differences.map(|d| libm::pow(d, self.p)).sum(), 1.0 / self.p)
        }
    }

    fn difference(&self, left: f32, right: f32) -> f64 {
        f64::from(left) - f64::from(right) + self.eps
    }

    /// The slope of a distance by one difference; 0 where the distance is 0.
    fn slope(&self, difference: f64, distance: f64) -> f64 {
        if distance == 0.0 || difference == 0.0 {
            0.0
        } else if self.p == 2.0 {
            difference / distance
        } else {
            libm::pow(difference.abs() / distance, self.p - 1.0).copysign(difference)
        }
    }

    /// Adds `factor` times the gradient of the distance between two parts of a row.
    fn add_gradient(&self, outputs: &[f32], parts: Parts, factor: f64, gradient: &mut [f32]) {
        let size = outputs.len() / 3;
        let (left, right) = (parts.left * size, parts.right * size);
        for at in 0..size {
            let difference = self.difference(outputs[left + at], outputs[right + at]);
            let slope = to_f32(factor * self.slope(difference, parts.distance));
            gradient[left + at] += slope;
            gradient[right + at] -= slope;
        }
    }

    /// Loss of a row; its gradient goes to `gradient`.
    fn row(&self, outputs: &[f32], weight: f64, gradient: &mut [f32]) -> f64 {
        let size = outputs.len() / 3;
        let between = |left: usize, right: usize| Parts {
            left,
            right,
            distance: self.distance(
                &outputs[left * size..(left + 1) * size],
                &outputs[right * size..(right + 1) * size],
            ),
        };
        gradient.fill(0.0);
        let (near, far) = (between(0, 1), between(0, 2));
        // PyTorch halves the slope between equal distances; here the first has all of it.
        let far = match self.swap.then(|| between(1, 2)) {
            Some(other) if other.distance < far.distance => other,
            _ => far,
        };
        let loss = self.margin + near.distance - far.distance;
        if loss < 0.0 {
            return 0.0;
        }
        self.add_gradient(outputs, near, weight, gradient);
        self.add_gradient(outputs, far, -weight, gradient);
        loss
    }
}

/// Two parts of a row and their distance.
#[derive(Debug, Clone, Copy)]
struct Parts {
    left: usize,
    right: usize,
    distance: f64,
}

impl Loss for Triplet {
    fn labels(&self, width: usize) -> Result<Labels, LossError> {
        parts_of(width, 3, "three vectors (anchor, positive, negative)")?;
        Ok(Labels::Unused)
    }

    fn elements(&self, _width: usize) -> usize {
        1
    }

    fn slice(&self, _level: SimdLevel, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure> {
        let mut sums = Sums::default();
        let lines = rows
            .outputs
            .chunks_exact(width)
            .zip(rows.gradient.chunks_exact_mut(width));
        for ((outputs, gradient), weight) in lines.zip(rows.weights) {
            sums.loss += weight * self.row(outputs, *weight, gradient);
            sums.denominator += weight;
        }
        Ok(sums)
    }
}
