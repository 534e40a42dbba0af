//! Memory for rows of which only what is not zero is read, wherever they come from.

use super::columns::{Columns, SparseInput};
use super::csr::Csr;
use candlewick_protocol::Failure;
use std::ops::Range;

/// Rows without their zeros, and their columns. The memory is kept.
#[derive(Debug, Default)]
pub(crate) struct SparseMemory {
    rows: Csr,
    columns: Columns,
}

impl SparseMemory {
    /// Rows that have no zeros, with their columns, as gradients need them.
    ///
    /// # Errors
    /// `Internal` where indices are not those of rows of `width` values.
    pub(crate) fn sorted<'a>(&'a mut self, rows: &'a Csr, width: usize) -> Result<SparseInput<'a>, Failure> {
        let all = 0..rows.rows();
        self.columns.set(rows, all.clone(), width)?;
        self.columns.sort(rows, all);
        Ok(SparseInput::new(rows, 0, &self.columns))
    }

    /// The same of rows of `width` values that have them.
    ///
    /// # Errors
    /// `Internal`: never, since the indices are made here.
    pub(crate) fn sorted_of_dense(
        &mut self,
        values: &[f32],
        width: usize,
    ) -> Result<SparseInput<'_>, Failure> {
        self.rows.set_dense(values, width);
        let all = 0..self.rows.rows();
        self.columns.set(&self.rows, all.clone(), width)?;
        self.columns.sort(&self.rows, all);
        Ok(SparseInput::new(&self.rows, 0, &self.columns))
    }

    /// Rows of `width` values that have zeros, to be read one by one: their columns are not known.
    pub(crate) fn rows_of_dense(&mut self, values: &[f32], width: usize) -> SparseInput<'_> {
        self.rows.set_dense(values, width);
        SparseInput::new(&self.rows, 0, &self.columns)
    }

    /// Some rows that have no zeros, to be multiplied.
    ///
    /// # Errors
    /// As [`SparseMemory::sorted`].
    pub(crate) fn part<'a>(
        &'a mut self,
        rows: &'a Csr,
        of: Range<usize>,
        width: usize,
    ) -> Result<SparseInput<'a>, Failure> {
        self.columns.set(rows, of.clone(), width)?;
        Ok(SparseInput::new(rows, of.start, &self.columns))
    }
}
