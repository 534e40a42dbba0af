//! Rows of which most values are zero, and their products: what is zero is neither kept nor computed.

use super::simd::SimdLevel;
use super::sparse_row::SparseRow;
use std::ops::Range;

/// Rows in compressed form (CSR): of each its values that are not zero, by ascending index.
///
/// ```
/// use candlewick_model::kernels::Csr;
/// let mut rows = Csr::default();
/// rows.push(3, 0.5);
/// rows.push(7, -1.0);
/// rows.end_row();
/// rows.end_row();
/// assert_eq!((rows.rows(), rows.nonzeros()), (2, 2));
/// assert_eq!(rows.row(0), (&[3, 7][..], &[0.5, -1.0][..]));
/// assert!(rows.row(1).0.is_empty());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Csr {
    /// Where each row ends among the values.
    ends: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl Csr {
    /// Without rows, with its memory.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.indices.clear();
        self.values.clear();
    }

    /// Adds a value to the row that is open; a zero is left out. Indices of a row ascend.
    pub fn push(&mut self, index: u32, value: f32) {
        if value != 0.0 {
            self.indices.push(index);
            self.values.push(value);
        }
    }

    /// Ends the row.
    pub fn end_row(&mut self) {
        self.ends.push(self.values.len());
    }

    /// Takes back what the row that is open has.
    pub fn drop_row(&mut self) {
        let kept = self.ends.last().copied().unwrap_or(0);
        self.indices.truncate(kept);
        self.values.truncate(kept);
    }

    /// Indices and values of the row that is open.
    #[must_use]
    pub fn open_row(&self) -> (&[u32], &[f32]) {
        let start = self.ends.last().copied().unwrap_or(0);
        (&self.indices[start..], &self.values[start..])
    }

    /// Rows that have ended.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.ends.len()
    }

    /// Values of all rows.
    #[must_use]
    pub fn nonzeros(&self) -> usize {
        self.values.len()
    }

    /// Indices and values of a row.
    #[must_use]
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        let part = start..self.ends[row];
        (&self.indices[part.clone()], &self.values[part])
    }

    /// Values of the rows up to this one, itself included.
    pub(super) fn end(&self, row: usize) -> usize {
        self.ends[row]
    }
}

impl Csr {
    /// Room for so many rows and values.
    #[must_use]
    pub fn with_capacity(rows: usize, nonzeros: usize) -> Self {
        Csr {
            ends: Vec::with_capacity(rows),
            indices: Vec::with_capacity(nonzeros),
            values: Vec::with_capacity(nonzeros),
        }
    }

    /// Adds a row of which no value is zero.
    pub fn push_row(&mut self, indices: &[u32], values: &[f32]) {
        self.indices.extend_from_slice(indices);
        self.values.extend_from_slice(values);
        self.end_row();
    }

    /// Becomes rows of `width` values, without their zeros.
    pub(super) fn set_dense(&mut self, values: &[f32], width: usize) {
        self.clear();
        // They stay for the whole training: no room for growth that does not come.
        let nonzeros = values.iter().filter(|value| **value != 0.0).count();
        self.indices.reserve_exact(nonzeros);
        self.values.reserve_exact(nonzeros);
        for row in values.chunks_exact(width.max(1)) {
            (0u32..)
                .zip(row)
                .for_each(|(index, value)| self.push(index, *value));
            self.end_row();
        }
    }

    /// Bytes of its memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.ends.capacity() * size_of::<usize>() + (self.indices.capacity() + self.values.capacity()) * 4
    }

    /// The values of all rows.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// The right operand of products with rows of zeros: `inputs` x `outputs` values, row after row, and a row that is added.
#[derive(Debug, Clone)]
pub struct ByInput {
    weights: Vec<f32>,
    bias: Option<Vec<f32>>,
    inputs: usize,
    outputs: usize,
}

impl ByInput {
    /// Of weights as a linear layer has them, `outputs` x `inputs`.
    ///
    /// # Panics
    /// Where there are fewer: a defect of the caller.
    #[must_use]
    pub fn of_linear(weights: &[f32], bias: Option<&[f32]>, inputs: usize, outputs: usize) -> Self {
        let mut turned = vec![0.0; inputs * outputs];
        // Columns a few at a time, so that what is read stays in the cache.
        const COLUMNS: usize = 16;
        for first in (0..inputs).step_by(COLUMNS) {
            for (output, row) in weights.chunks_exact(inputs).take(outputs).enumerate() {
                for input in first..(first + COLUMNS).min(inputs) {
                    turned[input * outputs + output] = row[input];
                }
            }
        }
        ByInput {
            weights: turned,
            bias: bias.map(<[f32]>::to_vec),
            inputs,
            outputs,
        }
    }

    /// Values of a row.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The products of some of the rows, one after another. The bits are those of [`super::Kernels::product`] over the
    /// same rows with their zeros, since a zero adds nothing to a chain of sums (but where a product is too small to be told from a
    /// zero, of which then the sign may differ).
    ///
    /// # Panics
    /// Where an index is beyond the operand, or there is no such row: a defect of the caller.
    pub fn products(&self, level: SimdLevel, rows: &Csr, of: Range<usize>, into: &mut [f32]) {
        let mut sums = vec![0.0; self.outputs];
        let into = into.chunks_exact_mut(self.outputs);
        for (row, into) in of.zip(into) {
            let (indices, values) = rows.row(row);
            let row = SparseRow {
                indices,
                values,
                places: indices,
            };
            let operand = (self.inputs, self.weights.as_slice());
            row.product(level, operand, self.bias.as_deref(), (&mut sums, into));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Accumulate, Kernels, Matrix};

    fn value(at: usize) -> f32 {
        ((at * 2_654_435_761 % 1_000_003) as f32 / 500_000.0) - 1.0
    }

    /// Rows of `width` values of which every `every`th, about, is not zero; dense too.
    fn rows(count: usize, width: usize, every: usize) -> (Csr, Vec<f32>) {
        let (mut sparse, mut dense) = (Csr::default(), vec![0.0; count * width]);
        for row in 0..count {
            for index in (0..width).filter(|index| (index * 7 + row * row * 3) % every == 0) {
                dense[row * width + index] = value(row * width + index);
                sparse.push(index as u32, dense[row * width + index]);
            }
            sparse.end_row();
        }
        (sparse, dense)
    }

    #[test]
    fn products_have_the_bits_of_dense_ones() {
        for (width, outputs, every) in [
            (5, 3, 2),
            (784, 10, 5),
            (1_500, 33, 700),
            (5_000, 16, 1_999),
            (520, 1, 1),
        ] {
            let weights: Vec<f32> = (0..width * outputs).map(value).collect();
            let bias: Vec<f32> = (0..outputs).map(|at| value(at + 77)).collect();
            let (sparse, dense) = rows(9, width, every);
            for level in SimdLevel::available() {
                for bias in [None, Some(&bias[..])] {
                    let start = bias.map_or(Accumulate::Zero, Accumulate::Bias);
                    let mut wanted = vec![0.0; 9 * outputs];
                    let right = Matrix::new(&weights, outputs, width).transposed();
                    let mut kernels = Kernels::at(level, 1).unwrap();
                    kernels.product(Matrix::new(&dense, 9, width), right, start, &mut wanted);
                    let operand = ByInput::of_linear(&weights, bias, width, outputs);
                    let mut got = vec![9.0; 9 * outputs];
                    operand.products(level, &sparse, 0..4, &mut got[..4 * outputs]);
                    operand.products(level, &sparse, 4..9, &mut got[4 * outputs..]);
                    let bits =
                        |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
                    assert_eq!(bits(&got), bits(&wanted), "{width} x {outputs}, {level:?}");
                }
            }
        }
    }

    #[test]
    fn a_row_that_is_given_up_leaves_nothing() {
        let mut rows = Csr::default();
        rows.push(1, 1.0);
        rows.end_row();
        rows.push(2, 2.0);
        rows.drop_row();
        rows.push(4, 0.0);
        rows.push(5, 3.0);
        rows.end_row();
        assert_eq!(rows.row(1), (&[5][..], &[3.0][..]));
    }
}
