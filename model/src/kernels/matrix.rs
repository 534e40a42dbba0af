//! Matrices in memory, what a product is added to, and how sums are cut into blocks.

/// Longest chain of fused multiply-adds before its sum is added to the element.
pub(super) const MAX_BLOCK: usize = 512;

/// A matrix in memory, read through strides.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row_stride: usize,
    pub(crate) col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `rows` x `cols` values, row after row.
    ///
    /// # Panics
    /// Where `data` is shorter than that: every product checks its operands here, once.
    #[must_use]
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        let data = &data[..rows * cols];
        Matrix {
            data,
            rows,
            cols,
            row_stride: cols,
            col_stride: 1,
        }
    }

    /// The same values with rows and columns exchanged; nothing is copied.
    #[must_use]
    pub fn transposed(self) -> Self {
        Matrix {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }
}

/// What the product is added to.
#[derive(Debug, Clone, Copy)]
pub enum Accumulate<'a> {
    /// Nothing.
    Zero,
    /// A row of as many values as the product has columns.
    Bias(&'a [f32]),
    /// What the result's memory holds.
    Result,
}

/// Length of the blocks of a sum of `length` values; the last may be shorter.
pub(super) fn block_size(length: usize) -> usize {
    length.div_ceil(length.div_ceil(MAX_BLOCK).max(1))
}

/// Cuts `0..length` into the blocks of a sum: as few as possible of at most 512, as even as possible. The bits of
/// every product depend on this rule.
///
/// ```
/// let cut: Vec<_> = candlewick_model::kernels::blocks(784).collect();
/// assert_eq!(cut, [(0, 392), (392, 784)]);
/// ```
#[inline]
pub fn blocks(length: usize) -> impl Iterator<Item = (usize, usize)> {
    blocks_of(length, MAX_BLOCK)
}

/// The same for blocks of at most so many values. A sum of one block, which most leaves of a tree are, is not divided for: each
/// tile asks.
#[inline]
pub(super) fn blocks_of(length: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let (count, size) = if length <= most {
        (1, length)
    } else {
        let count = length.div_ceil(most);
        (count, length.div_ceil(count))
    };
    (0..count).map(move |at| ((at * size).min(length), ((at + 1) * size).min(length)))
}
