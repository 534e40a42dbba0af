//! Pooling and changes of shape: PyTorch's numbers, the same bits for any owners, and their errors.

use crate::support;
use candlewick_model::engine::{Alone, Batch, Engine, NodeGradient, Predictor, Slice};
use candlewick_model::network::Network;
use candlewick_model::philox::{Key, philox};
use candlewick_protocol::job::LabelKind;
use serde_json::{Value, json};

#[test]
fn pools_and_shapes() {
    support::check_layers(include_str!("../golden/pooling.json"));
}

fn made(layers: &Value, shape: &[usize]) -> Result<Network, String> {
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    Network::from_document(&document, shape).map_err(|failure| failure.message)
}

#[test]
fn the_largest_is_pytorchs() {
    let pool = |kernel: u32, stride: u32| {
        let network = made(
            &json!([
                {"type": "Conv2d", "out_channels": 1, "kernel_size": 1, "bias": false},
                {"type": "MaxPool2d", "kernel_size": kernel, "stride": stride}
            ]),
            &[1, 2, 4],
        )
        .unwrap();
        let features = [
            1.0,
            f32::NAN,
            f32::NEG_INFINITY,
            f32::NEG_INFINITY,
            5.0,
            2.0,
            f32::NEG_INFINITY,
            f32::NEG_INFINITY,
        ];
        Predictor::new(&network, 1)
            .unwrap()
            .predict(&[1.0], &features, 1)
            .unwrap()
            .to_vec()
    };
    let halves = pool(2, 2);
    assert!(halves[0].is_nan() && halves[1] == f32::NEG_INFINITY, "{halves:?}");
    let others = pool(2, 1);
    assert!(others[0].is_nan() && others[1].is_nan() && others[2] == f32::NEG_INFINITY);
}

/// Of equal elements the first gets the gradient: those of a constant image meet in one corner.
#[test]
fn ties_go_to_the_first() {
    for (kernel, stride) in [(2, 2), (3, 1)] {
        let network = made(
            &json!([
                {"type": "Conv2d", "out_channels": 1, "kernel_size": 1, "bias": false},
                {"type": "MaxPool2d", "kernel_size": kernel, "stride": stride}
            ]),
            &[1, 4, 4],
        )
        .unwrap();
        let features: Vec<f32> = (0..16)
            .map(|at| if at % 4 % 2 == 0 { 1.0 } else { -1.0 })
            .collect();
        let width = network.output_width();
        let kind = LabelKind::Real { width: width as u32 };
        let mut engine = Engine::new(&network, &json!({"type": "MSELoss"}), &kind, 1, 1).unwrap();
        let batch = Batch {
            step: 0,
            slices: &[Slice { shard: 0, rows: 1 }],
            features: (&features).into(),
            labels: &vec![-1.0; width],
            weights: &[1.0],
        };
        let mut nodes = [NodeGradient::new(0, 1)];
        // A weight of 0 makes all elements equal: the gradient is that of the first, which is 1 in even columns.
        engine.step_among(&[0.0], &batch, &mut nodes, &mut Alone).unwrap();
        let wanted = if kernel == 2 { 8.0 } else { 0.0 };
        assert_eq!(nodes[0].values, [wanted], "kernel {kernel}");
    }
}

#[test]
fn whole_channels_drop_by_the_rule() {
    let network = made(
        &json!([{"type": "Reshape", "shape": [8, 1, 3]}, {"type": "Dropout2d", "p": 0.25},
            {"type": "Flatten"}, {"type": "Linear", "out_features": 1, "bias": false}]),
        &[24],
    )
    .unwrap();
    let mut engine = Engine::new(
        &network,
        &json!({"type": "MSELoss"}),
        &LabelKind::Real { width: 1 },
        77,
        1,
    )
    .unwrap();
    let features: Vec<f32> = (1..=24).map(|at| at as f32).collect();
    let batch = Batch {
        step: 9,
        slices: &[Slice { shard: 4, rows: 1 }],
        features: (&features).into(),
        labels: &[-0.5],
        weights: &[1.0],
    };
    let mut nodes = [NodeGradient::new(0, 8)];
    // The output is 0, so the gradient of the weights is 2 · 0.5 times what comes out of the dropout.
    engine.step(&[0.0; 24], &batch, &mut nodes).unwrap();
    let key = Key::new(77, "1");
    let mut dropped = 0;
    for (at, value) in nodes[0].values.iter().enumerate() {
        let channel = at as u32 / 3;
        let word = philox([channel / 4, 0, 4, 9], key)[channel as usize % 4];
        let kept = u64::from(word) < 3 << 30;
        dropped += u32::from(!kept);
        let wanted = if kept {
            features[at] * (1.0 / 0.75f64) as f32
        } else {
            0.0
        };
        assert_eq!(*value, wanted, "element {at}");
    }
    assert!((1..24).contains(&dropped), "{dropped}");
}

fn assert_refused(cases: &[(Value, Vec<usize>, &str)]) {
    for (layer, shape, wanted) in cases {
        let message = made(&json!([layer]), shape).unwrap_err();
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn pools_that_do_not_fit_say_what_came() {
    assert_refused(&[
        (
            json!({"type": "MaxPool2d", "kernel_size": 2}),
            vec![28, 28],
            "layers.0 (MaxPool2d): expects an input of shape [channels, height, width] without the batch, got [28, 28]",
        ),
        (
            json!({"type": "MaxPool2d", "kernel_size": [2, 3], "padding": [1, 2]}),
            vec![1, 8, 8],
            "padding=2 must be at most half of kernel_size=3",
        ),
        (
            json!({"type": "AvgPool1d", "kernel_size": 9}),
            vec![1, 8],
            "has a window of 9, but the input [1, 8] has 8 elements there",
        ),
        // Where PyTorch would have no window either.
        (
            json!({"type": "MaxPool1d", "kernel_size": 3, "stride": 2, "ceil_mode": true}),
            vec![1, 1],
            "has a window of 3, but the input [1, 1] has 1 elements there with its padding",
        ),
        (
            json!({"type": "MaxPool1d", "kernel_size": 2, "stride": 2, "dilation": 3, "ceil_mode": true}),
            vec![1, 2],
            "has a window of 4, but the input [1, 2] has 2 elements there with its padding",
        ),
        (
            json!({"type": "MaxPool1d", "kernel_size": 2, "padding": 1, "dilation": 3}),
            vec![1, 2],
            "has a window without an element of the input [1, 2]",
        ),
        (
            json!({"type": "AdaptiveAvgPool2d", "output_size": [1, 2, 3]}),
            vec![1, 8, 8],
            "output_size = [1,2,3] is not legal",
        ),
        (
            json!({"type": "Dropout2d"}),
            vec![8],
            "expects an input of shape [channels, height, width] without the batch, got [8]",
        ),
    ]);
}

#[test]
fn shapes_that_do_not_fit_say_what_came() {
    assert_refused(&[
        (
            json!({"type": "Unflatten", "dim": 0, "unflattened_size": [2, 4]}),
            vec![8],
            "dim=0 is the batch dimension",
        ),
        (
            json!({"type": "Unflatten", "dim": 1, "unflattened_size": [3, 4]}),
            vec![8],
            "unflattened_size=[3, 4] does not hold the 8 elements there are",
        ),
        (
            json!({"type": "Reshape", "shape": [-1, -1]}),
            vec![8],
            "shape=[-1, -1] has more than one -1",
        ),
        (
            json!({"type": "Reshape", "shape": [-1, 0]}),
            vec![8],
            "shape=[-1, 0] has a size of 0",
        ),
        (
            json!({"type": "Reshape", "shape": [-1, 3]}),
            vec![8],
            "shape=[-1, 3] does not hold the 8 elements there are",
        ),
        (
            json!({"type": "Permute", "dims": [1, 0]}),
            vec![8],
            "dims=[1, 0] does not begin with 0",
        ),
        (
            json!({"type": "Permute", "dims": [0, 2, 2]}),
            vec![8, 3],
            "dims=[0, 2, 2] is to name each of the dimensions 0 to 2 of the input [8, 3] (0 is the batch) once",
        ),
        (
            json!({"type": "Upsample"}),
            vec![1, 2, 2],
            "expects either size or scale_factor",
        ),
    ]);
}
