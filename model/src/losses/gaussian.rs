//! Negative log-likelihood of a normal distribution whose mean and variance the network puts out.

use super::error::LossError;
use super::loss::{Labels, Loss, SliceRows, Sums, real};
use crate::arguments::Arguments;
use crate::kernels::SimdLevel;
use crate::numbers::to_f32;
use candlewick_protocol::Failure;

/// ln(2 pi) / 2.
const HALF_LOG_TWO_PI: f64 = 0.918_938_533_204_672_8;

/// `torch.nn.GaussianNLLLoss`: a row has the means, then the variances.
#[derive(Debug)]
struct Gaussian {
    /// What the constant part adds.
    constant: f64,
    /// Smallest variance.
    eps: f64,
    /// The outputs are logarithms of the variances.
    logarithms: bool,
}

pub(super) fn make(arguments: &Arguments) -> Result<Box<dyn Loss>, LossError> {
    if arguments.real("eps") <= 0.0 {
        return Err(LossError::Argument {
            name: "eps",
            value: arguments.value("eps").to_string(),
            expected: "a number above 0, for example 1e-6",
        });
    }
    Ok(Box::new(Gaussian {
        constant: if arguments.flag("full") {
            HALF_LOG_TWO_PI
        } else {
            0.0
        },
        eps: arguments.real("eps"),
        logarithms: arguments.flag("log_variance"),
    }))
}

impl Gaussian {
    /// Loss, and slopes by mean and second output. The bound of the variance does not stop its gradient, as in
    /// PyTorch.
    fn value(&self, mean: f32, second: f32, label: f64) -> Result<(f64, [f64; 2]), Failure> {
        let raw = if self.logarithms {
            libm::exp(f64::from(second))
        } else {
            f64::from(second)
        };
        if raw < 0.0 {
            return Err(Failure::parameter(format!(
                "GaussianNLLLoss: the network produced the variance {raw}, which is negative; set log_variance to true (the \
                 outputs are then logarithms of variances), or end the network with a layer that gives no negative \
                 numbers"
            )));
        }
        // NaN stays NaN.
        let variance = if raw < self.eps { self.eps } else { raw };
        let difference = f64::from(mean) - label;
        let scaled = difference / variance;
        let loss = 0.5 * (libm::log(variance) + difference * scaled) + self.constant;
        let by_variance = 0.5 * (1.0 / variance - scaled * scaled);
        let chain = if self.logarithms { raw } else { 1.0 };
        Ok((loss, [scaled, by_variance * chain]))
    }
}

impl Loss for Gaussian {
    fn labels(&self, width: usize) -> Result<Labels, LossError> {
        if width.is_multiple_of(2) {
            Ok(Labels::Values(width / 2))
        } else {
            Err(LossError::Outputs {
                reads: "a mean and a variance for every value of the label".to_owned(),
                width,
                end: "out_features = 2 times the values of a label".to_owned(),
            })
        }
    }

    fn elements(&self, width: usize) -> usize {
        width / 2
    }

    fn slice(&self, _level: SimdLevel, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure> {
        let mut sums = Sums::default();
        let half = width / 2;
        let lines = rows
            .outputs
            .chunks_exact(width)
            .zip(rows.gradient.chunks_exact_mut(width));
        for ((outputs, gradient), (labels, weight)) in
            lines.zip(rows.labels.chunks_exact(half).zip(rows.weights))
        {
            let mut row = 0.0;
            for (at, label) in labels.iter().enumerate() {
                let (loss, slopes) = self.value(outputs[at], outputs[half + at], *label)?;
                row += loss;
                gradient[at] = to_f32(weight * slopes[0]);
                gradient[half + at] = to_f32(weight * slopes[1]);
            }
            sums.loss += weight * row;
            sums.denominator += weight * real(half);
        }
        Ok(sums)
    }
}
