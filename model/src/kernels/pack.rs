//! Copies panels of an operand into the order in which a kernel reads them.

use super::gemm::Matrix;

/// Packs rows `rows.0..rows.1` (at most `height`) and columns `depth.0..depth.1` of `matrix` so that the `height`
/// values of a column lie together, column after column. Missing rows are zeros.
pub(crate) fn panel(
    matrix: &Matrix<'_>,
    rows: (usize, usize),
    depth: (usize, usize),
    height: usize,
    into: &mut [f32],
) {
    let count = rows.1 - rows.0;
    if count < height {
        into[..(depth.1 - depth.0) * height].fill(0.0);
    }
    if matrix.row_stride == 1 {
        for (at, k) in (depth.0..depth.1).enumerate() {
            let from = k * matrix.col_stride + rows.0;
            into[at * height..at * height + count].copy_from_slice(&matrix.data[from..from + count]);
        }
        return;
    }
    for (i, row) in (rows.0..rows.1).enumerate() {
        for (at, k) in (depth.0..depth.1).enumerate() {
            into[at * height + i] = matrix.data[row * matrix.row_stride + k * matrix.col_stride];
        }
    }
}
