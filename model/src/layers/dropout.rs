//! Dropout: random numbers by rule B8.

use super::{Family, Keeps, Made, Map, MapContext, Operation};
use crate::arguments::Arguments;
use crate::philox::{Key, Mask, mask_row};
use std::sync::Arc;

#[derive(Debug)]
struct Dropout {
    path: String,
    /// Probability of being kept, of 2^32.
    below: u64,
    scale: f32,
}

impl Dropout {
    /// Forward and backward are the same function: the mask is computed again, not kept.
    fn apply(&self, context: &MapContext<'_>, values: &mut [f32]) {
        let key = Key::new(context.seed, &self.path);
        for (row, values) in context
            .rows
            .iter()
            .zip(values.chunks_exact_mut(context.width.max(1)))
        {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the counter's word; no job has 2^32 steps"
            )]
            let place = [row.row, row.shard, context.step as u32];
            mask_row(
                context.level,
                Mask {
                    key,
                    place,
                    below: self.below,
                    scale: self.scale,
                },
                values,
            );
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
    let keep = 1.0 - arguments.real("p");
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 2^32"
    )]
    let below = (keep * 4_294_967_296.0) as u64;
    #[expect(clippy::cast_possible_truncation, reason = "computed in f64, applied in f32")]
    let scale = if keep > 0.0 { (1.0 / keep) as f32 } else { 0.0 };
    let dropout = Dropout {
        path: path.to_owned(),
        below,
        scale,
    };
    Ok(Made {
        operation: Operation::Map(Arc::new(dropout)),
        output: input.to_vec(),
    })
}
