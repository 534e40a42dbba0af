//! Left operands as the tiles of AMX read them: for every chunk of sixteen pairs a line of its pairs for each row. The last chunk of
//! a panel has lines of as many pairs as are left.

use super::pack_x86::{mask, pairs_of};
use super::scalar::{CHUNK, pair};
use crate::kernels::isa::Gather;
use crate::kernels::matrix::Matrix;
use crate::kernels::transpose::transpose16;
use std::arch::x86_64::{
    __m512, __m512bh, _mm256_storeu_ps, _mm512_cvtne2ps_pbh, _mm512_i64gather_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_permutex2var_ps,
    _mm512_setzero_ps, _mm512_storeu_ps,
};
use std::mem::transmute;

/// Packs rows of a matrix.
pub(super) fn pack_left(matrix: &Matrix<'_>, rows: (usize, usize), depth: (usize, usize), into: &mut [f32]) {
    let (count, length) = (rows.1 - rows.0, depth.1 - depth.0);
    if count == 0 || length == 0 {
        return;
    }
    let into = &mut into[..length.div_ceil(2) * count];
    let data = &matrix.data[rows.0 * matrix.row_stride + depth.0 * matrix.col_stride..];
    assert!((count - 1) * matrix.row_stride + (length - 1) * matrix.col_stride < data.len());
    let chunks = into.chunks_mut(CHUNK * count);
    for (at, into) in chunks.enumerate() {
        let (first, wide) = (2 * CHUNK * at, into.len() / count);
        let values = (2 * wide).min(length - first);
        let data = &data[first * matrix.col_stride..];
        // SAFETY: there is AVX-512 with bf16 where there is AMX. The rows and columns lie in `data` by the assertion above, and the
        // chunk has room for a line of `wide` pairs of each row.
        unsafe {
            match (matrix.row_stride, matrix.col_stride) {
                (stride, 1) => along(data.as_ptr(), stride, (count, values), into.as_mut_ptr()),
                (1, stride) => across(data.as_ptr(), stride, (count, values), into),
                (row, col) => {
                    for (i, line) in into.chunks_exact_mut(wide).enumerate() {
                        for (t, element) in line.iter_mut().enumerate() {
                            let value = |k: usize| if k < values { data[i * row + k * col] } else { 0.0 };
                            *element = pair(value(2 * t), value(2 * t + 1));
                        }
                    }
                }
            }
        }
    }
}

/// A chunk of rows whose values lie one after another.
///
/// # Safety
/// The processor has the instructions. There are `shape.0` rows of `shape.1` (1..=32) values, `stride` apart, and room for their pairs.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn along(data: *const f32, stride: usize, shape: (usize, usize), into: *mut f32) {
    let (low, high) = (mask(shape.1), mask(shape.1.saturating_sub(16)));
    let wide = shape.1.div_ceil(2);
    for i in 0..shape.0 {
        // SAFETY: the masks keep every access inside the row and its line.
        unsafe {
            let row = data.wrapping_add(i * stride);
            let first = _mm512_maskz_loadu_ps(low, row);
            let second = _mm512_maskz_loadu_ps(high, row.wrapping_add(16));
            let pairs = transmute::<__m512bh, __m512>(_mm512_cvtne2ps_pbh(second, first));
            _mm512_mask_storeu_ps(into.wrapping_add(i * wide), mask(wide), pairs);
        }
    }
}

/// A chunk of rows that lie side by side: `shape.1` (1..=32) lines of `shape.0` values, `stride` apart.
///
/// # Safety
/// As [`along`], for these lines.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn across(data: *const f32, stride: usize, shape: (usize, usize), into: &mut [f32]) {
    let wide = shape.1.div_ceil(2);
    for first in (0..shape.0).step_by(16) {
        let count = (shape.0 - first).min(16);
        let (mut lines, mut square) = ([0.0f32; 256], [0.0f32; 256]);
        for t in 0..wide {
            // SAFETY: the masks keep every read inside the lines.
            unsafe {
                let even = data.wrapping_add(2 * t * stride + first);
                let low = _mm512_maskz_loadu_ps(mask(count), even);
                let high = if 2 * t + 1 < shape.1 {
                    _mm512_maskz_loadu_ps(mask(count), even.wrapping_add(stride))
                } else {
                    _mm512_setzero_ps()
                };
                _mm512_storeu_ps(lines.as_mut_ptr().add(t * 16), pairs_of(low, high));
            }
        }
        let own = &mut into[first * wide..][..count * wide];
        let whole = count == 16;
        let to = if whole {
            own.as_mut_ptr()
        } else {
            square.as_mut_ptr()
        };
        // SAFETY: 16 lines of 16 values, of which the first `wide` are turned into 16 lines of so many: of the chunk where it has so many,
        // else beside it.
        unsafe {
            if wide == 16 {
                transpose16::<16>(lines.as_ptr(), 16, to, 16, 16);
            } else {
                transpose16::<0>(lines.as_ptr(), 16, to, wide, wide);
            }
        }
        if !whole {
            own.copy_from_slice(&square[..count * wide]);
        }
    }
}

/// Packs `shape.0` rows of `shape.1` pairs that are gathered.
///
/// # Safety
/// The processor has AVX-512. The sum of an offset of the rows and one of the columns leads to a readable pair, and `into` has room
/// for all of them.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn pack_gathered(shape: (usize, usize), a: Gather, into: *mut f32) {
    for first in (0..shape.1).step_by(CHUNK) {
        let wide = (shape.1 - first).min(CHUNK);
        let into = into.wrapping_add(first * shape.0);
        // SAFETY: the columns are there, and so many lines of the chunk; sums of offsets lead to pairs.
        unsafe {
            let cols = a.cols.add(first);
            let last = wide - 1;
            // Pairs of a line of the input, each beside the next but one.
            let in_turn = wide == CHUNK
                && *cols.add(last) - *cols == 2 * last
                && (1..wide).all(|t| *cols.add(t) - *cols == 2 * t);
            for i in 0..shape.0 {
                let (row, line) = (a.data.wrapping_add(*a.rows.add(i)), into.wrapping_add(i * wide));
                if in_turn {
                    let from = row.wrapping_add(*cols);
                    _mm512_storeu_ps(line, every_other(from));
                } else if wide == CHUNK {
                    for half in [0, 8] {
                        let offsets = _mm512_loadu_si512(cols.add(half).cast());
                        _mm256_storeu_ps(line.add(half), _mm512_i64gather_ps::<4>(offsets, row));
                    }
                } else {
                    for t in 0..wide {
                        *line.add(t) = *row.wrapping_add(*cols.add(t));
                    }
                }
            }
        }
    }
}

/// Values 0, 2 and so on to 30.
///
/// # Safety
/// They can be read, and what lies between them.
#[target_feature(enable = "avx512f")]
unsafe fn every_other(from: *const f32) -> __m512 {
    const EVEN: [u32; 16] = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30];
    // SAFETY: the caller promises 31 values.
    unsafe {
        let (low, high) = (
            _mm512_loadu_ps(from),
            _mm512_maskz_loadu_ps(mask(15), from.wrapping_add(16)),
        );
        _mm512_permutex2var_ps(
            low,
            transmute::<[u32; 16], std::arch::x86_64::__m512i>(EVEN),
            high,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::SimdLevel;
    use crate::philox::{Key, uniform};

    fn values(count: usize) -> Vec<f32> {
        let mut values = vec![0.0; count];
        uniform(Key::new(4, "left"), 1.0, &mut values);
        values
    }

    /// What a panel of `rows` rows of pairs is, by the value of a row and an index.
    fn wanted(rows: usize, pairs: usize, at: impl Fn(usize, usize) -> f32) -> Vec<u32> {
        let mut all = Vec::new();
        for first in (0..pairs).step_by(CHUNK) {
            for i in 0..rows {
                all.extend((first..pairs.min(first + CHUNK)).map(|t| at(i, t).to_bits()));
            }
        }
        all
    }

    // Whether or not the processor has AMX.
    #[test]
    fn panels_have_a_line_of_each_row_in_every_chunk() {
        if SimdLevel::detect() < SimdLevel::Avx512Bf16 {
            return;
        }
        for (rows, length) in [
            (1, 1),
            (15, 31),
            (16, 32),
            (16, 16),
            (17, 33),
            (5, 512),
            (16, 47),
            (33, 95),
        ] {
            let data = values(2 * (rows + 3) * (length + 5) * 2);
            for (row_stride, col_stride) in [(length + 5, 1), (1, rows + 3), (2 * (length + 5), 2)] {
                let (from, to) = ((1, 1 + rows), (3, 3 + length));
                let (all, deep) = (rows + 2, length + 4);
                let matrix = Matrix {
                    data: &data,
                    rows: all,
                    cols: deep,
                    row_stride,
                    col_stride,
                };
                let value = |i: usize, k: usize| match k < length {
                    true => data[(from.0 + i) * row_stride + (to.0 + k) * col_stride],
                    false => 0.0,
                };
                let mut into = vec![7.0; rows * length.div_ceil(2) + 3];
                pack_left(&matrix, from, to, &mut into);
                let pairs = wanted(rows, length.div_ceil(2), |i, t| {
                    pair(value(i, 2 * t), value(i, 2 * t + 1))
                });
                let bits: Vec<u32> = into.iter().map(|value| value.to_bits()).collect();
                assert_eq!(
                    bits[..pairs.len()],
                    pairs,
                    "{rows} x {length}, {row_stride}, {col_stride}"
                );
                assert_eq!(into[pairs.len()..], [7.0; 3]);
            }
        }
    }

    #[test]
    fn gathered_panels_are_those_of_their_offsets() {
        if SimdLevel::detect() < SimdLevel::Avx512Bf16 {
            return;
        }
        let data = values(4_000);
        for (rows, length, step, line) in [
            (1, 1, 2, 9),
            (16, 16, 2, 99),
            (16, 40, 2, 14),
            (9, 35, 2, 20),
            (3, 33, 4, 99),
        ] {
            let taps: Vec<usize> = (0..rows).map(|i| i * 7 + i % 3).collect();
            // Steps within lines, which lie further apart.
            let places: Vec<usize> = (0..length)
                .map(|t| t % line * step + t / line * (line * step + 5))
                .collect();
            let gather = Gather {
                data: data.as_ptr(),
                rows: taps.as_ptr(),
                cols: places.as_ptr(),
            };
            assert!(taps[rows - 1] + places[length - 1] < data.len());
            let mut into = vec![7.0; rows * length + 3];
            // SAFETY: sums of offsets lead into `data`, by the assertion above, and there is room for all pairs.
            unsafe { pack_gathered((rows, length), gather, into.as_mut_ptr()) };
            let pairs = wanted(rows, length, |i, t| data[taps[i] + places[t]]);
            let bits: Vec<u32> = into.iter().map(|value| value.to_bits()).collect();
            assert_eq!(bits[..pairs.len()], pairs, "{rows} x {length}");
            assert_eq!(into[pairs.len()..], [7.0; 3]);
        }
    }
}
