//! Quantile regression: the pinball loss (Koenker and Bassett, Regression Quantiles, Econometrica 46, 1978).

use super::error::LossError;
use super::loss::{Labels, Loss, SliceRows, Sums, real};
use crate::arguments::Arguments;
use crate::kernels::SimdLevel;
use crate::numbers::to_f32;
use candlewick_protocol::Failure;

/// A row has, for every value of the label, one output a quantile.
#[derive(Debug)]
struct Quantiles {
    quantiles: Vec<f64>,
}

pub(super) fn make(arguments: &Arguments) -> Result<Box<dyn Loss>, LossError> {
    let quantiles = arguments.reals("quantiles");
    if quantiles.iter().any(|q| *q <= 0.0 || *q >= 1.0) {
        return Err(LossError::Argument {
            name: "quantiles",
            value: arguments.value("quantiles").to_string(),
            expected: "numbers above 0 and below 1, for example [0.1, 0.5, 0.9]",
        });
    }
    Ok(Box::new(Quantiles { quantiles }))
}

impl Loss for Quantiles {
    fn labels(&self, width: usize) -> Result<Labels, LossError> {
        let count = self.quantiles.len();
        if width.is_multiple_of(count) {
            return Ok(Labels::Values(width / count));
        }
        Err(LossError::Outputs {
            reads: format!("an output for each of its {count} quantiles"),
            width,
            end: format!("out_features={count} (times the values of a label)"),
        })
    }

    fn elements(&self, width: usize) -> usize {
        width
    }

    fn slice(&self, _level: SimdLevel, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure> {
        let mut sums = Sums::default();
        let count = self.quantiles.len();
        let lines = rows
            .outputs
            .chunks_exact(width)
            .zip(rows.gradient.chunks_exact_mut(width));
        for ((outputs, gradient), (labels, weight)) in
            lines.zip(rows.labels.chunks_exact(width / count).zip(rows.weights))
        {
            let mut row = 0.0;
            for (at, (z, slope)) in outputs.iter().zip(gradient).enumerate() {
                let (label, q) = (labels[at / count], self.quantiles[at % count]);
                let above = label - f64::from(*z);
                row += if above < 0.0 { (q - 1.0) * above } else { q * above };
                let by_output = match above.partial_cmp(&0.0) {
                    Some(std::cmp::Ordering::Greater) => -q,
                    Some(std::cmp::Ordering::Less) => 1.0 - q,
                    Some(std::cmp::Ordering::Equal) => 0.0,
                    None => f64::NAN,
                };
                *slope = to_f32(weight * by_output);
            }
            sums.loss += weight * row;
            sums.denominator += weight * real(width);
        }
        Ok(sums)
    }
}
