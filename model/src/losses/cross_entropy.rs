//! Cross entropy of logits and a class.

use super::{Loss, SliceRows, Sums};
use crate::kernels::{self, Level, leveled};
use candlewick_protocol::Failure;

#[derive(Debug)]
pub(super) struct CrossEntropy;

leveled! {
    /// Replaces the elements of `row` by exp(x - largest).
    fn shifted_exp(largest: f32, row: &mut [f32]) {
        row.iter_mut().for_each(|x| *x = kernels::exp(*x - largest));
    }
}

leveled! {
    /// Multiplies by a factor.
    fn scale(factor: f32, row: &mut [f32]) {
        row.iter_mut().for_each(|x| *x *= factor);
    }
}

/// The class in a label, if it is one of `classes`.
fn class_of(label: f64, classes: usize) -> Result<usize, Failure> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "compared right below"
    )]
    let class = label as usize;
    #[expect(clippy::cast_precision_loss, reason = "classes are far below 2^53")]
    let exact = class as f64 == label;
    if exact && class < classes {
        Ok(class)
    } else {
        Err(Failure::data(format!(
            "label {label} is not a class: expected a whole number from 0 to {}",
            classes - 1
        )))
    }
}

impl Loss for CrossEntropy {
    fn slice(&self, level: Level, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure> {
        let mut sums = Sums {
            loss: 0.0,
            denominator: 0.0,
        };
        let lines = rows
            .outputs
            .chunks_exact(width)
            .zip(rows.gradient.chunks_exact_mut(width));
        for ((logits, gradient), (label, weight)) in lines.zip(rows.labels.iter().zip(rows.weights)) {
            let class = class_of(*label, width)?;
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            gradient.copy_from_slice(logits);
            shifted_exp(level, largest, gradient);
            let total: f64 = gradient.iter().map(|x| f64::from(*x)).sum();
            sums.loss += weight * (libm::log(total) + f64::from(largest) - f64::from(logits[class]));
            sums.denominator += weight;
            #[expect(clippy::cast_possible_truncation, reason = "computed in f64, applied in f32")]
            let factors = ((weight / total) as f32, *weight as f32);
            scale(level, factors.0, gradient);
            gradient[class] -= factors.1;
        }
        Ok(sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_are_no_class_are_named() {
        for label in [3.0, -1.0, 0.5, f64::NAN] {
            let failure = class_of(label, 3).unwrap_err();
            assert!(
                failure.message.contains("expected a whole number from 0 to 2"),
                "{failure}"
            );
        }
        assert_eq!(class_of(2.0, 3), Ok(2));
    }
}
