//! Dropout: random numbers by rule B8.

use super::{Family, Keeps, Made, Map, MapContext, Operation, RowKey};
use crate::arguments::Arguments;
use crate::philox::{Key, Mask, mask_row};
use std::sync::Arc;

/// Sets elements to zero and scales the others, by a stream of random numbers of its path.
#[derive(Debug)]
pub(super) struct Dropout {
    path: String,
    /// Probability of being kept, of 2^32.
    below: u64,
    scale: f32,
}

impl Dropout {
    /// Dropout with probability `p`.
    pub(super) fn new(p: f64, path: String) -> Self {
        let keep = 1.0 - p;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 2^32"
        )]
        let below = (keep * 4_294_967_296.0) as u64;
        #[expect(clippy::cast_possible_truncation, reason = "computed in f64, applied in f32")]
        let scale = if keep > 0.0 { (1.0 / keep) as f32 } else { 0.0 };
        Dropout { path, below, scale }
    }

    /// Which elements of a row are kept in a step.
    pub(super) fn mask(&self, seed: u64, row: RowKey, step: u64) -> Mask {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the counter's word; no job has 2^32 steps"
        )]
        let place = [row.row, row.shard, step as u32];
        Mask {
            key: Key::new(seed, &self.path),
            place,
            below: self.below,
            scale: self.scale,
        }
    }

    /// Forward and backward are the same function: the mask is computed again, not kept.
    fn apply(&self, context: &MapContext<'_>, values: &mut [f32]) {
        let rows = values.chunks_exact_mut(context.width.max(1));
        for (row, values) in context.rows.iter().zip(rows) {
            mask_row(context.level, self.mask(context.seed, *row, context.step), values);
        }
    }
}

impl Map for Dropout {
    fn keeps(&self) -> Keeps {
        Keeps::Nothing
    }

    fn only_training(&self) -> bool {
        true
    }

    fn cost(&self) -> usize {
        24
    }

    fn forward(&self, context: &MapContext<'_>, values: &mut [f32]) {
        self.apply(context, values);
    }

    fn backward(&self, context: &MapContext<'_>, _kept: &[f32], gradient: &mut [f32]) {
        self.apply(context, gradient);
    }
}

/// The layers of this family.
pub(super) const LAYERS: Family = &[("Dropout", make)];

fn make(arguments: &mut Arguments, input: &[usize], path: &str) -> Result<Made, String> {
    let dropout = Dropout::new(arguments.real("p"), path.to_owned());
    Ok(Made {
        operation: Operation::Map(Arc::new(dropout)),
        output: input.to_vec(),
    })
}
