//! Scoring: results as Spark reads them, rows left out, errors.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use candlewick_model::network::Network;
use candlewick_native::decode::Decoder;
use candlewick_native::row::{Row, Rows};
use candlewick_native::scorer::{Invalid, Model, ModelSpec, Output, Part, ScoreTask, Scorer};
use candlewick_protocol::ErrorKind;
use candlewick_protocol::job::{LabelKind, Precision, Target};
use common::{Field, Random, batch, features, floats, row};
use serde_json::json;
use std::sync::Arc;

/// A single Linear layer with known weights: row-major [out, in], then the bias.
fn linear(label: LabelKind, out: usize, weights: &[f32]) -> Arc<Model> {
    let document =
        json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": out}]});
    let width = weights.len() / out - 1;
    let network = Network::from_document(&document, &[width]).unwrap();
    let file = network.save_weights(weights).unwrap();
    let spec = ModelSpec {
        network: document,
        input_shape: vec![width],
        label,
    };
    Arc::new(Model::load(&spec, &file).unwrap())
}

fn task(outputs: &[Output]) -> ScoreTask {
    ScoreTask {
        columns: features(1, &[(0, "x", "array<float>")], 2),
        outputs: outputs.to_vec(),
        thresholds: None,
        partition: Some(5),
        handle_invalid: Invalid::Error,
        precision: Precision::F32,
        device: None,
    }
}

/// The values of the result's columns, each of `widths` values, row by row.
fn read(scorer: &Scorer, columns: &[(u32, &str, &str)], width: u32) -> Vec<Vec<f32>> {
    let rows = scorer.row_mask().iter().filter(|kept| **kept == 1).count();
    let decoder = Decoder::new(&features(columns.len() as u32, columns, width)).unwrap();
    let mut values = vec![0.0; width as usize];
    Rows::new(scorer.result(), rows)
        .map(|row| {
            decoder.decode(row.unwrap(), &mut values, &mut []).unwrap();
            values.clone()
        })
        .collect()
}

const ALL: [Output; 3] = [Output::RawPrediction, Output::Probability, Output::Prediction];
const COLUMNS: [(u32, &str, &str); 3] = [(0, "raw", "vector"), (1, "p", "vector"), (2, "y", "double")];

#[test]
fn three_classes() {
    let model = linear(
        LabelKind::class(3),
        3,
        &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.5],
    );
    let mut scorer = Scorer::new(Arc::clone(&model), task(&ALL)).unwrap();
    let rows = batch(&[row(&[floats(&[2.0, 1.0])]), row(&[floats(&[-1.0, 3.0])])]);
    scorer.run(&rows, 2).unwrap();
    let read = read(&scorer, &COLUMNS, 7);
    assert_eq!(read[0][..3], [2.0, 1.0, 0.5]);
    assert!((read[0][3..6].iter().sum::<f32>() - 1.0).abs() < 1e-6);
    assert_eq!((read[0][6], read[1][6]), (0.0, 1.0));
    let mut with = task(&ALL);
    with.thresholds = Some(vec![1.0, 0.1, 1.0]);
    let mut scorer = Scorer::new(model, with).unwrap();
    scorer.run(&rows, 2).unwrap();
    assert_eq!(self::read(&scorer, &COLUMNS, 7)[0][6], 1.0);
}

/// The class is told without probabilities where nobody reads them.
#[test]
fn the_class_alone_is_that_beside_its_probabilities() {
    let weights: Vec<f32> = (0..15u8).map(|at| f32::from(at % 7) - 3.0).collect();
    let model = linear(LabelKind::class(5), 5, &weights);
    // Far apart, equal, and nearly equal: of equal ones the first.
    let values = [[0.3, -2.0], [0.0, 0.0], [1e-30, 2e-30], [1e-8, 0.0], [5.0, 4.0]];
    let rows = batch(&values.map(|row| self::row(&[floats(&row)])));
    for thresholds in [None, Some(vec![1.0, 0.1, 1.0, 0.5, 2.0])] {
        let classes = |outputs: &[Output], columns: &[(u32, &str, &str)], width: u32| {
            let task = ScoreTask {
                thresholds: thresholds.clone(),
                ..task(outputs)
            };
            let mut scorer = Scorer::new(Arc::clone(&model), task).unwrap();
            scorer.run(&rows, values.len()).unwrap();
            let read = read(&scorer, columns, width);
            read.iter().map(|row| row[width as usize - 1]).collect::<Vec<_>>()
        };
        let alone = classes(&[Output::Prediction], &[(0, "y", "double")], 1);
        assert_eq!(alone, classes(&ALL, &COLUMNS, 11), "{thresholds:?}");
    }
}

/// A column of features that is all there is to read is read in one go.
#[test]
fn a_column_alone_has_the_bits_of_one_among_others() {
    let values: Vec<f32> = (0..70u8).map(|at| f32::from(at) * 0.37 - 9.0).collect();
    let numbers: Vec<f64> = values.iter().map(|value| f64::from(*value) * 1.1).collect();
    let fields = [
        ("array<float>", floats(&values)),
        ("array<double>", common::doubles(&numbers)),
        ("vector", Field::Dense(numbers.clone())),
    ];
    for (kind, field) in fields {
        for scale in [None, Some(0.1)] {
            let decoded = |all: &[(u32, &str, &str)], width: u32, rows: &[u8]| {
                let mut columns = features(70, all, width);
                columns.scale = scale;
                let decoder = Decoder::new(&columns).unwrap();
                let mut out = vec![0.0; width as usize];
                let done = decoder.decode(rows, &mut out, &mut []);
                done.map(|_| out.iter().map(|value| value.to_bits()).collect::<Vec<u32>>())
                    .map_err(|wrong| wrong.at(0, 0).message)
            };
            let mut fields = vec![Field::Int(3); 70];
            fields[66] = field.clone();
            let bytes = row(&fields);
            let alone = decoded(&[(66, "x", kind)], 70, &bytes).unwrap();
            let among = decoded(&[(66, "x", kind), (2, "y", "int")], 71, &bytes).unwrap();
            assert_eq!(alone, among[..70], "{kind} {scale:?}");
            // What is not plain says what is wrong, as ever.
            assert!(
                decoded(&[(66, "x", kind)], 69, &bytes)
                    .unwrap_err()
                    .contains("has 70 values")
            );
            fields[66] = Field::Null;
            assert!(
                decoded(&[(66, "x", kind)], 70, &row(&fields))
                    .unwrap_err()
                    .contains("is null")
            );
        }
    }
}

#[test]
fn a_task_in_bf16_rounds_the_operands_of_products() {
    let model = linear(LabelKind::Real { width: 1 }, 1, &[1.0 / 3.0, 1.0, 0.5]);
    let scored = |precision: Precision| {
        let mut task = task(&[Output::Prediction]);
        task.precision = precision;
        let mut scorer = Scorer::new(Arc::clone(&model), task).unwrap();
        scorer.run(&batch(&[row(&[floats(&[1.0, 2.0])])]), 1).unwrap();
        read(&scorer, &[(0, "y", "double")], 1)[0][0]
    };
    assert_eq!(scored(Precision::F32), 1.0 / 3.0 + 2.5);
    // A third, to the nearest bf16. The model is one and the same, and what either precision prepares is its own.
    assert_eq!(scored(Precision::Bf16), 171.0 / 512.0 + 2.5);
    assert_eq!(scored(Precision::F32), 1.0 / 3.0 + 2.5);
}

#[test]
fn two_classes_from_one_output() {
    let model = linear(LabelKind::class(2), 1, &[1.0, -1.0, 0.0]);
    let mut scorer = Scorer::new(model, task(&ALL)).unwrap();
    scorer.run(&batch(&[row(&[floats(&[3.0, 1.0])])]), 1).unwrap();
    let read = read(&scorer, &COLUMNS, 5);
    assert_eq!(read[0][..2], [-2.0, 2.0]);
    assert!(read[0][3] > 0.88 && read[0][3] < 0.8809);
    assert_eq!(read[0][4], 1.0);
}

#[test]
fn values_of_a_regressor() {
    let one = linear(LabelKind::Real { width: 1 }, 1, &[1.0, 2.0, 0.5]);
    let mut scorer = Scorer::new(one, task(&[Output::Prediction])).unwrap();
    scorer.run(&batch(&[row(&[floats(&[1.0, 1.0])])]), 1).unwrap();
    assert_eq!(read(&scorer, &[(0, "y", "double")], 1), [[3.5]]);
    let two = linear(LabelKind::Real { width: 2 }, 2, &[1.0, 0.0, 0.0, 1.0, 0.5, -0.5]);
    let mut scorer = Scorer::new(two, task(&[Output::Prediction])).unwrap();
    scorer.run(&batch(&[row(&[floats(&[1.0, 2.0])])]), 1).unwrap();
    assert_eq!(read(&scorer, &[(0, "y", "vector")], 2), [[1.5, 1.5]]);
}

#[test]
fn invalid_rows_are_left_out_or_an_error() {
    let model = linear(LabelKind::Real { width: 1 }, 1, &[1.0, 1.0, 0.0]);
    let rows = batch(&[
        row(&[floats(&[1.0, 1.0])]),
        row(&[Field::Null]),
        row(&[floats(&[2.0, 2.0])]),
    ]);
    let mut strict = Scorer::new(Arc::clone(&model), task(&[Output::Prediction])).unwrap();
    strict.run(&rows[..48], 1).unwrap();
    let failure = strict.run(&rows, 3).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::InvalidData);
    assert!(
        failure
            .message
            .contains("column 'x' is null, in partition 5, row 2 of it"),
        "{}",
        failure.message
    );
    // Rows that come one by one have no place.
    let mut single = task(&[Output::Prediction]);
    single.partition = None;
    let mut single = Scorer::new(Arc::clone(&model), single).unwrap();
    for _ in 0..2 {
        single.run(&batch(&[row(&[floats(&[1.0, 1.0])])]), 1).unwrap();
        let told = single.run(&batch(&[row(&[Field::Null])]), 1).unwrap_err().message;
        assert!(told.starts_with("column 'x' is null; correct the data"), "{told}");
    }
    let mut lenient = task(&[Output::Prediction]);
    lenient.handle_invalid = Invalid::Skip;
    let mut scorer = Scorer::new(model, lenient).unwrap();
    scorer.run(&rows, 3).unwrap();
    assert_eq!(scorer.row_mask(), [1, 0, 1]);
    assert_eq!(read(&scorer, &[(0, "y", "double")], 1), [[2.0], [4.0]]);
    assert!(scorer.run(&rows[..20], 3).is_err());
}

#[test]
fn the_bits_of_a_row_do_not_depend_on_its_batch() {
    let mut random = Random(3);
    let mut number = || (random.next() >> 40) as f32 / 16_777_216.0 - 0.5;
    let weights: Vec<f32> = (0..10 * 3).map(|_| number()).collect();
    let model = linear(LabelKind::class(10), 10, &weights);
    let rows: Vec<_> = (0..2_100)
        .map(|_| row(&[floats(&[number(), number()])]))
        .collect();
    let mut all = Scorer::new(Arc::clone(&model), task(&ALL)).unwrap();
    all.run(&batch(&rows), rows.len()).unwrap();
    let mut single = Scorer::new(model, task(&ALL)).unwrap();
    let size = all.result().len() / rows.len();
    for (at, one) in rows.iter().enumerate() {
        single.run(&batch(std::slice::from_ref(one)), 1).unwrap();
        assert_eq!(
            single.result(),
            &all.result()[at * size..(at + 1) * size],
            "row {at}"
        );
    }
}

#[test]
fn sparse_vectors_have_the_bits_of_dense_ones_in_any_company() {
    const WIDTH: usize = 700;
    let mut random = Random(5);
    let mut number = || (random.next() >> 40) as f32 / 16_777_216.0 - 0.5;
    let weights: Vec<f32> = (0..(WIDTH + 1) * 3).map(|_| number()).collect();
    let model = linear(LabelKind::class(3), 3, &weights);
    let rows: Vec<(Vec<i32>, Vec<f64>)> = (0..2_100usize)
        .map(|at| {
            let indices: Vec<i32> = (0..at % 9).map(|place| (place * 83 + at % 31) as i32).collect();
            let values = indices.iter().map(|_| f64::from(number())).collect();
            (indices, values)
        })
        .collect();
    let sparse = |(indices, values): &(Vec<i32>, Vec<f64>)| {
        row(&[Field::Sparse(WIDTH, indices.clone(), values.clone())])
    };
    let dense = |(indices, values): &(Vec<i32>, Vec<f64>)| {
        let mut all = vec![0.0; WIDTH];
        for (index, value) in indices.iter().zip(values) {
            all[*index as usize] = *value;
        }
        row(&[Field::Dense(all)])
    };
    let result = |rows: &[Vec<u8>]| {
        let mut task = task(&ALL);
        task.columns = features(1, &[(0, "x", "vector")], WIDTH as u32);
        let mut scorer = Scorer::new(Arc::clone(&model), task).unwrap();
        scorer.run(&batch(rows), rows.len()).unwrap();
        scorer.result().to_vec()
    };
    let all_dense = result(&rows.iter().map(dense).collect::<Vec<_>>());
    assert!(
        result(&rows.iter().map(sparse).collect::<Vec<_>>()) == all_dense,
        "all sparse"
    );
    let mixed = |first: usize| -> Vec<Vec<u8>> {
        let one = |(at, row): (usize, &(Vec<i32>, Vec<f64>))| {
            if (at + first).is_multiple_of(3) {
                sparse(row)
            } else {
                dense(row)
            }
        };
        rows.iter().enumerate().map(one).collect()
    };
    for first in 0..2 {
        assert!(result(&mixed(first)) == all_dense, "mixed, from {first} on");
    }
}

#[test]
fn wide_sparse_vectors_are_scored_in_the_memory_of_their_values() {
    const WIDTH: usize = 1 << 18;
    let mut weights = vec![0.0; (WIDTH + 1) * 2];
    (weights[7], weights[WIDTH + WIDTH - 1], weights[2 * WIDTH]) = (2.0, -3.0, 0.25);
    let model = linear(LabelKind::Real { width: 2 }, 2, &weights);
    let mut task = task(&[Output::Prediction]);
    task.columns = features(1, &[(0, "x", "vector")], WIDTH as u32);
    task.handle_invalid = Invalid::Keep;
    let mut scorer = Scorer::new(model, task).unwrap();
    let vector = |values: [f64; 2]| row(&[Field::Sparse(WIDTH, vec![7, WIDTH as i32 - 1], values.to_vec())]);
    // As dense rows they would take 5 GB.
    let mut rows = vec![vector([1.5, 2.0]); 5_000];
    rows[4_998] = vector([f64::NAN, 1.0]);
    rows[4_999] = row(&[Field::Sparse(3, vec![], vec![])]);
    scorer.run(&batch(&rows), rows.len()).unwrap();
    assert_eq!(scorer.row_mask()[4_996..], [1, 1, 2, 2]);
    let decoder = Decoder::new(&features(1, &[(0, "y", "vector")], 2)).unwrap();
    let mut values = [0.0; 2];
    let first = Rows::new(scorer.result(), 5_000).next().unwrap().unwrap();
    decoder.decode(first, &mut values, &mut []).unwrap();
    assert_eq!(values, [3.25, -6.0]);
}

#[test]
fn what_does_not_fit_the_model_is_refused() {
    let model = linear(LabelKind::class(3), 3, &[0.0; 9]);
    let mut wide = task(&ALL);
    wide.columns.feature_width = 5;
    let failure = Scorer::new(Arc::clone(&model), wide).unwrap_err();
    assert!(
        failure
            .message
            .contains("the features have 5 values, but the model was trained on 2")
    );
    let mut thresholds = task(&ALL);
    thresholds.thresholds = Some(vec![1.0]);
    assert!(
        Scorer::new(model, thresholds)
            .unwrap_err()
            .message
            .contains("1 values, but there are 3 classes")
    );
}

#[test]
fn invalid_rows_that_are_kept_have_null_in_every_column() {
    let model = linear(LabelKind::class(2), 2, &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    let mut keeping = task(&ALL);
    keeping.handle_invalid = Invalid::Keep;
    let mut scorer = Scorer::new(model, keeping).unwrap();
    // More rows than are computed at a time, and an invalid one at every place of a block.
    let rows: Vec<_> = (0..2_500)
        .map(|at| match at % 7 {
            0 => row(&[Field::Null]),
            _ => row(&[floats(&[at as f32, 0.0])]),
        })
        .collect();
    scorer.run(&batch(&rows), rows.len()).unwrap();
    let results: Vec<_> = Rows::new(scorer.result(), rows.len())
        .map(Result::unwrap)
        .collect();
    assert_eq!(results.len(), rows.len());
    for (at, result) in results.iter().enumerate() {
        let view = Row::new(result, 3).unwrap();
        let nulls = [0, 1, 2].map(|column| view.is_null(column));
        assert_eq!(nulls, [at % 7 == 0; 3], "row {at}");
        assert_eq!(scorer.row_mask()[at], if at % 7 == 0 { 2 } else { 1 });
    }
    assert_eq!(results[0].len(), 8 + 3 * 8, "no more than the header");
    let all_null = batch(&[row(&[Field::Null]), row(&[Field::Null])]);
    scorer.run(&all_null, 2).unwrap();
    assert_eq!(scorer.row_mask(), [2, 2]);
}

/// A model of a chain of layers whose weights start from a seed.
fn chain(layers: serde_json::Value, inputs: usize) -> Arc<Model> {
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    let network = Network::from_document(&document, &[inputs]).unwrap();
    let file = network.save_weights(&network.initial_weights(3)).unwrap();
    let label = LabelKind::Real {
        width: u32::try_from(network.output_width()).unwrap(),
    };
    let spec = ModelSpec {
        network: document,
        input_shape: vec![inputs],
        label,
    };
    Arc::new(Model::load(&spec, &file).unwrap())
}

#[test]
fn an_index_outside_of_its_table_is_an_invalid_row() {
    let looked_up = json!([
        {"type": "Embedding", "num_embeddings": 4, "embedding_dim": 2}, {"type": "Flatten"}, {"type": "Linear", "out_features": 1}
    ]);
    // The same, but the index is what another layer makes of the feature: its parameter says nothing of the column.
    let computed = json!([
        {"type": "ReLU"}, {"type": "Embedding", "num_embeddings": 4, "embedding_dim": 2}, {"type": "Flatten"},
        {"type": "Linear", "out_features": 1}
    ]);
    let rows = batch(&[
        row(&[floats(&[0.0, 3.0])]),
        row(&[floats(&[1.0, 4.0])]),
        row(&[floats(&[2.0, 2.5])]),
        row(&[floats(&[3.0, 1.0])]),
    ]);
    for (layers, said) in [
        (looked_up, "column 'x' is 4 at index 1"),
        (computed, "4 is not an index of its table"),
    ] {
        let model = chain(layers, 2);
        let mut strict = Scorer::new(Arc::clone(&model), task(&[Output::Prediction])).unwrap();
        let failure = strict.run(&rows, 4).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::InvalidData);
        for part in [said, "from 0 to 3", "in partition 5, row 1 of it", "\"keep\""] {
            assert!(failure.message.contains(part), "{part}: {}", failure.message);
        }
        for (handle, mask, results) in [(Invalid::Skip, [1, 0, 0, 1], 2), (Invalid::Keep, [1, 2, 2, 1], 4)] {
            let mut lenient = task(&[Output::Prediction]);
            lenient.handle_invalid = handle;
            let mut scorer = Scorer::new(Arc::clone(&model), lenient).unwrap();
            scorer.run(&rows, 4).unwrap();
            assert_eq!(scorer.row_mask(), mask);
            assert_eq!(Rows::new(scorer.result(), results).count(), results);
            let valid = batch(&[row(&[floats(&[3.0, 1.0])])]);
            let all = scorer.result().to_vec();
            scorer.run(&valid, 1).unwrap();
            assert!(all.ends_with(scorer.result()), "the bits of a valid row stay");
        }
    }
}

#[test]
fn inner_layers_are_columns() {
    let model = chain(
        json!([
            {"type": "Linear", "out_features": 3}, {"type": "ReLU"}, {"type": "Dropout"},
            {"type": "Linear", "out_features": 2}
        ]),
        2,
    );
    let inner = |node: &str| Output::Inner {
        node: node.to_owned(),
    };
    let outputs = [inner("2"), Output::Prediction, inner("0"), inner("3")];
    let mut scorer = Scorer::new(Arc::clone(&model), task(&outputs)).unwrap();
    let rows: Vec<_> = (0..1_500)
        .map(|at| row(&[floats(&[at as f32 - 700.0, 0.5])]))
        .collect();
    scorer.run(&batch(&rows), rows.len()).unwrap();
    let columns = [
        (0, "relu", "vector"),
        (1, "y", "vector"),
        (2, "first", "vector"),
        (3, "last", "vector"),
    ];
    let read = read(&scorer, &columns, 10);
    assert!(read.iter().any(|row| row[5..8].iter().any(|value| *value < 0.0)));
    for row in &read {
        let positive: Vec<f32> = row[5..8].iter().map(|value| value.max(0.0)).collect();
        assert_eq!(row[..3], positive, "ReLU of what the first layer gives");
        assert_eq!(row[3..5], row[8..10], "the last layer is the prediction");
    }
    let failure = Scorer::new(model, task(&[inner("9")])).unwrap_err();
    assert!(
        failure
            .message
            .contains("no layer or node \"9\"; it has 0, 1, 2, 3"),
        "{}",
        failure.message
    );
}

/// A model of a class, a probability and a value.
fn three_tasks() -> Arc<Model> {
    let node = |name: &str, layer: serde_json::Value| json!({"name": name, "inputs": ["x"], "layer": layer});
    let document = json!({
        "format": "candlewick.network/1",
        "inputs": [{"name": "x", "shape": [2]}],
        "nodes": [
            node("kind", json!({"type": "Linear", "out_features": 3})),
            node("sure", json!({"type": "Sequential", "layers": [{"type": "Linear", "out_features": 1}, {"type": "Sigmoid"}]})),
            node("size", json!({"type": "Linear", "out_features": 1})),
        ],
        "outputs": ["kind", "sure", "size"],
    });
    let network = Network::from_document(&document, &[2]).unwrap();
    let file = network.save_weights(&network.initial_weights(5)).unwrap();
    let target = |at: u32, outputs, num_classes| Target {
        labels: [at, at + 1],
        outputs,
        num_classes,
    };
    let label = LabelKind::Targets {
        width: 3,
        targets: vec![
            target(0, [0, 3], Some(3)),
            target(1, [3, 4], Some(2)),
            target(2, [4, 5], None),
        ],
    };
    let spec = ModelSpec {
        network: document,
        input_shape: vec![2],
        label,
    };
    Arc::new(Model::load(&spec, &file).unwrap())
}

#[test]
fn outputs_of_several_tasks() {
    let model = three_tasks();
    let named = |output: &str, part: Part| Output::Named {
        output: output.to_owned(),
        part,
    };
    let outputs = [
        Output::RawPrediction,
        named("kind", Part::Prediction),
        named("kind", Part::Probability),
        named("kind", Part::RawPrediction),
        named("sure", Part::Prediction),
        named("sure", Part::Probability),
        named("size", Part::Prediction),
    ];
    let mut scorer = Scorer::new(Arc::clone(&model), task(&outputs)).unwrap();
    let rows: Vec<_> = (0..60)
        .map(|at| row(&[floats(&[at as f32 / 10.0 - 3.0, 1.5 - at as f32 / 20.0])]))
        .collect();
    scorer.run(&batch(&rows), rows.len()).unwrap();
    let columns = [
        (0, "all", "vector"),
        (1, "k", "double"),
        (2, "kp", "vector"),
        (3, "kr", "vector"),
        (4, "s", "double"),
        (5, "sp", "vector"),
        (6, "v", "double"),
    ];
    let read = read(&scorer, &columns, 16);
    let mut seen = [0; 2];
    for row in &read {
        let (all, rest) = row.split_at(5);
        let largest = (1..3).fold(0, |best, at| if all[at] > all[best] { at } else { best });
        assert_eq!(rest[0], largest as f32);
        assert_eq!(rest[4..7], all[..3], "the logits");
        assert!((rest[1..4].iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(
            rest[7],
            f32::from(u8::from(all[3] > 0.5)),
            "the network puts out a probability"
        );
        assert_eq!(rest[9], all[3]);
        assert_eq!(rest[10], all[4]);
        seen[rest[7] as usize] += 1;
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    let refused = Scorer::new(model, task(&[named("size", Part::Probability)])).unwrap_err();
    assert!(refused.message.contains("tells no classes apart"), "{refused}");
}
