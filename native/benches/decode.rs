//! Rows per second of decoding and hashing, on one thread: `cargo bench -p candlewick-native --bench decode`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark ends where it cannot go on"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use candlewick_native::decode::Decoder;
use candlewick_native::row::Rows;
use candlewick_protocol::feed::Columns;
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::row::RowHasher;
use common::{Field, batch, column, doubles, features, floats, row};
use std::hint::black_box;
use std::time::Instant;

type Make = fn(Vec<f32>) -> Field;

const WIDTH: u32 = 784;
const ROWS: usize = 2_000;
const ROUNDS: usize = 40;

fn measure(name: &str, columns: &Columns, bytes: &[u8]) {
    let decoder = Decoder::new(columns).expect("the columns are right");
    let (mut values, mut label) = (vec![0.0; decoder.width()], [0.0]);
    let mut hasher = RowHasher::default();
    for hashed in [false, true] {
        let mut best = f64::INFINITY;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for row in Rows::new(bytes, ROWS) {
                let weight = decoder
                    .decode(row.expect("whole"), &mut values, &mut label)
                    .expect("valid");
                if hashed {
                    black_box(hasher.hash(&values, &label, weight, false));
                }
                black_box(&values);
            }
            best = best.min(start.elapsed().as_secs_f64());
        }
        let rate = ROWS as f64 / best;
        let gigabytes = rate * f64::from(WIDTH) * 4.0 / 1e9;
        println!(
            "{name:<22} {:<12} {rate:>12.0} rows/s  {gigabytes:>6.2} GB/s of f32",
            if hashed { "decode+hash" } else { "decode" }
        );
    }
}

fn main() {
    let pixel = |row: usize, at: usize| {
        if (row * 31 + at * 7) % 10 < 7 {
            0.0
        } else {
            ((row + at) % 255) as f32 / 255.0
        }
    };
    let kinds: [(&str, Make); 4] = [
        ("array<float>", |values| floats(&values)),
        ("array<double>", |values| {
            doubles(&values.into_iter().map(f64::from).collect::<Vec<_>>())
        }),
        ("vector", |values| {
            Field::Dense(values.into_iter().map(f64::from).collect())
        }),
        ("binary", |values| {
            Field::Binary(values.into_iter().map(|value| (value * 255.0) as u8).collect())
        }),
    ];
    for (data_type, make) in kinds {
        let rows: Vec<_> = (0..ROWS)
            .map(|at| {
                let values = (0..WIDTH as usize).map(|index| pixel(at, index)).collect();
                row(&[make(values), Field::Double((at % 10) as f64)])
            })
            .collect();
        let mut columns = features(2, &[(0, "x", data_type)], WIDTH);
        columns.labels = vec![column(1, "y", "double")];
        columns.label_kind = Some(LabelKind::class(10));
        measure(data_type, &columns, &batch(&rows));
    }
}
