//! Frames of every type of features: the rows they bring, and what is refused.

use super::*;
use crate::chunk::Chunk;
use arrow_flight::FlightData;
use candlewick_protocol::features::FeatureEncoding;
use candlewick_protocol::feed::StreamId;
use candlewick_protocol::job::LabelKind;
use candlewick_wire::{BatchFormat, OpenBatch};

const WIDTH: usize = 5;
const SCALE: f64 = -0.1;
const TYPES: [FeatureType; 5] = [
    FeatureType::Float32,
    FeatureType::UInt8,
    FeatureType::Int8,
    FeatureType::Int16,
    FeatureType::Sparse,
];

fn shape(kind: FeatureType) -> Shape {
    let scale = match kind {
        FeatureType::Float32 | FeatureType::Sparse => 1.0,
        _ => SCALE,
    };
    Shape {
        features: WIDTH,
        encoding: FeatureEncoding {
            kind,
            scale,
            nonzeros: None,
        },
        label: LabelKind::Real { width: 1 },
        logical_shards: 8,
        validation: None,
    }
}

fn stream() -> StreamId {
    StreamId {
        job: "j".into(),
        round: 0,
        partition: 0,
        attempt: 0,
    }
}

/// The schema, and a frame of rows that `push` adds.
fn frames(kind: FeatureType, push: impl FnOnce(&mut OpenBatch)) -> [FlightData; 2] {
    let format = BatchFormat::new(shape(kind).format(), 1 << 20).unwrap();
    let mut batch = OpenBatch::new(format.clone());
    push(&mut batch);
    [
        format.opening(&stream()).unwrap(),
        batch.frame(&stream()).unwrap().unwrap().0,
    ]
}

fn read(kind: FeatureType, header: &[u8], body: &[u8]) -> Result<Chunk, Failure> {
    let frame = Frame {
        header,
        body,
        home: None,
        copies: Vec::new(),
        place: "x",
    };
    decode(frame, &shape(kind), &(0..8).into())
}

/// Integers that every type holds; some rows are all zero.
fn integers(row: usize) -> [u8; WIDTH] {
    std::array::from_fn(|at| {
        if row.is_multiple_of(3) {
            0
        } else {
            (row * 31 + at * 17) as u8 % 128 * (at as u8 % 2)
        }
    })
}

/// 7 rows of the same values in a type.
fn pushed(kind: FeatureType, batch: &mut OpenBatch) {
    for row in 0..7 {
        let values = integers(row);
        let floats = values.map(|value| (f64::from(value) * SCALE) as f32);
        let pairs = (0u32..).zip(floats).filter(|(_, value)| *value != 0.0);
        let (indices, nonzeros): (Vec<u32>, Vec<f32>) = pairs.unzip();
        let features = match kind {
            FeatureType::Float32 => FeatureRow::Float32(&floats),
            FeatureType::UInt8 => FeatureRow::UInt8(&values),
            FeatureType::Int8 => FeatureRow::Int8(&values.map(u8::cast_signed)),
            FeatureType::Int16 => FeatureRow::Int16(&values.map(i16::from)),
            FeatureType::Sparse => FeatureRow::Sparse(&indices, &nonzeros),
        };
        batch.push(features, &[row as f64], 1.0);
    }
}

#[test]
fn the_same_rows_of_every_type_have_the_same_hashes_and_features() {
    let expand = |kind, chunk: &Chunk| {
        let mut features = Vec::new();
        for row in 0..chunk.rows() {
            let row = chunk.features.row(row, WIDTH);
            assert_eq!(row.kind(), kind);
            row.expand(WIDTH, shape(kind).encoding.scale, &mut features);
        }
        features.into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    let told = TYPES.map(|kind| {
        let [schema, frame] = frames(kind, |batch| pushed(kind, batch));
        check_schema(&schema.data_header, &shape(kind)).unwrap();
        for shift in 0..9 {
            let moved = [&vec![0; shift], &frame.data_body[..]].concat();
            let chunk = read(kind, &frame.data_header, &moved[shift..]).unwrap();
            assert_eq!(chunk.rows(), 7);
            if shift == 8 {
                return (chunk.hashes.clone(), expand(kind, &chunk), chunk.features.bytes());
            }
        }
        unreachable!()
    });
    for (hashes, features, _) in &told {
        assert_eq!((hashes, features), (&told[0].0, &told[0].1));
    }
    // Eight values that are not zero.
    let bytes: Vec<usize> = told.iter().map(|(_, _, bytes)| *bytes).collect();
    assert_eq!(bytes, [140, 35, 35, 70, 8 * 8 + 7 * 8]);
}

#[test]
fn other_frames_and_damaged_ones_are_refused_without_a_panic() {
    for kind in TYPES {
        let [schema, frame] = frames(kind, |batch| pushed(kind, batch));
        for other in TYPES.into_iter().filter(|other| *other != kind) {
            let told = check_schema(&schema.data_header, &shape(other))
                .unwrap_err()
                .message;
            let wanted = match other {
                FeatureType::Sparse => {
                    "expected features List<Struct<index: UInt32, value: Float32>>,".to_owned()
                }
                _ => format!("expected features FixedSizeList<{}>[5],", other.name()),
            };
            assert!(told.contains(&wanted), "{told}");
        }
        let (header, body) = (&frame.data_header, &frame.data_body);
        for cut in 0..body.len() {
            assert!(read(kind, header, &body[..cut]).is_err(), "{kind:?} {cut}");
        }
        let mut damaged = header.to_vec();
        for at in 0..header.len() {
            let _ = read(kind, &header[..at], body);
            for bit in 0..8 {
                damaged[at] ^= 1 << bit;
                let _ = read(kind, &damaged, body);
                damaged[at] ^= 1 << bit;
            }
        }
        let mut damaged = body.to_vec();
        for at in 0..body.len() {
            for bit in 0..8 {
                damaged[at] ^= 1 << bit;
                let _ = read(kind, header, &damaged);
                damaged[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn a_wrong_sparse_row_says_what_is_wrong() {
    let told = |indices: &[u32], values: &[f32]| {
        let [_, frame] = frames(FeatureType::Sparse, |batch| {
            batch.push(FeatureRow::Sparse(&[1], &[1.0]), &[0.0], 1.0);
            batch.push(FeatureRow::Sparse(indices, values), &[0.0], 1.0);
        });
        read(FeatureType::Sparse, &frame.data_header, &frame.data_body)
            .unwrap_err()
            .message
    };
    assert_eq!(
        told(&[2, 2], &[1.0, 1.0]),
        "row 1 of x: features have index 2 after 2, expected indices that ascend"
    );
    assert_eq!(
        told(&[0, 5], &[1.0, 1.0]),
        "row 1 of x: features have index 5, expected whole numbers from 0 to 4"
    );
    assert_eq!(
        told(&[0, 3], &[1.0, f32::INFINITY]),
        "row 1 of x: features[3] is inf, expected a finite number"
    );
    let [_, frame] = frames(FeatureType::Sparse, |batch| pushed(FeatureType::Sparse, batch));
    let (header, mut body) = (&frame.data_header, frame.data_body.to_vec());
    // Offsets stand where the fourth row ends, after 8 indices and 8 values, each at a multiple of 64.
    let place = 128 + 4 * 4;
    assert_eq!(body[place], 4);
    body[place] = 100;
    let told = read(FeatureType::Sparse, header, &body).unwrap_err().message;
    assert!(
        told.ends_with("the offsets of column features do not ascend from 0 on"),
        "{told}"
    );
}

#[test]
fn zeros_of_a_sparse_row_vanish() {
    let [_, frame] = frames(FeatureType::Sparse, |batch| {
        batch.push(FeatureRow::Sparse(&[1, 2, 4], &[0.0, 2.0, -0.0]), &[0.0], 1.0);
        batch.push(FeatureRow::Sparse(&[2], &[2.0]), &[0.0], 1.0);
    });
    let chunk = read(FeatureType::Sparse, &frame.data_header, &frame.data_body).unwrap();
    assert_eq!(chunk.hashes[0], chunk.hashes[1]);
    assert_eq!(chunk.features.row(0, WIDTH), FeatureRow::Sparse(&[2], &[2.0]));
}
