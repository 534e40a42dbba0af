//! Streams of rows that end, fall silent, overlap or are damaged: nothing of them counts, and the trainer goes on.

use crate::common::Gang;
use crate::common::data::{Lcg, job, rows};
use crate::common::feed::{OpenPut, connect, frames, put, route, runtime};
use arrow_flight::FlightData;
use candlewick_protocol::ErrorKind;
use candlewick_protocol::feed::StreamId;
use candlewick_protocol::job::JobSpec;

fn stream(gang: &Gang, partition: u32, attempt: u64) -> StreamId {
    StreamId {
        job: gang.job.job.clone(),
        round: 0,
        partition,
        attempt,
    }
}

/// A gang of one: its trainer gets all rows.
fn alone(spec: JobSpec) -> Gang {
    Gang::start(spec, 1)
}

#[test]
fn a_stream_without_its_last_frame_is_a_cancelled_attempt() {
    let gang = alone(job(1, 16));
    let rows = rows(120);
    let id = stream(&gang, 0, 1);
    let ledgers = runtime().block_on(async {
        let client = connect(&gang.owners[0], &gang.job.job, &gang.secret)
            .await
            .unwrap();
        // Whole frames of half the rows, then the regular end of a gRPC call.
        let mut half = frames(&id, &rows);
        half.truncate(2);
        let cancelled = put(&client, half).await.unwrap_err();
        assert_eq!(cancelled.kind, ErrorKind::Cancelled, "{cancelled}");
        assert!(
            cancelled
                .message
                .contains("partition 0, attempt 1 ended without its last frame"),
            "{cancelled}"
        );
        // A last frame that says something else than what came.
        let mut fewer = frames(&id, &rows);
        let other = frames(&id, &rows[..100]);
        let last = fewer.len() - 1;
        fewer[last].app_metadata = String::from_utf8(other[other.len() - 1].app_metadata.to_vec())
            .unwrap()
            .replace("\"sequence\":2", "\"sequence\":3")
            .into();
        let refused = put(&client, fewer).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::JobFailed, "{refused}");
        assert!(
            refused.message.contains("sent 100 rows") && refused.message.contains("but 120 rows"),
            "{refused}"
        );
        vec![gang.feed_partition(&[client], 0, 1, &rows).await]
    });
    assert_eq!(gang.seal(&ledgers)["rowsSpooled"], 120);
}

#[test]
fn seal_ends_the_calls_of_copies_that_are_still_open() {
    let gang = alone(job(2, 16));
    let rows = rows(200);
    let client = || async {
        connect(&gang.owners[0], &gang.job.job, &gang.secret)
            .await
            .unwrap()
    };
    // Two copies of a task, alive at the same time, frame by frame; a third falls silent in its middle.
    let runtime = runtime();
    let (ledger, silent) = runtime.block_on(async {
        let client = client().await;
        let copies =
            [1u64, 2].map(|attempt| (frames(&stream(&gang, 0, attempt), &rows), OpenPut::begin(&client)));
        let silent = OpenPut::begin(&client);
        for frame in frames(&stream(&gang, 0, 3), &rows).into_iter().take(3) {
            silent.send(frame).await;
        }
        for at in 0..copies[0].0.len() {
            for (frames, put) in &copies {
                put.send(frames[at].clone()).await;
            }
        }
        for (_, put) in copies {
            assert_eq!(put.end().await.unwrap().rows, 200);
        }
        // Spark names the second the winner.
        let (_, sums) = route(&rows, &gang.owners[0], gang.job.train.logical_shards);
        let mut ledger = gang.feed_partition(&[], 0, 2, &rows).await;
        ledger.shards = sums
            .into_iter()
            .map(|(shard, (rows, hash_sum))| candlewick_protocol::feed::ShardSum {
                shard,
                rows,
                hash_sum,
            })
            .collect();
        (ledger, silent)
    });
    let sealed = gang.seal(&[ledger]);
    assert_eq!(sealed["rowsSpooled"], 200);
    let why = runtime.block_on(silent.answer()).unwrap_err();
    assert!(why.message.contains("feed round 0 is sealed"), "{why}");
    let fit = gang.train(sealed);
    let plain = alone(job(2, 16));
    let ledger = plain.seal(&plain.feed(&rows, 50));
    assert_eq!(fit.weights_hash, plain.train(ledger).weights_hash);
}

#[test]
fn a_stream_that_says_nothing_for_the_failure_timeout_is_cancelled() {
    let gang = alone(JobSpec {
        failure_timeout_ms: 5_000,
        ..job(1, 16)
    });
    runtime().block_on(async {
        let client = connect(&gang.owners[0], &gang.job.job, &gang.secret)
            .await
            .unwrap();
        let silent = OpenPut::begin(&client);
        for frame in frames(&stream(&gang, 4, 7), &rows(120)).into_iter().take(2) {
            silent.send(frame).await;
        }
        let why = silent.answer().await.unwrap_err();
        assert_eq!(why.kind, ErrorKind::Unavailable, "{why}");
        assert!(
            why.message.contains("partition 4, attempt 7 was silent for 5 s"),
            "{why}"
        );
    });
}

/// One of the frames damaged in one of its parts: bits turned, or cut off.
fn damaged(mut frames: Vec<FlightData>, random: &mut Lcg) -> Vec<FlightData> {
    let at = random.next() as usize % (frames.len() - 1);
    let frame = &mut frames[at];
    let part = match random.next() % 3 {
        0 => &mut frame.data_header,
        1 if !frame.data_body.is_empty() => &mut frame.data_body,
        _ => &mut frame.data_header,
    };
    let mut bytes = part.to_vec();
    if random.next().is_multiple_of(4) {
        bytes.truncate(random.next() as usize % bytes.len());
    } else {
        for _ in 0..=random.next() % 4 {
            let at = random.next() as usize % bytes.len();
            bytes[at] ^= 1 << (random.next() % 8);
        }
    }
    *part = bytes.into();
    frames
}

#[test]
fn damaged_arrow_in_a_proven_stream_is_refused_and_the_trainer_goes_on() {
    let gang = alone(job(2, 16));
    let rows = rows(120);
    let mut random = Lcg(11);
    let ledgers = runtime().block_on(async {
        let client = connect(&gang.owners[0], &gang.job.job, &gang.secret)
            .await
            .unwrap();
        let mut refused = 0;
        for attempt in 0..600 {
            let frames = frames(&stream(&gang, 0, attempt), &rows);
            // A turned bit of a value is another value: its sum is not what the last frame says.
            match put(&client, damaged(frames, &mut random)).await {
                Ok(sealed) => assert_eq!(sealed.rows, 120, "the damage is where nothing is read"),
                Err(failure) => {
                    refused += 1;
                    assert_ne!(
                        failure.kind,
                        ErrorKind::Unavailable,
                        "{attempt}: {failure}\n{}",
                        gang.logs()
                    );
                }
            }
        }
        assert!(refused > 300, "{refused} of 600");
        vec![gang.feed_partition(&[client], 0, 1_000, &rows).await]
    });
    let sealed = gang.seal(&ledgers);
    assert_eq!(sealed["rowsSpooled"], 120);
    gang.train(sealed);
}
