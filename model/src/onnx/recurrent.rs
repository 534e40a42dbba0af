//! RNN, LSTM and GRU, one ONNX node a layer. ONNX orders the gates differently: LSTM i, o, f, c where PyTorch has
//! i, f, g, o; GRU z, r, h where PyTorch has r, z, n.

use super::graph::ExportLayer;
use super::graph::{Attribute, Graph, Layer, Name};
use candlewick_protocol::Failure;

pub(super) const LAYERS: &[(&str, ExportLayer)] = &[
    ("RNN", |graph, layer| stack(graph, layer, ("RNN", &[0]))),
    ("LSTM", |graph, layer| {
        stack(graph, layer, ("LSTM", &[0, 3, 1, 2]))
    }),
    ("GRU", |graph, layer| stack(graph, layer, ("GRU", &[1, 0, 2]))),
];

/// Blocks of `size` values, one a gate, in ONNX's order.
fn reordered(values: &[f32], gates: &[usize]) -> Vec<f32> {
    let size = values.len() / gates.len();
    let blocks = gates.iter().map(|gate| &values[gate * size..(gate + 1) * size]);
    blocks.flatten().copied().collect()
}

fn stack(graph: &mut Graph, layer: &Layer<'_>, (op, gates): (&str, &[usize])) -> Result<Name, Failure> {
    if layer.int("proj_size") > 0 {
        return Err(Failure::parameter(format!(
            "{} with a proj_size has no counterpart in ONNX",
            layer.kind
        )));
    }
    if layer.inputs.len() > 1 {
        return Err(Failure::parameter(format!(
            "{} with a padding mask has no counterpart in ONNX",
            layer.kind
        )));
    }
    let hidden = usize::try_from(layer.int("hidden_size")).unwrap_or(0);
    let ends: &[&str] = if layer.flag("bidirectional") {
        &["", "_reverse"]
    } else {
        &[""]
    };
    // ONNX has time before the rows.
    let mut value = graph.transpose(layer.input(), &[1, 0, 2]);
    let mut width = layer.shape().last().copied().unwrap_or(1);
    let mut last = String::new();
    for at in 0..layer.int("num_layers").max(1) {
        let (mut input, mut recurrent, mut bias) = (Vec::new(), Vec::new(), Vec::new());
        for end in ends {
            input.extend(reordered(layer.values(&format!("weight_ih_l{at}{end}"))?, gates));
            recurrent.extend(reordered(layer.values(&format!("weight_hh_l{at}{end}"))?, gates));
            for side in ["ih", "hh"] {
                match layer.parameter(&format!("bias_{side}_l{at}{end}")) {
                    Some((_, values)) => bias.extend(reordered(values, gates)),
                    None => bias.resize(bias.len() + gates.len() * hidden, 0.0),
                }
            }
        }
        let size = gates.len() * hidden;
        let input = graph.reals(&[ends.len(), size, width], &input);
        let recurrent = graph.reals(&[ends.len(), size, hidden], &recurrent);
        let bias = graph.reals(&[ends.len(), 2 * size], &bias);
        let outputs = graph.outputs(
            op,
            &[&value, &input, &recurrent, &bias],
            &attributes(layer, op, ends.len()),
            2,
        );
        // [time, directions, rows, hidden] -> [time, rows, directions, hidden]
        let sequence = graph.transpose(&outputs[0], &[0, 2, 1, 3]);
        width = ends.len() * hidden;
        let shape = graph.ints(&[0, -1, i64::try_from(width).unwrap_or(-1)]);
        value = graph.node("Reshape", &[&sequence, &shape], &[]);
        last.clone_from(&outputs[1]);
    }
    if layer.text("output") == "last" {
        // [directions, rows, hidden] -> [rows, directions, hidden]
        let rows = graph.transpose(&last, &[1, 0, 2]);
        return Ok(graph.reshape(&rows, &[width]));
    }
    Ok(graph.transpose(&value, &[1, 0, 2]))
}

fn attributes(layer: &Layer<'_>, op: &str, directions: usize) -> Vec<(&'static str, Attribute)> {
    let direction = if directions == 2 {
        "bidirectional"
    } else {
        "forward"
    };
    let mut attributes = vec![
        ("hidden_size", Attribute::Int(layer.int("hidden_size"))),
        ("direction", Attribute::Text(direction)),
    ];
    if op == "GRU" {
        // The reset gate acts on the product, as in PyTorch.
        attributes.push(("linear_before_reset", Attribute::Int(1)));
    }
    if op == "RNN" {
        let function = if layer.text("nonlinearity") == "relu" {
            "Relu"
        } else {
            "Tanh"
        };
        attributes.push(("activations", Attribute::Texts(vec![function; directions])));
    }
    attributes
}
