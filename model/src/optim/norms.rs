//! Euclidean norms, rule B6: squares are summed in f64 in blocks of 4,096 elements that start where a tensor starts,
//! the blocks of a tensor in order, the tensors in the order of the parameters.

use super::step::{ParamSlice, Touched};
use crate::kernels::simd_dispatch;

/// Elements of a partial sum.
pub(super) const BLOCK: usize = 4_096;
/// Sums side by side in a block, so that a processor can add several at a time; their order does not depend on it.
const LANES: usize = 8;

/// Adds the squares of `scale * values` lane by lane.
#[inline(always)]
fn add_squares(lanes: &mut [f64; LANES], scale: f32, values: &[f32; LANES]) {
    // Two loops by index: as one over zipped iterators it is not made into vector instructions.
    let mut wide = [0.0f64; LANES];
    for at in 0..LANES {
        wide[at] = f64::from(values[at] * scale);
    }
    for at in 0..LANES {
        lanes[at] += wide[at] * wide[at];
    }
}

/// The sum of squares of `scale * values`.
#[inline(always)]
fn squares(scale: f32, values: &[f32]) -> f64 {
    let mut lanes = [0.0f64; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    for chunk in whole {
        add_squares(&mut lanes, scale, chunk);
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        let value = f64::from(*value * scale);
        *lane += value * value;
    }
    lanes.iter().sum()
}

simd_dispatch! {
    /// Sums of squares of the blocks of two vectors of one length, each with its factor.
    pub(super) fn blocks(left: (f32, &[f32]), right: (f32, &[f32]), sums: &mut Vec<[f64; 2]>) {
        sums.clear();
        for (a, b) in left.1.chunks(BLOCK).zip(right.1.chunks(BLOCK)) {
            sums.push([squares(left.0, a), squares(right.0, b)]);
        }
    }
}

simd_dispatch! {
    /// Sums of squares of the blocks of one vector.
    pub(super) fn blocks_of(values: &[f32], sums: &mut Vec<[f64; 2]>) {
        sums.clear();
        sums.extend(values.chunks(BLOCK).map(|block| [squares(1.0, block), 0.0]));
    }
}

simd_dispatch! {
    /// As [`blocks_of`], of a vector that is 0 but in the rows of `touched`: the same totals, because a square of 0
    /// adds nothing. Blocks without such rows are left out.
    pub(super) fn blocks_of_rows(values: &[f32], touched: Touched<'_>, sums: &mut Vec<[f64; 2]>) {
        sums.clear();
        let mut lanes = [0.0f64; LANES];
        let mut current = None;
        for mut range in touched.ranges(values.len()) {
            while !range.is_empty() {
                let block = range.start / BLOCK;
                if current != Some(block) {
                    if current.is_some() {
                        sums.push([lanes.iter().sum(), 0.0]);
                    }
                    lanes = [0.0; LANES];
                    current = Some(block);
                }
                let end = range.end.min((block + 1) * BLOCK);
                add_squares_from(&mut lanes, range.start % LANES, &values[range.start..end]);
                range.start = end;
            }
        }
        if current.is_some() {
            sums.push([lanes.iter().sum(), 0.0]);
        }
    }
}

/// Adds squares to the lanes that they belong to; `first` is that of the first value.
#[inline(always)]
fn add_squares_from(lanes: &mut [f64; LANES], first: usize, values: &[f32]) {
    let (head, rest) = values.split_at(values.len().min((LANES - first) % LANES));
    for (lane, value) in lanes[first % LANES..].iter_mut().zip(head) {
        *lane += f64::from(*value) * f64::from(*value);
    }
    let (whole, tail) = rest.as_chunks::<LANES>();
    for chunk in whole {
        add_squares(lanes, 1.0, chunk);
    }
    for (lane, value) in lanes.iter_mut().zip(tail) {
        *lane += f64::from(*value) * f64::from(*value);
    }
}

/// Sums of squares of every tensor, from those of its slices' blocks. Tensors without a slice have 0.
pub(super) fn by_tensor(slices: &[ParamSlice<'_>], tensors: usize) -> Vec<[f64; 2]> {
    let mut totals = vec![[0.0; 2]; tensors];
    for slice in slices {
        if let Some(total) = totals.get_mut(slice.tensor) {
            for sums in &slice.sums {
                total[0] += sums[0];
                total[1] += sums[1];
            }
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::SimdLevel;

    #[test]
    fn rows_have_the_totals_of_whole_vectors() {
        for (width, start, length) in [
            (64, 0, 20_000),
            (37, 8_192, 12_300),
            (5_000, 4_096, 16_384),
            (3, 0, 7),
        ] {
            let mut values = vec![0.0f32; length];
            let (first, last) = (start / width, (start + length).div_ceil(width));
            let indices: Vec<u32> = (first..last)
                .filter(|row| row % 7 < 2 || row % 13 == 5)
                .map(|row| row as u32)
                .collect();
            let touched = Touched::Rows {
                indices: &indices,
                width,
                start,
            };
            for at in touched.ranges(length).flatten() {
                values[at] = 1.0 / (at as f32 + 1.7) * [1.0, -1e3, 1e-4][at % 3];
            }
            let total = |sums: &[[f64; 2]]| sums.iter().fold(0.0, |total, [sum, _]| total + sum).to_bits();
            let (mut whole, mut rows) = (Vec::new(), Vec::new());
            for level in SimdLevel::available() {
                blocks_of(level, &values, &mut whole);
                blocks_of_rows(level, &values, touched, &mut rows);
                assert_eq!(total(&whole), total(&rows), "rows of {width}");
                assert!(total(&rows) != 0);
            }
        }
    }
}
