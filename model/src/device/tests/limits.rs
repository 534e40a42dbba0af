//! Tensors of more elements than kernels count: refused by name, before memory is asked for.

use super::device;
use crate::device::lowering;
use crate::device::subgraph::Subgraph;
use crate::network::Network;
use crate::resident::{Advice, Link, is_too_much};
use candle_core::{DType, Tensor};
use candlewick_protocol::Failure;
use serde_json::{Value, json};

/// What a layer says to so many rows, none of which has memory of its own.
fn refusal(layer: &Value, shape: &[usize], rows: usize, advice: Advice) -> Failure {
    let end = [
        json!({"type": "Flatten"}),
        json!({"type": "Linear", "out_features": 1}),
    ];
    let document = json!({"format": "candlewick.network/1", "layers": [layer, end[0], end[1]]});
    let network = Network::from_document(&document, shape).unwrap();
    let subgraph = Subgraph::of(&network, 0..1, &lowering::find).unwrap();
    let link = Link::with(device(), advice, None);
    let of = |shape: &[usize]| {
        let one = Tensor::zeros(1, DType::F32, link.device()).unwrap();
        one.broadcast_as(shape).unwrap()
    };
    let all = [&[rows], shape].concat();
    let weights: Vec<Tensor> = subgraph.weights.iter().map(|weight| of(&weight.shape)).collect();
    let refused = subgraph.run(&[of(&all)], &weights, None, &link);
    link.failure(refused.unwrap_err())
}

#[test]
fn a_convolution_tells_what_it_would_lay_out() {
    // 193 x 193 places of 64 x 64 elements of 32 rows.
    let layer = json!({"type": "Conv2d", "out_channels": 1, "kernel_size": 64});
    let told = refusal(&layer, &[1, 256, 256], 32, Advice::Training);
    for word in [
        "layer 0 (Conv2d)",
        "4882300928 elements ([32, 12352, 12352, 1])",
        "lower batchSize",
        "raise logicalShards",
    ] {
        assert!(told.message.contains(word), "{word}: {told}");
    }
    let scoring = refusal(&layer, &[1, 256, 256], 32, Advice::Scoring(5));
    assert!(
        is_too_much(&scoring) && scoring.message.contains("scoreDevice"),
        "{scoring}"
    );
}

#[test]
fn a_pool_and_a_table_tell_what_they_would_make_on_the_way() {
    let pool = json!({"type": "AvgPool1d", "kernel_size": 2});
    let told = refusal(&pool, &[1, 1 << 17], 1, Advice::Training);
    assert!(
        told.message.contains("AvgPool1d") && told.message.contains("8589934592 elements"),
        "{told}"
    );
    let bag = json!({"type": "EmbeddingBag", "num_embeddings": 1 << 16, "embedding_dim": 1 << 10});
    let told = refusal(&bag, &[1 << 10], 1 << 13, Advice::Scoring(5));
    assert!(
        told.message.contains("EmbeddingBag") && told.message.contains("8589934592 elements"),
        "{told}"
    );
}

#[test]
fn a_layer_tells_what_it_would_put_out() {
    for (layer, shape, rows) in [
        (json!({"type": "ReLU"}), &[1 << 16][..], 1 << 16),
        (
            json!({"type": "ConvTranspose1d", "out_channels": 1, "kernel_size": 1, "stride": 1 << 20}),
            &[1, 1 << 10],
            5,
        ),
        (
            json!({"type": "ZeroPad1d", "padding": [0, (1 << 24) - 1]}),
            &[1, 1],
            1 << 8,
        ),
    ] {
        let told = refusal(&layer, shape, rows, Advice::Training);
        let name = layer["type"].as_str().unwrap();
        assert!(told.message.contains(&format!("layer 0 ({name})")), "{told}");
    }
}
