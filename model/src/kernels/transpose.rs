//! Squares of a matrix turned round, for AVX2 and above.

use std::arch::x86_64::{
    __m128, _mm_loadu_ps, _mm256_castps128_ps256, _mm256_insertf128_ps, _mm256_setzero_ps, _mm256_shuffle_ps,
    _mm256_storeu_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps,
};

/// Writes `columns.1` columns (rounded down to a multiple of 8) of `columns.0` rows that lie `stride` apart in
/// `data`, column after column, `height` values apart. The answer is the number of columns written. The level is
/// AVX2 or above.
pub(super) fn transpose(
    data: &[f32],
    stride: usize,
    shape: (usize, usize),
    height: usize,
    into: &mut [f32],
) -> usize {
    let (rows, columns) = (shape.0, shape.1 / 8 * 8);
    if rows == 0 || columns == 0 || !is_x86_feature_detected!("avx2") {
        return 0;
    }
    assert!((rows - 1) * stride + columns <= data.len() && rows <= height && columns * height <= into.len());
    for first in (0..rows).step_by(8) {
        let count = (rows - first).min(8);
        for at in (0..columns).step_by(8) {
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
