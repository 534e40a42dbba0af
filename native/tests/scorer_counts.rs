//! Scoring sparse vectors by a table: the bits of dense ones, and rows that are refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use candlewick_model::network::Network;
use candlewick_native::scorer::{Invalid, Model, Output, ScoreTask, Scorer};
use candlewick_protocol::job::{LabelKind, Precision};
use common::{Field, batch, features, row};
use serde_json::{Value, json};
use std::sync::Arc;

const WIDTH: usize = 60;

fn task(outputs: &[Output]) -> ScoreTask {
    ScoreTask {
        columns: features(1, &[(0, "x", "vector")], WIDTH as u32),
        outputs: outputs.to_vec(),
        thresholds: None,
        partition: Some(5),
        handle_invalid: Invalid::Error,
        precision: Precision::F32,
        device: None,
    }
}

#[test]
fn bags_of_counts_have_the_bits_of_dense_vectors() {
    let layers = |first: Value| {
        let layers = json!([first, {"type": "Linear", "out_features": 3}]);
        let document = json!({"format": "candlewick.network/1", "layers": layers});
        let network = Network::from_document(&document, &[WIDTH]).unwrap();
        let weights = network.initial_weights(1);
        Arc::new(Model::of(network, weights, &LabelKind::class(3)).unwrap())
    };
    let bag = json!({"type": "EmbeddingBag", "num_embeddings": WIDTH, "embedding_dim": 5, "input": "counts"});
    let both = json!({"type": "Concat", "layers": [bag, {"type": "Linear", "out_features": 2}]});
    // A fifth of them is given, and every seventh vector has nothing.
    let indices = |at: usize| -> Vec<i32> {
        (0..(at % 7 * 2))
            .map(|place| (place * 4 + at % 3) as i32)
            .collect()
    };
    let rows = |sparse: bool| -> Vec<Vec<u8>> {
        let one = |at: usize| {
            let indices = indices(at);
            let values: Vec<f64> = indices.iter().map(|index| f64::from(index % 5)).collect();
            if sparse {
                return row(&[Field::Sparse(WIDTH, indices, values)]);
            }
            let mut all = vec![0.0; WIDTH];
            indices
                .iter()
                .zip(values)
                .for_each(|(index, value)| all[*index as usize] = value);
            row(&[Field::Dense(all)])
        };
        (0..2_500).map(one).collect()
    };
    for model in [layers(bag.clone()), layers(both)] {
        let result = |rows: &[Vec<u8>]| {
            let all = [Output::RawPrediction, Output::Probability, Output::Prediction];
            let mut scorer = Scorer::new(Arc::clone(&model), task(&all)).unwrap();
            scorer.run(&batch(rows), rows.len()).unwrap();
            scorer.result().to_vec()
        };
        assert!(result(&rows(true)) == result(&rows(false)));
    }
    // One row that a mean refuses leaves the others as they are.
    let mut task = task(&[Output::Prediction]);
    task.handle_invalid = Invalid::Skip;
    let mut scorer = Scorer::new(layers(bag), task).unwrap();
    let mut all = rows(true);
    all[1_900] = row(&[Field::Sparse(WIDTH, vec![4], vec![-1.0])]);
    scorer.run(&batch(&all), all.len()).unwrap();
    let refused: Vec<usize> = (0..all.len()).filter(|at| scorer.row_mask()[*at] == 0).collect();
    assert_eq!(refused, [1_900]);
}
