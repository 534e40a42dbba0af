//! Rows on disk that are read in the order in which they were written.

use super::{Extent, Layout, Record, SpillFile};
use crate::memory::{Account, Charge};
use candlewick_protocol::Failure;
use std::sync::Arc;

/// Bytes that are written and read at once, but for a row that is longer.
const PIECE: usize = 256 << 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Sequence {
    layout: Layout,
    file: Arc<SpillFile>,
    /// What was written at once, and the number of its first row.
    pieces: Vec<(usize, Extent)>,
    rows: usize,
    /// What was not written yet.
    buffer: Vec<u8>,
    buffered: usize,
    charge: Charge,
}

impl Sequence {
    /// One without rows.
    pub(crate) fn new(layout: Layout, file: Arc<SpillFile>) -> Self {
        let charge = file.ledger().charge(Account::SpillBuffers, 0);
        Sequence {
            layout,
            file,
            pieces: Vec::new(),
            rows: 0,
            buffer: Vec::new(),
            buffered: 0,
            charge,
        }
    }

    /// Adds a row; its number.
    ///
    /// # Errors
    /// Where the disk does not take it.
    pub(crate) fn push(&mut self, record: Record<'_>) -> Result<usize, Failure> {
        let bytes = record.bytes();
        if !self.buffer.is_empty() && self.buffer.len() + bytes.len() > PIECE {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        self.charge.set(self.buffer.capacity() as u64);
        self.buffered += 1;
        self.rows += 1;
        Ok(self.rows - 1)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        if self.buffered > 0 {
            let extent = self.file.append(&self.buffer)?;
            self.pieces.push((self.rows - self.buffered, extent));
            self.buffer.clear();
            self.buffered = 0;
        }
        Ok(())
    }

    /// All rows are there.
    ///
    /// # Errors
    /// As [`Sequence::push`].
    pub(crate) fn finish(mut self) -> Result<Self, Failure> {
        self.flush()?;
        self.buffer = Vec::new();
        let places = self.pieces.capacity() * size_of::<(usize, Extent)>();
        self.charge = self.file.ledger().charge(Account::Index, places as u64);
        Ok(self)
    }

    /// Rows of it.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// Reads rows, whose numbers had better ascend.
    pub(crate) fn reader(&self) -> SequenceReader<'_> {
        SequenceReader {
            of: self,
            piece: None,
            bytes: Vec::new(),
            starts: Vec::new(),
            charge: self.file.ledger().charge(Account::SpillBuffers, 0),
        }
    }
}

/// The rows of a [`Sequence`], of which one piece is in memory.
#[derive(Debug)]
pub(crate) struct SequenceReader<'a> {
    of: &'a Sequence,
    piece: Option<usize>,
    bytes: Vec<u8>,
    /// Where its rows begin, and the end.
    starts: Vec<usize>,
    charge: Charge,
}

impl SequenceReader<'_> {
    /// A row by its number.
    ///
    /// # Errors
    /// `Internal` where there is none; where the disk does not give it back.
    pub(crate) fn row(&mut self, at: usize) -> Result<Record<'_>, Failure> {
        let none = || Failure::internal("a row that was not written");
        let pieces = &self.of.pieces;
        let piece = pieces.partition_point(|(first, _)| *first <= at);
        let piece = piece.checked_sub(1).ok_or_else(none)?;
        if self.piece != Some(piece) {
            self.read(piece)?;
        }
        let at = at - pieces[piece].0;
        match self.starts.get(at..at + 2) {
            Some([from, to]) => Ok(self.of.layout.row(&self.bytes[*from..*to])),
            _ => Err(none()),
        }
    }

    fn read(&mut self, piece: usize) -> Result<(), Failure> {
        let Sequence {
            layout, file, pieces, ..
        } = self.of;
        let (first, extent) = &pieces[piece];
        // What is there is not what is asked for, should this end in the middle.
        self.piece = None;
        self.bytes.clear();
        file.read(extent, &mut self.bytes)?;
        self.starts.clear();
        self.starts.push(0);
        let mut end = 0;
        self.starts.extend(layout.records(&self.bytes).map(|record| {
            end += record.bytes().len();
            end
        }));
        let places = self.starts.capacity() * size_of::<usize>();
        self.charge.set((self.bytes.capacity() + places) as u64);
        let after = pieces.get(piece + 1).map_or(self.of.rows, |(first, _)| *first);
        if self.starts.len() - 1 != after - first {
            return Err(file.miscounted(extent));
        }
        self.piece = Some(piece);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Shape;
    use crate::dataset::testing;
    use candlewick_protocol::job::LabelKind;

    #[test]
    fn rows_come_back_by_their_numbers_a_piece_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        for encrypt in [false, true] {
            let spill = testing::spill(1 << 30, folder.path(), encrypt);
            let shape = Shape {
                features: 30_000,
                encoding: Default::default(),
                label: LabelKind::Real { width: 1 },
                logical_shards: 4,
                validation: None,
            };
            let layout = Layout::of(&shape);
            let length = layout.fixed().unwrap();
            let row = |at: usize| vec![u8::try_from(at).unwrap(); length];
            let mut sequence = Sequence::new(layout, spill.file(layout.fixed()).unwrap());
            for at in 0..9 {
                assert_eq!(sequence.push(layout.row(&row(at))).unwrap(), at);
            }
            let sequence = sequence.finish().unwrap();
            assert_eq!(sequence.pieces.len(), 5, "two rows each");
            let mut reader = sequence.reader();
            for at in [0, 1, 1, 4, 8, 2] {
                assert!(reader.row(at).unwrap().bytes() == row(at), "row {at}");
            }
            assert!(reader.row(9).is_err());
            let held = spill.ledger().rows();
            assert!((2 * length..600_000).contains(&(held as usize)), "{held}");
            drop(reader);
            drop(sequence);
            assert_eq!(spill.ledger().rows(), 0, "all is given back");
        }
    }
}
