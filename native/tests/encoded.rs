//! Rows of every type of features: the same values are the same row, and the same rows are wrong.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use candlewick_native::decode::Decoder;
use candlewick_native::encoded::EncodedRow;
use candlewick_native::row_error::RowError;
use candlewick_protocol::features::FeatureType;
use candlewick_protocol::feed::{Columns, FeatureDomain, FeatureLimit};
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::row::RowHasher;
use common::{Field, column, doubles, features, floats, nested, row, variable};
use std::slice::from_ref;

fn tinies(values: &[i8]) -> Field {
    Field::Array(
        values
            .iter()
            .map(|value| Some(value.to_le_bytes().to_vec()))
            .collect(),
    )
}

fn shorts(values: &[i16]) -> Field {
    Field::Array(
        values
            .iter()
            .map(|value| Some(value.to_le_bytes().to_vec()))
            .collect(),
    )
}

/// Features of `width` values in all, from columns of these types, and a label after them.
fn columns(types: &[&str], width: u32, scale: Option<f64>) -> Columns {
    let count = types.len() as u32;
    let named: Vec<(u32, &str, &str)> = (0..).zip(types).map(|(at, name)| (at, "x", *name)).collect();
    let mut columns = features(count + 1, &named, width);
    columns.labels = vec![column(count, "y", "int")];
    columns.label_kind = Some(LabelKind::class(3));
    columns.scale = scale;
    columns
}

/// What a row is decoded to: hash, and features as f32.
fn decoded(kind: FeatureType, columns: &Columns, fields: &[Field]) -> Result<(u128, Vec<u32>), RowError> {
    let decoder = Decoder::new(columns).unwrap();
    let mut encoded = EncodedRow::new(kind, decoder.width());
    let fields: Vec<Field> = fields.iter().cloned().chain([Field::Int(2)]).collect();
    let mut labels = [0.0];
    // What the row before was does not matter.
    let _ = encoded.decode(&decoder, &row(&fields), &mut labels);
    let weight = encoded.decode(&decoder, &row(&fields), &mut labels)?;
    let hash = encoded.hash(&mut RowHasher::default(), &labels, weight, false);
    let scale = match kind {
        FeatureType::Float32 | FeatureType::Sparse => 1.0,
        _ => columns.scale.unwrap_or(1.0),
    };
    let mut values = Vec::new();
    assert_eq!(encoded.row().kind(), kind);
    encoded.row().expand(decoder.width(), scale, &mut values);
    // A zero has no sign where features are held.
    Ok((hash, values.iter().map(|value| (value + 0.0).to_bits()).collect()))
}

#[test]
fn equal_rows_of_every_type_have_one_hash_and_the_same_features() {
    let values = [0, 3, 0, 127, 1, 0];
    let (whole, short): ([f64; 6], [i16; 6]) = (values.map(f64::from), values.map(i16::from));
    let sparse = Field::Sparse(6, vec![1, 2, 3, 4], vec![3.0, -0.0, 127.0, 1.0]);
    let inner = |values: &[i8]| Some(variable(&tinies(values)));
    for scale in [None, Some(1.0 / 255.0)] {
        let of = |kind, types: &[&str], fields: &[Field]| {
            decoded(kind, &columns(types, 6, scale), fields).unwrap()
        };
        let wanted = of(FeatureType::Float32, &["array<double>"], &[doubles(&whole)]);
        let bytes = Field::Binary(values.map(|value| value as u8).to_vec());
        let scalars = [
            Field::Tiny(0),
            Field::Short(3),
            tinies(&[0, 127]),
            shorts(&[1, 0]),
        ];
        let mixed = ["tinyint", "smallint", "array<tinyint>", "array<smallint>"];
        let rows = [
            of(
                FeatureType::Float32,
                &["array<float>"],
                &[floats(&whole.map(|value| value as f32))],
            ),
            of(FeatureType::Float32, &["binary"], from_ref(&bytes)),
            of(FeatureType::UInt8, &["binary"], from_ref(&bytes)),
            of(FeatureType::Int8, &["array<tinyint>"], &[tinies(&values)]),
            of(
                FeatureType::Int8,
                &["array<array<tinyint>>"],
                &[nested(&[inner(&values[..3]), inner(&values[3..])])],
            ),
            of(FeatureType::Int16, &["array<smallint>"], &[shorts(&short)]),
            of(FeatureType::Int16, &mixed, &scalars),
            of(FeatureType::Sparse, &["vector"], from_ref(&sparse)),
            of(FeatureType::Sparse, &["vector"], &[Field::Dense(whole.to_vec())]),
            of(
                FeatureType::Sparse,
                &["double", "vector"],
                &[
                    Field::Double(0.0),
                    Field::Sparse(5, vec![0, 2, 3], vec![3.0, 127.0, 1.0]),
                ],
            ),
        ];
        for (at, found) in rows.into_iter().enumerate() {
            assert_eq!(found, wanted, "row {at}, scale {scale:?}");
        }
    }
}

#[test]
fn signed_integers_keep_their_sign() {
    let signed = |kind, name: &str, field| decoded(kind, &columns(&[name], 2, None), &[field]).unwrap();
    let wanted = signed(FeatureType::Float32, "array<double>", doubles(&[-128.0, 7.0]));
    assert_eq!(
        signed(FeatureType::Int8, "array<tinyint>", tinies(&[-128, 7])),
        wanted
    );
    let wanted = signed(
        FeatureType::Float32,
        "array<int>",
        Field::Array(vec![
            Some((-32_768i32).to_le_bytes().to_vec()),
            Some(7i32.to_le_bytes().to_vec()),
        ]),
    );
    assert_eq!(
        signed(FeatureType::Int16, "array<smallint>", shorts(&[-32_768, 7])),
        wanted
    );
}

#[test]
fn the_same_rows_are_wrong_in_every_type() {
    let vector = |fields: &[Field], limit: Option<FeatureDomain>| {
        let mut columns = columns(&["vector"], 4, Some(2.0));
        columns.limits = limit
            .map(|domain| FeatureLimit {
                first: 1,
                count: 2,
                domain,
            })
            .into_iter()
            .collect();
        let [dense, sparse] = [FeatureType::Float32, FeatureType::Sparse]
            .map(|kind| decoded(kind, &columns, fields).unwrap_err());
        assert_eq!(dense, sparse);
        match sparse {
            RowError::Data { what, .. } => what,
            RowError::Corrupt(corrupt) => panic!("{corrupt:?}"),
        }
    };
    let of = |size, indices: &[i32], values: &[f64]| [Field::Sparse(size, indices.to_vec(), values.to_vec())];
    assert!(vector(&[Field::Null], None).contains("is null"));
    assert!(vector(&of(5, &[0], &[1.0]), None).contains('5'));
    assert!(vector(&of(4, &[0, 3], &[1.0, f64::NAN]), None).contains("is NaN at index 3"));
    assert!(vector(&of(4, &[0, 3], &[1.0, 2e38]), None).contains("beyond the range"));
    assert!(vector(&of(4, &[2, 1], &[1.0, 1.0]), None).contains("index 1 after 2"));
    assert!(vector(&of(4, &[1, 4], &[1.0, 1.0]), None).contains("with index 4"));
    // The features are twice the values.
    let told = vector(
        &of(4, &[0, 2, 3], &[9.0, 2.5, 9.0]),
        Some(FeatureDomain::Index(5)),
    );
    assert!(told.contains("embedding of 5 rows"), "{told}");
    let told = vector(
        &of(4, &[0, 2, 3], &[-9.0, -2.5, -9.0]),
        Some(FeatureDomain::Count),
    );
    assert!(
        told.contains("is -5 at index 2") && told.contains("at least 0"),
        "{told}"
    );
    let bytes = columns(&["binary"], 4, None);
    for kind in [FeatureType::Float32, FeatureType::UInt8] {
        let short = decoded(kind, &bytes, &[Field::Binary(vec![1, 2])]).unwrap_err();
        assert_eq!(
            short,
            decoded(FeatureType::Float32, &bytes, &[Field::Binary(vec![1, 2])]).unwrap_err()
        );
    }
}

#[test]
fn a_column_of_another_type_than_the_job_sends_is_a_defect_that_is_named() {
    for (kind, name, field) in [
        (FeatureType::UInt8, "array<tinyint>", tinies(&[1, 2])),
        (FeatureType::Int8, "array<smallint>", shorts(&[1, 2])),
        (FeatureType::Int16, "binary", Field::Binary(vec![1, 2])),
    ] {
        let told = decoded(kind, &columns(&[name], 2, None), &[field]).unwrap_err();
        assert!(matches!(told, RowError::Corrupt(_)), "{kind:?}: {told:?}");
    }
}
