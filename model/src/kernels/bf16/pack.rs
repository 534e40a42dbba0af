//! Copies panels of an operand into the order in which a kernel reads them, as pairs of bf16.

#[cfg(target_arch = "x86_64")]
use super::pack_x86;
use super::scalar::pair;
use crate::kernels::matrix::Matrix;
use crate::kernels::simd::{SimdLevel, simd_dispatch};

/// Pairs that are made at a time.
const AT_ONCE: usize = 8;

/// Packs a panel of pairs, as [`Isa::panel`].
pub(in crate::kernels) fn panel(
    level: SimdLevel,
    matrix: &Matrix<'_>,
    rows: (usize, usize),
    depth: (usize, usize),
    height: usize,
    into: &mut [f32],
) {
    let (count, length) = (rows.1 - rows.0, depth.1 - depth.0);
    let into = &mut into[..length.div_ceil(2) * height];
    if count < height {
        into.fill(0.0);
    }
    let data = &matrix.data[rows.0 * matrix.row_stride + depth.0 * matrix.col_stride..];
    #[cfg(target_arch = "x86_64")]
    if matrix.row_stride == 1 && level == SimdLevel::Avx512Bf16 {
        pack_x86::pack_lines(data, matrix.col_stride, (count, length), height, into);
        return;
    }
    if matrix.row_stride == 1 {
        for (at, into) in into.chunks_exact_mut(height).enumerate() {
            let even = &data[2 * at * matrix.col_stride..][..count];
            let odd = (2 * at + 1 < length).then(|| &data[(2 * at + 1) * matrix.col_stride..][..count]);
            pair_lines(level, even, odd.unwrap_or_default(), &mut into[..count]);
        }
        return;
    }
    let done = match level {
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 | SimdLevel::Avx512 | SimdLevel::Avx512Bf16 if matrix.col_stride == 1 => {
            pack_x86::transpose(level, data, matrix.row_stride, (count, length), height, into)
        }
        _ => 0,
    };
    for i in 0..count {
        for at in (done..length).step_by(2) {
            let value = |k: usize| data[i * matrix.row_stride + k * matrix.col_stride];
            let odd = if at + 1 < length { value(at + 1) } else { 0.0 };
            into[at / 2 * height + i] = pair(value(at), odd);
        }
    }
}

/// Pairs values of two lines; what the second one does not have is zero.
pub(in crate::kernels) fn pair_lines(level: SimdLevel, even: &[f32], odd: &[f32], into: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if level == SimdLevel::Avx512Bf16 {
        pack_x86::pair_lines(even, odd, into);
        return;
    }
    let both = even.len().min(odd.len());
    pairs_of(level, &even[..both], &odd[..both], into);
    for (into, even) in into[both..].iter_mut().zip(&even[both..]) {
        *into = pair(*even, 0.0);
    }
}

simd_dispatch! {
    fn pairs_of(even: &[f32], odd: &[f32], into: &mut [f32]) {
        for ((even, odd), into) in even.iter().zip(odd).zip(into) {
            *into = pair(*even, *odd);
        }
    }
}

/// Pairs lines of `wide` values in place: lines 0 and 1 become line 0, lines 2 and 3 line 1.
pub(in crate::kernels) fn fold(level: SimdLevel, lines: &mut [f32], wide: usize) {
    #[cfg(target_arch = "x86_64")]
    if level == SimdLevel::Avx512Bf16 {
        pack_x86::fold(lines, wide);
        return;
    }
    let count = lines.len() / wide;
    for at in 0..count.div_ceil(2) {
        let mut first = 0;
        while first < wide {
            // What is written was read before: a line lies behind those that it is made of.
            let size = AT_ONCE.min(wide - first);
            let (even, mut odd) = (2 * at * wide + first, [0.0f32; AT_ONCE]);
            let mut values = [0.0f32; AT_ONCE];
            values[..size].copy_from_slice(&lines[even..even + size]);
            if 2 * at + 1 < count {
                odd[..size].copy_from_slice(&lines[even + wide..even + wide + size]);
            }
            let into = &mut lines[at * wide + first..][..size];
            pair_lines(level, &values[..size], &odd[..size], into);
            first += size;
        }
    }
}
