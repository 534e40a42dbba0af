//! Convolutions: PyTorch's numbers, the same bits for any owners, and their errors.

use crate::support;
use candlewick_model::network::Network;
use serde_json::{Value, json};

#[test]
fn convolutions() {
    support::check_layers(include_str!("../golden/convolution.json"));
}

fn made(layer: &Value, shape: &[usize]) -> Result<Network, String> {
    let document = json!({"format": "candlewick.network/1", "layers": [layer]});
    Network::from_document(&document, shape).map_err(|failure| failure.message)
}

#[test]
fn channels_are_inferred() {
    let network = made(
        &json!({"type": "Conv2d", "out_channels": 4, "kernel_size": 3, "groups": 2}),
        &[6, 5, 5],
    )
    .unwrap();
    assert_eq!(network.document()["layers"][0]["in_channels"], 6);
    assert_eq!(network.parameters()[0].shape, [4, 3, 3, 3]);
    let bound = 1.0 / 27.0f32.sqrt();
    let weights = network.initial_weights(5);
    assert!(weights.iter().all(|weight| weight.abs() <= bound));
    assert!(weights.iter().any(|weight| weight.abs() > 0.9 * bound));
}

fn of(kind: &str, more: Value) -> Value {
    let mut layer = json!({"type": kind, "out_channels": 4, "kernel_size": 3});
    let more = more.as_object().unwrap().clone();
    layer.as_object_mut().unwrap().extend(more);
    layer
}

fn assert_refused(cases: &[(Value, Vec<usize>, &str)]) {
    for (layer, shape, wanted) in cases {
        let message = made(layer, shape).unwrap_err();
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn what_does_not_fit_says_what_came() {
    let conv = |more: Value| of("Conv2d", more);
    assert_refused(&[
        (
            conv(json!({})),
            vec![28, 28],
            "layers.0 (Conv2d): expects an input of shape [channels, height, width] without the batch, got [28, 28]",
        ),
        (
            conv(json!({})),
            vec![784],
            "bring it to that shape with Unflatten or Reshape, or, where it is the features, with inputShape",
        ),
        (
            json!({"type": "Conv1d", "out_channels": 4, "kernel_size": 3}),
            vec![3, 9, 9],
            "expects an input of shape [channels, length] without the batch, got [3, 9, 9]",
        ),
        (
            conv(json!({"in_channels": 3})),
            vec![2, 9, 9],
            "expects 3 channels (in_channels=3), but the input has shape [2, 9, 9]",
        ),
        (
            conv(json!({"groups": 2})),
            vec![3, 9, 9],
            "groups=2 does not divide in_channels=3",
        ),
        (
            conv(json!({"groups": 3})),
            vec![3, 9, 9],
            "groups=3 does not divide out_channels=4",
        ),
        (
            conv(json!({"dilation": [1, 4]})),
            vec![3, 9, 8],
            "has a kernel of 9 with its dilation, but the input [3, 9, 8] has 8 elements there",
        ),
        (
            conv(json!({"padding": "same", "stride": 2})),
            vec![3, 9, 8],
            "padding=\"same\" expects a stride of 1, got stride=2",
        ),
        (
            conv(json!({"padding": "full"})),
            vec![3, 9, 8],
            "padding = \"full\" is not legal: expected \"same\", \"valid\", a whole number",
        ),
        (
            conv(json!({"padding_mode": "reflect"})),
            vec![3, 9, 8],
            "padding_mode = \"reflect\" is not legal: expected \"zeros\"",
        ),
    ]);
}

#[test]
fn what_cannot_be_turned_round_says_why() {
    let transposed = |more: Value| of("ConvTranspose2d", more);
    assert_refused(&[
        (
            transposed(json!({"output_padding": 1})),
            vec![3, 9, 8],
            "output_padding=1 must be less than the stride or the dilation, which are 1 and 1",
        ),
        (
            transposed(json!({"padding": 2})),
            vec![3, 2, 2],
            "padding=2 cuts off all 4 elements that come of the input [3, 2, 2]",
        ),
    ]);
}
