//! Losses of a class: cross entropy of logits, and negative log-likelihood of log-probabilities.

use super::error::{LossError, check_weights};
use super::loss::{Labels, Loss, SliceRows, Sums, real};
use crate::arguments::Arguments;
use crate::kernels::{self, SimdLevel, simd_dispatch};
use crate::numbers::to_f32;
use candlewick_protocol::Failure;

/// PyTorch's default of `ignore_index`: no class.
pub(crate) const NO_CLASS: i64 = -100;

/// How labels are read and weighted.
#[derive(Debug)]
struct Classes {
    /// A weight a class; empty where all are 1.
    weights: Vec<f64>,
    /// The label whose rows do not count.
    ignored: Option<i64>,
}

/// `torch.nn.CrossEntropyLoss`.
#[derive(Debug)]
struct CrossEntropy {
    classes: Classes,
    /// Share of the target that is spread over all classes.
    smoothing: f64,
}

/// `torch.nn.NLLLoss`.
#[derive(Debug)]
struct NegativeLogLikelihood {
    classes: Classes,
}

pub(super) fn cross_entropy(arguments: &Arguments) -> Result<Box<dyn Loss>, LossError> {
    Ok(Box::new(CrossEntropy {
        classes: Classes::of(arguments),
        smoothing: arguments.real("label_smoothing"),
    }))
}

pub(super) fn negative_log_likelihood(arguments: &Arguments) -> Result<Box<dyn Loss>, LossError> {
    Ok(Box::new(NegativeLogLikelihood {
        classes: Classes::of(arguments),
    }))
}

impl Classes {
    fn of(arguments: &Arguments) -> Self {
        Classes {
            weights: arguments.reals("weight"),
            ignored: Some(arguments.int("ignore_index")),
        }
    }

    fn labels(&self, width: usize) -> Result<Labels, LossError> {
        check_weights("weight", self.weights.len(), width, "one number for each class")?;
        Ok(Labels::Class)
    }

    fn count_every_row(&mut self) -> Result<(), LossError> {
        if !self.weights.is_empty() {
            return Err(LossError::Misplaced(
                "cannot have class weights (weight) within a sum of losses: its mean would be over weighted rows, \
                 that of the other losses over all; leave weight out, or give the rows weights (weightCol)",
            ));
        }
        if self.ignored != Some(NO_CLASS) {
            return Err(LossError::Misplaced(
                "cannot have ignore_index within a sum of losses: its mean would be over other rows than that of \
                 the other losses; leave ignore_index out",
            ));
        }
        self.ignored = None;
        Ok(())
    }

    /// The class in a label and its weight; `None` where the row does not count.
    fn read(&self, label: f64, classes: usize) -> Result<Option<(usize, f64)>, Failure> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "compared with a class, which is far below 2^53"
        )]
        let is_ignored = |ignored: i64| ignored as f64 == label;
        if self.ignored.is_some_and(is_ignored) {
            return Ok(None);
        }
        let class = class_of(label, classes)?;
        Ok(Some((class, self.weight(class))))
    }

    fn weight(&self, class: usize) -> f64 {
        self.weights.get(class).copied().unwrap_or(1.0)
    }
}

simd_dispatch! {
    /// Replaces the elements of `row` by exp(x - largest).
    fn shifted_exp(largest: f32, row: &mut [f32]) {
        row.iter_mut().for_each(|x| *x = kernels::exp(*x - largest));
    }
}

simd_dispatch! {
    /// Multiplies by a factor.
    fn scale(factor: f32, row: &mut [f32]) {
        row.iter_mut().for_each(|x| *x *= factor);
    }
}

/// The class in a label, if it is one of `classes`.
pub(super) fn class_of(label: f64, classes: usize) -> Result<usize, Failure> {
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

/// Share of every class in the sum over all classes that `smoothing` makes.
struct Smoothing<'a> {
    classes: &'a Classes,
    share: f64,
}

impl Smoothing<'_> {
    /// Loss of this part, and the factor of the probabilities in its gradient.
    fn add(&self, log_total: f64, logits: &[f32]) -> (f64, f64) {
        let (mut weights, mut weighted) = (0.0, 0.0);
        for (class, logit) in logits.iter().enumerate() {
            let weight = self.classes.weight(class);
            weights += weight;
            weighted += weight * f64::from(*logit);
        }
        (
            self.share * (weights * log_total - weighted),
            self.share * weights,
        )
    }

    /// Takes the targets of this part from the gradient of a row.
    fn subtract(&self, row_weight: f64, gradient: &mut [f32]) {
        for (class, slope) in gradient.iter_mut().enumerate() {
            *slope -= to_f32(row_weight * self.share * self.classes.weight(class));
        }
    }
}

impl Loss for CrossEntropy {
    fn labels(&self, width: usize) -> Result<Labels, LossError> {
        self.classes.labels(width)
    }

    fn elements(&self, _width: usize) -> usize {
        1
    }

    fn count_every_row(&mut self) -> Result<(), LossError> {
        self.classes.count_every_row()
    }

    fn slice(&self, level: SimdLevel, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure> {
        let mut sums = Sums::default();
        let smoothing = (self.smoothing > 0.0).then_some(Smoothing {
            classes: &self.classes,
            share: self.smoothing / real(width),
        });
        let lines = rows
            .outputs
            .chunks_exact(width)
            .zip(rows.gradient.chunks_exact_mut(width));
        for ((logits, gradient), (label, weight)) in lines.zip(rows.labels.iter().zip(rows.weights)) {
            let Some((class, class_weight)) = self.classes.read(*label, width)? else {
                gradient.fill(0.0);
                continue;
            };
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            gradient.copy_from_slice(logits);
            shifted_exp(level, largest, gradient);
            let total: f64 = gradient.iter().map(|x| f64::from(*x)).sum();
            let log_total = libm::log(total) + f64::from(largest);
            let share = (1.0 - self.smoothing) * class_weight;
            let (spread, factor) = smoothing
                .as_ref()
                .map_or((0.0, 0.0), |part| part.add(log_total, logits));
            sums.loss += weight * (share * (log_total - f64::from(logits[class])) + spread);
            sums.denominator += weight * class_weight;
            scale(level, to_f32(weight * (share + factor) / total), gradient);
            gradient[class] -= to_f32(weight * share);
            if let Some(part) = &smoothing {
                part.subtract(*weight, gradient);
            }
        }
        Ok(sums)
    }
}

impl Loss for NegativeLogLikelihood {
    fn labels(&self, width: usize) -> Result<Labels, LossError> {
        self.classes.labels(width)
    }

    fn elements(&self, _width: usize) -> usize {
        1
    }

    fn count_every_row(&mut self) -> Result<(), LossError> {
        self.classes.count_every_row()
    }

    fn slice(&self, _level: SimdLevel, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure> {
        let mut sums = Sums::default();
        rows.gradient.fill(0.0);
        let lines = rows
            .outputs
            .chunks_exact(width)
            .zip(rows.gradient.chunks_exact_mut(width));
        for ((outputs, gradient), (label, weight)) in lines.zip(rows.labels.iter().zip(rows.weights)) {
            if let Some((class, class_weight)) = self.classes.read(*label, width)? {
                let weight = weight * class_weight;
                sums.loss -= weight * f64::from(outputs[class]);
                sums.denominator += weight;
                gradient[class] = -to_f32(weight);
            }
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
