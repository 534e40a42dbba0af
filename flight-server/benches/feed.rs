//! The feed without Spark, over loopback: `cargo bench -p candlewick-trainer --bench feed`.
//!
//! Decoding of frames on one thread, frames that are there already into a spool, rows all the way that a feed task takes them
//! (hash, batch, frame, DoPut, spool) into two trainers, and what that is compared with: memcpy, and DoPut of a server that
//! does nothing with what it gets. Medians of `ROUNDS`, with their range; bytes are those of the features as f32.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark ends where it cannot go on"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use arrow_flight::FlightData;
use arrow_flight::flight_service_client::FlightServiceClient;
use candlewick_protocol::feed::{Owner, RowFormat, StreamEnd, StreamId};
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::row::{RowHasher, shard_of};
use candlewick_wire::{BatchFormat, Client, OpenBatch, put_rows};
use common::Gang;
use common::data::{Lcg, Row, job};
use common::feed::{connect, frames_of, put, runtime};
use std::hint::black_box;
use std::time::Instant;

#[path = "feed/drain.rs"]
mod drain;
#[path = "feed/memory.rs"]
mod memory;
use memory::hand_over_in_memory;

fn main() {
    let only = std::env::args().nth(1).filter(|name| !name.starts_with("--"));
    let parts: [(&str, fn()); 7] = [
        ("memcpy", memcpy),
        ("hash", hashing),
        ("raw", raw_flight),
        ("decode", decoding_of_frames),
        ("spool", rows_per_second_into_the_spool),
        ("feed", feed_of_rows),
        ("memory", hand_over_in_memory),
    ];
    for (name, run) in parts {
        if only.as_ref().is_none_or(|only| only == name) {
            run();
        }
    }
}

/// Times that a measurement is repeated.
const ROUNDS: usize = 7;
/// Bytes of all rows' features.
const BYTES: usize = ROWS * WIDTH * 4;

/// Prints the median of some rounds, and their range.
fn report(name: &str, bytes: usize, mut seconds: Vec<f64>) {
    seconds.sort_by(f64::total_cmp);
    let rate = |at: usize| bytes as f64 / seconds[at] / 1e9;
    let (median, last) = (seconds.len() / 2, seconds.len() - 1);
    println!(
        "{name}: {:.2} GB/s ({:.2}-{:.2})",
        rate(median),
        rate(last),
        rate(0)
    );
}

/// Seconds of `run`, some rounds of it after one that does not count.
fn rounds(mut run: impl FnMut(usize)) -> Vec<f64> {
    (0..=ROUNDS)
        .map(|round| {
            let began = Instant::now();
            run(round);
            began.elapsed().as_secs_f64()
        })
        .skip(1)
        .collect()
}

fn memcpy() {
    let from = vec![1u8; BYTES];
    let mut to = vec![0u8; BYTES];
    report(
        "memcpy, one thread",
        BYTES,
        rounds(|_| to.copy_from_slice(black_box(&from))),
    );
}

fn hashing() {
    for (name, rows) in [("4 of 5 zero", picture_like(2_000)), ("no zeros", full(2_000))] {
        let mut hasher = RowHasher::default();
        let bytes = rows.len() * WIDTH * 4;
        let times = rounds(|_| {
            for row in &rows {
                black_box(hasher.hash(&row.features, &[row.label], row.weight, false));
            }
        });
        report(&format!("hash, {name}, one thread"), bytes, times);
    }
}

/// DoPut of arrow-flight alone, frames of 1 MiB, to a server that drops them.
fn raw_flight() {
    let (port, stop) = drain::serve();
    let runtime = runtime();
    for streams in [1usize, 2] {
        let frame = FlightData::new().with_data_body(vec![1u8; 1 << 20]);
        let count = BYTES / (1 << 20) / streams;
        let times = rounds(|_| {
            runtime.block_on(async {
                let puts = (0..streams).map(|_| {
                    let frames = vec![frame.clone(); count];
                    tokio::spawn(async move {
                        let channel =
                            tonic::transport::Endpoint::from_shared(format!("http://127.0.0.1:{port}"))
                                .unwrap()
                                .initial_stream_window_size(8 << 20)
                                .initial_connection_window_size(16 << 20)
                                .connect()
                                .await
                                .unwrap();
                        let mut client = FlightServiceClient::new(channel);
                        let mut answers = client
                            .do_put(futures::stream::iter(frames))
                            .await
                            .unwrap()
                            .into_inner();
                        answers.message().await.unwrap();
                    })
                });
                for put in puts.collect::<Vec<_>>() {
                    put.await.unwrap();
                }
            });
        });
        report(
            &format!("raw Flight DoPut, {streams} streams"),
            (count * streams) << 20,
            times,
        );
    }
    drop(stop);
}

/// Two tasks on threads of their own, each over half of the rows, to two trainers.
fn feed_of_rows() {
    for (name, rows) in [("4 of 5 zero", picture_like(ROWS)), ("no zeros", full(ROWS))] {
        let gang = Gang::start(wide_job(), 2);
        let runtime = runtime();
        let clients = runtime.block_on(gang.clients());
        let pids: Vec<u32> = gang.trainers.iter().map(common::Trainer::pid).collect();
        let used = || pids.iter().map(|pid| cpu_seconds(*pid)).sum::<f64>();
        let (before, own) = (used(), cpu_seconds(std::process::id()));
        let times = rounds(|round| {
            std::thread::scope(|scope| {
                for (part, rows) in rows.chunks(ROWS / 2).enumerate() {
                    let to = (&gang.job, &gang.owners[..], &clients[..]);
                    let runtime = &runtime;
                    scope.spawn(move || feed_part(to, runtime, rows, round * 2 + part));
                }
            });
        });
        report(
            &format!("feed of rows, {name}, 2 tasks to 2 trainers"),
            BYTES,
            times,
        );
        let all = (ROUNDS + 1) as f64 * BYTES as f64 / 1e9;
        println!(
            "  CPU seconds per GB: {:.2} of the trainers, {:.2} of the tasks",
            (used() - before) / all,
            (cpu_seconds(std::process::id()) - own) / all
        );
    }
}

/// What a feed task does with rows that are decoded.
fn feed_part(
    (job, owners, clients): (&JobSpec, &[Owner], &[Client]),
    runtime: &tokio::runtime::Runtime,
    rows: &[Row],
    partition: usize,
) {
    let format = RowFormat {
        features: WIDTH,
        feature_type: Default::default(),
        labels: 1,
        marked: false,
    };
    let format = BatchFormat::new(format, u64::MAX).unwrap();
    let id = StreamId {
        job: job.job.clone(),
        round: 0,
        partition: partition as u32,
        attempt: partition as u64,
    };
    let mut sinks: Vec<_> = clients
        .iter()
        .map(|client| {
            let (frames, receiver) = tokio::sync::mpsc::channel(1);
            frames.blocking_send(format.opening(&id).unwrap()).unwrap();
            let put = runtime.spawn(put_rows(client.clone(), receiver, "feed".into()));
            let sum = StreamEnd { rows: 0, hash_sum: 0 };
            (OpenBatch::new(format.clone()), frames, put, sum)
        })
        .collect();
    let mut hasher = RowHasher::default();
    for row in rows {
        let hash = hasher.hash(&row.features, &[row.label], row.weight, false);
        let shard = shard_of(hash, job.train.logical_shards);
        let owner = owners
            .iter()
            .position(|owner| (owner.lo..owner.hi).contains(&shard));
        let (batch, frames, _, sum) = &mut sinks[owner.unwrap()];
        sum.rows += 1;
        sum.hash_sum = sum.hash_sum.wrapping_add(hash);
        if !batch.merge(hash) && batch.push(&row.features, &[row.label], row.weight) {
            frames
                .blocking_send(batch.frame(&id).unwrap().unwrap().0)
                .unwrap();
        }
    }
    for (mut batch, frames, put, sum) in sinks {
        if let Some((frame, _)) = batch.frame(&id).unwrap() {
            frames.blocking_send(frame).unwrap();
        }
        frames.blocking_send(batch.last(&id, sum).unwrap()).unwrap();
        drop(frames);
        assert_eq!(runtime.block_on(put).unwrap().unwrap().hash_sum, sum.hash_sum);
    }
}

fn wide_job() -> JobSpec {
    let mut spec = job(0, 64);
    spec.data.feature_width = WIDTH as u32;
    spec.data.input_shape = vec![WIDTH];
    spec.train.network["input"]["shape"] = serde_json::json!([WIDTH]);
    spec.train.network["layers"][0]["in_features"] = serde_json::json!(WIDTH);
    spec
}

fn full(count: usize) -> Vec<Row> {
    let mut random = Lcg(5);
    (0..count)
        .map(|at| Row {
            features: (0..WIDTH).map(|_| random.real() + 2.0).collect(),
            label: (at % 3) as f64,
            weight: 1.0,
        })
        .collect()
}

/// Values in a row's features.
const WIDTH: usize = 784;
const ROWS: usize = 60_000;
/// Rows of a frame: about 1 MiB.
const FRAME: usize = 330;

fn rows_per_second_into_the_spool() {
    let gang = Gang::start(wide_job(), 1);
    let rows = picture_like(ROWS);
    for streams in [1u32, 2, 4] {
        let parts: Vec<_> = (0..streams)
            .map(|part| {
                let id = StreamId {
                    job: gang.job.job.clone(),
                    round: 0,
                    partition: part,
                    attempt: u64::from(streams),
                };
                let share = ROWS / streams as usize;
                frames_of(&id, &rows[part as usize * share..][..share], FRAME)
            })
            .collect();
        let runtime = runtime();
        let client = runtime
            .block_on(connect(&gang.owners[0], &gang.job.job, &gang.secret))
            .unwrap();
        let (began, used) = (Instant::now(), cpu_seconds(gang.trainers[0].pid()));
        runtime.block_on(async {
            let puts = parts.into_iter().map(|frames| {
                let client = client.clone();
                tokio::spawn(async move { put(&client, frames).await.unwrap() })
            });
            for put in puts.collect::<Vec<_>>() {
                put.await.unwrap();
            }
        });
        let seconds = began.elapsed().as_secs_f64();
        let used = cpu_seconds(gang.trainers[0].pid()) - used;
        let gigabytes = (ROWS * WIDTH * 4) as f64 / 1e9;
        println!(
            "{streams} streams: {:.0} rows/s, {:.2} GB/s of f32, {:.2} CPU seconds of the trainer per GB",
            ROWS as f64 / seconds,
            gigabytes / seconds,
            used / gigabytes
        );
    }
}

/// Four of five values are zero, as in pictures.
fn picture_like(count: usize) -> Vec<Row> {
    let mut random = Lcg(3);
    let mut value = || {
        if random.next().is_multiple_of(5) {
            random.real()
        } else {
            0.0
        }
    };
    (0..count)
        .map(|at| Row {
            features: (0..WIDTH).map(|_| value()).collect(),
            label: (at % 3) as f64,
            weight: 1.0,
        })
        .collect()
}

/// User and system time of a process; the clock of /proc ticks 100 times a second.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    let fields: Vec<f64> = after_name
        .split(' ')
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse().unwrap())
        .collect();
    fields.iter().sum::<f64>() / 100.0
}

fn decoding_of_frames() {
    use candlewick_protocol::job::LabelKind;
    use candlewick_trainer::chunk::Shape;
    let rows = picture_like(3_000);
    let id = StreamId {
        job: "j".into(),
        round: 0,
        partition: 0,
        attempt: 0,
    };
    let shape = Shape {
        features: WIDTH,
        encoding: Default::default(),
        label: LabelKind::class(3),
        logical_shards: 8,
        validation: None,
    };
    let frames = frames_of(&id, &rows, FRAME);
    let began = Instant::now();
    let rounds = 20;
    for _ in 0..rounds {
        for frame in &frames[1..frames.len() - 1] {
            let frame = candlewick_trainer::frame::Frame {
                header: &frame.data_header,
                body: &frame.data_body,
                home: None,
                copies: Vec::new(),
                place: "x",
            };
            candlewick_trainer::frame::decode(frame, &shape, &(0..8).into()).unwrap();
        }
    }
    let bytes = rounds * rows.len() * WIDTH * 4;
    println!(
        "decoding: {:.2} GB/s of f32",
        bytes as f64 / began.elapsed().as_secs_f64() / 1e9
    );
}
