//! What is read ahead, and what of a bucket is given back.

use super::spilled::{sealed, shape};
use crate::dataset::{Dataset, EpochRows, Wanted, testing};
use crate::memory::{Account, Ledger};
use crate::rows::Gathered;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

const FEATURES: usize = 16_384;
/// 82 MB a shard: two buckets each.
const TABLE: (u64, u64) = (5_000, 250);
/// Bytes of a row on disk: its head, two labels, its features.
const RECORD: u64 = 48 + 2 * 8 + FEATURES as u64 * 4;
const SHARD: u32 = 2;
const SEED: u64 = 7;
/// Rows of a step.
const STEP: u64 = 25;

/// The rows of an epoch step by step; what is asked for is read at once, by whoever takes the steps.
struct Steps<'a> {
    rows: EpochRows<'a>,
    ahead: Sender<Wanted<'a>>,
    wanted: Receiver<Wanted<'a>>,
    at: u64,
    read: usize,
    into: Gathered,
}

impl<'a> Steps<'a> {
    fn of(data: &'a Dataset) -> Self {
        let (ahead, wanted) = channel();
        Steps {
            rows: data.epoch(SHARD, SEED, 0),
            ahead,
            wanted,
            at: 0,
            read: 0,
            into: Gathered::default(),
        }
    }

    /// False at the end.
    fn step(&mut self) -> bool {
        let range = self.at..self.at + STEP;
        let rows = self.rows.gather(range, &mut self.into, &self.ahead).unwrap();
        self.at += rows as u64;
        for wanted in self.wanted.try_iter() {
            wanted.fetch();
            self.read += 1;
        }
        rows as u64 == STEP
    }

    /// The rest of the epoch has the rows that it has in memory.
    fn ends_as(&mut self, memory: &Dataset, epoch: u32) {
        while self.step() {}
        let wanted = testing::epoch(memory, SHARD, SEED, epoch);
        assert!(self.into.weights == wanted.weights, "epoch {epoch}");
        assert!(self.into.features == wanted.features, "epoch {epoch}");
    }

    fn turn(&mut self, epoch: u32) {
        self.rows.turn(SHARD, epoch);
        (self.at, self.into) = (0, Gathered::default());
    }
}

/// The rows in memory, the same on disk with a budget of one bucket and a half, and its ledger.
struct Table {
    memory: Dataset,
    disk: Dataset,
    ledger: Arc<Ledger>,
    _folder: tempfile::TempDir,
}

fn table() -> Table {
    let folder = tempfile::tempdir().unwrap();
    let shape = shape(FEATURES, None);
    let spill = testing::spill(62 << 20, folder.path(), false);
    Table {
        memory: sealed(&testing::no_spill(), &shape, TABLE, &|_| 1),
        disk: sealed(&spill, &shape, TABLE, &|_| 1),
        ledger: Arc::clone(spill.ledger()),
        _folder: folder,
    }
}

fn buckets(ledger: &Ledger) -> u64 {
    ledger.now(Account::Buckets)
}

#[test]
fn memory_of_rows_that_were_read_is_that_of_the_bucket_after_them() {
    let Table {
        memory, disk, ledger, ..
    } = &table();
    let mut steps = Steps::of(disk);
    steps.step();
    let first = buckets(ledger);
    assert!(first > 30 << 20, "it is in memory");
    while steps.read == 0 {
        assert!(steps.step(), "the next one was not read ahead");
        assert!(ledger.rows() <= ledger.budget());
    }
    assert!(
        steps.at * RECORD > first / 4 && steps.at * RECORD < first,
        "read ahead at row {}",
        steps.at
    );
    assert!(buckets(ledger) > first, "both of them, the first in part");
    steps.ends_as(memory, 0);
    // What is at hand has given rows back: it is read again where it comes first.
    for epoch in 1..5 {
        steps.turn(epoch);
        // Nothing is left of a bucket that has given rows back.
        assert!(buckets(ledger).is_multiple_of(RECORD), "epoch {epoch}");
        steps.ends_as(memory, epoch);
        assert!(ledger.rows() <= ledger.budget());
    }
    drop(steps);
    assert_eq!(buckets(ledger), 0);
}

#[test]
fn a_bucket_that_there_was_no_room_for_is_read_once_others_have_given_theirs_back() {
    let Table {
        memory, disk, ledger, ..
    } = &table();
    let others = ledger.charge(Account::Rows, 30 << 20);
    let mut steps = Steps::of(disk);
    for _ in 0..3 {
        steps.step();
        assert_eq!((buckets(ledger), steps.read), (0, 0), "row by row");
    }
    drop(others);
    steps.step();
    assert_eq!(steps.read, 1, "as soon as there is room");
    let whole = buckets(ledger);
    steps.step();
    assert_eq!(steps.read, 1, "once");
    assert!(
        buckets(ledger) < whole,
        "its rows are given back as they are read"
    );
    steps.ends_as(memory, 0);
}
