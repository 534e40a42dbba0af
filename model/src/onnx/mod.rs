//! Networks as ONNX models, for every runtime that reads them.
//!
//! The graph computes what scoring computes: values are times `scale`, dropout is left out, normalisations use running statistics. Inputs and
//! outputs have any number of rows (`batch`). Operator set 17, which ONNX Runtime 1.12 and later read.

mod activation;
mod attention;
mod convolution;
mod embedding;
mod graph;
mod normalization;
mod padding;
mod proto;
mod recurrent;
mod shape;

use crate::network::{LayerNode, Network, ValueRef};
use candlewick_protocol::Failure;
use graph::{Attribute, ExportLayer, Graph, Layer, Name, value_info};
use prost::Message;
use proto::{DOUBLE, FLOAT, ModelProto, OperatorSetIdProto, ValueInfoProto};

/// The operator set that the nodes belong to.
const OPSET: i64 = 17;
/// Version of the file format that goes with it.
const IR_VERSION: i64 = 8;
/// Largest file: what readers of Protocol Buffers take.
const MAX_BYTES: usize = (1 << 31) - 1;

/// How the layers of the catalogue are exported.
const FAMILIES: &[&[(&str, ExportLayer)]] = &[
    activation::LAYERS,
    attention::LAYERS,
    convolution::LAYERS,
    embedding::LAYERS,
    normalization::LAYERS,
    padding::LAYERS,
    recurrent::LAYERS,
    shape::LAYERS,
];

/// The network with its weights as an ONNX model file.
///
/// A chain of layers has one input, `features`, and one output, `output`; a graph network has those of its document by
/// name. `scale` is the factor for every feature value: 1 for none.
///
/// ```
/// use candlewick_model::{network::Network, onnx};
/// let document = serde_json::json!({"format": "candlewick.network/1",
///     "layers": [{"type": "Linear", "out_features": 1}, {"type": "Sigmoid"}]});
/// let network = Network::from_document(&document, &[2])?;
/// let file = onnx::export(&network, &network.initial_weights(0), 1.0)?;
/// assert!(file.len() > 100);
/// # Ok::<(), candlewick_protocol::Failure>(())
/// ```
///
/// # Errors
/// `InvalidParameter` where a layer has no counterpart in ONNX, or the file would be larger than 2 GiB; `Internal` where the
/// number of weights is not the network's.
pub fn export(network: &Network, weights: &[f32], scale: f64) -> Result<Vec<u8>, Failure> {
    if weights.len() != network.num_parameters() {
        return Err(Failure::internal(format!(
            "{} weights to export, but the network has {}",
            weights.len(),
            network.num_parameters()
        )));
    }
    // Before the graph is built, which holds them once more.
    check_size(weights.len().saturating_mul(4))?;
    let mut graph = Graph::default();
    let (inputs, given) = begin(&mut graph, network, scale);
    let mut names: Vec<Name> = Vec::with_capacity(network.layers().len());
    let mut unread = given.iter();
    for node in network.layers() {
        let name = match node.name {
            "Input" => unread.next().cloned().unwrap_or_default(),
            // The outputs leave the graph one by one.
            "Outputs" => String::new(),
            _ => export_layer(&mut graph, network, weights, node, (&given, &names))?,
        };
        names.push(name);
    }
    let mut outputs = Vec::new();
    for (output, value) in network.outputs().iter().zip(network.output_values()) {
        let name = if output.name.is_empty() {
            "output"
        } else {
            &output.name
        };
        let name = if inputs.iter().any(|input| input.name == name) {
            format!("{name}_output")
        } else {
            name.to_owned()
        };
        graph.rename(&name_of((&given, &names), value), &name);
        outputs.push(value_info(&name, &output.shape));
    }
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "candlewick".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph.finish("network", (inputs, outputs))),
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: OPSET,
        }],
    };
    check_size(model.encoded_len())?;
    Ok(model.encode_to_vec())
}

/// The inputs of the file, and the names of what layers read of them: the values times `scale`.
fn begin(graph: &mut Graph, network: &Network, scale: f64) -> (Vec<ValueInfoProto>, Vec<Name>) {
    let mut inputs = Vec::new();
    if network.graph_inputs().is_empty() {
        inputs.push(value_info("features", network.input_shape()));
    }
    for (name, shape) in network.graph_inputs() {
        inputs.push(value_info(name, shape));
    }
    let given = inputs.iter();
    let given = given.map(|input| scaled(graph, &input.name, scale)).collect();
    (inputs, given)
}

/// A value times `scale`, in f64 and rounded once, as rows are scaled when they are read.
fn scaled(graph: &mut Graph, value: &str, scale: f64) -> Name {
    #[expect(clippy::float_cmp, reason = "exactly 1 is what an absent scale is")]
    if scale == 1.0 {
        return value.to_owned();
    }
    let cast = |graph: &mut Graph, value: &str, kind: i32| {
        graph.node("Cast", &[value], &[("to", Attribute::Int(i64::from(kind)))])
    };
    let wide = cast(graph, value, DOUBLE);
    let factor = graph.double(scale);
    let product = graph.node("Mul", &[&wide, &factor], &[]);
    cast(graph, &product, FLOAT)
}

/// Refuses what no file of ONNX holds.
fn check_size(bytes: usize) -> Result<(), Failure> {
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    Err(Failure::parameter(format!(
        "the ONNX file would have {bytes} bytes or more, but one holds at most {MAX_BYTES}: save the model instead, its \
         data/weights.safetensors may be of any size"
    )))
}

/// Names of the values in the graph: what layers read of the inputs, and what each layer before puts out.
type Names<'a> = (&'a [Name], &'a [Name]);

/// The name of what a value leads to.
fn name_of((given, layers): Names<'_>, value: ValueRef) -> Name {
    match value {
        ValueRef::Layer(at) => layers[at].clone(),
        ValueRef::Features => given.first().cloned().unwrap_or_default(),
    }
}

fn export_layer(
    graph: &mut Graph,
    network: &Network,
    weights: &[f32],
    node: &LayerNode,
    names: Names<'_>,
) -> Result<Name, Failure> {
    let inputs = node.inputs.iter();
    let inputs: Vec<Name> = inputs.map(|value| name_of(names, *value)).collect();
    let shapes: Vec<Vec<usize>> = node
        .inputs
        .iter()
        .map(|value| match (value, network.graph_inputs().first()) {
            (ValueRef::Layer(at), _) => network.layers()[*at].output.clone(),
            (ValueRef::Features, Some((_, shape))) => shape.clone(),
            (ValueRef::Features, None) => network.input_shape().to_vec(),
        })
        .collect();
    let layer = Layer {
        weights,
        kind: node.name,
        arguments: &node.arguments,
        inputs: &inputs,
        shapes: &shapes,
        output: &node.output,
        parameters: &network.parameters()[node.parameters.clone()],
    };
    let mut all = FAMILIES.iter().copied().flatten();
    match all.find(|(name, _)| *name == node.name) {
        Some((_, export)) => export(graph, &layer),
        None => Err(Failure::parameter(format!(
            "{} ({}): has no counterpart in ONNX",
            node.place, node.name
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Kind, entries};
    use serde_json::json;

    /// Layers that the builder unfolds into others.
    const COMPOSITES: [&str; 3] = [
        "TransformerEncoderLayer",
        "TransformerEncoder",
        "TransformerDecoderLayer",
    ];

    #[test]
    fn a_file_beyond_protocol_buffers_is_refused_with_the_way_out() {
        assert!(check_size(MAX_BYTES).is_ok());
        let told = check_size(MAX_BYTES + 1).unwrap_err().message;
        assert!(
            told.contains("2147483648 bytes") && told.contains("data/weights.safetensors"),
            "{told}"
        );
    }

    #[test]
    fn every_layer_of_the_catalogue_is_exported() {
        let known: Vec<&str> = FAMILIES
            .iter()
            .copied()
            .flatten()
            .map(|(name, _)| *name)
            .collect();
        let missing: Vec<&str> = entries()
            .filter(|entry| entry.kind == Kind::Layer)
            .map(|entry| entry.name)
            .filter(|name| !known.contains(name) && !COMPOSITES.contains(name))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
    /// The first nodes of the file of a network: what each is, what it reads first, what it gives.
    fn nodes(document: &serde_json::Value, shape: &[usize], scale: f64) -> Vec<(String, String, String)> {
        let network = Network::from_document(document, shape).unwrap();
        let file = export(&network, &network.initial_weights(0), scale).unwrap();
        let graph = ModelProto::decode(&file[..]).unwrap().graph.unwrap();
        let told = graph.node.into_iter();
        told.map(|mut node| (node.op_type, node.input.remove(0), node.output.remove(0)))
            .collect()
    }

    fn ops(nodes: &[(String, String, String)]) -> Vec<&str> {
        nodes.iter().map(|(op, ..)| op.as_str()).collect()
    }

    #[test]
    fn a_matrix_that_no_file_holds_is_refused_before_it_is_made() {
        let end = json!({"type": "Linear", "out_features": 1});
        let layers = json!([{"type": "AdaptiveAvgPool1d", "output_size": 1 << 15}, {"type": "Flatten"}, end]);
        let document = json!({"format": "candlewick.network/1", "layers": layers});
        let network = Network::from_document(&document, &[1, 1 << 16]).unwrap();
        let told = export(&network, &network.initial_weights(0), 1.0).unwrap_err();
        assert!(told.message.contains("8589934592 bytes or more"), "{told}");
    }

    #[test]
    fn a_scale_is_multiplied_in_f64_before_the_first_layer() {
        let layers = json!([{"type": "Tanh"}, {"type": "Linear", "out_features": 1}]);
        let chain = json!({"format": "candlewick.network/1", "layers": layers});
        let told = nodes(&chain, &[2], 0.25);
        assert_eq!(ops(&told[..4]), ["Cast", "Mul", "Cast", "Tanh"]);
        assert_eq!(told[0].1, "features");
        for (before, after) in told.iter().zip(&told[1..4]) {
            assert_eq!(before.2, after.1, "each reads what the one before it gives");
        }
        let plain = nodes(&chain, &[2], 1.0);
        assert_eq!((plain[0].0.as_str(), plain[0].1.as_str()), ("Tanh", "features"));
    }

    #[test]
    fn a_scale_is_that_of_every_input_of_a_graph() {
        let node = |name: &str, input: &str, kind: &str| json!({"name": name, "inputs": [input], "layer": {"type": kind}});
        let end = json!({"name": "c", "inputs": ["a"], "layer": {"type": "Linear", "out_features": 1}});
        let graph = json!({"format": "candlewick.network/1",
            "inputs": [{"name": "left", "shape": [2]}, {"name": "right", "shape": [2]}],
            "nodes": [node("a", "left", "Tanh"), node("b", "right", "ReLU"), end], "outputs": ["c", "b"]});
        let told = nodes(&graph, &[4], 3.0);
        let wanted = ["Cast", "Mul", "Cast", "Cast", "Mul", "Cast", "Tanh", "Relu"];
        assert_eq!(ops(&told[..8]), wanted);
        assert_eq!((told[0].1.as_str(), told[3].1.as_str()), ("left", "right"));
        assert_eq!((&told[6].1, &told[7].1), (&told[2].2, &told[5].2));
    }
}
