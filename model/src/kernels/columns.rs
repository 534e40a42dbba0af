//! The columns that rows of zeros touch, and such rows as layers read them.

use super::csr::Csr;
use candlewick_protocol::Failure;
use std::ops::Range;

/// Columns of a word of bits.
const BITS: usize = u64::BITS as usize;

/// Which columns some rows touch, and what is in them. The memory is kept.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    /// A bit for each column that is touched, and how many are before each word.
    bits: Vec<u64>,
    before: Vec<u32>,
    /// The columns that are touched, ascending.
    pub(super) indices: Vec<u32>,
    /// Of each value of the rows, where its column stands among them.
    pub(super) places: Vec<u32>,
    /// Where the values of each column end, and the values with their rows.
    ends: Vec<usize>,
    pub(super) entries: Vec<Entry>,
}

/// A value of a column.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    pub row: u32,
    pub value: f32,
}

impl Columns {
    /// Looks at these rows of `width` values.
    ///
    /// # Errors
    /// `Internal` where a row has an index that is not below the one after it, or not below `width`.
    pub(crate) fn set(&mut self, rows: &Csr, of: Range<usize>, width: usize) -> Result<(), Failure> {
        self.bits.clear();
        self.bits.resize(width.div_ceil(BITS), 0);
        for row in of.clone() {
            let indices = rows.row(row).0;
            if !indices.is_sorted_by(|a, b| a < b)
                || indices.last().is_some_and(|last| *last as usize >= width)
            {
                return Err(Failure::internal(format!(
                    "row {row} of a step has indices that do not ascend or are not below {width}, the values of a row"
                )));
            }
            for index in indices {
                self.bits[*index as usize / BITS] |= 1 << (*index as usize % BITS);
            }
        }
        self.before.clear();
        self.indices.clear();
        let touched = self.bits.iter().map(|bits| bits.count_ones() as usize).sum();
        self.indices.reserve_exact(touched);
        self.before.reserve_exact(self.bits.len());
        for (word, bits) in self.bits.iter().enumerate() {
            self.before.push(number(self.indices.len()));
            let mut left = *bits;
            while left != 0 {
                self.indices
                    .push(number(word * BITS + left.trailing_zeros() as usize));
                left &= left - 1;
            }
        }
        self.places.clear();
        for row in of {
            let place = |index: &u32| {
                let (word, bit) = (*index as usize / BITS, *index as usize % BITS);
                self.before[word] + (self.bits[word] & ((1 << bit) - 1)).count_ones()
            };
            self.places.extend(rows.row(row).0.iter().map(place));
        }
        Ok(())
    }

    /// Sorts the values of the same rows by columns.
    pub(crate) fn sort(&mut self, rows: &Csr, of: Range<usize>) {
        self.ends.clear();
        self.ends.resize(self.indices.len() + 1, 0);
        for place in &self.places {
            self.ends[*place as usize + 1] += 1;
        }
        let mut sum = 0;
        for end in &mut self.ends {
            sum += *end;
            *end = sum;
        }
        self.entries.resize(self.places.len(), Entry::default());
        // Until all are placed, an end is where the next value of its column goes.
        let mut places = self.places.iter();
        for (at, row) in of.enumerate() {
            for (value, place) in rows.row(row).1.iter().zip(&mut places) {
                let next = &mut self.ends[*place as usize];
                self.entries[*next] = Entry {
                    row: number(at),
                    value: *value,
                };
                *next += 1;
            }
        }
        self.ends.pop();
    }

    /// Values of a column among the entries.
    pub(super) fn span(&self, column: usize) -> Range<usize> {
        let start = if column == 0 { 0 } else { self.ends[column - 1] };
        start..self.ends[column]
    }
}

/// What counts columns, rows and places, all of which are below 2^32.
#[expect(clippy::cast_possible_truncation, reason = "indices are u32")]
fn number(count: usize) -> u32 {
    count as u32
}

/// Rows of zeros as layers read them, and the columns that they touch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SparseInput<'a> {
    pub(super) rows: &'a Csr,
    pub(super) first: usize,
    pub(super) columns: &'a Columns,
}

impl<'a> SparseInput<'a> {
    /// Rows from `first` on, of which `columns` were set.
    pub(crate) fn new(rows: &'a Csr, first: usize, columns: &'a Columns) -> Self {
        SparseInput { rows, first, columns }
    }

    /// Indices and values of a row.
    pub(crate) fn row(self, at: usize) -> (&'a [u32], &'a [f32]) {
        self.rows.row(self.first + at)
    }

    /// Values of the first `rows` rows.
    pub(crate) fn nonzeros(self, rows: usize) -> usize {
        let end = (self.first + rows)
            .checked_sub(1)
            .map_or(0, |last| self.rows.end(last));
        end - self.before()
    }

    /// Values of the rows before these.
    pub(super) fn before(self) -> usize {
        self.first.checked_sub(1).map_or(0, |last| self.rows.end(last))
    }
}
