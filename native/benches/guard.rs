//! Hot operations on rows for `make bench-guard` (benchmarks/guard.py): see benchmarks/guard.rs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark ends where it cannot go on"
)]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../../benchmarks/guard.rs"]
mod guard;

use candlewick_model::kernels::Csr;
use candlewick_native::decode::Decoder;
use candlewick_native::row::Rows;
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::row::RowHasher;
use common::{Field, batch, column, doubles, features, floats, row};
use guard::guarded;
use std::hint::black_box;

const WIDTH: u32 = 784;
const ROWS: usize = 100;

fn pixel(row: usize, at: usize) -> f32 {
    match (row * 31 + at * 7) % 10 {
        0..7 => 0.0,
        _ => ((row + at) % 255) as f32 / 255.0,
    }
}

/// A decoder of one column of features and a label, and rows for it.
fn rows_of(data_type: &str, make: fn(Vec<f32>) -> Field) -> (Decoder, Vec<u8>) {
    let rows: Vec<_> = (0..ROWS)
        .map(|at| {
            let values = (0..WIDTH as usize).map(|index| pixel(at, index)).collect();
            row(&[make(values), Field::Double((at % 10) as f64)])
        })
        .collect();
    let mut columns = features(2, &[(0, "x", data_type)], WIDTH);
    columns.labels = vec![column(1, "y", "double")];
    columns.label_kind = Some(LabelKind::class(10));
    (
        Decoder::new(&columns).expect("the columns are right"),
        batch(&rows),
    )
}

fn decode(data_type: &str, make: fn(Vec<f32>) -> Field) {
    let (decoder, bytes) = rows_of(data_type, make);
    let (mut values, mut label) = (vec![0.0; decoder.width()], [0.0]);
    guarded(&mut || {
        for row in Rows::new(&bytes, ROWS) {
            let weight = decoder.decode(row.expect("whole"), &mut values, &mut label);
            black_box((&values, weight.expect("valid")));
        }
    });
}

fn sparse(values: Vec<f32>) -> Field {
    let given = || values.iter().enumerate().filter(|(_, value)| **value != 0.0);
    let indices = given().map(|(at, _)| i32::try_from(at).unwrap()).collect();
    let filled = given().map(|(_, value)| f64::from(*value)).collect();
    Field::Sparse(values.len(), indices, filled)
}

fn decode_sparse() {
    let (decoder, bytes) = rows_of("vector", sparse);
    let mut into = Csr::default();
    guarded(&mut || {
        for row in Rows::new(&bytes, ROWS) {
            decoder
                .decode_sparse(row.expect("whole"), &mut into)
                .expect("valid");
        }
    });
}

fn hash() {
    let rows: Vec<Vec<f32>> = (0..ROWS)
        .map(|row| (0..WIDTH as usize).map(|at| pixel(row, at)).collect())
        .collect();
    let mut hasher = RowHasher::default();
    guarded(&mut || {
        for row in &rows {
            black_box(hasher.hash(row, &[1.0], 1.0, false));
        }
    });
}

fn main() {
    let operations: [guard::Operation; 6] = [
        ("decoding of arrays of floats", || {
            decode("array<float>", |values| floats(&values))
        }),
        ("decoding of arrays of doubles", || {
            decode("array<double>", |values| {
                doubles(&values.into_iter().map(f64::from).collect::<Vec<_>>())
            });
        }),
        ("decoding of dense vectors", || {
            decode("vector", |values| {
                Field::Dense(values.into_iter().map(f64::from).collect())
            });
        }),
        ("decoding of bytes", || {
            decode("binary", |values| {
                Field::Binary(values.into_iter().map(|value| (value * 255.0) as u8).collect())
            });
        }),
        ("decoding of sparse vectors", decode_sparse),
        ("hash of rows", hash),
    ];
    guard::main(&operations);
}
