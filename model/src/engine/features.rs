//! The features of a batch, and as layers read them.

use super::plan::{Plan, Source, Stage};
use crate::kernels::{Csr, SparseInput, SparseMemory};
use crate::resident::{Ahead, DeviceRows, DeviceValues};
use candlewick_protocol::Failure;
use candlewick_protocol::features::DenseValues;
use std::ops::Range;

/// Every value of rows, in the type that the host holds them in. A device is given them as they are, and makes f32 of them with the
/// host's bits.
#[derive(Debug, Clone, Copy)]
pub struct TypedRows<'a> {
    values: DenseValues<'a>,
    scale: f64,
    /// Where they are on a device already, and the first of them there.
    ahead: Option<(&'a Ahead, usize)>,
}

impl<'a> From<&'a [f32]> for TypedRows<'a> {
    fn from(values: &'a [f32]) -> Self {
        TypedRows::new(DenseValues::Float32(values), 1.0)
    }
}

impl<'a> TypedRows<'a> {
    /// These values, and the factor that turns integers into features.
    #[must_use]
    pub fn new(values: DenseValues<'a>, scale: f64) -> Self {
        TypedRows {
            values,
            scale,
            ahead: None,
        }
    }

    /// The same, which [`crate::network::Network::put_ahead`] has put on the device where they are read there.
    #[must_use]
    pub fn with_ahead(self, ahead: Option<&'a Ahead>) -> Self {
        TypedRows {
            ahead: ahead.map(|ahead| (ahead, 0)),
            ..self
        }
    }

    /// The values.
    #[must_use]
    pub fn values(&self) -> DenseValues<'a> {
        self.values
    }

    /// The factor.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Some of the rows, each of so many values.
    #[must_use]
    pub fn part(&self, rows: Range<usize>, width: usize) -> Self {
        TypedRows {
            values: self.values.part(rows.start * width..rows.end * width),
            ahead: self.ahead.map(|(ahead, first)| (ahead, first + rows.start)),
            ..*self
        }
    }

    /// Their features on the host; integers are expanded in `memory`.
    fn expanded(self, memory: &'a mut Vec<f32>) -> &'a [f32] {
        if let DenseValues::Float32(values) = self.values {
            return values;
        }
        memory.clear();
        self.values.expand(self.scale, memory);
        memory
    }

    /// What stages read of so many rows of so many values: on the device that some of them are on, and on the host, where `memory`
    /// is for integers.
    ///
    /// # Errors
    /// `JobFailed` where the device fails.
    pub(super) fn input(
        self,
        plan: &Plan,
        size: (usize, usize),
        device: &mut DeviceValues,
        memory: &'a mut Vec<f32>,
    ) -> Result<Input<'a>, Failure> {
        let up = |link| match self.ahead {
            Some((Ahead(there), first)) => there.part(first, size.0),
            None => DeviceRows::up(link, self.values, self.scale, size),
        };
        device.bring(plan.readers.device.as_deref().map(up).transpose()?);
        Ok(Input::dense(if plan.readers.host {
            self.expanded(memory)
        } else {
            &[]
        }))
    }
}

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
    /// Every value, in the type that it is held in.
    Typed(TypedRows<'a>),
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
            Features::Typed(typed) => ("features", typed.values.count(), rows * width),
            Features::Sparse(all) => ("rows of features", all.rows(), rows),
        }
    }
}

impl<'a> Features<'a> {
    /// The input of a training step of a network that was made for rows of zeros; `dense` is memory for values of rows of integers.
    ///
    /// # Errors
    /// `Internal` where indices are not those of rows of `width` values.
    pub(super) fn without_zeros(
        self,
        memory: &'a mut SparseMemory,
        width: usize,
        dense: &mut Vec<f32>,
    ) -> Result<Input<'a>, Failure> {
        let rows = match self {
            Features::Sparse(rows) => memory.sorted(rows, width)?,
            Features::Dense(values) => memory.sorted_of_dense(values, width)?,
            Features::Typed(typed) => memory.sorted_of_dense(typed.expanded(dense), width)?,
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
