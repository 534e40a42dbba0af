//! Rows that are dealt: alone, by two trainers, and again after a loss.

use super::super::testing;
use super::*;
use crate::chunk::{Chunk, ChunkBuilder, Shape};
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::shuffle::Home;
use candlewick_protocol::validation::Validation;
use std::sync::Arc;

const V: u32 = 4;

fn shape(validation: Option<Validation>) -> Shape {
    Shape {
        features: 1,
        encoding: Default::default(),
        label: LabelKind::Real { width: 1 },
        logical_shards: V,
        validation,
    }
}

fn validated() -> Shape {
    shape(Some(Validation::fraction(0.4, 1)))
}

/// 20 rows, row i (i * i + 1) times, in chunks of `size`.
fn chunks(shape: &Shape, size: usize) -> Vec<Arc<Chunk>> {
    let values: Vec<f32> = (0u8..20)
        .flat_map(|row| vec![f32::from(row); usize::from(row) * usize::from(row) + 1])
        .collect();
    let chunk = |values: &[f32]| {
        let mut builder = ChunkBuilder::new(shape, values.len());
        for value in values {
            builder
                .push([*value].into_iter(), [0.0].into_iter(), 1.0)
                .unwrap();
        }
        Arc::new(builder.finish())
    };
    values.chunks(size).map(chunk).collect()
}

fn only(shape: &Shape, chunks: &[Arc<Chunk>], owned: &ShardSet) -> Vec<Arc<Chunk>> {
    let mine = |chunk: &Arc<Chunk>| {
        Arc::new(chunk.only(shape, |row| owned.contains(shard_of(chunk.hashes[row], V))))
    };
    chunks.iter().map(mine).collect()
}

/// As a stream brings them.
fn sent(shape: &Shape, rows: Vec<Box<dyn RowSource + '_>>, shard: u32) -> Arc<Chunk> {
    let mut builder = ChunkBuilder::new(shape, 1).within(Some(Home::of_one(shard)));
    let mut copies = Vec::new();
    let mut at = 0;
    for mut source in rows {
        while let Some(row) = source.next().unwrap() {
            let labels = row.labels.iter().copied();
            builder.push_row(row.features, labels, row.weight, false).unwrap();
            if row.copies != Copies::ONE {
                copies.push((at, row.copies));
            }
            at += 1;
        }
    }
    builder.describe(copies).unwrap();
    Arc::new(builder.finish())
}

fn values(data: &Dataset, shard: u32) -> Vec<(u32, Copies)> {
    testing::rows(data, shard, |row| {
        (testing::features(data, &row)[0] as u32, row.copies)
    })
}

fn counts(data: &Dataset) -> Vec<u64> {
    data.sums().iter().map(|sum| sum.rows).collect()
}

/// All shards on one trainer, as they were fed.
fn whole(shape: &Shape) -> Dataset {
    let all = (0..V).into();
    Dataset::build(shape.clone(), &all, &ShardSet::default(), chunks(shape, 7), 2).unwrap()
}

/// These shards only.
fn part(shape: &Shape, owned: &ShardSet, size: usize) -> Dataset {
    received(shape, owned, only(shape, &chunks(shape, size), owned))
}

fn received(shape: &Shape, owned: &ShardSet, came: Vec<Arc<Chunk>>) -> Dataset {
    Dataset::build(shape.clone(), owned, &ShardSet::default(), came, 1).unwrap()
}

fn alike(data: &Dataset, owned: &ShardSet, expected: &Dataset) {
    for shard in owned.iter() {
        assert_eq!(values(data, shard), values(expected, shard), "shard {shard}");
        let order = |data: &Dataset| testing::epoch(data, shard, 3, 1).features;
        assert_eq!(order(data), order(expected));
    }
    let sums = expected.sums_of(owned);
    assert_eq!(data.sums_of(owned), sums);
}

/// Adds up what was told of each number.
fn add(sums: &[ShardSum], number: u32) -> (u64, u128) {
    let of = sums.iter().filter(|sum| sum.shard == number);
    of.fold((0, 0), |(rows, hashes), sum| {
        (rows + sum.rows, hashes.wrapping_add(sum.hash_sum))
    })
}

#[test]
fn one_that_deals_alone_keeps_all_rows_and_has_shards_of_a_size() {
    let mut alone = whole(&validated());
    let heaped = counts(&alone);
    alone.deal_alone().unwrap();
    for list in alone.shards.values().flat_map(Rows::lists) {
        let List::Memory(list) = list else { unreachable!() };
        assert_eq!(list.rows.capacity(), list.rows.len(), "as much as is charged");
    }
    let dealt = counts(&alone);
    let total = |rows: &[u64]| [rows[..4].iter().sum::<u64>(), rows[4..].iter().sum()];
    assert_eq!(
        total(&dealt),
        total(&heaped),
        "those that are put aside stay apart"
    );
    let most = |rows: &[u64]| rows[..4].iter().max().unwrap() * 400 / total(rows)[0];
    assert!(most(&heaped) > 130 && most(&dealt) <= 105, "{heaped:?} {dealt:?}");
}

/// Where rows are put: in memory, or on disk.
type Place<'a> = &'a dyn Fn(Dataset) -> Dataset;

/// What two trainers hold that have dealt, and what they told before; where their rows are, and those that come.
fn dealt_by_two(
    shape: &Shape,
    owned: &[ShardSet; 2],
    dealing: Dealing,
    places: [Place<'_>; 2],
) -> ([Dataset; 2], Vec<ShardSum>, Vec<ShardSum>) {
    let mut gang = [0, 1].map(|rank| places[0](part(shape, &owned[rank], 11)));
    let (mut shares, mut heaps) = (Vec::new(), Vec::new());
    let mut came = Vec::new();
    for (rank, data) in gang.iter().enumerate() {
        let owed = data.owed(&owned[rank], dealing).unwrap();
        let to = &owned[1 - rank];
        came.push(
            to.iter()
                .map(|shard| sent(shape, owed.rows(data, shard), shard))
                .collect(),
        );
        shares.extend(owed.shares(&(0..V).into()));
        heaps.extend(owed.heaps(&(0..V).into()));
    }
    for (rank, came) in [1, 0].into_iter().zip(came) {
        let came = places[1](received(shape, &owned[rank], came));
        gang[rank].deal(came, &owned[rank], dealing).unwrap();
    }
    (gang, shares, heaps)
}

/// The same rows on disk. As a spool leaves them: of a job without validation there are no lists of rows put aside.
fn on_disk(data: &Dataset, spill: &Arc<crate::spill::Spill>) -> Dataset {
    let layout = Layout::of(&data.shape);
    let file = spill.file(layout.fixed()).unwrap();
    let validates = data.shape.validation.is_some();
    let lists = |rows: &Rows| {
        let lists = [(false, rows.training.rows()), (true, rows.held_out.rows())];
        lists
            .into_iter()
            .filter(move |(held_out, _)| validates || !held_out)
    };
    let ids = data.shards.iter();
    let ids = ids.flat_map(|(shard, rows)| lists(rows).map(|(held_out, rows)| ((*shard, held_out), rows)));
    let mut partition = Partition::new(layout, file, 4, ids).unwrap();
    for (shard, rows) in &data.shards {
        for (held_out, list) in [(false, &rows.training), (true, &rows.held_out)] {
            let List::Memory(list) = list else { unreachable!() };
            for run in list.runs() {
                let (chunk, row) = run.place;
                let mut one = Vec::new();
                let chunk = &data.chunks[chunk as usize];
                layout.write(chunk, row as usize, (*shard, run.copies), &mut one);
                assert!(partition.push((*shard, held_out), layout.row(&one)).unwrap());
            }
        }
    }
    Dataset::spilled(data.shape.clone(), partition.finish().unwrap()).charged(spill.ledger())
}

#[test]
fn two_trainers_deal_what_one_deals_alone_and_a_lost_shard_comes_back_as_it_was() {
    deal_and_lose(&validated());
}

#[test]
fn two_trainers_deal_without_validation_wherever_their_rows_and_those_that_come_are() {
    deal_and_lose(&shape(None));
}

/// Two trainers deal, and one of them is lost, with rows in memory and on disk in every combination.
fn deal_and_lose(shape: &Shape) {
    let folder = tempfile::tempdir().unwrap();
    let mut alone = whole(shape);
    let fed = alone.sums();
    let dealing = Dealing::of(counts(&alone).iter().sum(), V);
    alone.deal_alone().unwrap();
    let owned: [ShardSet; 2] = [(0..1).into(), (1..V).into()];
    for at in 0..8 {
        let spill = testing::spill(1 << 20, folder.path(), at & 4 > 0);
        let place = |disk: bool| {
            let spill = &spill;
            move |data: Dataset| {
                if disk {
                    on_disk(&data, spill)
                } else {
                    data.charged(spill.ledger())
                }
            }
        };
        let (here, came) = (place(at & 1 > 0), place(at & 2 > 0));
        let (gang, shares, heaps) = dealt_by_two(shape, &owned, dealing, [&here, &came]);
        for (data, owned) in gang.iter().zip(&owned) {
            alike(data, owned, &alone);
            assert_eq!(
                data.heaped(owned, dealing).unwrap(),
                alone.heaped(owned, dealing).unwrap()
            );
            // As the coordinator counts.
            for sum in data.sums() {
                let (fed, heap, share) = (
                    add(&fed, sum.shard),
                    add(&heaps, sum.shard),
                    add(&shares, sum.shard),
                );
                assert_eq!(sum.rows, fed.0 - heap.0 + share.0);
                assert_eq!(sum.hash_sum, fed.1.wrapping_sub(heap.1).wrapping_add(share.1));
            }
        }

        // The first one is lost: its shard is fed again, to the other, and the homes that live deal to it once more. There may
        // be memory for it where there was none for the others.
        let (lost, [_, mut other]) = (&owned[0], gang);
        other.absorb(came(part(shape, lost, 5))).unwrap();
        let all = (0..V).into();
        other
            .deal(here(received(shape, lost, Vec::new())), &all, dealing)
            .unwrap();
        alike(&other, &all, &alone);
        // What is dealt is given up with its shard.
        other.retain(lost);
        alike(&other, lost, &alone);
        drop(other);
        assert_eq!(spill.ledger().rows(), 0, "all is given back");
    }
}
