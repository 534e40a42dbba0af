//! Squares of a matrix turned round, for AVX2 and above.

use super::simd::SimdLevel;
use std::arch::x86_64::{
    __m128, __m512, __mmask16, _mm_loadu_ps, _mm256_castps128_ps256, _mm256_insertf128_ps, _mm256_setzero_ps,
    _mm256_shuffle_ps, _mm256_storeu_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps, _mm512_castps128_ps512,
    _mm512_insertf32x4, _mm512_mask_storeu_ps, _mm512_setzero_ps, _mm512_shuffle_ps, _mm512_storeu_ps,
    _mm512_unpackhi_ps, _mm512_unpacklo_ps,
};

/// Writes the columns of `shape.0` rows that lie `stride` apart in `data`, column after column, `height` values apart. The answer is
/// the number of columns written: `shape.1` rounded down to a multiple of 8. The level is AVX2 or above.
pub(super) fn transpose(
    level: SimdLevel,
    data: &[f32],
    stride: usize,
    shape: (usize, usize),
    height: usize,
    into: &mut [f32],
) -> usize {
    let (rows, columns) = (shape.0, shape.1 / 8 * 8);
    if rows == 0 || columns == 0 || level < SimdLevel::Avx2 || level > SimdLevel::detect() {
        return 0;
    }
    assert!((rows - 1) * stride + columns <= data.len() && rows <= height && columns * height <= into.len());
    // Squares of 16 write whole cache lines; what they leave is eight columns at most.
    let wide = if level < SimdLevel::Avx512 {
        0
    } else {
        columns / 16 * 16
    };
    for first in (0..rows).step_by(16) {
        let count = (rows - first).min(16);
        for at in (0..wide).step_by(16) {
            // SAFETY: the processor has AVX-512. Rows first..first + count and columns at..at + 16 lie in `data`, and values
            // first..first + count of the same columns in `into`, by the assertion above.
            unsafe {
                let from = data.as_ptr().add(first * stride + at);
                let to = into.as_mut_ptr().add(at * height + first);
                if count == 16 {
                    transpose16::<16>(from, stride, to, height, 16)
                } else {
                    transpose16::<0>(from, stride, to, height, count)
                }
            }
        }
    }
    for first in (0..rows).step_by(8) {
        let count = (rows - first).min(8);
        for at in (wide..columns).step_by(8) {
            // SAFETY: the processor has AVX2. Rows first..first + count and columns at..at + 8 lie in `data`, and
            // values first..first + count of the same columns in `into`, by the assertion above.
            unsafe {
                let from = data.as_ptr().add(first * stride + at);
                let to = into.as_mut_ptr().add(at * height + first);
                if count == 8 {
                    transpose8::<8>(from, stride, to, height, 8)
                } else {
                    transpose8::<0>(from, stride, to, height, count)
                }
            }
        }
    }
    columns
}

/// Transposes a square of 16 x 16. With FULL = 16 all rows are there; with 0, the first `count` rows are.
///
/// # Safety
/// The processor has AVX-512; rows that are there have 16 readable values, columns as many writable ones as there are rows.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn transpose16<const FULL: usize>(
    from: *const f32,
    stride: usize,
    to: *mut f32,
    height: usize,
    count: usize,
) {
    // A row that is not there is read as row 0 and not written.
    let row = |i: usize| {
        if FULL == 16 || i < count {
            from.wrapping_add(i * stride)
        } else {
            from
        }
    };
    let own: __mmask16 = if FULL == 16 { !0 } else { (1 << count) - 1 };
    for quarter in 0..4 {
        let mut side = [_mm512_setzero_ps(); 4];
        for (i, vector) in side.iter_mut().enumerate() {
            // SAFETY: the caller promises 16 readable values in every row that is there.
            *vector = unsafe {
                let four = |lane: usize| -> __m128 { _mm_loadu_ps(row(4 * lane + i).add(4 * quarter)) };
                let first = _mm512_castps128_ps512(four(0));
                let two = _mm512_insertf32x4::<1>(first, four(1));
                let three = _mm512_insertf32x4::<2>(two, four(2));
                _mm512_insertf32x4::<3>(three, four(3))
            };
        }
        for (j, column) in turned(side).into_iter().enumerate() {
            let target = to.wrapping_add((4 * quarter + j) * height);
            // SAFETY: the caller promises `count` writable values in every column.
            unsafe {
                if FULL == 16 {
                    _mm512_storeu_ps(target, column);
                } else {
                    _mm512_mask_storeu_ps(target, own, column);
                }
            }
        }
    }
}

/// Transposes four squares of 4 x 4, one in each quarter of the vectors.
#[inline]
#[target_feature(enable = "avx512f")]
fn turned(side: [__m512; 4]) -> [__m512; 4] {
    let (a, b) = (
        _mm512_unpacklo_ps(side[0], side[1]),
        _mm512_unpackhi_ps(side[0], side[1]),
    );
    let (c, d) = (
        _mm512_unpacklo_ps(side[2], side[3]),
        _mm512_unpackhi_ps(side[2], side[3]),
    );
    [
        _mm512_shuffle_ps::<0x44>(a, c),
        _mm512_shuffle_ps::<0xEE>(a, c),
        _mm512_shuffle_ps::<0x44>(b, d),
        _mm512_shuffle_ps::<0xEE>(b, d),
    ]
}

/// Transposes a square of 8 x 8. With FULL = 8 all rows are there; with 0, the first `count` rows are.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn transpose8<const FULL: usize>(
    from: *const f32,
    stride: usize,
    to: *mut f32,
    height: usize,
    count: usize,
) {
    // A row that is not there is read as row 0 and not written.
    let row = |i: usize| {
        if FULL == 8 || i < count {
            from.wrapping_add(i * stride)
        } else {
            from
        }
    };
    let mut half = [[_mm256_setzero_ps(); 4]; 2];
    for (h, side) in half.iter_mut().enumerate() {
        for (i, vector) in side.iter_mut().enumerate() {
            // SAFETY: the caller promises 8 readable values in every row that is there.
            *vector = unsafe {
                let (low, high): (__m128, __m128) = (
                    _mm_loadu_ps(row(i).add(4 * h)),
                    _mm_loadu_ps(row(i + 4).add(4 * h)),
                );
                _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high)
            };
        }
    }
    for (h, side) in half.iter().enumerate() {
        let (a, b) = (
            _mm256_unpacklo_ps(side[0], side[1]),
            _mm256_unpackhi_ps(side[0], side[1]),
        );
        let (c, d) = (
            _mm256_unpacklo_ps(side[2], side[3]),
            _mm256_unpackhi_ps(side[2], side[3]),
        );
        let columns = [
            _mm256_shuffle_ps::<0x44>(a, c),
            _mm256_shuffle_ps::<0xEE>(a, c),
            _mm256_shuffle_ps::<0x44>(b, d),
            _mm256_shuffle_ps::<0xEE>(b, d),
        ];
        for (j, column) in columns.into_iter().enumerate() {
            let target = to.wrapping_add((4 * h + j) * height);
            // SAFETY: the caller promises `count` writable values in every column.
            unsafe {
                if FULL == 8 {
                    _mm256_storeu_ps(target, column);
                } else {
                    let mut values = [0.0f32; 8];
                    _mm256_storeu_ps(values.as_mut_ptr(), column);
                    match count {
                        6 => std::ptr::copy_nonoverlapping(values.as_ptr(), target, 6),
                        4 => std::ptr::copy_nonoverlapping(values.as_ptr(), target, 4),
                        count => std::ptr::copy_nonoverlapping(values.as_ptr(), target, count),
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_turned_at_every_level_and_nothing_else_is_written() {
        let stride = 53;
        let data: Vec<f32> = (0..40 * stride).map(|at| at as f32).collect();
        let levels = SimdLevel::available()
            .into_iter()
            .filter(|level| *level >= SimdLevel::Avx2);
        for level in levels {
            for (rows, columns) in
                (0..=36usize).flat_map(|rows| [0, 7, 8, 15, 16, 24, 47, 48].map(|columns| (rows, columns)))
            {
                for height in [rows, rows + 1, rows.next_multiple_of(16)] {
                    let mut into = vec![-1.0; height * columns + 16];
                    let done = transpose(level, &data, stride, (rows, columns), height, &mut into);
                    assert_eq!(done, if rows == 0 { 0 } else { columns / 8 * 8 });
                    let wanted = |at: usize| {
                        let (column, row) = (at / height.max(1), at % height.max(1));
                        if column < done && row < rows {
                            data[row * stride + column]
                        } else {
                            -1.0
                        }
                    };
                    for (at, value) in into.iter().enumerate() {
                        assert_eq!(
                            *value,
                            wanted(at),
                            "{level:?} {rows} x {columns}, height {height}, place {at}"
                        );
                    }
                }
            }
        }
    }
}
