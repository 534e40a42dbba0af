//! Hot operations of the receiving half for `make bench-guard` (benchmarks/guard.py): see benchmarks/guard.rs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark ends where it cannot go on"
)]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../../benchmarks/guard.rs"]
mod guard;

use candlewick_protocol::feed::StreamId;
use candlewick_protocol::job::LabelKind;
use candlewick_trainer::chunk::Shape;
use candlewick_trainer::frame::{Frame, decode};
use common::data::{Lcg, Row};
use common::feed::frames_of;
use guard::guarded;
use std::hint::black_box;

const WIDTH: usize = 784;
const ROWS: usize = 100;

/// A frame's bytes to rows of a spool, with their hashes.
fn decoding_of_a_frame() {
    let mut random = Lcg(3);
    let rows: Vec<Row> = (0..ROWS)
        .map(|at| Row {
            features: (0..WIDTH).map(|_| random.real()).collect(),
            label: (at % 3) as f64,
            weight: 1.0,
        })
        .collect();
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
    // The first message is the schema, the last one the end.
    let messages = frames_of(&id, &rows, ROWS);
    guarded(&mut || {
        for message in &messages[1..messages.len() - 1] {
            let frame = Frame {
                header: &message.data_header,
                body: &message.data_body,
                home: None,
                copies: Vec::new(),
                place: "x",
            };
            let _ = black_box(decode(frame, &shape, &(0..8).into()).unwrap());
        }
    });
}

fn main() {
    let operations: [guard::Operation; 1] = [("decoding of a frame", decoding_of_a_frame)];
    guard::main(&operations);
}
