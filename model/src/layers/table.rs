//! What layers share that look rows of a table up.

use super::error::LayerError;
use super::{Init, ParameterSpec};
use crate::arguments::Arguments;
use crate::kernels::simd_dispatch;
use candlewick_protocol::Failure;

#[expect(clippy::cast_precision_loss, reason = "at most 2^24")]
pub(super) fn number(count: usize) -> f32 {
    count as f32
}

/// The index that a value is; the check of all of a batch comes before.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked: a whole number in range"
)]
pub(crate) fn index(value: f32) -> usize {
    value as u32 as usize
}

/// A table whose rows are looked up by indices that come as values.
#[derive(Debug)]
pub(crate) struct RowTable {
    /// Name and path of its layer, for messages.
    pub name: String,
    /// Rows.
    pub entries: usize,
    /// Size of a row.
    pub width: usize,
    /// The index whose row gets no gradient, or that bags pass over.
    pub padding: Option<usize>,
}

impl RowTable {
    /// Refuses values that are no index of it.
    pub(crate) fn check(&self, values: &[f32]) -> Result<(), Failure> {
        let limit = number(self.entries);
        let legal = |value: &f32| *value >= 0.0 && *value < limit && number(index(*value)) == *value;
        match values.iter().find(|value| !legal(value)) {
            None => Ok(()),
            Some(value) => Err(Failure::data(format!(
                "{}: {value} is not an index of its table: expected whole numbers from 0 to {} (num_embeddings={})",
                self.name,
                self.entries - 1,
                self.entries
            ))),
        }
    }
}

simd_dispatch! {
    /// `left /= count`.
    pub(super) fn divide(left: &mut [f32], count: f32) {
        left.iter_mut().for_each(|left| *left /= count);
    }
}

simd_dispatch! {
    /// The larger of both; `places` learns where `place` won.
    pub(super) fn maximum(best: &mut [f32], places: &mut [f32], row: &[f32], place: f32) {
        for ((best, won), value) in best.iter_mut().zip(places).zip(row) {
            // The first of equals stays, and a NaN wins, as in PyTorch.
            let wins = *value > *best || *won < 0.0 || value.is_nan() && !best.is_nan();
            *best = if wins { *value } else { *best };
            *won = if wins { place } else { *won };
        }
    }
}

/// The row of the table that counts as absent.
pub(super) fn padding_of(arguments: &Arguments, entries: usize) -> Result<Option<usize>, LayerError> {
    if arguments.is_null("padding_idx") {
        return Ok(None);
    }
    let given = arguments.int("padding_idx");
    let signed = i64::try_from(entries).unwrap_or(i64::MAX);
    let at = if given < 0 { given + signed } else { given };
    match usize::try_from(at).ok().filter(|at| *at < entries) {
        Some(at) => Ok(Some(at)),
        None => Err(LayerError::from(format!(
            "padding_idx={given} is not a row of a table of num_embeddings={entries} rows"
        ))),
    }
}

/// The table.
pub(super) fn weight_of(entries: usize, width: usize, padding: Option<usize>) -> ParameterSpec {
    let init = match padding {
        Some(row) => Init::NormalBut(row * width, width),
        None => Init::Normal(1.0),
    };
    ParameterSpec::sparse("weight", [entries, width], init)
}
