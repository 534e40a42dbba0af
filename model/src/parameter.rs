//! Parameters and their places in the flat weights.

use candlewick_protocol::rows::SparseRowsView;

/// A parameter and its place in the flat weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Name, PyTorch's: `0.weight`.
    pub name: String,
    /// Shape, PyTorch's.
    pub shape: Vec<usize>,
    /// First element in the flat weights.
    pub offset: usize,
    /// False for a buffer, such as a running mean, which no optimiser touches.
    pub trained: bool,
    /// True for a count, which files and hashes hold as I64.
    pub count: bool,
}

impl Parameter {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True where it has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A parameter of which a step touches few rows, and its place in the flat weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SparseParameter {
    /// First element in the flat weights.
    pub offset: usize,
    /// Number of rows.
    pub entries: usize,
    /// Values of a row.
    pub width: usize,
    /// How the rows lie among the weights.
    pub layout: SparseLayout,
}

/// How the rows of a sparse parameter lie among the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SparseLayout {
    /// One after another: a table.
    Rows,
    /// As the columns of a matrix: value k of row i is element `i + k * entries`. The weight of a linear layer that reads rows of
    /// zeros, of which a step touches few columns.
    Columns,
}

impl SparseParameter {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries * self.width
    }

    /// True where it has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes rows to their places among its elements.
    pub(crate) fn write(&self, rows: SparseRowsView<'_>, values: &mut [f32]) {
        match self.layout {
            SparseLayout::Rows => {
                for (row, own) in rows.iter(self.width) {
                    values[row as usize * self.width..][..self.width].copy_from_slice(own);
                }
            }
            SparseLayout::Columns => self.each_column(rows.indices, values, |at, k, value| {
                *value = rows.values[at * self.width + k];
            }),
        }
    }

    /// Makes rows zeros.
    pub(crate) fn clear(&self, indices: &[u32], values: &mut [f32]) {
        match self.layout {
            SparseLayout::Rows => {
                for row in indices {
                    values[*row as usize * self.width..][..self.width].fill(0.0);
                }
            }
            SparseLayout::Columns => self.each_column(indices, values, |_, _, value| *value = 0.0),
        }
    }

    /// Calls `body` with the place of every index in `indices`, the number of a value of the row, and the value; a few indices at a
    /// time, so that what it reads stays in the cache.
    fn each_column(&self, indices: &[u32], values: &mut [f32], body: impl Fn(usize, usize, &mut f32)) {
        const FEW: usize = 128;
        for (part, indices) in indices.chunks(FEW).enumerate() {
            for (k, values) in values.chunks_exact_mut(self.entries).enumerate() {
                for (at, index) in indices.iter().enumerate() {
                    body(part * FEW + at, k, &mut values[*index as usize]);
                }
            }
        }
    }
}
