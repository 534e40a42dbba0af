//! What an update is made of: the step that all weights share, and the slices of weights it is applied to.

use crate::kernels::SimdLevel;
use std::ops::Range;

/// What the slices of a group have in common at an update.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Instruction set.
    pub level: SimdLevel,
    /// Number of the update, from 1.
    pub count: u64,
    /// The gradient is this times what the slice holds.
    pub scale: f32,
    /// Learning rate as the schedule has it.
    pub lr: f64,
    /// Momentum or first beta as the schedule has it; `None`: the optimiser's.
    pub momentum: Option<f64>,
    /// A number that the rule carries from update to update.
    pub scalar_state: f32,
}

/// Weights of one tensor that are updated together, with their gradient and state. It starts at a multiple of
/// [`norms::BLOCK`] elements of its tensor.
#[derive(Debug)]
pub(super) struct ParamSlice<'a> {
    pub weights: &'a mut [f32],
    /// Its values are not needed after the update.
    pub gradient: &'a mut [f32],
    /// Where the gradient may differ from 0.
    pub touched: Touched<'a>,
    /// One slice for each of [`super::rules::slots`].
    pub state: Vec<&'a mut [f32]>,
    /// Index of its group.
    pub group: usize,
    /// Index of its tensor.
    pub tensor: usize,
    /// Sums of squares of its blocks.
    pub sums: Vec<[f64; 2]>,
    /// What [`super::rules::Rule::ratio`] gave for its tensor.
    pub ratio: f32,
}

/// Elements of a slice.
#[derive(Debug, Clone, Copy)]
pub(super) enum Touched<'a> {
    /// All.
    All,
    /// Some rows of a sparse parameter.
    Rows {
        /// The rows, ascending, of the whole parameter.
        indices: &'a [u32],
        /// Values of a row.
        width: usize,
        /// Where the slice starts in the parameter.
        start: usize,
    },
}

impl<'a> Touched<'a> {
    /// The elements of a slice of `length`, in order.
    pub(super) fn ranges(self, length: usize) -> impl Iterator<Item = Range<usize>> + 'a {
        let (all, indices, width, start) = match self {
            Touched::All => (Some(0..length), [].as_slice(), 0, 0),
            Touched::Rows {
                indices,
                width,
                start,
            } => (None, indices, width, start),
        };
        let row = move |index: &u32| {
            let first = *index as usize * width;
            // A slice may start and end within a row.
            let within = |at: usize| at.saturating_sub(start).min(length);
            within(first)..within(first + width)
        };
        all.into_iter().chain(indices.iter().map(row))
    }
}
