use super::*;
use crate::chunk::ChunkBuilder;
use crate::dataset::testing;
use candlewick_protocol::feed::{ShardSum, StreamEnd, StreamSealed};
use candlewick_protocol::job::LabelKind;

fn both() -> ShardSet {
    [0, 1].into_iter().collect()
}

fn none() -> ShardSet {
    ShardSet::default()
}

fn spool() -> Arc<Spool> {
    let shape = Shape {
        features: 1,
        encoding: Default::default(),
        label: LabelKind::Real { width: 1 },
        logical_shards: 2,
        validation: None,
    };
    let spool = Arc::new(Spool::new("j", shape, testing::no_spill(), |_| {}));
    spool.open(0, both()).unwrap();
    spool
}

fn id(partition: u32, attempt: u64) -> StreamId {
    StreamId {
        job: "j".into(),
        round: 0,
        partition,
        attempt,
    }
}

fn chunk(spool: &Spool, values: &[f32]) -> Chunk {
    let mut builder = ChunkBuilder::new(spool.shape(), values.len());
    for value in values {
        builder
            .push([*value].into_iter(), [0.0].into_iter(), 1.0)
            .unwrap();
    }
    builder.finish()
}

fn write(spool: &Arc<Spool>, id: StreamId, values: &[f32]) -> StreamSealed {
    let mut writer = spool.begin(id).unwrap();
    writer.append(chunk(spool, values)).unwrap();
    writer.finish(None).unwrap()
}

/// The rows of the first stream, as long as they are there.
fn in_memory(spool: &Spool) -> std::sync::Weak<Chunk> {
    match &spool.lock().streams[&(0, 1)].pieces[0] {
        Piece::Memory(chunk, _) => Arc::downgrade(chunk),
        Piece::Log(_) => panic!("they are on disk"),
    }
}

fn total(sums: &[ShardSum]) -> u64 {
    sums.iter().map(|sum| sum.rows).sum()
}

#[test]
fn only_winners_stay_and_late_frames_are_refused() {
    let spool = spool();
    let sealed = write(&spool, id(0, 1), &[1.0, 2.0]);
    write(&spool, id(0, 2), &[1.0, 2.0]);
    write(&spool, id(1, 3), &[3.0]);
    let mut late = spool.begin(id(1, 4)).unwrap();
    late.append(chunk(&spool, &[9.0])).unwrap();
    let winners = [
        Winner {
            partition: 0,
            attempt: 1,
        },
        Winner {
            partition: 1,
            attempt: 3,
        },
    ];
    let data = spool.seal(0, &winners, &none(), 2).unwrap();
    assert_eq!(total(&data.sums()), 3);
    let all = data
        .sums()
        .iter()
        .fold(0u128, |sum, shard| sum.wrapping_add(shard.hash_sum));
    let third = chunk(&spool, &[3.0]).hashes[0];
    assert_eq!(all, sealed.hash_sum.wrapping_add(third));
    assert_eq!(spool.rows(), 6);
    let refused = late.append(chunk(&spool, &[9.0])).unwrap_err();
    assert!(refused.message.contains("feed round 0 is sealed"), "{refused}");
    assert!(late.finish(None).is_err());
    assert!(spool.begin(id(7, 7)).is_err());
    assert!(spool.open(0, both()).is_err());
    assert!(spool.seal(0, &winners, &none(), 1).is_err());
    assert!(spool.lock().streams.is_empty(), "losers are freed");
}

#[tokio::test]
async fn seal_frees_the_rows_of_a_writer_that_fell_silent_and_cancels_it() {
    let spool = spool();
    let mut silent = spool.begin(id(0, 1)).unwrap();
    silent.append(chunk(&spool, &[1.0, 2.0])).unwrap();
    let rows = in_memory(&spool);
    let cancelled = tokio::spawn(silent.cancelled());
    spool.seal(0, &[], &none(), 1).unwrap();
    assert!(rows.upgrade().is_none(), "its rows are still there");
    let why = cancelled.await.unwrap();
    assert!(why.message.contains("feed round 0 is sealed"), "{why}");
}

#[test]
fn a_stream_is_what_its_sender_says_it_sent() {
    let spool = spool();
    let mut writer = spool.begin(id(0, 1)).unwrap();
    writer.append(chunk(&spool, &[1.0, 2.0])).unwrap();
    let sent = chunk(&spool, &[1.0, 2.0, 3.0]);
    let announced = StreamEnd {
        rows: 3,
        hash_sum: sent.hashes.iter().fold(0, |sum, hash| sum.wrapping_add(*hash)),
    };
    let refused = writer.finish(Some(announced)).unwrap_err();
    assert!(
        refused.message.starts_with("partition 0, attempt 1 sent 3 rows")
            && refused.message.contains("but 2 rows"),
        "{refused}"
    );
    assert!(spool.lock().streams.is_empty(), "nothing of it counts");
}

#[test]
fn an_attempt_has_one_stream_and_an_aborted_one_leaves_nothing() {
    let spool = spool();
    let writer = spool.begin(id(0, 1)).unwrap();
    assert!(
        spool
            .begin(id(0, 1))
            .unwrap_err()
            .message
            .contains("already has a stream")
    );
    drop(writer);
    write(&spool, id(0, 1), &[1.0]);
    assert!(spool.begin(id(0, 1)).is_err());
    let foreign = StreamId {
        job: "k".into(),
        ..id(3, 3)
    };
    assert!(spool.begin(foreign).is_err());
    let early = StreamId { round: 1, ..id(3, 3) };
    assert_eq!(spool.begin(early).unwrap_err().kind, ErrorKind::Unavailable);
    let data = spool
        .seal(
            0,
            &[Winner {
                partition: 0,
                attempt: 1,
            }],
            &none(),
            1,
        )
        .unwrap();
    assert_eq!(total(&data.sums()), 1);
}

#[test]
fn the_index_does_not_depend_on_order_or_split() {
    let values: Vec<f32> = (0..500).map(|n| (n % 311) as f32).collect();
    let one = spool();
    write(&one, id(0, 1), &values);
    let other = spool();
    let mut turned = values.clone();
    turned.reverse();
    for (partition, part) in (0..).zip(turned.chunks(37)) {
        write(&other, id(partition, 1), part);
    }
    let winners: Vec<Winner> = (0..20)
        .map(|partition| Winner {
            partition,
            attempt: 1,
        })
        .collect();
    let (a, b) = (
        one.seal(0, &winners, &none(), 3).unwrap(),
        other.seal(0, &winners, &none(), 1).unwrap(),
    );
    assert_eq!(a.sums(), b.sums());
    for shard in 0..2 {
        let [rows_a, rows_b] = [&a, &b].map(|data| testing::epoch(data, shard, 7, 3));
        assert_eq!(rows_a.features, rows_b.features);
        assert_eq!(rows_a.features.len() as u64, a.sums()[shard as usize].rows);
    }
}

#[tokio::test]
async fn a_feeder_that_is_early_waits_for_the_round() {
    let spool = spool();
    let waiting = Arc::clone(&spool);
    let early = tokio::spawn(async move {
        waiting.wait_open(1, Duration::from_secs(20)).await;
        waiting.begin(StreamId { round: 1, ..id(0, 1) }).map(|_| ())
    });
    spool.seal(0, &[], &none(), 1).unwrap();
    spool.open(1, std::iter::once(0).collect()).unwrap();
    early.await.unwrap().unwrap();
    spool.wait_open(5, Duration::from_millis(1)).await;
    assert!(spool.begin(StreamId { round: 5, ..id(0, 2) }).is_err());
}

/// The values of a shard's rows in the order of their hashes.
fn values(data: &Dataset, shard: u32) -> Vec<f32> {
    let rows = testing::rows(data, shard, |row| {
        vec![testing::features(data, &row)[0]; row.copies.here as usize]
    });
    rows.concat()
}

#[test]
fn a_shard_that_came_in_a_later_round_is_as_if_it_had_come_in_the_first() {
    let rows: Vec<f32> = (0..300u16).map(f32::from).collect();
    let winner = [Winner {
        partition: 0,
        attempt: 1,
    }];
    let whole = spool();
    write(&whole, id(0, 1), &rows);
    let whole = whole.seal(0, &winner, &none(), 2).unwrap();
    let parts = spool();
    write(&parts, id(0, 1), &rows);
    let second: ShardSet = std::iter::once(1).collect();
    let mut data = parts.seal(0, &winner, &second, 1).unwrap();
    assert_eq!(data.shards().to_string(), "0", "what is incomplete is dropped");
    assert_eq!(data.sums()[..], whole.sums()[..1]);
    parts.open(1, second).unwrap();
    let mut theirs = values(&whole, 1);
    theirs.reverse();
    write(&parts, StreamId { round: 1, ..id(0, 1) }, &theirs);
    let later = parts.seal(1, &winner, &none(), 1).unwrap();
    data.absorb(later).unwrap();
    assert_eq!(data.sums(), whole.sums());
    for shard in 0..2 {
        assert_eq!(values(&data, shard), values(&whole, shard));
        let [one, other] = [&data, &whole].map(|data| testing::epoch(data, shard, 3, 2));
        assert_eq!(one.features, other.features);
    }
    let again = data.absorb(whole).unwrap_err();
    assert!(again.message.contains("shard 0 was sealed before"), "{again}");
}

#[test]
fn rows_of_shards_that_come_again_are_not_kept() {
    let spool = spool();
    write(&spool, id(0, 1), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let rows = in_memory(&spool);
    let winner = [Winner {
        partition: 0,
        attempt: 1,
    }];
    let data = spool.seal(0, &winner, &both(), 1).unwrap();
    assert!(data.shards().is_empty() && data.sums().is_empty());
    assert!(rows.upgrade().is_none(), "they are still there");
}

#[test]
fn a_round_that_is_left_for_another_leaves_nothing() {
    let spool = spool();
    write(&spool, id(0, 1), &[1.0]);
    spool.open(1, both()).unwrap();
    assert!(spool.lock().streams.is_empty());
    assert!(
        spool
            .begin(id(0, 2))
            .unwrap_err()
            .message
            .contains("feed round 0 is sealed")
    );
}
