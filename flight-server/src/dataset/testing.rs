//! What tests see of a dataset.

use super::{Ahead, Dataset, reading_ahead};
use crate::memory::Ledger;
use crate::rows::{Gathered, Row, Takes};
use crate::spill::Spill;
use candlewick_protocol::launch::TrainerMemory;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;

/// The rows of a shard in the order of an epoch, a few at a time.
pub(crate) fn epoch(data: &Dataset, shard: u32, seed: u64, epoch: u32) -> Gathered {
    epoch_as(data, shard, (seed, epoch), Takes::Dense)
}

/// The same for a network that takes rows in some way.
pub(crate) fn epoch_as(data: &Dataset, shard: u32, (seed, epoch): (u64, u32), takes: Takes) -> Gathered {
    let (mut rows, mut into) = (data.epoch(shard, seed, epoch), Gathered::new(takes));
    // Nobody reads ahead.
    let (ahead, _): (Ahead<'_>, _) = channel();
    let mut at = 0;
    loop {
        let count = rows.gather(at..at + 7, &mut into, &ahead).unwrap();
        at += count as u64;
        if count < 7 {
            return into;
        }
    }
}

/// The validation rows that go with a shard.
pub(crate) fn held_out(data: &Dataset, shard: u32) -> Gathered {
    let (mut rows, mut into) = (data.held_out(shard), Gathered::default());
    reading_ahead(|ahead| {
        rows.ask(ahead);
        for at in (0..data.held_out_rows(shard)).step_by(3) {
            let left = data.held_out_rows(shard) - at;
            rows.gather(left.min(3) as usize, &mut into, ahead).unwrap();
        }
    });
    into
}

/// What `see` makes of the rows that another trainer would get.
pub(crate) fn rows<T>(data: &Dataset, shard: u32, see: impl Fn(Row<'_>) -> T) -> Vec<T> {
    let mut seen = Vec::new();
    for mut source in data.rows(shard) {
        while let Some(row) = source.next().unwrap() {
            seen.push(see(row));
        }
    }
    seen
}

/// The features of a row as f32.
pub(crate) fn features(data: &Dataset, row: &Row<'_>) -> Vec<f32> {
    let mut features = Vec::new();
    let shape = data.shape();
    row.features
        .expand(shape.features, shape.encoding.scale, &mut features);
    features
}

/// A place for rows that do not fit `limit` bytes; 0: all fit.
pub(crate) fn spill(limit: u64, folder: &Path, encrypt: bool) -> Arc<Spill> {
    let memory = TrainerMemory {
        limit,
        spool_dirs: vec![folder.display().to_string()],
        encrypt,
    };
    Spill::new(&memory, Ledger::new(limit), || {}).unwrap()
}

/// One that nothing is written to.
pub(crate) fn no_spill() -> Arc<Spill> {
    Spill::new(&TrainerMemory::default(), Ledger::new(0), || {}).unwrap()
}
