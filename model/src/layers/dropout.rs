//! Dropout: random numbers by rule B8.

use super::{BuiltLayer, Elementwise, ElementwiseContext, Family, Operation, RowKey, SavedForBackward};
use crate::arguments::Arguments;
use crate::kernels::SimdLevel;
use crate::layers::error::LayerError;
use crate::philox::{Key, Mask, mask_row};
use std::sync::Arc;

/// Sets elements to zero and scales the others, by a stream of random numbers of its path.
#[derive(Debug)]
pub(crate) struct Dropout {
    path: String,
    /// Probability of being kept, of 2^32.
    below: u64,
    scale: f32,
    /// Neighbouring elements that share a fate: 1, or those of a channel.
    together: usize,
}

impl Dropout {
    /// Dropout with probability `p`.
    pub(crate) fn new(p: f64, path: String) -> Self {
        let keep = 1.0 - p;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 2^32"
        )]
        let below = (keep * 4_294_967_296.0) as u64;
        #[expect(clippy::cast_possible_truncation, reason = "computed in f64, applied in f32")]
        let scale = if keep > 0.0 { (1.0 / keep) as f32 } else { 0.0 };
        Dropout {
            path,
            below,
            scale,
            together: 1,
        }
    }

    /// Which elements of a row are kept in a step.
    pub(crate) fn mask(&self, seed: u64, row: RowKey, step: u64) -> Mask {
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
    fn apply(&self, context: &ElementwiseContext<'_>, values: &mut [f32]) {
        let mut factors = Vec::new();
        let rows = values.chunks_exact_mut(context.width.max(1));
        for (row, values) in context.rows.iter().zip(rows) {
            let mask = self.mask(context.seed, *row, context.step);
            if self.together == 1 {
                mask_row(context.level, mask, values);
            } else {
                mask_channels(context.level, mask, self.together, values, &mut factors);
            }
        }
    }
}

/// Scales or clears whole channels of `together` elements: the mask's element is the channel.
fn mask_channels(level: SimdLevel, mask: Mask, together: usize, values: &mut [f32], factors: &mut Vec<f32>) {
    factors.clear();
    factors.resize(values.len() / together.max(1), 1.0);
    mask_row(level, mask, factors);
    for (channel, factor) in values.chunks_exact_mut(together.max(1)).zip(factors) {
        if *factor == 0.0 {
            channel.fill(0.0);
        } else {
            channel.iter_mut().for_each(|value| *value *= *factor);
        }
    }
}

impl Elementwise for Dropout {
    fn saved_for_backward(&self) -> SavedForBackward {
        SavedForBackward::Nothing
    }

    fn only_training(&self) -> bool {
        true
    }

    fn cost(&self) -> usize {
        if self.together == 1 { 24 } else { 1 }
    }

    fn forward(&self, context: &ElementwiseContext<'_>, values: &mut [f32]) {
        self.apply(context, values);
    }

    fn backward(&self, context: &ElementwiseContext<'_>, _kept: &[f32], gradient: &mut [f32]) {
        self.apply(context, gradient);
    }
}

/// The layers of this family.
pub(super) const LAYERS: Family = &[("Dropout", elements), ("Dropout2d", channels)];

fn elements(arguments: &mut Arguments, input: &[usize], path: &str) -> Result<BuiltLayer, LayerError> {
    make(arguments, input, path, 1)
}

fn channels(arguments: &mut Arguments, input: &[usize], path: &str) -> Result<BuiltLayer, LayerError> {
    let &[_, height, width] = input else {
        return Err(LayerError::input(
            "an input of shape [channels, height, width] without the batch",
            format!("{input:?}"),
        )
        .hint("Dropout takes any shape"));
    };
    make(arguments, input, path, height * width)
}

fn make(
    arguments: &mut Arguments,
    input: &[usize],
    path: &str,
    together: usize,
) -> Result<BuiltLayer, LayerError> {
    let dropout = Dropout {
        together,
        ..Dropout::new(arguments.real("p"), path.to_owned())
    };
    Ok(BuiltLayer {
        operation: Operation::Elementwise(Arc::new(dropout)),
        output: input.to_vec(),
    })
}
