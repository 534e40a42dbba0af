//! Rows on disk are the rows in memory: the same sums, orders, copies and values, whatever the memory.

use super::*;
use crate::chunk::ChunkBuilder;
use crate::dataset::testing;
use crate::rows::{Gathered, Takes};
use candlewick_protocol::dealing::Dealing;
use candlewick_protocol::features::{FeatureEncoding, FeatureRow, FeatureType};
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::validation::Validation;

const V: u32 = 4;

pub(super) fn shape(features: usize, validation: Option<Validation>) -> Shape {
    Shape {
        features,
        encoding: Default::default(),
        label: LabelKind::Real { width: 2 },
        logical_shards: V,
        validation,
    }
}

/// The same, of features of a type.
fn typed(kind: FeatureType, features: usize, validation: Option<Validation>) -> Shape {
    let encoding = FeatureEncoding {
        kind,
        scale: if kind == FeatureType::Sparse { 1.0 } else { 0.25 },
        nonzeros: None,
    };
    Shape {
        encoding,
        ..shape(features, validation)
    }
}

/// Rows of a stream whose features are of the shape's type, small whole numbers times the scale; every seventh row has none
/// that is not zero.
fn typed_chunk(shape: &Shape, rows: std::ops::Range<u64>) -> Chunk {
    let kind = shape.encoding.kind;
    let mut builder = ChunkBuilder::typed(shape, kind, (rows.end - rows.start) as usize, 0);
    for row in rows {
        // Few of them, where there are very many.
        let count = if row.is_multiple_of(7) { 0 } else { random(row) % 9 };
        let mut indices: Vec<u32> = (0..count)
            .map(|at| (random(row * 31 + at) % shape.features as u64) as u32)
            .collect();
        indices.sort_unstable();
        indices.dedup();
        let value = |index: &u32| (random(row + u64::from(*index)) % 120 + 1) as u8;
        let values: Vec<u8> = indices.iter().map(value).collect();
        let mut dense = vec![
            0u8;
            if kind == FeatureType::Sparse {
                0
            } else {
                shape.features
            }
        ];
        if !dense.is_empty() {
            indices
                .iter()
                .zip(&values)
                .for_each(|(index, value)| dense[*index as usize] = *value);
        }
        let scaled: Vec<f32> = values.iter().map(|value| f32::from(*value) * 0.25).collect();
        let (int8, int16, float): (Vec<i8>, Vec<i16>, Vec<f32>) = (
            dense.iter().map(|value| *value as i8).collect(),
            dense.iter().map(|value| i16::from(*value)).collect(),
            dense.iter().map(|value| f32::from(*value) * 0.25).collect(),
        );
        let features = match kind {
            FeatureType::Float32 => FeatureRow::Float32(&float),
            FeatureType::UInt8 => FeatureRow::UInt8(&dense),
            FeatureType::Int8 => FeatureRow::Int8(&int8),
            FeatureType::Int16 => FeatureRow::Int16(&int16),
            FeatureType::Sparse => FeatureRow::Sparse(&indices, &scaled),
        };
        let labels = [random(row) as f64, row as f64].into_iter();
        let marked = row.is_multiple_of(3);
        builder.push_row(features, labels, row as f64, marked).unwrap();
    }
    builder.finish()
}

/// Numbers that look random and are always the same.
fn random(at: u64) -> u64 {
    let mixed = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
}

/// Rows of a stream; row `at` of the table is there as often as `copies` says.
fn chunk(shape: &Shape, rows: std::ops::Range<u64>, copies: &dyn Fn(u64) -> u64) -> Chunk {
    let mut builder = ChunkBuilder::new(shape, (rows.end - rows.start) as usize);
    let (mut many, mut position) = (Vec::new(), 0);
    for row in rows {
        let features = (0..shape.features as u64).map(|at| random(row * 31 + at / 3) as f32);
        let labels = [random(row) as f64, row as f64];
        let marked = row.is_multiple_of(3);
        builder
            .push_marked(features, labels.into_iter(), row as f64, marked)
            .unwrap();
        if copies(row) > 1 {
            let copies = candlewick_protocol::dealing::Copies {
                here: copies(row),
                in_all: 0,
            };
            many.push((position, copies));
        }
        position += 1;
    }
    builder.describe(many).unwrap();
    builder.finish()
}

/// All shards of a table, which came in chunks of `size` rows by two streams; a third one lost.
pub(super) fn sealed(
    spill: &Arc<Spill>,
    shape: &Shape,
    table: (u64, u64),
    copies: &dyn Fn(u64) -> u64,
) -> Dataset {
    try_sealed(spill, shape, table, copies).unwrap()
}

fn try_sealed(
    spill: &Arc<Spill>,
    shape: &Shape,
    table: (u64, u64),
    copies: &dyn Fn(u64) -> u64,
) -> Result<Dataset, Failure> {
    sealed_of(spill, shape, table, &|rows| chunk(shape, rows, copies))
}

/// The same of rows that `chunk` makes.
fn sealed_of(
    spill: &Arc<Spill>,
    shape: &Shape,
    (rows, size): (u64, u64),
    chunk: &dyn Fn(std::ops::Range<u64>) -> Chunk,
) -> Result<Dataset, Failure> {
    let failed = |failure: Failure| panic!("{failure}");
    let spool = Arc::new(Spool::new("j", shape.clone(), Arc::clone(spill), failed));
    spool.open(0, (0..V).into()).unwrap();
    let stream = |partition, attempt| {
        let id = StreamId {
            job: "j".into(),
            round: 0,
            partition,
            attempt,
        };
        spool.begin(id).unwrap()
    };
    let mut writers = [stream(0, 1), stream(1, 1), stream(1, 2)];
    for (at, first) in (0..rows).step_by(size as usize).enumerate() {
        let one = || chunk(first..rows.min(first + size));
        writers[at % 2].append(one()).unwrap();
        if at < 3 {
            writers[2].append(one()).unwrap();
        }
    }
    let winners: Vec<Winner> = [0, 1]
        .map(|partition| Winner {
            partition,
            attempt: 1,
        })
        .into();
    for writer in writers {
        writer.finish(None).unwrap();
    }
    spool.seal(0, &winners, &ShardSet::default(), 2)
}

fn bits(rows: &Gathered) -> (Vec<u32>, Vec<u64>, Vec<u64>) {
    (
        rows.features.iter().map(|value| value.to_bits()).collect(),
        rows.labels.iter().map(|value| value.to_bits()).collect(),
        rows.weights.iter().map(|value| value.to_bits()).collect(),
    )
}

/// Everything that is asked of a dataset has the same answer.
fn alike(disk: &Dataset, memory: &Dataset, what: &str) {
    assert_eq!(disk.shards(), memory.shards(), "{what}");
    assert_eq!(disk.sums(), memory.sums(), "{what}");
    for shard in memory.shards().iter() {
        for (seed, epoch) in [(7, 0), (7, 1), (8, 0)] {
            let [one, other] = [disk, memory].map(|data| bits(&testing::epoch(data, shard, seed, epoch)));
            assert!(one == other, "{what}: shard {shard}, seed {seed}, epoch {epoch}");
        }
        let [one, other] = [disk, memory].map(|data| bits(&testing::held_out(data, shard)));
        assert!(one == other, "{what}: rows held out of shard {shard}");
        let sent = |data: &Dataset| {
            testing::rows(data, shard, |row| {
                let values: Vec<u32> = testing::features(data, &row)
                    .iter()
                    .map(|value| value.to_bits())
                    .collect();
                (
                    values,
                    row.labels.to_vec(),
                    row.mark,
                    row.weight,
                    row.hash,
                    row.copies,
                )
            })
        };
        assert!(
            sent(disk) == sent(memory),
            "{what}: what is sent of shard {shard}"
        );
        let labels = |data: &Dataset| {
            let mut labels = Vec::new();
            data.each_label(shard, &mut |label| labels.push(label.to_bits()))
                .unwrap();
            labels.sort_unstable();
            labels
        };
        assert_eq!(labels(disk), labels(memory), "{what}: labels of shard {shard}");
    }
}

/// Whether a dataset's rows went to disk and stayed there.
fn on_disk(spill: &Spill) -> bool {
    spill.ledger().told().accounts["buckets"] > 0 || spill.ledger().told().accounts["rows"] == 0
}

#[test]
fn rows_on_disk_are_those_in_memory_where_buckets_fit_and_where_they_are_read_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    for validation in [None, Some(Validation::Column), Some(Validation::fraction(0.3, 5))] {
        let shape = shape(5, validation);
        let copies = |row: u64| if row % 50 == 1 { 3 } else { 1 };
        let table = (3_000, 170);
        let memory = sealed(&testing::no_spill(), &shape, table, &copies);
        // The first one takes a bucket at a time, the last none.
        for (limit, encrypt) in [(150_000, false), (150_000, true), (3_000, false), (3_000, true)] {
            let spill = testing::spill(limit, folder.path(), encrypt);
            let disk = sealed(&spill, &shape, table, &copies);
            let what = format!("{limit} bytes, encrypted {encrypt}, {validation:?}");
            assert!(on_disk(&spill), "{what}");
            alike(&disk, &memory, &what);
            drop(disk);
            assert_eq!(spill.ledger().rows(), 0, "{what}: all is given back");
            let told = spill.ledger().told();
            assert_eq!(told.accounts["buckets"] > 0, limit > 3_000, "{told:?}");
        }
    }
}

/// The same rows as f32.
fn expanded(rows: &Gathered) -> Gathered {
    let mut all = Gathered::default();
    let typed = rows.dense();
    typed.values().expand(typed.scale(), &mut all.features);
    (all.labels, all.weights) = (rows.labels.clone(), rows.weights.clone());
    all
}

/// Indices and values of a row, and its weight.
type SparseBits = (Vec<u32>, Vec<u32>, u64);

fn sparse_bits(rows: &Gathered) -> Vec<SparseBits> {
    let all = rows.sparse.as_ref().unwrap();
    let row = |(at, weight): (usize, &f64)| {
        let (indices, values) = all.row(at);
        let values = values.iter().map(|value| value.to_bits()).collect();
        (indices.to_vec(), values, weight.to_bits())
    };
    assert_eq!(all.rows(), rows.weights.len());
    rows.weights.iter().enumerate().map(row).collect()
}

#[test]
fn rows_of_every_type_are_on_disk_as_they_came_and_are_the_rows_of_any_other_type() {
    use FeatureType::{Float32, Int8, Int16, Sparse, UInt8};
    let folder = tempfile::tempdir().unwrap();
    let (table, features, validation) = ((2_000, 170), 48, Some(Validation::fraction(0.3, 5)));
    let sealed = |spill: &Arc<Spill>, kind| {
        let shape = typed(kind, features, validation);
        sealed_of(spill, &shape, table, &|rows| typed_chunk(&shape, rows)).unwrap()
    };
    let floats = sealed(&testing::no_spill(), Float32);
    let mut written = Vec::new();
    for kind in [Float32, UInt8, Int8, Int16, Sparse] {
        alike(&sealed(&testing::no_spill(), kind), &floats, "in memory");
        for (limit, encrypt) in [(90_000, false), (90_000, true), (3_000, false), (3_000, true)] {
            let spill = testing::spill(limit, folder.path(), encrypt);
            let disk = sealed(&spill, kind);
            let what = format!("{kind:?}, {limit} bytes, encrypted {encrypt}");
            assert!(on_disk(&spill), "{what}");
            alike(&disk, &floats, &what);
            for shard in [0, 3] {
                let [one, other] = [&disk, &floats]
                    .map(|data| sparse_bits(&testing::epoch_as(data, shard, (7, 1), Takes::Sparse)));
                assert!(one == other, "{what}: for a network that takes sparse rows");
                let typed = testing::epoch_as(&disk, shard, (7, 1), Takes::Typed);
                assert_eq!(
                    bits(&expanded(&typed)),
                    bits(&testing::epoch(&floats, shard, 7, 1)),
                    "{what}"
                );
                let integers = !matches!(kind, Float32 | Sparse);
                assert_eq!(typed.features.is_empty(), integers, "{what}: in their type");
            }
            drop(disk);
            assert_eq!(spill.ledger().rows(), 0, "{what}: all is given back");
            let told = spill.ledger().told();
            assert_eq!(told.accounts["buckets"] > 0, limit > 3_000, "{told:?}");
            written.push(told.spilled_bytes);
        }
    }
    // Of each type without encryption: log and buckets.
    let rows = |written: u64| written / 1_000;
    let each: Vec<u64> = written.iter().step_by(4).map(|bytes| rows(*bytes)).collect();
    assert!(
        each[1] == each[2] && each[1] + 250 < each[0] && each[3] < each[0],
        "{each:?}"
    );
    assert!(each[4] < each[1] + 60, "{each:?}");
}

#[test]
fn buckets_of_which_memory_does_not_hold_a_buffer_each_are_made_in_several_turns() {
    const ROWS: u64 = 9_000;
    let folder = tempfile::tempdir().unwrap();
    // 9 GB of dense rows, so that each shard has 64 buckets, but a megabyte of sparse ones.
    let shape = typed(FeatureType::Sparse, 1 << 18, None);
    let sealed = |spill: &Arc<Spill>| {
        sealed_of(spill, &shape, (ROWS, 500), &|rows| typed_chunk(&shape, rows)).unwrap()
    };
    let memory = sealed(&testing::no_spill());
    for (limit, encrypt) in [(40_000, false), (40_000, true), (400_000, false)] {
        let spill = testing::spill(limit, folder.path(), encrypt);
        let disk = sealed(&spill);
        assert_eq!(disk.sums(), memory.sums());
        for shard in 0..V {
            for epoch in [0, 1] {
                let [one, other] = [&disk, &memory]
                    .map(|data| sparse_bits(&testing::epoch_as(data, shard, (7, epoch), Takes::Sparse)));
                assert!(one == other, "{limit} bytes: shard {shard}, epoch {epoch}");
            }
        }
        let told = spill.ledger().told();
        let most = told.accounts["spillBuffers"];
        assert!(most < 350_000, "{told:?}");
        drop(disk);
        assert_eq!(spill.ledger().rows(), 0, "all is given back");
    }
}

#[test]
fn rows_that_fit_once_the_losers_are_gone_are_in_memory_again() {
    let folder = tempfile::tempdir().unwrap();
    let shape = shape(5, None);
    // While streams are open, windows leave no room for rows.
    let spill = testing::spill(1 << 20, folder.path(), false);
    let data = sealed(&spill, &shape, (1_000, 100), &|_| 1);
    let memory = sealed(&testing::no_spill(), &shape, (1_000, 100), &|_| 1);
    alike(&data, &memory, "read back");
    let told = spill.ledger().told();
    assert!(
        told.spilled_bytes > 0 && told.accounts["buckets"] == 0,
        "{told:?}"
    );
    assert!(spill.ledger().most_rows() <= 1 << 20, "{told:?}");
}

#[test]
fn copies_are_dealt_on_disk_as_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let shape = shape(3, Some(Validation::fraction(0.3, 5)));
    let copies = |row: u64| if row % 40 == 1 { 2 + row } else { 1 };
    let table = (800, 90);
    let mut memory = sealed(&testing::no_spill(), &shape, table, &copies);
    memory.deal_alone().unwrap();
    for limit in [1_000_000, 3_000] {
        // A million bytes hold the rows, but not while they come: they would go back into memory.
        let limit = if limit > 3_000 { 90_000 } else { limit };
        let spill = testing::spill(limit, folder.path(), false);
        let mut disk = sealed(&spill, &shape, table, &copies);
        assert_ne!(disk.sums(), memory.sums(), "nothing is dealt yet");
        let rows = disk.sums().iter().map(|sum| sum.rows).sum();
        let dealing = Dealing::of(rows, V);
        let all = disk.shards();
        assert!(!disk.heaped(&all, dealing).unwrap().is_empty());
        disk.deal_alone().unwrap();
        alike(&disk, &memory, "dealt");
        assert_eq!(
            disk.heaped(&all, dealing).unwrap(),
            memory.heaped(&all, dealing).unwrap()
        );
        // Given up, and come again.
        let keep: ShardSet = (1..3).into();
        disk.retain(&keep);
        assert_eq!(disk.shards(), keep);
        disk.absorb(sealed(&spill, &shape, (0, 1), &copies)).unwrap_err();
    }
}

/// Runs in a process of its own, whose memory is looked at: that of others that run beside it would be counted.
#[test]
fn rows_that_are_dealt_on_disk_stay_there() {
    const CHILD: &str = "CANDLEWICK_DEALS_ON_DISK";
    if std::env::var_os(CHILD).is_none() {
        let name = "spool::spilled::rows_that_are_dealt_on_disk_stay_there";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let run = child
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .output();
        let run = run.unwrap();
        let told = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && told.contains("1 passed"), "{run:?}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shape = shape(16_384, None);
    let limit = 64 << 20;
    let spill = testing::spill(limit, folder.path(), false);
    // 131 MB of rows that differ, and all of them are dealt.
    let mut data = sealed(&spill, &shape, (2_000, 250), &|_| 3);
    let fed = data.sums();
    crate::memory::give_back();
    let before = crate::memory::resident_bytes();
    // The peak is forgotten.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    data.deal_alone().unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 = peak.unwrap().trim().trim_end_matches(" kB").parse().unwrap();
    assert_ne!(data.sums(), fed);
    let grown = (peak << 10) - before;
    assert!(grown < limit, "{} KiB more than before", grown >> 10);
}

#[test]
fn a_budget_of_some_buckets_holds_while_all_rows_are_read() {
    const FEATURES: usize = 16_384;
    let folder = tempfile::tempdir().unwrap();
    let shape = shape(FEATURES, None);
    // 82 MB a shard: two buckets each.
    let table = (5_000, 250);
    let memory = sealed(&testing::no_spill(), &shape, table, &|_| 1);
    let limit = 160 << 20;
    let spill = testing::spill(limit, folder.path(), false);
    let disk = sealed(&spill, &shape, table, &|_| 1);
    assert_eq!(disk.sums(), memory.sums());
    for epoch in [0, 1] {
        let [one, other] = [&disk, &memory].map(|data| testing::epoch(data, 2, 7, epoch));
        assert!(one.weights == other.weights, "epoch {epoch}");
        assert!(one.features == other.features, "epoch {epoch}");
    }
    let told = spill.ledger().told();
    assert!(told.accounts["buckets"] > 30 << 20, "{told:?}");
    assert!(spill.ledger().most_rows() <= limit, "{told:?}");
    assert!(told.spilled_bytes > 300 << 20, "{told:?}");
}

#[test]
fn a_folder_that_takes_no_rows_ends_the_job_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("gone");
    let spill = testing::spill(1_000, &missing, false);
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&told);
    let shape = shape(5, None);
    let spool = Spool::new("j", shape.clone(), spill, move |failure| {
        teller.lock().unwrap().push(failure);
    });
    let spool = Arc::new(spool);
    spool.open(0, (0..V).into()).unwrap();
    let id = StreamId {
        job: "j".into(),
        round: 0,
        partition: 0,
        attempt: 1,
    };
    let mut writer = spool.begin(id).unwrap();
    let failure = writer.append(chunk(&shape, 0..50, &|_| 1)).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::JobFailed);
    assert!(failure.message.contains(missing.to_str().unwrap()), "{failure}");
    assert_eq!(*told.lock().unwrap(), [failure]);
}

/// A shard's rows of an epoch, from one position to another.
fn gathered(data: &Dataset, shard: u32, ranges: &[(u64, u64)]) -> Vec<Gathered> {
    let mut rows = data.epoch(shard, 7, 1);
    let (ahead, _) = std::sync::mpsc::channel();
    let of = |(from, to): &(u64, u64)| {
        let mut into = Gathered::default();
        let count = rows.gather(*from..*to, &mut into, &ahead).unwrap();
        assert_eq!(count as u64, to - from, "{from} to {to}");
        into
    };
    ranges.iter().map(of).collect()
}

#[test]
fn six_billion_rows_are_counted_planned_and_read() {
    const COPIES: u64 = 1_500_000;
    let folder = tempfile::tempdir().unwrap();
    let shape = shape(5, None);
    let spill = testing::spill(150_000, folder.path(), false);
    let mut data = sealed(&spill, &shape, (4_000, 170), &|_| COPIES);
    let rows = |data: &Dataset| data.sums().iter().map(|sum| sum.rows).collect::<Vec<u64>>();
    let of_shards = rows(&data);
    assert_eq!(of_shards.iter().sum::<u64>(), 6_000_000_000);
    let once = sealed(&testing::no_spill(), &shape, (4_000, 170), &|_| 1);
    for (many, one) in data.sums().iter().zip(once.sums()) {
        assert_eq!(many.rows, one.rows * COPIES);
        assert_eq!(many.hash_sum, one.hash_sum.wrapping_mul(u128::from(COPIES)));
    }
    // Steps at both ends and in the middle of an epoch.
    let plan = candlewick_protocol::plan::StepPlan::new(of_shards.clone(), 1_000, false);
    assert_eq!(plan.steps_per_epoch(), 6_000_000);
    for step in [0, 3_000_000, 5_999_999] {
        let ranges = plan.step(step);
        assert_eq!(ranges.iter().map(|(from, to)| to - from).sum::<u64>(), 1_000);
        for (shard, range) in (0..V).zip(ranges) {
            assert_eq!(gathered(&data, shard, &[range]).len(), 1);
        }
    }
    // Copies stand together: each row has its run, in the order that the rows have without copies.
    for shard in [0, V - 1] {
        let distinct = of_shards[shard as usize] / COPIES;
        let ends = |row: u64| {
            let (first, end) = (row * COPIES, (row + 1) * COPIES);
            [(first, first + 1), (end - 1, end)]
        };
        let ranges: Vec<_> = (0..distinct).flat_map(ends).collect();
        let rows = gathered(&data, shard, &ranges);
        let firsts: Vec<u64> = rows
            .iter()
            .step_by(2)
            .map(|row| row.weights[0].to_bits())
            .collect();
        let lasts: Vec<u64> = rows
            .iter()
            .skip(1)
            .step_by(2)
            .map(|row| row.weights[0].to_bits())
            .collect();
        assert_eq!(firsts, lasts);
        let mut known: Vec<u64> = testing::rows(&once, shard, |row| row.weight.to_bits());
        let mut seen = firsts;
        known.sort_unstable();
        seen.sort_unstable();
        assert_eq!(seen, known);
    }
    data.deal_alone().unwrap();
    assert_eq!(rows(&data), [1_500_000_000; 4]);
}

#[test]
fn a_shard_of_more_rows_than_its_positions_count_is_refused_before_copies_are_written_out() {
    let folder = tempfile::tempdir().unwrap();
    for spill in [testing::no_spill(), testing::spill(150_000, folder.path(), false)] {
        let failure = try_sealed(&spill, &shape(5, None), (100, 17), &|_| 1 << 30).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::InvalidParameter);
        assert!(failure.message.contains("raise logicalShards"), "{failure}");
    }
}
