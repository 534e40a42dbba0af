//! The features of a batch, and as layers read them.

use super::plan::{Source, Stage};
use crate::kernels::{Columns, Csr, SparseInput};
use candlewick_protocol::Failure;
use std::ops::Range;

/// Features, row after row.
///
/// ```
/// use candlewick_model::{engine::Features, kernels::Csr};
/// let dense = [0.0, 0.5, 0.0, 0.0];
/// let mut sparse = Csr::default();
/// sparse.push(1, 0.5);
/// sparse.end_row();
/// let both: [Features<'_>; 2] = [(&dense).into(), (&sparse).into()];
/// assert!(matches!(both, [Features::Dense(_), Features::Sparse(_)]));
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Features<'a> {
    /// Every value.
    Dense(&'a [f32]),
    /// What is not zero, for networks that take it: [`crate::network::Network::takes_sparse`].
    Sparse(&'a Csr),
}

impl<'a> From<&'a [f32]> for Features<'a> {
    fn from(values: &'a [f32]) -> Self {
        Features::Dense(values)
    }
}

impl<'a> From<&'a Vec<f32>> for Features<'a> {
    fn from(values: &'a Vec<f32>) -> Self {
        Features::Dense(values)
    }
}

impl<'a, const N: usize> From<&'a [f32; N]> for Features<'a> {
    fn from(values: &'a [f32; N]) -> Self {
        Features::Dense(values)
    }
}

impl<'a> From<&'a Csr> for Features<'a> {
    fn from(rows: &'a Csr) -> Self {
        Features::Sparse(rows)
    }
}

impl Features<'_> {
    /// How many there are: values of dense rows, and what they should be for `rows` rows of `width`; rows of sparse ones.
    pub(super) fn count(&self, rows: usize, width: usize) -> (&'static str, usize, usize) {
        match self {
            Features::Dense(values) => ("features", values.len(), rows * width),
            Features::Sparse(all) => ("rows of features", all.rows(), rows),
        }
    }
}

/// The features as layers read them: values, or what is not zero of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a> {
    pub dense: &'a [f32],
    pub sparse: Option<SparseInput<'a>>,
}

impl<'a> Input<'a> {
    /// All values.
    pub(super) fn dense(dense: &'a [f32]) -> Self {
        Input { dense, sparse: None }
    }

    /// What a stage reads that is not zero, where it reads that.
    pub(super) fn sparse_of(&self, stage: &Stage) -> Option<SparseInput<'a>> {
        self.sparse.filter(|_| stage.inputs.contains(&Source::Features))
    }
}

/// Memory of what is not zero.
#[derive(Debug, Default)]
pub(super) struct SparseMemory {
    rows: Csr,
    columns: Columns,
}

impl SparseMemory {
    /// The input of a network that was made for rows of zeros, for a training step.
    ///
    /// # Errors
    /// `Internal` where indices are not those of rows of `width` values.
    pub(super) fn of_step<'a>(
        &'a mut self,
        features: Features<'a>,
        width: usize,
    ) -> Result<Input<'a>, Failure> {
        let rows = match features {
            Features::Sparse(rows) => rows,
            Features::Dense(values) => {
                self.rows.clear();
                for row in values.chunks_exact(width.max(1)) {
                    (0u32..)
                        .zip(row)
                        .for_each(|(index, value)| self.rows.push(index, *value));
                    self.rows.end_row();
                }
                &self.rows
            }
        };
        let all = 0..rows.rows();
        self.columns.set(rows, all.clone(), width)?;
        self.columns.sort(rows, all);
        Ok(Input {
            dense: &[],
            sparse: Some(SparseInput::new(rows, 0, &self.columns)),
        })
    }

    /// Some rows, to be scored.
    ///
    /// # Errors
    /// As [`SparseMemory::of_step`].
    pub(super) fn of_rows<'a>(
        &'a mut self,
        rows: &'a Csr,
        of: Range<usize>,
        width: usize,
    ) -> Result<Input<'a>, Failure> {
        self.columns.set(rows, of.clone(), width)?;
        Ok(Input {
            dense: &[],
            sparse: Some(SparseInput::new(rows, of.start, &self.columns)),
        })
    }
}
