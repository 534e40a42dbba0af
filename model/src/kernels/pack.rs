//! Copies panels of an operand into the order in which a kernel reads them.

use super::matrix::Matrix;
use super::simd::SimdLevel;

/// Packs rows `rows.0..rows.1` (at most `height`) and columns `depth.0..depth.1` of `matrix` so that the `height`
/// values of a column lie together, column after column. Missing rows are zeros.
pub(super) fn panel(
    level: SimdLevel,
    matrix: &Matrix<'_>,
    rows: (usize, usize),
    depth: (usize, usize),
    height: usize,
    into: &mut [f32],
) {
    let (count, length) = (rows.1 - rows.0, depth.1 - depth.0);
    let into = &mut into[..length * height];
    if count < height {
        into.fill(0.0);
    }
    let data = &matrix.data[rows.0 * matrix.row_stride + depth.0 * matrix.col_stride..];
    if matrix.row_stride == 1 {
        match (count == height, height) {
            (true, 32) => copy::<32>(data, matrix.col_stride, into),
            (true, 16) => copy::<16>(data, matrix.col_stride, into),
            (true, 14) => copy::<14>(data, matrix.col_stride, into),
            (true, 8) => copy::<8>(data, matrix.col_stride, into),
            (true, 6) => copy::<6>(data, matrix.col_stride, into),
            _ => {
                for (at, target) in into.chunks_exact_mut(height).enumerate() {
                    let from = at * matrix.col_stride;
                    target[..count].copy_from_slice(&data[from..from + count]);
                }
            }
        }
        return;
    }
    let done = match level {
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 | SimdLevel::Avx512 | SimdLevel::Avx512Bf16 if matrix.col_stride == 1 => {
            super::transpose::transpose(level, data, matrix.row_stride, (count, length), height, into)
        }
        _ => 0,
    };
    for i in 0..count {
        for at in done..length {
            into[at * height + i] = data[i * matrix.row_stride + at * matrix.col_stride];
        }
    }
}

/// Copies runs of N values that lie `stride` apart.
fn copy<const N: usize>(data: &[f32], stride: usize, into: &mut [f32]) {
    let (runs, _) = into.as_chunks_mut::<N>();
    for (at, target) in runs.iter_mut().enumerate() {
        if let Some(run) = data[at * stride..].first_chunk::<N>() {
            *target = *run;
        }
    }
}
