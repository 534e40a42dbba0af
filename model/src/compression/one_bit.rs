//! A bit for each value of a group, and what it stands for: the mean of the values that are negative, and that of the others
//! (Seide et al., "1-bit stochastic gradient descent", 2014, where a group is a column of a weight).

use super::take;
use crate::kernels::{LANES, lanes_of, simd_dispatch, sum_lanes_f64};
use candlewick_protocol::Failure;

/// Values that have their means in common. With 4,096 of them, SGD with momentum did not converge on handwritten digits: values
/// that have no gradient get the mean of those that have one (docs/adr/0036-compressed-gradients.md).
pub(super) const GROUP: usize = 128;

/// Bits of a word.
const BITS: usize = 32;

simd_dispatch! {
    /// Every value becomes the mean of those of its sign in its group. Sums are in f64, lane by lane.
    pub(super) fn quantise(values: &mut [f32]) {
        for group in values.chunks_mut(GROUP) {
            let means = means(group);
            for value in group {
                *value = if *value < 0.0 { means[1] } else { means[0] };
            }
        }
    }
}

/// Of the values that are not below 0, and of those that are; 0 where there are none.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a mean of f32 is in their range")]
fn means(group: &[f32]) -> [f32; 2] {
    let (mut sums, mut counts) = ([[0.0f64; LANES]; 2], [[0.0f64; LANES]; 2]);
    for part in group.chunks(LANES) {
        let values = lanes_of(part, 0.0);
        for lane in 0..part.len() {
            let (value, below) = (f64::from(values[lane]), values[lane] < 0.0);
            sums[0][lane] += if below { 0.0 } else { value };
            sums[1][lane] += if below { value } else { 0.0 };
            counts[0][lane] += if below { 0.0 } else { 1.0 };
            counts[1][lane] += if below { 1.0 } else { 0.0 };
        }
    }
    [0, 1].map(|side| {
        let count = sum_lanes_f64(counts[side]);
        if count > 0.0 {
            (sum_lanes_f64(sums[side]) / count) as f32
        } else {
            0.0
        }
    })
}

/// Two words for what the bits stand for, then the bits.
pub(super) fn pack(block: &[f32], words: &mut Vec<f32>) {
    let of = |negative: bool| {
        let found = block.iter().find(|value| (**value < 0.0) == negative);
        found.copied().unwrap_or(0.0)
    };
    words.extend([of(false), of(true)]);
    for values in block.chunks(BITS) {
        let mut word = 0u32;
        for (at, value) in values.iter().enumerate() {
            word |= u32::from(*value < 0.0) << at;
        }
        words.push(f32::from_bits(word));
    }
}

/// Reads what [`pack`] wrote.
pub(super) fn unpack<'a>(words: &'a [f32], block: &mut [f32]) -> Result<&'a [f32], Failure> {
    let (means, words) = take(words, 2)?;
    let (bits, rest) = take(words, block.len().div_ceil(BITS))?;
    for (values, word) in block.chunks_mut(BITS).zip(bits) {
        let word = word.to_bits();
        for (at, value) in values.iter_mut().enumerate() {
            *value = means[(word >> at & 1) as usize];
        }
    }
    Ok(rest)
}
