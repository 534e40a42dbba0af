//! The layers whose gradients are checked, every one of the catalogue in one form or more.

use serde_json::{Value, json};

/// Layers over one input, and the shape that comes in.
pub(super) fn layers() -> Vec<(Value, Vec<usize>)> {
    let of = |shape: &[usize], layers: Vec<Value>| {
        let shape = shape.to_vec();
        layers.into_iter().map(move |layer| (layer, shape.clone()))
    };
    of(&[7], over_vectors())
        .chain(of(&[3, 4], over_sequences()))
        .chain(of(&[4, 5, 3], over_images()))
        .chain(of(&[2, 3], over_indices()))
        .chain(of(&[4], over_counts()))
        .collect()
}

fn over_vectors() -> Vec<Value> {
    let plain = [
        "ReLU",
        "Tanh",
        "Sigmoid",
        "GELU",
        "LeakyReLU",
        "ELU",
        "SELU",
        "CELU",
        "SiLU",
        "Mish",
        "Softplus",
        "Softsign",
        "LogSigmoid",
        "ReLU6",
        "Hardtanh",
        "Hardsigmoid",
        "Hardswish",
        "Hardshrink",
        "Softshrink",
        "Tanhshrink",
        "Identity",
        "Softmax",
        "Softmin",
        "LogSoftmax",
        "PReLU",
        "Dropout",
        "LayerNorm",
        "RMSNorm",
        "BatchNorm1d",
    ];
    let mut all: Vec<Value> = plain.iter().map(|name| json!({"type": name})).collect();
    all.extend([
        json!({"type": "GELU", "approximate": "tanh"}),
        json!({"type": "CELU", "alpha": 1.7}),
        json!({"type": "Softplus", "beta": 2.5, "threshold": 2.0}),
        json!({"type": "Threshold", "threshold": 0.3, "value": -1.5}),
        json!({"type": "Linear", "out_features": 4}),
        json!({"type": "Unflatten", "dim": 1, "unflattened_size": [1, 7]}),
        json!({"type": "Reshape", "shape": [7, 1]}),
    ]);
    all
}

fn over_sequences() -> Vec<Value> {
    vec![
        json!({"type": "Linear", "out_features": 5, "bias": false}),
        json!({"type": "Softmax", "dim": 1}),
        json!({"type": "LogSoftmax", "dim": 1}),
        json!({"type": "Softmin", "dim": 1}),
        json!({"type": "GLU"}),
        json!({"type": "BatchNorm1d", "bias": false}),
        json!({"type": "InstanceNorm1d", "affine": true}),
        json!({"type": "GroupNorm", "num_groups": 3, "bias": false}),
        json!({"type": "LocalResponseNorm", "size": 2, "alpha": 0.5, "beta": 0.9, "k": 2.0}),
        json!({"type": "ConvTranspose1d", "out_channels": 2, "kernel_size": 3, "stride": 2, "padding": 1,
            "output_padding": 1}),
        json!({"type": "LPPool1d", "norm_type": 2, "kernel_size": 2, "stride": 1}),
        json!({"type": "ZeroPad1d", "padding": [1, 2]}),
        json!({"type": "ConstantPad1d", "padding": 1, "value": 1.5}),
        json!({"type": "ReflectionPad1d", "padding": [3, 1]}),
        json!({"type": "ReplicationPad1d", "padding": [2, 5]}),
        json!({"type": "CircularPad1d", "padding": [4, 3]}),
        json!({"type": "PReLU", "num_parameters": 3}),
        json!({"type": "LayerNorm", "normalized_shape": [3, 4]}),
        json!({"type": "BatchNorm1d"}),
        json!({"type": "BatchNorm1d", "affine": false, "scope": "slice"}),
        json!({"type": "Flatten"}),
        json!({"type": "Permute", "dims": [0, 2, 1]}),
        json!({"type": "MultiheadAttention", "num_heads": 2}),
        json!({"type": "MultiheadAttention", "num_heads": 1, "is_causal": true, "dropout": 0.3, "bias": false}),
        json!({"type": "PositionalEncoding"}),
        json!({"type": "LearnedPositionalEncoding", "max_len": 4}),
        json!({"type": "RNN", "hidden_size": 3, "bidirectional": true}),
        json!({"type": "RNN", "hidden_size": 3, "nonlinearity": "relu", "output": "last"}),
        json!({"type": "LSTM", "hidden_size": 2, "num_layers": 2, "bidirectional": true, "dropout": 0.3}),
        json!({"type": "LSTM", "hidden_size": 3, "bias": false, "output": "last"}),
        json!({"type": "LSTM", "hidden_size": 4, "num_layers": 2, "bidirectional": true, "proj_size": 2}),
        json!({"type": "LSTM", "hidden_size": 3, "proj_size": 1, "bias": false, "output": "last"}),
        json!({"type": "GRU", "hidden_size": 2, "num_layers": 2, "bidirectional": true, "output": "last"}),
        json!({"type": "GRU", "hidden_size": 3, "bias": false}),
        json!({"type": "Conv1d", "out_channels": 2, "kernel_size": 3, "padding": "same"}),
        json!({"type": "MaxPool1d", "kernel_size": 2, "padding": 1}),
        json!({"type": "AvgPool1d", "kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": true}),
        json!({"type": "AdaptiveMaxPool1d", "output_size": 3}),
        json!({"type": "AdaptiveAvgPool1d", "output_size": 3}),
    ]
}

fn over_images() -> Vec<Value> {
    vec![
        json!({"type": "Conv2d", "out_channels": 4, "kernel_size": [3, 2], "stride": [2, 1], "padding": [1, 0],
            "dilation": [1, 2], "groups": 2}),
        json!({"type": "Conv2d", "out_channels": 2, "kernel_size": 1, "bias": false}),
        json!({"type": "ConvTranspose2d", "out_channels": 2, "kernel_size": [2, 3], "stride": [2, 1], "padding": [0, 1],
            "output_padding": [1, 0], "groups": 2}),
        json!({"type": "MaxPool2d", "kernel_size": [3, 2], "stride": 1, "dilation": [2, 1]}),
        json!({"type": "AvgPool2d", "kernel_size": 2, "padding": 1, "count_include_pad": false}),
        json!({"type": "AvgPool2d", "kernel_size": 2, "divisor_override": 3}),
        json!({"type": "AdaptiveMaxPool2d", "output_size": [2, 2]}),
        json!({"type": "AdaptiveAvgPool2d", "output_size": [3, 2]}),
        json!({"type": "BatchNorm2d"}),
        json!({"type": "GroupNorm", "num_groups": 2}),
        json!({"type": "InstanceNorm2d", "affine": true}),
        json!({"type": "Dropout2d"}),
        json!({"type": "GLU", "dim": 1}),
        json!({"type": "LocalResponseNorm", "size": 3, "alpha": 0.7}),
        json!({"type": "LPPool2d", "norm_type": 4, "kernel_size": [2, 3], "ceil_mode": true}),
        json!({"type": "ZeroPad2d", "padding": [1, 0, 2, 1]}),
        json!({"type": "ConstantPad2d", "padding": [1, 0, 2, 1], "value": -0.5}),
        json!({"type": "ReflectionPad2d", "padding": [1, 2, 3, 4]}),
        json!({"type": "ReplicationPad2d", "padding": 2}),
        json!({"type": "CircularPad2d", "padding": [3, 1, 2, 5]}),
        json!({"type": "Upsample", "size": [7, 6]}),
    ]
}

fn table(more: &Value) -> Value {
    let mut layer = json!({"type": "EmbeddingBag", "num_embeddings": 4, "embedding_dim": 3});
    let more = more.as_object().unwrap().clone();
    layer.as_object_mut().unwrap().extend(more);
    layer
}

fn over_counts() -> Vec<Value> {
    let of = |more: Value| {
        let mut layer = table(&more);
        layer["input"] = json!("counts");
        layer
    };
    vec![
        of(json!({"mode": "sum"})),
        of(json!({"mode": "sum", "padding_idx": 1})),
        of(json!({"mode": "mean"})),
        of(json!({"mode": "mean", "padding_idx": 2})),
        of(json!({"mode": "max"})),
        of(json!({"mode": "max", "padding_idx": 0})),
    ]
}

fn over_indices() -> Vec<Value> {
    let of = |more: Value| table(&more);
    vec![
        of(json!({"type": "Embedding", "padding_idx": 1})),
        of(json!({"mode": "sum"})),
        of(json!({"mode": "mean", "padding_idx": 2})),
        of(json!({"mode": "max"})),
    ]
}

/// Layers of several inputs, in a graph; and a residual connection.
pub(super) fn joins() -> Vec<Value> {
    let graph = |shapes: &[&[usize]], layer: Value| {
        let names = &["a", "b", "c", "d"][..shapes.len()];
        let inputs = names
            .iter()
            .zip(shapes)
            .map(|(name, shape)| json!({"name": name, "shape": shape}));
        json!({"format": "candlewick.network/1", "inputs": inputs.collect::<Vec<Value>>(),
            "nodes": [{"name": "join", "inputs": names, "layer": layer},
                {"name": "end", "inputs": ["join"], "layer": {"type": "Linear", "out_features": 1}}],
            "outputs": ["end"]})
    };
    let (equal, different): ([&[usize]; 3], [&[usize]; 2]) = ([&[3, 2]; 3], [&[3, 2], &[3, 4]]);
    // A sequence, or query, key and value; and which steps are padding.
    let (masked, ends): ([&[usize]; 2], [&[usize]; 4]) = ([&[3, 5], &[3]], [&[4, 2], &[2, 2], &[2, 2], &[2]]);
    let residual = json!({"type": "Residual", "layers": [{"type": "Linear", "out_features": 4}]});
    vec![
        graph(&equal, json!({"type": "Add"})),
        graph(&equal, json!({"type": "Multiply"})),
        graph(&equal, json!({"type": "Concat", "dim": 1})),
        graph(&equal, json!({"type": "MultiheadAttention", "num_heads": 2})),
        graph(&different, json!({"type": "Concat"})),
        graph(&different, json!({"type": "Bilinear", "out_features": 3})),
        graph(
            &masked,
            json!({"type": "RNN", "hidden_size": 2, "bidirectional": true}),
        ),
        graph(
            &masked,
            json!({"type": "RNN", "hidden_size": 3, "nonlinearity": "relu", "output": "last"}),
        ),
        graph(
            &masked,
            json!({"type": "LSTM", "hidden_size": 2, "num_layers": 2, "bidirectional": true, "dropout": 0.3}),
        ),
        graph(
            &masked,
            json!({"type": "LSTM", "hidden_size": 3, "bidirectional": true, "proj_size": 2, "output": "last"}),
        ),
        graph(
            &masked,
            json!({"type": "GRU", "hidden_size": 2, "num_layers": 2, "bidirectional": true}),
        ),
        graph(
            &masked,
            json!({"type": "GRU", "hidden_size": 2, "bias": false, "bidirectional": true, "output": "last"}),
        ),
        graph(
            &masked,
            json!({"type": "MultiheadAttention", "num_heads": 1, "is_causal": true}),
        ),
        graph(
            &ends,
            json!({"type": "MultiheadAttention", "num_heads": 2, "dropout": 0.3}),
        ),
        json!({"format": "candlewick.network/1", "layers": [residual]}),
    ]
}
