//! The decoder against labels and weights as Spark lays them out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use candlewick_native::decode::Decoder;
use candlewick_protocol::feed::{Column, Columns};
use candlewick_protocol::job::{LabelKind, Target};
use common::{Field, column, decode, doubles, features, floats, row};

#[test]
fn label_and_weight() {
    let mut columns = features(3, &[(0, "x", "float")], 1);
    columns.labels = vec![column(1, "y", "bigint")];
    columns.label_kind = Some(LabelKind::class(10));
    columns.weight = Some(column(2, "w", "decimal(10,2)"));
    let decoded = |label, weight| decode(&columns, &row(&[Field::Float(1.0), label, weight]));
    let message = |label, weight| decoded(label, weight).unwrap_err().at(0, 4).message;
    assert_eq!(
        decoded(Field::Long(9), Field::Decimal(250)).unwrap(),
        (vec![1.0], vec![9.0], 2.5)
    );
    assert!(message(Field::Long(10), Field::Decimal(1)).contains("column 'y' (the label) is 10: the labels of a classifier with 10 classes are the whole numbers 0 to 9"));
    assert!(message(Field::Long(-1), Field::Decimal(1)).contains("is -1"));
    assert_eq!(
        message(Field::Null, Field::Decimal(1)),
        "column 'y' is null, in partition 0, row 4 of it; correct the data, or set handleInvalid=\"skip\" to leave such rows out"
    );
    assert!(
        message(Field::Long(1), Field::Decimal(-1))
            .contains("column 'w' (the weight) is -0.01: a weight is finite and not negative")
    );
    columns.labels = vec![column(1, "y", "double")];
    let half = decode(
        &columns,
        &row(&[Field::Float(1.0), Field::Double(3.5), Field::Decimal(1)]),
    );
    assert!(half.unwrap_err().at(0, 0).message.contains("is 3.5"));
    let huge = decode(
        &columns,
        &row(&[Field::Float(1.0), Field::Double(1e300), Field::Decimal(1)]),
    );
    let huge = huge.unwrap_err().at(0, 0).message;
    assert!(huge.contains("(the label) is 1e300: "), "{huge}");
    let nan = decode(
        &columns,
        &row(&[Field::Float(1.0), Field::Double(f64::NAN), Field::Decimal(1)]),
    );
    assert!(nan.unwrap_err().at(0, 0).message.contains("(the label) is NaN"));
}

#[test]
fn a_label_of_several_values() {
    let mut columns = features(2, &[(0, "x", "float")], 1);
    columns.label_kind = Some(LabelKind::Real { width: 2 });
    for (data_type, label) in [
        ("array<double>", doubles(&[1.5, -2.0])),
        ("vector", Field::Dense(vec![1.5, -2.0])),
        ("vector", Field::Sparse(2, vec![0, 1], vec![1.5, -2.0])),
    ] {
        columns.labels = vec![column(1, "y", data_type)];
        assert_eq!(
            decode(&columns, &row(&[Field::Float(1.0), label])).unwrap().1,
            [1.5, -2.0]
        );
        let short = decode(
            &columns,
            &row(&[
                Field::Float(1.0),
                if data_type == "vector" {
                    Field::Dense(vec![1.0])
                } else {
                    doubles(&[1.0])
                },
            ]),
        );
        assert!(
            short
                .unwrap_err()
                .at(0, 0)
                .message
                .contains("has 1 values, expected 2")
        );
    }
    // What a sparse vector does not give is 0, whatever stood there.
    columns.labels = vec![column(1, "y", "vector")];
    let sparse = Field::Sparse(2, vec![1], vec![-2.0]);
    let decoder = Decoder::new(&columns).unwrap();
    let mut labels = [7.0; 2];
    decoder
        .decode(&row(&[Field::Float(1.0), sparse]), &mut [0.0], &mut labels)
        .unwrap();
    assert_eq!(labels, [0.0, -2.0]);
    columns.labels = vec![column(1, "y", "double")];
    assert!(
        Decoder::new(&columns)
            .unwrap_err()
            .message
            .contains("an array of numbers or a Vector")
    );
}

#[test]
fn a_class_may_stand_in_an_array_or_a_vector_of_one_value() {
    let mut columns = features(2, &[(0, "x", "float")], 1);
    columns.label_kind = Some(LabelKind::class(10));
    for (data_type, label, more) in [
        ("array<double>", doubles(&[9.0]), doubles(&[9.0, 1.0])),
        ("vector", Field::Dense(vec![9.0]), Field::Dense(vec![9.0, 1.0])),
    ] {
        columns.labels = vec![column(1, "y", data_type)];
        let refused = Decoder::new(&columns).unwrap_err();
        assert!(
            refused.message.contains("the label of a classifier is a number"),
            "{refused}"
        );
        columns.labels[0].width = Some(1);
        assert_eq!(
            decode(&columns, &row(&[Field::Float(1.0), label])).unwrap().1,
            [9.0]
        );
        let wide = decode(&columns, &row(&[Field::Float(1.0), more])).unwrap_err();
        assert!(wide.at(0, 0).message.contains("has 2 values, expected 1"));
    }
}

#[test]
fn a_label_of_nested_arrays() {
    let mut columns = features(2, &[(0, "x", "float")], 1);
    columns.label_kind = Some(LabelKind::Real { width: 4 });
    columns.labels = vec![column(1, "y", "array<array<float>>")];
    let label = |rows: &[&[f32]]| {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| Some(common::variable(&floats(row))))
            .collect();
        decode(&columns, &row(&[Field::Float(1.0), common::nested(&rows)]))
    };
    let found = label(&[&[1.0, 2.0], &[3.0, 4.5]]).unwrap();
    assert_eq!(found.1, [1.0, 2.0, 3.0, 4.5]);
    let wrong = |rows: &[&[f32]]| label(rows).unwrap_err().at(0, 0).message;
    assert!(
        wrong(&[&[1.0, 2.0], &[3.0]]).contains("column 'y' is ragged: it has 1 values at [1] and 2 at [0]")
    );
    let short = wrong(&[&[1.0, 2.0]]);
    assert!(short.contains("has 2 values"), "{short}");
    let infinite = wrong(&[&[1.0, 2.0], &[3.0, f32::INFINITY]]);
    assert!(infinite.contains("column 'y' (the label)"), "{infinite}");
}

/// A label of an array of two, a class of three and a Vector of two.
fn several_labels() -> Columns {
    let mut columns = features(4, &[(0, "x", "float")], 1);
    let label = |ordinal, name: &str, data_type: &str, width| Column {
        width: Some(width),
        ..column(ordinal, name, data_type)
    };
    columns.labels = vec![
        label(1, "pair", "array<double>", 2),
        label(2, "kind", "int", 1),
        label(3, "point", "vector", 2),
    ];
    columns.label_kind = Some(LabelKind::Targets {
        width: 5,
        targets: vec![Target {
            labels: [2, 3],
            outputs: [0, 3],
            num_classes: Some(3),
        }],
    });
    columns
}

#[test]
fn a_label_of_several_columns() {
    let columns = several_labels();
    let decoded = |pair: &[f64], kind: i32, point: &[f64]| {
        let fields = [
            Field::Float(1.0),
            doubles(pair),
            Field::Int(kind),
            Field::Dense(point.to_vec()),
        ];
        decode(&columns, &row(&fields)).map_err(|error| error.at(2, 4).message)
    };
    let found = decoded(&[1.5, -2.0], 2, &[0.0, 7.0]).unwrap();
    assert_eq!(found.1, [1.5, -2.0, 2.0, 0.0, 7.0]);
    let told = |pair: &[f64], kind, point: &[f64]| decoded(pair, kind, point).unwrap_err();
    let class = told(&[1.5, -2.0], 3, &[0.0, 7.0]);
    assert!(
        class.contains("column 'kind' (the label) is 3: the labels of an output with 3 classes are the whole numbers 0 to 2")
            && class.contains("in partition 2, row 4 of it"),
        "{class}"
    );
    let short = told(&[1.5], 0, &[0.0, 7.0]);
    assert!(
        short.contains("column 'pair' (the label) has 1 values, expected 2, as in other rows"),
        "{short}"
    );
    let nan = told(&[1.5, -2.0], 0, &[0.0, f64::NAN]);
    assert!(
        nan.contains("column 'point' (the label) is NaN at index 1"),
        "{nan}"
    );
    let (mut less, mut texts) = (columns.clone(), columns.clone());
    less.labels.truncate(2);
    assert!(
        Decoder::new(&less)
            .unwrap_err()
            .message
            .contains("2 label columns with 3 values in all for a label of 5")
    );
    texts.labels[1].data_type = "string".to_owned();
    assert!(
        Decoder::new(&texts)
            .unwrap_err()
            .message
            .contains("label column 'kind' has type string")
    );
}
