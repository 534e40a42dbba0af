//! Some rows of a table on a device: taken out of it, put into it, and spread over it.
//!
//! candle's kernel that writes rows to places goes through them one after another and has a thread for every element of a row, so that
//! a few thousand rows would take milliseconds. Rows are dealt to lanes instead, by their index modulo the number of lanes: lanes lie
//! side by side in a row of the same memory that has as many columns more, and the kernel has a thread for each. Every row is written
//! once, so nothing depends on an order.

use super::error::DeviceError;
use super::link::Kind;
use super::places::PlacedPart;
use super::{DeviceVec, Link, RowPlaces};
use crate::numbers::clamp_u32;
use candle_core::{DType, Tensor};
use candlewick_protocol::Failure;
use std::sync::Arc;

/// What kernels take for "no row".
const NONE: u32 = u32::MAX;

/// Numbers of lanes that are tried, the last of which always does.
const LANES: [usize; 5] = [256, 64, 16, 4, 1];

/// Rows, dealt to lanes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lanes {
    pub lanes: usize,
    /// For every place of the longest lane, lane after lane, which of the rows comes there.
    pub sources: Vec<u32>,
    /// Where it goes: its index divided by the number of lanes.
    pub blocks: Vec<u32>,
}

impl Lanes {
    /// Deals `rows` out: numbers and indices of some rows.
    fn of(rows: &[(u32, u32)], lanes: usize) -> Self {
        let count = u32::try_from(lanes).unwrap_or(1);
        let mut dealt: Vec<Vec<(u32, u32)>> = vec![Vec::new(); lanes];
        for (source, index) in rows {
            dealt[(index % count) as usize].push((*source, index / count));
        }
        let longest = dealt.iter().map(Vec::len).max().unwrap_or(0);
        let places = (0..longest).flat_map(|at| dealt.iter().map(move |lane| lane.get(at)));
        let (sources, blocks) = places.map(|place| place.copied().unwrap_or((NONE, NONE))).unzip();
        Lanes {
            lanes,
            sources,
            blocks,
        }
    }

    /// As many lanes as leave at most half of all places empty.
    fn best(rows: &[(u32, u32)], entries: usize) -> Self {
        let tried = LANES.iter().filter(|lanes| **lanes <= entries);
        let tried = tried.map(|lanes| Lanes::of(rows, *lanes));
        let mut good = tried.filter(|dealt| dealt.lanes == 1 || dealt.sources.len() <= 2 * rows.len());
        good.next().unwrap_or_else(|| Lanes::of(rows, 1))
    }
}

/// How rows go into a table: those of its first part by lanes, then the few behind the last whole row of lanes.
pub(super) fn dealt(indices: &[u32], entries: usize) -> Vec<(usize, Lanes)> {
    let rows: Vec<(u32, u32)> = (0u32..).zip(indices.iter().copied()).collect();
    let first = Lanes::best(&rows, entries);
    let whole = entries / first.lanes * first.lanes;
    let behind = rows.partition_point(|(_, index)| (*index as usize) < whole);
    let mut parts = vec![(0, Lanes::of(&rows[..behind], first.lanes))];
    let before = clamp_u32(whole);
    let rest = rows[behind..]
        .iter()
        .map(|(source, index)| (*source, index - before));
    parts.push((whole, Lanes::of(&rest.collect::<Vec<_>>(), 1)));
    parts.retain(|(_, lanes)| !lanes.sources.is_empty());
    parts
}

impl RowPlaces {
    fn rows(&self, link: &Link) -> Result<&Tensor, DeviceError> {
        if let Some(known) = self.uploaded.rows.get() {
            return Ok(known);
        }
        let rows = link.up(Kind::Rows, self.indices(), self.indices().len())?;
        Ok(self.uploaded.rows.get_or_init(|| rows))
    }

    fn parts(&self, link: &Link) -> Result<&[PlacedPart], DeviceError> {
        if let Some(known) = self.uploaded.parts.get() {
            return Ok(known);
        }
        let parts = dealt(self.indices(), self.size().0)
            .into_iter()
            .map(|(start, dealt)| {
                Ok(PlacedPart {
                    start,
                    lanes: dealt.lanes,
                    sources: link.up(Kind::Rows, &dealt.sources, dealt.sources.len())?,
                    blocks: link.up(Kind::Rows, &dealt.blocks, dealt.blocks.len())?,
                })
            });
        let parts = parts.collect::<Result<Vec<_>, DeviceError>>()?;
        Ok(self.uploaded.parts.get_or_init(|| parts))
    }

    /// Writes values of the rows to their places in a table of one dimension.
    fn write(&self, link: &Link, rows: &Tensor, table: &Tensor) -> Result<(), DeviceError> {
        let (entries, width) = self.size();
        let rows = rows.contiguous()?.reshape((self.indices().len(), width))?;
        for part in self.parts(link)? {
            let count = (entries - part.start) / part.lanes;
            let columns = part.lanes * width;
            let places = part.blocks.elem_count();
            let into = table
                .narrow(0, part.start * width, count * columns)?
                .reshape((count, columns))?;
            let blocks = part.blocks.reshape((places, 1))?.broadcast_as((places, width))?;
            let shape = (places / part.lanes, columns);
            let blocks = blocks.contiguous()?.reshape(shape)?;
            let values = rows.index_select(&part.sources, 0)?.reshape(shape)?;
            into.scatter_set(&blocks, &values, 0)?;
        }
        Ok(())
    }
}

impl DeviceVec {
    /// Some rows of the table that these elements are.
    pub(crate) fn rows_at(&self, places: &RowPlaces) -> Result<Self, Failure> {
        let taken = || -> Result<Tensor, DeviceError> {
            let table = self.tensor().reshape(places.size())?;
            Ok(table.index_select(places.rows(self.link())?, 0)?.flatten_all()?)
        };
        self.answer(taken())
    }

    /// Writes rows of the table that these elements are, for all clones of it.
    pub(crate) fn put_rows(&mut self, places: &RowPlaces, rows: &DeviceVec) -> Result<(), Failure> {
        let done = places.write(self.link(), rows.tensor(), self.tensor());
        done.map_err(|error| self.link().failure(error))
    }

    /// The table that is 0 but for these rows.
    pub(crate) fn spread(&self, places: &RowPlaces) -> Result<Self, Failure> {
        let spread = || -> Result<Tensor, DeviceError> {
            let (entries, width) = places.size();
            let table = Tensor::zeros(entries * width, DType::F32, self.link().device())?;
            places.write(self.link(), self.tensor(), &table)?;
            Ok(table)
        };
        self.answer(spread())
    }

    fn answer(&self, tensor: Result<Tensor, DeviceError>) -> Result<Self, Failure> {
        match tensor {
            Ok(tensor) => Ok(DeviceVec::of(tensor, &Arc::clone(self.link()))),
            Err(error) => Err(self.link().failure(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resident::Traffic;
    use candle_core::Device;

    fn all(vector: &DeviceVec, length: usize) -> Vec<f32> {
        let mut read = vec![0.0; length];
        vector.read(&mut read).unwrap();
        read
    }

    #[test]
    fn rows_go_where_they_belong_however_they_are_dealt() {
        let every: Vec<u32> = (0..1_003).collect();
        let some: Vec<u32> = every.iter().copied().filter(|row| row * 7 % 11 < 3).collect();
        // All of one lane: they are dealt to fewer.
        let one: Vec<u32> = (0..3).map(|row| row * 256).collect();
        let last = vec![0, 1_002];
        let link = Arc::new(Link::new(Device::Cpu));
        for indices in [every, some, one, last, vec![1_001], Vec::new()] {
            for width in [1, 3] {
                let places = RowPlaces::new(indices.clone(), (1_003, width));
                let table: Vec<f32> = (0..1_003 * width).map(|at| at as f32 + 1.0).collect();
                let rows: Vec<f32> = places.of(&table).iter().map(|value| -value).collect();
                let given = DeviceVec::up(&link, &rows).unwrap();
                let mut there = DeviceVec::up(&link, &table).unwrap();
                assert_eq!(
                    all(&there.rows_at(&places).unwrap(), rows.len()),
                    places.of(&table)
                );
                there.put_rows(&places, &given).unwrap();
                let spread = all(&given.spread(&places).unwrap(), table.len());
                let read = all(&there, table.len());
                for (at, (read, spread)) in read.iter().zip(&spread).enumerate() {
                    let touched = places.indices().contains(&((at / width) as u32));
                    let value = table[at];
                    let wanted = if touched { (-value, -value) } else { (value, 0.0) };
                    assert_eq!((*read, *spread), wanted, "{at} of {} rows", indices.len());
                }
            }
        }
    }

    #[test]
    fn many_rows_are_written_by_many_threads() {
        let lanes = |indices: &[u32]| {
            let parts = dealt(indices, 100_000);
            let places: usize = parts.iter().map(|(_, lanes)| lanes.sources.len()).sum();
            assert!(places <= 2 * indices.len() + 160);
            parts[0].1.lanes
        };
        let spread: Vec<u32> = (0..100_000).filter(|row| row % 7 == 1).collect();
        let beside: Vec<u32> = (0..2_000).collect();
        let apart: Vec<u32> = (0..300).map(|row| row * 256).collect();
        assert_eq!((lanes(&spread), lanes(&beside), lanes(&apart)), (256, 256, 1));
    }

    #[test]
    fn places_go_up_once() {
        let link = Arc::new(Link::new(Device::Cpu));
        let places = RowPlaces::new(vec![4, 7], (9, 2));
        let table = DeviceVec::up(&link, &[0.0; 18]).unwrap();
        let crossed = |before: Traffic| (link.traffic() - before).up.rows;
        let before = link.traffic();
        let rows = table.rows_at(&places).unwrap();
        assert_eq!(crossed(before), 8);
        rows.spread(&places).unwrap();
        table.rows_at(&places).unwrap();
        rows.spread(&places).unwrap();
        // Four lanes: which row comes to each place, and where that is.
        assert_eq!(crossed(before), 8 + 2 * 16);
    }
}
