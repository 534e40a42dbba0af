//! Rows per second of DoPut into the spool over loopback, and bytes per second of decoding frames on one thread:
//! `cargo bench -p candlewick-trainer --bench feed`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark ends where it cannot go on"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use candlewick_protocol::feed::StreamId;
use common::Gang;
use common::data::{Lcg, Row, job};
use common::feed::{connect, frames_of, put, runtime};
use std::time::Instant;

fn main() {
    decoding_of_frames();
    rows_per_second_into_the_spool();
}

/// Values in a row's features.
const WIDTH: usize = 784;
const ROWS: usize = 60_000;
/// Rows of a frame: about 1 MiB.
const FRAME: usize = 330;

fn rows_per_second_into_the_spool() {
    let mut spec = job(0, 64);
    spec.data.feature_width = WIDTH as u32;
    spec.data.input_shape = vec![WIDTH];
    spec.train.network["input"]["shape"] = serde_json::json!([WIDTH]);
    spec.train.network["layers"][0]["in_features"] = serde_json::json!(WIDTH);
    let gang = Gang::start(spec, 1);
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
