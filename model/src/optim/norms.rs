//! Euclidean norms, rule B6: squares are summed in f64 in blocks of 4,096 elements that start where a tensor starts,
//! the blocks of a tensor in order, the tensors in the order of the parameters.

use super::rules::Part;
use crate::kernels::leveled;

/// Elements of a partial sum.
pub(super) const BLOCK: usize = 4_096;
/// Sums side by side in a block, so that a processor can add several at a time; their order does not depend on it.
const LANES: usize = 8;

/// The sum of squares of `scale * values`.
#[inline(always)]
fn squares(scale: f32, values: &[f32]) -> f64 {
    let mut lanes = [0.0f64; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    for chunk in whole {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            let value = f64::from(*value * scale);
            *lane += value * value;
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        let value = f64::from(*value * scale);
        *lane += value * value;
    }
    lanes.iter().sum()
}

leveled! {
    /// Sums of squares of the blocks of two vectors of one length, each with its factor.
    pub(super) fn blocks(left: (f32, &[f32]), right: (f32, &[f32]), sums: &mut Vec<[f64; 2]>) {
        sums.clear();
        for (a, b) in left.1.chunks(BLOCK).zip(right.1.chunks(BLOCK)) {
            sums.push([squares(left.0, a), squares(right.0, b)]);
        }
    }
}

leveled! {
    /// Sums of squares of the blocks of one vector.
    pub(super) fn blocks_of(values: &[f32], sums: &mut Vec<[f64; 2]>) {
        sums.clear();
        sums.extend(values.chunks(BLOCK).map(|block| [squares(1.0, block), 0.0]));
    }
}

/// Sums of squares of every tensor, from those of its parts' blocks. Tensors without a part have 0.
pub(super) fn by_tensor(parts: &[Part<'_>], tensors: usize) -> Vec<[f64; 2]> {
    let mut totals = vec![[0.0; 2]; tensors];
    for part in parts {
        if let Some(total) = totals.get_mut(part.tensor) {
            for sums in &part.sums {
                total[0] += sums[0];
                total[1] += sums[1];
            }
        }
    }
    totals
}
