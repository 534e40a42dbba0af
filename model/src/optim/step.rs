//! What an update is made of: the step that all weights share, and the slices of weights it is applied to.

use crate::kernels::SimdLevel;
use crate::resident::{DeviceVec, RowPlaces};
use candlewick_protocol::Failure;
use std::ops::Range;
use std::sync::Arc;

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

/// The same on a device: neighbouring tensors of a group, of which an update makes new vectors.
#[derive(Debug)]
pub(super) struct DeviceSlice {
    pub weights: DeviceVec,
    /// Its values are not needed after the update.
    pub gradient: DeviceVec,
    /// Of a table: which of its rows the gradient is. [`super::optimizer::Optimizer`] makes the others those rows, or the gradient whole,
    /// before a rule sees it.
    pub rows: Option<Arc<RowPlaces>>,
    /// One for each of [`super::rules::slots`].
    pub state: Vec<DeviceVec>,
    /// Index of its group.
    pub group: usize,
    /// What [`super::rules::Rule::ratio`] gave.
    pub ratio: f32,
}

impl DeviceSlice {
    /// Makes all of its vectors the same elements, where the gradient has some rows of a table: those rows, where the others are `kept`
    /// as they are, else all.
    pub(super) fn settle(&mut self, kept: bool) -> Result<(), Failure> {
        let Some(rows) = self.rows.take() else {
            return Ok(());
        };
        if !kept {
            self.gradient = self.gradient.spread(&rows)?;
            return Ok(());
        }
        for values in std::iter::once(&mut self.weights).chain(&mut self.state) {
            *values = values.rows_at(&rows)?;
        }
        self.rows = Some(rows);
        Ok(())
    }

    /// Writes elements of the slice, `new`, to where they belong in a vector that has its elements from `start` on.
    pub(super) fn put(&self, into: &mut DeviceVec, start: usize, new: &DeviceVec) -> Result<(), Failure> {
        match &self.rows {
            Some(rows) => into.put_rows(rows, new),
            None => into.put(start, new),
        }
    }
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
    /// Some columns of a sparse parameter that is a matrix.
    Columns {
        /// The columns, ascending, of the whole parameter.
        indices: &'a [u32],
        /// Values of a row of the matrix.
        entries: usize,
        /// Where the slice starts in the parameter.
        start: usize,
    },
}

impl<'a> Touched<'a> {
    /// The elements of a slice of `length`, in order.
    pub(super) fn ranges(self, length: usize) -> Ranges<'a> {
        let (line, at) = match self {
            Touched::Columns {
                indices,
                entries,
                start,
            } => {
                let line = start / entries.max(1);
                // Those before the slice are none of its elements.
                let before = |index: &u32| line * entries + (*index as usize) < start;
                (line, indices.partition_point(before))
            }
            Touched::All | Touched::Rows { .. } => (0, 0),
        };
        Ranges {
            touched: self,
            length,
            line,
            at,
        }
    }
}

impl Touched<'_> {
    /// Calls `body` with the elements of vectors of one length, part by part. Those of columns, which lie far apart, are brought
    /// together for it and back.
    pub(super) fn each<const N: usize>(self, mut vectors: [&mut [f32]; N], body: impl Fn([&mut [f32]; N])) {
        let mut ranges = self.ranges(vectors.first().map_or(0, |values| values.len()));
        if !matches!(self, Touched::Columns { .. }) {
            for range in ranges {
                body(vectors.each_mut().map(|values| &mut values[range.clone()]));
            }
            return;
        }
        let (mut places, mut memory) = ([0; GATHERED], [[0.0; GATHERED]; N]);
        let mut left = 0..0;
        loop {
            let mut count = 0;
            for place in &mut places {
                if left.is_empty() {
                    let Some(range) = ranges.next() else { break };
                    left = range;
                }
                *place = left.start;
                left.start += 1;
                count += 1;
            }
            let places = &places[..count];
            for (memory, values) in memory.iter_mut().zip(&vectors) {
                for (value, place) in memory.iter_mut().zip(places) {
                    *value = values[*place];
                }
            }
            body(memory.each_mut().map(|values| &mut values[..count]));
            for (memory, values) in memory.iter().zip(&mut vectors) {
                for (value, place) in memory.iter().zip(places) {
                    values[*place] = *value;
                }
            }
            if count < GATHERED {
                return;
            }
        }
    }
}

/// Elements that are brought together.
const GATHERED: usize = 256;

/// Elements of a slice, in order.
#[derive(Debug, Clone)]
pub(super) struct Ranges<'a> {
    touched: Touched<'a>,
    length: usize,
    /// Row of the matrix.
    line: usize,
    /// What comes next: of everything, of the rows, of the columns.
    at: usize,
}

impl Iterator for Ranges<'_> {
    type Item = Range<usize>;

    #[inline]
    fn next(&mut self) -> Option<Range<usize>> {
        // A slice may start and end within a row.
        let within = |at: usize, start: usize| at.saturating_sub(start).min(self.length);
        match self.touched {
            Touched::All => {
                self.at += 1;
                (self.at == 1).then_some(0..self.length)
            }
            Touched::Rows {
                indices,
                width,
                start,
            } => {
                let first = *indices.get(self.at)? as usize * width;
                self.at += 1;
                Some(within(first, start)..within(first + width, start))
            }
            Touched::Columns {
                indices,
                entries,
                start,
            } => {
                if self.at == indices.len() {
                    (self.at, self.line) = (0, self.line + 1);
                }
                let first = self.line * entries + *indices.get(self.at)? as usize;
                if first >= start + self.length {
                    return None;
                }
                // Neighbours are one range.
                let rest = indices[self.at..].windows(2);
                let count = 1 + rest.take_while(|pair| pair[0] + 1 == pair[1]).count();
                self.at += count;
                Some(within(first, start)..within(first + count, start))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a slice of a matrix has of its touched columns, by the definition.
    fn wanted(indices: &[u32], entries: usize, slice: Range<usize>) -> Vec<f32> {
        slice
            .map(|at| f32::from(u8::from(indices.contains(&((at % entries) as u32)))))
            .collect()
    }

    #[test]
    fn each_element_of_touched_columns_is_met_once_wherever_a_slice_begins() {
        let entries = 1_000;
        // More runs of columns left of where a slice begins than are brought together at once.
        let lone: Vec<u32> = (0..entries as u32).step_by(2).collect();
        let runs: Vec<u32> = (0..entries as u32).filter(|column| column % 7 > 3).collect();
        let last = [entries as u32 - 1];
        for indices in [&lone[..], &runs, &last, &[0], &[]] {
            for (start, length) in [
                (0, 3_000),
                (900, 2_100),
                (998, 1),
                (999, 1_002),
                (2_601, 700),
                (500, 100),
            ] {
                let touched = Touched::Columns {
                    indices,
                    entries,
                    start,
                };
                let mut met = vec![0.0f32; length];
                touched.each([&mut met], |[values]| {
                    values.iter_mut().for_each(|value| *value += 1.0)
                });
                let wanted = wanted(indices, entries, start..start + length);
                assert!(met == wanted, "{} columns, from {start}", indices.len());
                assert!(
                    touched.ranges(length).all(|range| !range.is_empty()),
                    "{} columns, from {start}",
                    indices.len()
                );
            }
        }
    }
}
