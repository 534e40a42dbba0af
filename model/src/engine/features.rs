//! The features of a batch, and as layers read them.

use super::plan::{Source, Stage};
use crate::kernels::{Csr, SparseInput, SparseMemory};
use candlewick_protocol::Failure;

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

impl<'a> Features<'a> {
    /// The input of a training step of a network that was made for rows of zeros.
    ///
    /// # Errors
    /// `Internal` where indices are not those of rows of `width` values.
    pub(super) fn without_zeros(
        self,
        memory: &'a mut SparseMemory,
        width: usize,
    ) -> Result<Input<'a>, Failure> {
        let rows = match self {
            Features::Sparse(rows) => memory.sorted(rows, width)?,
            Features::Dense(values) => memory.sorted_of_dense(values, width)?,
        };
        Ok(Input::sparse(rows))
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

    /// What is not zero of them.
    pub(super) fn sparse(rows: SparseInput<'a>) -> Self {
        Input {
            dense: &[],
            sparse: Some(rows),
        }
    }

    /// What a stage reads that is not zero, where it reads that.
    pub(super) fn sparse_of(&self, stage: &Stage) -> Option<SparseInput<'a>> {
        self.sparse.filter(|_| stage.inputs.contains(&Source::Features))
    }
}
