//! What shared memory between a task and its trainer could bring at most: the same frames handed from thread to thread.

use crate::{BYTES, ROUNDS, ROWS, WIDTH, cpu_seconds, full, picture_like, report, rounds};
use arrow_flight::FlightData;
use candlewick_protocol::feed::{RowFormat, StreamId};
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::row::{RowHasher, shard_of};
use candlewick_trainer::chunk::{Chunk, Shape};
use candlewick_trainer::frame::{self, Frame};
use candlewick_wire::{BatchFormat, OpenBatch};
use std::sync::mpsc::{Receiver, sync_channel};

/// Frames that are on their way to a trainer; a stream may have as many in its window.
const DEPTH: usize = 8;
const SHARDS: u32 = 8;

/// Two tasks on threads of their own, each over half of the rows, to two threads that decode, hash and keep what comes. No
/// socket, no HTTP/2, no gRPC, and nothing is copied on the way.
pub fn hand_over_in_memory() {
    for (name, rows) in [("4 of 5 zero", picture_like(ROWS)), ("no zeros", full(ROWS))] {
        let own = cpu_seconds(std::process::id());
        // Kept for good, as a trainer keeps what it got: memory that is used again needs no fresh pages.
        let mut all_kept = Vec::new();
        let times = rounds(|_| {
            let (senders, receivers): (Vec<_>, Vec<_>) = (0..2).map(|_| sync_channel(DEPTH)).unzip();
            std::thread::scope(|scope| {
                for (part, rows) in rows.chunks(ROWS / 2).enumerate() {
                    let senders = senders.clone();
                    scope.spawn(move || {
                        send(rows, part, |to, frame| senders[to].send(frame).unwrap());
                    });
                }
                drop(senders);
                let kept = receivers
                    .into_iter()
                    .map(|frames| scope.spawn(move || keep(&frames)));
                let kept: Vec<_> = kept.collect();
                all_kept.extend(kept.into_iter().map(|kept| kept.join().unwrap()));
            });
        });
        std::mem::forget(all_kept);
        report(
            &format!("rows in memory, {name}, 2 tasks to 2 threads"),
            BYTES,
            times,
        );
        let all = (ROUNDS + 1) as f64 * BYTES as f64 / 1e9;
        println!(
            "  CPU seconds per GB: {:.2} of all",
            (cpu_seconds(std::process::id()) - own) / all
        );
    }
}

/// Hashes rows and batches them by the half of the shards that they belong to.
fn send(rows: &[crate::Row], partition: usize, hand_over: impl Fn(usize, FlightData)) {
    let format = RowFormat {
        features: WIDTH,
        feature_type: Default::default(),
        labels: 1,
        marked: false,
    };
    let format = BatchFormat::new(format, u64::MAX).unwrap();
    let id = StreamId {
        job: "j".into(),
        round: 0,
        partition: partition as u32,
        attempt: 0,
    };
    let mut batches = [OpenBatch::new(format.clone()), OpenBatch::new(format)];
    let mut hasher = RowHasher::default();
    for row in rows {
        let hash = hasher.hash(&row.features, &[row.label], row.weight, false);
        let to = usize::from(shard_of(hash, SHARDS) >= SHARDS / 2);
        let batch = &mut batches[to];
        if !batch.merge(hash) && batch.push(&row.features, &[row.label], row.weight) {
            hand_over(to, batch.frame(&id).unwrap().unwrap().0);
        }
    }
    for (to, batch) in batches.iter_mut().enumerate() {
        if let Some((frame, _)) = batch.frame(&id).unwrap() {
            hand_over(to, frame);
        }
    }
}

fn keep(frames: &Receiver<FlightData>) -> Vec<Chunk> {
    let shape = Shape {
        features: WIDTH,
        encoding: Default::default(),
        label: LabelKind::class(3),
        logical_shards: SHARDS,
        validation: None,
    };
    let decoded = frames.iter().map(|data| {
        let frame = Frame {
            header: &data.data_header,
            body: &data.data_body,
            home: None,
            copies: Vec::new(),
            place: "x",
        };
        frame::decode(frame, &shape, &(0..SHARDS).into()).unwrap()
    });
    decoded.collect()
}
