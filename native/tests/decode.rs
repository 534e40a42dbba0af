//! The decoder against rows as Spark lays them out: every type, every way to be wrong, corrupt bytes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use candlewick_native::decode::Decoder;
use candlewick_native::encode::{Encoder, OutputType};
use candlewick_native::row::Rows;
use candlewick_protocol::ErrorKind;
use candlewick_protocol::feed::{FeatureDomain, FeatureLimit};
use candlewick_protocol::job::LabelKind;
use common::{Field, Random, batch, column, decode, doubles, features, floats, row};

fn one(data_type: &str, width: u32, field: Field) -> Result<Vec<f32>, String> {
    decode(&features(1, &[(0, "x", data_type)], width), &row(&[field]))
        .map(|(values, ..)| values)
        .map_err(|invalid| invalid.at(3, 17).message)
}

#[test]
fn vectors_have_the_measured_bytes() {
    // The sizes were read from Spark 3.5.9 and 4.3.0: the nested rows take 72 and 96 bytes.
    assert_eq!(row(&[Field::Dense(vec![1.0, 2.0])]).len(), 16 + 72);
    assert_eq!(
        row(&[Field::Sparse(5, vec![1, 3], vec![1.5, -2.5])]).len(),
        16 + 96
    );
    assert_eq!(one("vector", 2, Field::Dense(vec![1.0, 2.0])), Ok(vec![1.0, 2.0]));
    let sparse = Field::Sparse(5, vec![1, 3], vec![1.5, -2.5]);
    assert_eq!(one("vector", 5, sparse), Ok(vec![0.0, 1.5, 0.0, -2.5, 0.0]));
}

#[test]
fn sparse_vectors_have_ascending_indices_below_their_size() {
    let told = |indices: &[i32]| {
        let values = vec![1.0; indices.len()];
        one("vector", 5, Field::Sparse(5, indices.to_vec(), values)).unwrap_err()
    };
    assert_eq!(
        told(&[1, 5]),
        "column 'x' is a sparse vector of 5 values with index 5, expected whole numbers from 0 to 4, in partition 3, row \
         17 of it; correct the data, or set handleInvalid=\"skip\" to leave such rows out"
    );
    assert!(
        told(&[-1]).contains("of 5 values with index -1,"),
        "{}",
        told(&[-1])
    );
    for (indices, said) in [(&[3, 1], "index 1 after 3"), (&[2, 2], "index 2 after 2")] {
        let told = told(indices);
        assert!(
            told.contains(&format!("{said}, expected indices that ascend")),
            "{told}"
        );
    }
    let mut columns = features(2, &[(0, "x", "float")], 1);
    columns.labels = vec![column(1, "y", "vector")];
    columns.label_kind = Some(LabelKind::Real { width: 2 });
    let label = Field::Sparse(2, vec![2], vec![1.0]);
    let failure = decode(&columns, &row(&[Field::Float(1.0), label]))
        .unwrap_err()
        .at(0, 0);
    assert!(
        failure
            .message
            .contains("column 'y' is a sparse vector of 2 values with index 2"),
        "{failure}"
    );
}

#[test]
fn every_numeric_type_becomes_a_feature() {
    let ints = |values: &[i32]| Field::Array(values.iter().map(|v| Some(v.to_le_bytes().to_vec())).collect());
    assert_eq!(one("boolean", 1, Field::Boolean(true)), Ok(vec![1.0]));
    assert_eq!(one("tinyint", 1, Field::Tiny(-5)), Ok(vec![-5.0]));
    assert_eq!(one("smallint", 1, Field::Short(-300)), Ok(vec![-300.0]));
    assert_eq!(one("int", 1, Field::Int(-70_000)), Ok(vec![-70_000.0]));
    assert_eq!(one("bigint", 1, Field::Long(5_000_000_000)), Ok(vec![5e9]));
    assert_eq!(one("float", 1, Field::Float(2.5)), Ok(vec![2.5]));
    assert_eq!(one("double", 1, Field::Double(-1.25)), Ok(vec![-1.25]));
    assert_eq!(one("decimal(10,2)", 1, Field::Decimal(1234)), Ok(vec![12.34]));
    assert_eq!(
        one("decimal(30,2)", 1, Field::WideDecimal(vec![0x04, 0xd2])),
        Ok(vec![12.34])
    );
    assert_eq!(
        one("decimal(30,2)", 1, Field::WideDecimal(vec![0xfb, 0x2e])),
        Ok(vec![-12.34])
    );
    assert_eq!(
        one("array<float>", 3, floats(&[1.0, -0.5, 3.0])),
        Ok(vec![1.0, -0.5, 3.0])
    );
    assert_eq!(one("array<double>", 2, doubles(&[0.1, 2.0])), Ok(vec![0.1, 2.0]));
    assert_eq!(one("array<int>", 2, ints(&[7, -7])), Ok(vec![7.0, -7.0]));
    let shorts = Field::Array(vec![Some(vec![1, 1]), Some(vec![0xff, 0xff])]);
    assert_eq!(one("array<smallint>", 2, shorts), Ok(vec![257.0, -1.0]));
    let bytes = Field::Array(vec![Some(vec![1]), Some(vec![0xff])]);
    assert_eq!(one("array<tinyint>", 2, bytes.clone()), Ok(vec![1.0, -1.0]));
    assert_eq!(one("array<boolean>", 2, bytes), Ok(vec![1.0, 1.0]));
    let longs = Field::Array(vec![
        Some(1i64.to_le_bytes().to_vec()),
        Some((-2i64).to_le_bytes().to_vec()),
    ]);
    assert_eq!(one("array<bigint>", 2, longs.clone()), Ok(vec![1.0, -2.0]));
    assert_eq!(one("array<decimal(5,1)>", 2, longs), Ok(vec![0.1, -0.2]));
}

#[test]
fn wide_decimals_in_an_array() {
    // Two elements, slots relative to the array, then 16 bytes for each.
    let mut bytes = [
        2u64.to_le_bytes(),
        [0; 8],
        ((32u64 << 32) | 2).to_le_bytes(),
        ((48u64 << 32) | 1).to_le_bytes(),
    ]
    .concat();
    bytes.extend([
        0x04, 0xd2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0,
    ]);
    assert_eq!(
        one("array<decimal(30,2)>", 2, Field::Binary(bytes)),
        Ok(vec![12.34, -0.01])
    );
}

#[test]
fn binary_with_scale_and_a_mixture() {
    let mut columns = features(
        4,
        &[(0, "pixels", "binary"), (2, "age", "int"), (3, "v", "vector")],
        5,
    );
    columns.scale = Some(0.5);
    let bytes = row(&[
        Field::Binary(vec![2, 255]),
        Field::Null,
        Field::Int(3),
        Field::Dense(vec![1.0, 2.0]),
    ]);
    assert_eq!(decode(&columns, &bytes).unwrap().0, [1.0, 127.5, 1.5, 0.5, 1.0]);
}

#[test]
fn where_the_first_row_says_how_many_values_there_are_the_error_says_so() {
    let mut unsaid = features(1, &[(0, "x", "vector")], 3);
    unsaid.width_of_first_row = true;
    let wrong = decode(&unsaid, &row(&[Field::Dense(vec![1.0, 2.0])])).unwrap_err();
    assert!(wrong.at(0, 5).message.starts_with(
        "column 'x' has 2 values, expected 3 (it begins with [1, 2]), as many as the first row of the DataFrame has: if that is the \
         wrong one, set inputShape to the length of the others, not [3], in partition 0, row 5 of it"
    ));
}

#[test]
fn invalid_features_name_column_place_values_and_remedy() {
    assert_eq!(
        one("array<double>", 3, doubles(&[0.0, f64::NAN, 2.0])).unwrap_err(),
        "column 'x' is NaN at index 1 (it begins with [0, NaN, 2]), in partition 3, row 17 of it; correct the data, or \
         set handleInvalid=\"skip\" to leave such rows out"
    );
    assert!(
        one("array<double>", 2, doubles(&[1e300, f64::NAN]))
            .unwrap_err()
            .contains("(it begins with [1e300, NaN])")
    );
    assert!(
        one("vector", 2, Field::Dense(vec![0.0, f64::INFINITY]))
            .unwrap_err()
            .contains("is infinite at index 1")
    );
    let sparse = Field::Sparse(9, vec![4], vec![f64::NAN]);
    assert!(
        one("vector", 9, sparse)
            .unwrap_err()
            .contains("is NaN at index 4 (it begins with [0, 0, 0, 0, NaN, 0, ...])")
    );
    assert!(
        one("double", 1, Field::Double(1e300))
            .unwrap_err()
            .contains("is 1e300, beyond the range of 32-bit floats")
    );
    assert!(
        one("vector", 2, Field::Null)
            .unwrap_err()
            .contains("column 'x' is null")
    );
    let holed = Field::Array(vec![Some(vec![1, 0, 0, 0]), None]);
    assert!(
        one("array<int>", 2, holed)
            .unwrap_err()
            .contains("is null at index 1 (it begins with [1, null])")
    );
    assert!(
        one("vector", 3, Field::Dense(vec![1.0, 2.0]))
            .unwrap_err()
            .contains("column 'x' has 2 values, expected 3 (it begins with [1, 2])")
    );
    assert!(
        one("vector", 3, Field::Dense(vec![1.0; 4]))
            .unwrap_err()
            .contains("has 4 values, expected 3")
    );
    let two = features(2, &[(0, "a", "float"), (1, "b", "vector")], 4);
    let wrong = decode(&two, &row(&[Field::Float(1.0), Field::Dense(vec![0.0; 2])])).unwrap_err();
    assert!(
        wrong
            .at(0, 0)
            .message
            .contains("the feature columns have 3 values in all ('a' 1, 'b' 2), expected 4")
    );
}

#[test]
fn nested_arrays_are_a_tensor() {
    let row_of = |values: &[f32]| Some(common::variable(&floats(values)));
    let two = common::nested(&[row_of(&[1.0, 2.0, 3.0]), row_of(&[4.0, 5.0, 6.0])]);
    let flat = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    assert_eq!(one("array<array<float>>", 6, two.clone()), Ok(flat.clone()));
    let bytes = common::variable(&two);
    let deep = common::nested(&[Some(bytes.clone()), Some(bytes)]);
    assert_eq!(
        one("array<array<array<float>>>", 12, deep),
        Ok([flat.clone(), flat.clone()].concat())
    );
    let wrong = |field: Field, part: &str| {
        let message = one("array<array<float>>", 6, field).unwrap_err();
        assert!(message.contains(part), "{part}: {message}");
    };
    let ragged = common::nested(&[row_of(&[1.0, 2.0, 3.0]), row_of(&[4.0])]);
    wrong(
        ragged,
        "column 'x' is ragged: it has 1 values at [1] and 3 at [0]",
    );
    wrong(
        common::nested(&[row_of(&[1.0, 2.0, 3.0]), None]),
        "is null at [1]",
    );
    let holed = Field::Array(vec![Some(vec![0, 0, 128, 63]), None, Some(vec![0; 4])]);
    let holed = common::nested(&[row_of(&[1.0, 2.0, 3.0]), Some(common::variable(&holed))]);
    wrong(holed, "is null at [1, 1]");
    let infinite = common::nested(&[row_of(&[1.0, 2.0, 3.0]), row_of(&[4.0, 5.0, f32::INFINITY])]);
    wrong(infinite, "is infinite at [1, 2] (it begins with [1, 2, 3, 4, 5, ");
    wrong(
        common::nested(&[row_of(&[1.0, 2.0])]),
        "has 2 values, expected 6 (it begins with [1, 2])",
    );
    wrong(common::nested(&[]), "has 0 values, expected 6");
    wrong(common::nested(&[None]), "is null at [0]");
    let mut columns = features(1, &[(0, "x", "array<array<float>>")], 6);
    columns.features[0].sizes = Some(vec![3, 2]);
    let turned = decode(&columns, &row(&[two])).unwrap_err().at(0, 0).message;
    assert!(
        turned.contains("has the shape [2, 3], expected [3, 2]"),
        "{turned}"
    );
}

#[test]
fn columns_of_no_use_are_refused() {
    for (data_type, part) in [
        ("string", "StringIndexer"),
        ("array<string>", "array of numbers"),
        ("struct<a:int>", "column 'x' has type struct<a:int>"),
    ] {
        let failure = Decoder::new(&features(1, &[(0, "x", data_type)], 1)).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::InvalidParameter);
        assert!(failure.message.contains(part), "{}", failure.message);
    }
}

#[test]
fn corrupt_rows_are_errors_and_never_read_outside() {
    let columns = features(
        5,
        &[
            (0, "a", "vector"),
            (1, "b", "array<float>"),
            (2, "c", "decimal(30,2)"),
            (3, "d", "binary"),
            (4, "e", "vector"),
        ],
        11,
    );
    let good = row(&[
        Field::Dense(vec![1.0, 2.0]),
        floats(&[1.0, 2.0, 3.0]),
        Field::WideDecimal(vec![1]),
        Field::Binary(vec![9, 8]),
        Field::Sparse(3, vec![0, 2], vec![1.0, 2.0]),
    ]);
    assert!(decode(&columns, &good).is_ok());
    for end in 0..good.len() - 8 {
        assert!(decode(&columns, &good[..end]).is_err(), "cut at {end}");
    }
    let mut random = Random(7);
    for _ in 0..50_000 {
        let mut bytes = good.clone();
        for _ in 0..=random.below(6) {
            let at = random.below(bytes.len());
            bytes[at] = random.next() as u8;
        }
        bytes.truncate(bytes.len() - random.below(2) * random.below(bytes.len()));
        // Anything may come out, but nothing may be read outside, which the slices guarantee, and nothing may panic.
        let _ = decode(&columns, &bytes).map_err(|invalid| invalid.at(0, 0));
    }
}

#[test]
fn what_the_encoder_writes_the_decoder_reads() {
    let encoder = Encoder::new(&[OutputType::Vector(70), OutputType::Vector(3), OutputType::Double]);
    let mut out = Vec::new();
    for number in 0..4u8 {
        let row = encoder.push(&mut out);
        encoder.set(row, 0, (0..70).map(|at| f64::from(at) + f64::from(number)));
        encoder.set(row, 1, [0.25, 0.5, f64::from(number)]);
        encoder.set(row, 2, [f64::from(number)]);
    }
    assert_eq!(out.len(), 4 * encoder.row_bytes());
    let columns = features(
        3,
        &[(0, "raw", "vector"), (1, "p", "vector"), (2, "y", "double")],
        74,
    );
    for (number, bytes) in Rows::new(&out, 4).enumerate() {
        let (values, ..) = decode(&columns, bytes.unwrap()).unwrap();
        assert_eq!(values[69], 69.0 + number as f32);
        assert_eq!(values[70..], [0.25, 0.5, number as f32, number as f32]);
    }
    // And it is byte for byte what Spark's own writer makes of the same values.
    let spark = batch(&[row(&[
        Field::Dense((0..70).map(f64::from).collect()),
        Field::Dense(vec![0.25, 0.5, 0.0]),
        Field::Double(0.0),
    ])]);
    assert_eq!(out[..encoder.row_bytes()], spark);
}

#[test]
fn sparse_and_dense_of_many_nulls_and_wide_rows() {
    // More than 64 fields: two words of null bits.
    let mut fields = vec![Field::Null; 70];
    fields[66] = Field::Double(4.0);
    let columns = features(70, &[(66, "x", "double")], 1);
    assert_eq!(decode(&columns, &row(&fields)).unwrap().0, [4.0]);
    let null = features(70, &[(65, "x", "double")], 1);
    assert!(
        decode(&null, &row(&fields))
            .unwrap_err()
            .at(0, 0)
            .message
            .contains("is null")
    );
}

#[test]
fn a_column_that_is_an_input_has_its_width() {
    let mut columns = features(2, &[(0, "a", "array<double>"), (1, "b", "vector")], 4);
    columns.features[0].width = Some(3);
    columns.features[1].width = Some(1);
    let row_of = |left: &[f64], right: &[f64]| row(&[doubles(left), Field::Dense(right.to_vec())]);
    let good = decode(&columns, &row_of(&[1.0, 2.0, 3.0], &[4.0])).unwrap();
    assert_eq!(good.0, [1.0, 2.0, 3.0, 4.0]);
    // As many values in all.
    let Err(invalid) = decode(&columns, &row_of(&[1.0, 2.0], &[3.0, 4.0])) else {
        panic!("a row of other widths was read")
    };
    let message = invalid.at(0, 0).message;
    assert!(
        message.contains("column 'a' has 2 values, expected 3"),
        "{message}"
    );
}

#[test]
fn an_index_outside_of_its_table_names_column_and_place() {
    let mut columns = features(2, &[(0, "age", "double"), (1, "words", "array<double>")], 4);
    columns.limits = vec![FeatureLimit {
        first: 1,
        count: 3,
        domain: FeatureDomain::Index(5),
    }];
    let decoded = |words: &[f64]| {
        let bytes = row(&[Field::Double(77.5), doubles(words)]);
        decode(&columns, &bytes)
            .map(|_| ())
            .map_err(|invalid| invalid.at(0, 4).message)
    };
    assert_eq!(decoded(&[0.0, 4.0, 2.0]), Ok(()));
    for (wrong, shown) in [(5.0, "is 5 at index 1"), (-1.0, "is -1 at"), (1.5, "is 1.5 at")] {
        let message = decoded(&[0.0, wrong, 2.0]).unwrap_err();
        for part in [
            "column 'words'",
            shown,
            "from 0 to 4",
            "row 4 of it",
            "handleInvalid",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
    columns.limits = vec![FeatureLimit {
        first: 0,
        count: 1,
        domain: FeatureDomain::Index(5),
    }];
    let bytes = row(&[Field::Double(77.0), doubles(&[0.0; 3])]);
    let message = decode(&columns, &bytes).unwrap_err().at(0, 0).message;
    assert!(message.contains("column 'age' is 77, but"), "{message}");
}
