//! Gradients of tables of which a step touches few rows.

/// Some rows of a table, by ascending index; it is 0 everywhere else.
///
/// Sums are those of the whole tables, bit for bit, as long as no value is -0.0: a row that one side lacks is +0 there,
/// and x + 0 is x for every other x. Sums that start at +0 are never -0.0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SparseRows {
    /// Rows of the whole table.
    pub entries: usize,
    /// Values of a row.
    pub width: usize,
    /// The rows there are.
    pub indices: Vec<u32>,
    /// Their values, row after row.
    pub values: Vec<f32>,
}

/// Borrowed rows of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SparseRowsView<'a> {
    /// The rows there are, ascending.
    pub indices: &'a [u32],
    /// Their values, row after row.
    pub values: &'a [f32],
}

impl SparseRows {
    /// No rows yet, of a table of `entries` rows of `width` values.
    #[must_use]
    pub fn new(entries: usize, width: usize) -> Self {
        SparseRows {
            entries,
            width,
            ..SparseRows::default()
        }
    }

    /// The rows as they are.
    #[must_use]
    pub fn view(&self) -> SparseRowsView<'_> {
        SparseRowsView {
            indices: &self.indices,
            values: &self.values,
        }
    }

    /// Takes all rows out; the memory stays.
    pub fn clear(&mut self) {
        self.indices.clear();
        self.values.clear();
    }

    /// Every row with its index.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[f32])> {
        self.view().iter(self.width)
    }

    /// Becomes a copy of `rows`.
    pub fn set(&mut self, rows: SparseRowsView<'_>) {
        self.clear();
        self.indices.extend_from_slice(rows.indices);
        self.values.extend_from_slice(rows.values);
    }

    /// Becomes left + right: rows that both have are added, left first; others are copied.
    ///
    /// ```
    /// use candlewick_protocol::rows::{SparseRows, SparseRowsView};
    /// let left = SparseRowsView { indices: &[1, 4], values: &[1.0, 2.0] };
    /// let right = SparseRowsView { indices: &[0, 4], values: &[5.0, 0.5] };
    /// let mut sum = SparseRows::new(6, 1);
    /// sum.set_sum(left, right);
    /// assert_eq!(sum.indices, [0, 1, 4]);
    /// assert_eq!(sum.values, [5.0, 1.0, 2.5]);
    /// ```
    pub fn set_sum(&mut self, left: SparseRowsView<'_>, right: SparseRowsView<'_>) {
        self.clear();
        let (mut lefts, mut rights) = (
            left.iter(self.width).peekable(),
            right.iter(self.width).peekable(),
        );
        loop {
            let (first, second) = (lefts.peek().copied(), rights.peek().copied());
            let (row, takes) = match (first, second) {
                (Some(left), Some(right)) => (left.0.min(right.0), (left.0 <= right.0, right.0 <= left.0)),
                (Some(left), None) => (left.0, (true, false)),
                (None, Some(right)) => (right.0, (false, true)),
                (None, None) => return,
            };
            self.indices.push(row);
            match (first.filter(|_| takes.0), second.filter(|_| takes.1)) {
                (Some((_, left)), Some((_, right))) => {
                    self.values
                        .extend(left.iter().zip(right).map(|(left, right)| left + right));
                }
                (Some((_, one)), None) | (None, Some((_, one))) => self.values.extend_from_slice(one),
                (None, None) => {}
            }
            if takes.0 {
                lefts.next();
            }
            if takes.1 {
                rights.next();
            }
        }
    }
}

impl<'a> SparseRowsView<'a> {
    /// Every row of `width` values with its index.
    pub fn iter(self, width: usize) -> impl Iterator<Item = (u32, &'a [f32])> {
        let values = self.values.chunks_exact(width.max(1));
        self.indices.iter().copied().zip(values)
    }
}
