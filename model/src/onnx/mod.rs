//! Networks as ONNX models, for every runtime that reads them.
//!
//! The graph computes what scoring computes: dropout is left out, normalisations use running statistics. Inputs and
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
use graph::{ExportLayer, Graph, Layer, Name, value_info};
use prost::Message;
use proto::{ModelProto, OperatorSetIdProto};

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
/// name.
///
/// ```
/// use candlewick_model::{network::Network, onnx};
/// let document = serde_json::json!({"format": "candlewick.network/1",
///     "layers": [{"type": "Linear", "out_features": 1}, {"type": "Sigmoid"}]});
/// let network = Network::from_document(&document, &[2])?;
/// let file = onnx::export(&network, &network.initial_weights(0))?;
/// assert!(file.len() > 100);
/// # Ok::<(), candlewick_protocol::Failure>(())
/// ```
///
/// # Errors
/// `InvalidParameter` where a layer has no counterpart in ONNX, or the file would be larger than 2 GiB; `Internal` where the
/// number of weights is not the network's.
pub fn export(network: &Network, weights: &[f32]) -> Result<Vec<u8>, Failure> {
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
    let mut inputs = Vec::new();
    let features = network.graph_inputs().is_empty();
    if features {
        inputs.push(value_info("features", network.input_shape()));
    }
    for (name, shape) in network.graph_inputs() {
        inputs.push(value_info(name, shape));
    }
    let mut names: Vec<Name> = Vec::with_capacity(network.layers().len());
    let mut given = network.graph_inputs().iter();
    for node in network.layers() {
        let name = match node.name {
            "Input" => given.next().map(|(name, _)| name.clone()).unwrap_or_default(),
            // The outputs leave the graph one by one.
            "Outputs" => String::new(),
            _ => export_layer(&mut graph, network, weights, node, &names)?,
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
        graph.rename(&name_of(network, &names, value), &name);
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

fn check_size(bytes: usize) -> Result<(), Failure> {
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    Err(Failure::parameter(format!(
        "the ONNX file would have {bytes} bytes or more, but one holds at most {MAX_BYTES}: save the model instead, its \
         data/weights.safetensors may be of any size"
    )))
}

/// The name of what a value leads to.
fn name_of(network: &Network, names: &[Name], value: ValueRef) -> Name {
    match (value, network.graph_inputs().first()) {
        (ValueRef::Layer(at), _) => names[at].clone(),
        (ValueRef::Features, Some((name, _))) => name.clone(),
        (ValueRef::Features, None) => "features".to_owned(),
    }
}

fn export_layer(
    graph: &mut Graph,
    network: &Network,
    weights: &[f32],
    node: &LayerNode,
    names: &[Name],
) -> Result<Name, Failure> {
    let inputs: Vec<Name> = node
        .inputs
        .iter()
        .map(|value| name_of(network, names, *value))
        .collect();
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
}
