//! Elements around the input. ONNX has three kinds in operator set 17; what the other end has is gathered.

use super::graph::ExportLayer;
use super::graph::{Attribute, Graph, Layer, Name, long};
use crate::layers::Around;
use candlewick_protocol::Failure;

pub(super) const LAYERS: &[(&str, ExportLayer)] = &[
    ("ZeroPad1d", pad),
    ("ZeroPad2d", pad),
    ("ConstantPad1d", pad),
    ("ConstantPad2d", pad),
    ("ReflectionPad1d", pad),
    ("ReflectionPad2d", pad),
    ("ReplicationPad1d", pad),
    ("ReplicationPad2d", pad),
    ("CircularPad1d", pad),
    ("CircularPad2d", pad),
];

/// Elements before and after every dimension after the channels.
fn sides(layer: &Layer<'_>) -> Vec<(usize, usize)> {
    let dims = layer.shape().len() - 1;
    let sizes = layer.sizes("padding", 2 * dims, &vec![0; 2 * dims]);
    let sizes: Vec<usize> = sizes
        .iter()
        .map(|size| usize::try_from(*size).unwrap_or(0))
        .collect();
    // The last dimension comes first.
    sizes
        .chunks_exact(2)
        .rev()
        .map(|pair| (pair[0], pair[1]))
        .collect()
}

fn pad(graph: &mut Graph, layer: &Layer<'_>) -> Result<Name, Failure> {
    let (around, sides) = (Around::of(layer.kind), sides(layer));
    let mode = match around {
        Around::Constant => "constant",
        Around::Reflection => "reflect",
        Around::Replication => "edge",
        Around::Circular => return Ok(gather(graph, layer, &sides)),
    };
    let begins = sides.iter().map(|side| long(side.0));
    let ends = sides.iter().map(|side| long(side.1));
    let pads: Vec<i64> = [0, 0]
        .into_iter()
        .chain(begins)
        .chain([0, 0])
        .chain(ends)
        .collect();
    let pads = graph.ints(&pads);
    let attributes = [("mode", Attribute::Text(mode))];
    if around != Around::Constant {
        return Ok(graph.node("Pad", &[layer.input(), &pads], &attributes));
    }
    let value = graph.real(layer.real("value"));
    Ok(graph.node("Pad", &[layer.input(), &pads, &value], &attributes))
}

fn gather(graph: &mut Graph, layer: &Layer<'_>, sides: &[(usize, usize)]) -> Name {
    let mut value = layer.input().to_owned();
    for (at, (before, after)) in sides.iter().enumerate() {
        let size = layer.shape()[at + 1];
        let sources = (0..before + size + after).filter_map(|at| Around::Circular.source(at, *before, size));
        let sources: Vec<i64> = sources.map(long).collect();
        let sources = graph.ints(&sources);
        let axis = Attribute::Int(long(at + 2));
        value = graph.node("Gather", &[&value, &sources], &[("axis", axis)]);
    }
    value
}
