//! Packing pairs on x86-64: by the instructions that round to bf16, and by squares of AVX2.

use super::scalar::pair;
use crate::kernels::simd::SimdLevel;
use crate::kernels::transpose::transpose8;
use std::arch::x86_64::{
    __m256bh, __m256i, __m512, __m512bh, __m512i, __mmask16, _mm256_storeu_si256, _mm512_castsi512_ps,
    _mm512_cvtne2ps_pbh, _mm512_cvtneps_pbh, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps,
    _mm512_permutexvar_epi16, _mm512_storeu_ps,
};
use std::mem::transmute;

/// Writes pairs of the columns of `shape.0` rows that lie `stride` apart in `data`, pair after pair, `height` elements apart. The
/// answer is the number of columns written: all of them, or without the instruction those up to the last multiple of 16. The
/// level is AVX2 or above.
pub(super) fn transpose(
    level: SimdLevel,
    data: &[f32],
    stride: usize,
    shape: (usize, usize),
    height: usize,
    into: &mut [f32],
) -> usize {
    let (rows, whole) = (shape.0, shape.1 / 16 * 16);
    let native = level == SimdLevel::Avx512Bf16;
    let columns = if native { shape.1 } else { whole };
    if rows == 0 || columns == 0 || level > SimdLevel::detect() {
        return 0;
    }
    let pairs = columns.div_ceil(2);
    assert!((rows - 1) * stride + columns <= data.len() && rows <= height && pairs * height <= into.len());
    let mut square = [0.0f32; 64];
    for first in (0..rows).step_by(8) {
        let count = (rows - first).min(8);
        for at in (0..whole).step_by(16) {
            // SAFETY: the processor has the level. Rows first..first + count and columns at..at + 16 lie in `data`, and
            // elements first..first + count of the same pairs in `into`, by the assertion above.
            unsafe {
                let from = data.as_ptr().add(first * stride + at);
                let to = into.as_mut_ptr().add(at / 2 * height + first);
                if native {
                    square_bf16(from, stride, (count, 16), &mut square);
                } else {
                    square256(from, stride, count, &mut square);
                }
                if count == 8 {
                    transpose8::<8>(square.as_ptr(), 8, to, height, 8);
                } else {
                    transpose8::<0>(square.as_ptr(), 8, to, height, count);
                }
            }
        }
        if columns > whole {
            // SAFETY: as above, with the columns that are left.
            unsafe {
                let from = data.as_ptr().add(first * stride + whole);
                square_bf16(from, stride, (count, columns - whole), &mut square);
            }
            for at in whole / 2..pairs {
                let line = &mut into[at * height + first..][..count];
                let own = square.iter().skip(at - whole / 2).step_by(8);
                line.iter_mut()
                    .zip(own)
                    .for_each(|(element, pair)| *element = *pair);
            }
        }
    }
    columns
}

/// Pairs up to 16 columns of up to 8 rows; what is missing of the columns is zero.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn square_bf16(from: *const f32, stride: usize, shape: (usize, usize), into: &mut [f32; 64]) {
    let own = mask(shape.1);
    for i in 0..shape.0 {
        // SAFETY: the caller promises so many readable values in each row; the square holds 8 elements of each.
        unsafe {
            let pairs = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(own, from.add(i * stride)));
            let pairs = transmute::<__m256bh, __m256i>(pairs);
            _mm256_storeu_si256(into.as_mut_ptr().add(i * 8).cast(), pairs);
        }
    }
}

/// As [`square_bf16`].
#[target_feature(enable = "avx2,fma")]
unsafe fn square256(from: *const f32, stride: usize, count: usize, into: &mut [f32; 64]) {
    for (i, line) in into.chunks_exact_mut(8).enumerate().take(count) {
        // SAFETY: the caller promises 16 readable values in each row.
        let row = unsafe { &*from.add(i * stride).cast::<[f32; 16]>() };
        for (at, element) in line.iter_mut().enumerate() {
            *element = pair(row[2 * at], row[2 * at + 1]);
        }
    }
}

/// The first so many of 16.
pub(super) fn mask(count: usize) -> __mmask16 {
    if count >= 16 { !0 } else { (1 << count) - 1 }
}

/// Pairs 16 values of two lines.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn pairs_of(even: __m512, odd: __m512) -> __m512 {
    // Values of the lines in turn: the first line's are the lower half of what is converted.
    const IN_TURN: [u16; 32] = {
        let (mut order, mut at) = ([0; 32], 0);
        while at < 16 {
            order[2 * at as usize] = at;
            order[2 * at as usize + 1] = 16 + at;
            at += 1;
        }
        order
    };
    // SAFETY: both types hold 512 bits, without a rule for what they are.
    let (order, both) = unsafe {
        (
            transmute::<[u16; 32], __m512i>(IN_TURN),
            transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(odd, even)),
        )
    };
    _mm512_castsi512_ps(_mm512_permutexvar_epi16(order, both))
}

/// As [`super::pack::pair_lines`]. The level is that of [`super::Bf16Avx512`].
pub(super) fn pair_lines(even: &[f32], odd: &[f32], into: &mut [f32]) {
    let (count, both) = (into.len().min(even.len()), even.len().min(odd.len()));
    // SAFETY: there is the instruction at this level; both lines hold so many values, and so does the memory for the pairs.
    unsafe {
        pair_bf16(
            even.as_ptr(),
            odd.as_ptr(),
            into.as_mut_ptr(),
            (both.min(count), count),
        )
    };
}

/// Pairs lines, of which the second has `counts.0` and the first `counts.1` values.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn pair_bf16(even: *const f32, odd: *const f32, into: *mut f32, counts: (usize, usize)) {
    for at in (0..counts.1).step_by(16) {
        let left = counts.1 - at;
        let (own, other) = (mask(left), mask(counts.0.saturating_sub(at)));
        // SAFETY: the masks keep every access inside the lines.
        unsafe {
            let low = _mm512_maskz_loadu_ps(own, even.wrapping_add(at));
            let high = _mm512_maskz_loadu_ps(other, odd.wrapping_add(at));
            let (pairs, into) = (pairs_of(low, high), into.wrapping_add(at));
            if left >= 16 {
                _mm512_storeu_ps(into, pairs);
            } else {
                _mm512_mask_storeu_ps(into, own, pairs);
            }
        }
    }
}

/// As [`super::pack::fold`]. The level is that of [`super::Bf16Avx512`].
pub(super) fn fold(lines: &mut [f32], wide: usize) {
    let (count, values) = (lines.len() / wide, lines.as_mut_ptr());
    for at in 0..count.div_ceil(2) {
        let odd = if 2 * at + 1 < count { wide } else { 0 };
        // SAFETY: there is the instruction at this level; lines 2 at, 2 at + 1 where it is there, and at lie in the memory. What
        // is written was read before: a line lies behind those that it is made of, or is the first of them.
        unsafe {
            let even = values.add(2 * at * wide).cast_const();
            pair_bf16(even, even.wrapping_add(wide), values.add(at * wide), (odd, wide));
        }
    }
}

/// Packs the lines of a panel: `shape.1` lines of `shape.0` values, `stride` apart. The level is that of [`super::Bf16Avx512`].
pub(super) fn pack_lines(
    data: &[f32],
    stride: usize,
    shape: (usize, usize),
    height: usize,
    into: &mut [f32],
) {
    let (count, length) = shape;
    if count == 0 || length == 0 {
        return;
    }
    assert!((length - 1) * stride + count <= data.len() && count <= height);
    assert!(length.div_ceil(2) * height <= into.len());
    // SAFETY: there is the instruction at this level; lines and panel lie in their memories by the assertions above.
    unsafe { lines_bf16(data.as_ptr(), stride, shape, height, into) };
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn lines_bf16(
    data: *const f32,
    stride: usize,
    (count, length): (usize, usize),
    height: usize,
    into: &mut [f32],
) {
    for at in (0..length).step_by(2) {
        for first in (0..count).step_by(16) {
            let own = mask(count - first);
            let other = if at + 1 < length { own } else { 0 };
            let place = at / 2 * height + first;
            // SAFETY: the masks keep every read inside the lines, and writes inside the panel; what is written past the end of a line
            // is zero, as missing rows are, or the beginning of the next one, which comes later.
            unsafe {
                let even = data.wrapping_add(at * stride + first);
                let low = _mm512_maskz_loadu_ps(own, even);
                let high = _mm512_maskz_loadu_ps(other, even.wrapping_add(stride));
                let (pairs, to) = (pairs_of(low, high), into.as_mut_ptr().wrapping_add(place));
                if place + 16 <= into.len() {
                    _mm512_storeu_ps(to, pairs);
                } else {
                    _mm512_mask_storeu_ps(to, own, pairs);
                }
            }
        }
    }
}
