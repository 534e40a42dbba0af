//! The part of an allreduce that goes by rows: gradients of tables of which a step touches few. Rank r owns the rows
//! whose index is r modulo the number of ranks: rows that are touched often tend to be neighbours, and so they are
//! spread over all trainers.
//!
//! On the wire stand, table after table, the indices (bits of a u32 in the place of an f32) and then the values; how
//! many rows there are of each is part of the frame's description.

use crate::tree_sum::Program;
use candlewick_protocol::Failure;
use candlewick_protocol::rows::{SparseRows, SparseRowsView};

/// Rows that travel together.
#[derive(Debug, Default)]
pub(crate) struct SparsePacket {
    /// Rows of each table, as bytes of u32.
    pub(crate) counts: Vec<u8>,
    pub(crate) floats: Vec<f32>,
}

impl SparsePacket {
    pub(crate) fn clear(&mut self) {
        self.counts.clear();
        self.floats.clear();
    }

    /// Adds the rows of a table that `rank` of `ranks` owns.
    pub(crate) fn push_owned(&mut self, rows: &SparseRows, (rank, ranks): (usize, usize)) {
        let owned = |index: u32| index as usize % ranks == rank;
        let before = self.floats.len();
        let mine = rows.indices.iter().filter(|index| owned(**index));
        self.floats.extend(mine.map(|index| f32::from_bits(*index)));
        let count = self.floats.len() - before;
        for (_, values) in rows.iter().filter(|(index, _)| owned(*index)) {
            self.floats.extend_from_slice(values);
        }
        self.count(count);
    }

    /// Adds all rows of a table.
    pub(crate) fn push(&mut self, rows: SparseRowsView<'_>) {
        self.floats
            .extend(rows.indices.iter().map(|index| f32::from_bits(*index)));
        self.floats.extend_from_slice(rows.values);
        self.count(rows.indices.len());
    }

    /// Adds a table that a node does not have.
    pub(crate) fn push_none(&mut self) {
        self.count(0);
    }

    fn count(&mut self, count: usize) {
        self.counts
            .extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    }
}

/// Values of a packet of one of each of the tables, at most.
pub(crate) fn most(tables: &[SparseRows]) -> usize {
    let all = tables
        .iter()
        .map(|table| table.entries.saturating_mul(table.width + 1));
    all.fold(0, usize::saturating_add)
}

/// Reads one table after another out of a packet; nothing may be left. `shapes` are the tables', over and over again.
/// Rows that are not `rank`'s are refused.
pub(crate) fn read(
    counts: &[u8],
    mut floats: &[f32],
    shapes: &[SparseRows],
    (rank, ranks): (usize, usize),
    into: &mut [SparseRows],
) -> Result<(), Failure> {
    let wrong = || Failure::internal("sent rows of a table that cannot be read");
    let (counts, _) = counts.as_chunks::<4>();
    if counts.len() != into.len() {
        return Err(wrong());
    }
    for ((count, into), shape) in counts.iter().zip(into).zip(shapes.iter().cycle()) {
        let count = u32::from_le_bytes(*count) as usize;
        let size = count.checked_mul(shape.width).ok_or_else(wrong)?;
        let (indices, rest) = floats.split_at_checked(count).ok_or_else(wrong)?;
        let (values, rest) = rest.split_at_checked(size).ok_or_else(wrong)?;
        into.clear();
        (into.entries, into.width) = (shape.entries, shape.width);
        into.indices.extend(indices.iter().map(|index| index.to_bits()));
        into.values.extend_from_slice(values);
        let legal = |index: &u32| (*index as usize) < shape.entries && *index as usize % ranks == rank;
        if !into.indices.iter().all(legal) || !into.indices.is_sorted_by(|a, b| a < b) {
            return Err(wrong());
        }
        floats = rest;
    }
    if floats.is_empty() { Ok(()) } else { Err(wrong()) }
}

/// Memory of sums of rows, kept from step to step.
#[derive(Debug, Default)]
pub(crate) struct Stack {
    levels: Vec<SparseRows>,
    spare: SparseRows,
}

impl Stack {
    /// The sum of a table over the tree; `node(i)` are the rows that node i has.
    pub(crate) fn sum<'a>(
        &mut self,
        program: &Program,
        shape: &SparseRows,
        node: impl Fn(usize) -> SparseRowsView<'a>,
    ) -> &SparseRows {
        let depth = program.depth().max(1);
        self.levels
            .resize_with(depth.max(self.levels.len()), SparseRows::default);
        for level in self.levels.iter_mut().chain([&mut self.spare]) {
            level.clear();
            (level.entries, level.width) = (shape.entries, shape.width);
        }
        program.run_rows(&mut self.levels, &mut self.spare, node);
        &self.levels[0]
    }

    /// Brings parts of a table that have no row in common together.
    pub(crate) fn join(&mut self, out: &mut SparseRows, part: SparseRowsView<'_>) {
        (self.spare.entries, self.spare.width) = (out.entries, out.width);
        self.spare.set_sum(out.view(), part);
        std::mem::swap(out, &mut self.spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(indices: &[u32]) -> SparseRows {
        SparseRows {
            entries: 10,
            width: 2,
            indices: indices.to_vec(),
            values: indices.iter().flat_map(|index| [*index as f32, -0.0]).collect(),
        }
    }

    #[test]
    fn packets_bring_every_owner_its_rows() {
        let tables = [table(&[0, 1, 4, 5, 7, 9]), table(&[])];
        let shapes = [SparseRows::new(10, 2), SparseRows::new(10, 2)];
        let mut parts = Vec::new();
        for rank in 0..3 {
            let mut packet = SparsePacket::default();
            tables
                .iter()
                .for_each(|table| packet.push_owned(table, (rank, 3)));
            let mut got = vec![SparseRows::default(); 2];
            read(&packet.counts, &packet.floats, &shapes, (rank, 3), &mut got).unwrap();
            assert!(read(&packet.counts, &packet.floats, &shapes, (rank, 3), &mut got[..1]).is_err());
            assert!(read(&packet.counts, &packet.floats[1..], &shapes, (rank, 3), &mut got).is_err());
            if rank == 0 {
                assert!(read(&packet.counts, &packet.floats, &shapes, (1, 3), &mut got.clone()).is_err());
            }
            assert!(packet.floats.len() <= most(&shapes));
            parts.push(got);
        }
        assert_eq!(parts[0][0].indices, [0, 9]);
        let (mut whole, mut stack) = (SparseRows::new(10, 2), Stack::default());
        parts
            .iter()
            .for_each(|part| stack.join(&mut whole, part[0].view()));
        assert_eq!(whole, tables[0]);
    }

    #[test]
    fn rows_that_are_none_of_the_table_are_refused() {
        let shapes = [SparseRows::new(5, 2)];
        for indices in [vec![5], vec![2, 2], vec![3, 1]] {
            let mut packet = SparsePacket::default();
            packet.push(table(&indices).view());
            let mut got = [SparseRows::default()];
            assert!(read(&packet.counts, &packet.floats, &shapes, (0, 1), &mut got).is_err());
        }
    }
}
