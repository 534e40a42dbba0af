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
mod proto;
mod recurrent;
mod shape;

use crate::network::{Network, Placed, Wire};
use candlewick_protocol::Failure;
use graph::{Express, Graph, Layer, Name, value_info};
use prost::Message;
use proto::{ModelProto, OperatorSetIdProto};

/// The operator set that the nodes belong to.
const OPSET: i64 = 17;
/// Version of the file format that goes with it.
const IR_VERSION: i64 = 8;

/// How the layers of the catalogue are expressed.
const FAMILIES: &[&[(&str, Express)]] = &[
    activation::LAYERS,
    attention::LAYERS,
    convolution::LAYERS,
    embedding::LAYERS,
    normalization::LAYERS,
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
/// `InvalidParameter` where a layer has no counterpart in ONNX; `Internal` where the number of weights is not the
/// network's.
pub fn export(network: &Network, weights: &[f32]) -> Result<Vec<u8>, Failure> {
    if weights.len() != network.num_parameters() {
        return Err(Failure::internal(format!(
            "{} weights to export, but the network has {}",
            weights.len(),
            network.num_parameters()
        )));
    }
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
    for placed in network.layers() {
        let name = match placed.name {
            "Input" => given.next().map(|(name, _)| name.clone()).unwrap_or_default(),
            // The outputs leave the graph one by one.
            "Outputs" => String::new(),
            _ => express(&mut graph, network, weights, placed, &names)?,
        };
        names.push(name);
    }
    let mut outputs = Vec::new();
    for (output, wire) in network.outputs().iter().zip(network.output_wires()) {
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
        graph.rename(&name_of(network, &names, wire), &name);
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
    Ok(model.encode_to_vec())
}

/// The name of what a wire leads to.
fn name_of(network: &Network, names: &[Name], wire: Wire) -> Name {
    match (wire, network.graph_inputs().first()) {
        (Wire::Layer(at), _) => names[at].clone(),
        (Wire::Features, Some((name, _))) => name.clone(),
        (Wire::Features, None) => "features".to_owned(),
    }
}

fn express(
    graph: &mut Graph,
    network: &Network,
    weights: &[f32],
    placed: &Placed,
    names: &[Name],
) -> Result<Name, Failure> {
    let inputs: Vec<Name> = placed
        .inputs
        .iter()
        .map(|wire| name_of(network, names, *wire))
        .collect();
    let shapes: Vec<Vec<usize>> = placed
        .inputs
        .iter()
        .map(|wire| match (wire, network.graph_inputs().first()) {
            (Wire::Layer(at), _) => network.layers()[*at].output.clone(),
            (Wire::Features, Some((_, shape))) => shape.clone(),
            (Wire::Features, None) => network.input_shape().to_vec(),
        })
        .collect();
    let layer = Layer {
        weights,
        kind: placed.name,
        arguments: &placed.arguments,
        inputs: &inputs,
        shapes: &shapes,
        output: &placed.output,
        parameters: &network.parameters()[placed.parameters.clone()],
    };
    let mut all = FAMILIES.iter().copied().flatten();
    match all.find(|(name, _)| *name == placed.name) {
        Some((_, express)) => express(graph, &layer),
        None => Err(Failure::parameter(format!(
            "{} ({}): has no counterpart in ONNX",
            placed.place, placed.name
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Kind, entries};

    /// Layers that the builder unfolds into others.
    const COMPOSITES: [&str; 1] = ["TransformerEncoderLayer"];

    #[test]
    fn every_layer_of_the_catalogue_has_an_expression() {
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
