//! Layers that follow each other on a device: what they read, and how they are computed on tensors.

use super::express;
use super::express::layer::{Answer, Express, Layer, Rows};
use crate::arguments::Arguments;
use crate::catalogue::Kind;
use crate::layers::Operation;
use crate::network::{Network, Placed, Wire};
use candle_core::Tensor;
use candlewick_protocol::Failure;
use std::ops::Range;

/// What a node reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// What comes into the circuit.
    Input(usize),
    /// An earlier node.
    Node(usize),
}

/// What a node does.
#[derive(Debug)]
enum Action {
    /// A layer of the catalogue.
    Layer(Express, Arguments),
    /// A part of the features, from an element on.
    Select(usize),
    /// The outputs of a graph.
    Concat,
}

#[derive(Debug)]
struct Node {
    action: Action,
    path: String,
    operation: Operation,
    sources: Vec<Source>,
    output: Vec<usize>,
    parameters: Range<usize>,
}

/// A value that comes in.
#[derive(Debug)]
pub(super) struct Input {
    pub wire: Wire,
    /// Shape, without the batch.
    pub shape: Vec<usize>,
}

/// A parameter of one of the layers.
#[derive(Debug)]
pub(super) struct Weight {
    /// Name within its layer.
    name: String,
    pub shape: Vec<usize>,
    /// Its elements among the weights of the circuit.
    pub place: Range<usize>,
    pub trained: bool,
}

/// A run of layers, its ends, and its parameters.
#[derive(Debug)]
pub(super) struct Circuit {
    nodes: Vec<Node>,
    pub inputs: Vec<Input>,
    pub weights: Vec<Weight>,
    /// Layers of the network whose values go out, and elements of their rows.
    pub outputs: Vec<(usize, usize)>,
    /// First of the layers.
    first: usize,
}

/// True for the ends of a graph, which no document names.
pub(super) fn is_end(placed: &Placed) -> bool {
    matches!(placed.name, "Input" | "Outputs")
}

impl Circuit {
    /// The layers `run` of a network, expressed by what `find` finds.
    pub(super) fn of(
        network: &Network,
        run: Range<usize>,
        find: &dyn Fn(&str) -> Option<Express>,
    ) -> Result<Self, Failure> {
        let layers = network.layers();
        let mut circuit = Circuit {
            nodes: Vec::with_capacity(run.len()),
            inputs: Vec::new(),
            weights: Vec::new(),
            outputs: Vec::new(),
            first: run.start,
        };
        for (at, placed) in layers[run.clone()].iter().enumerate() {
            circuit.add_weights(network, placed, layers[run.start].weights.start);
            let sources = placed
                .inputs
                .iter()
                .map(|wire| circuit.source(network, *wire))
                .collect();
            let node = Node {
                action: action(network, run.start + at, find)?,
                path: placed.path.clone(),
                operation: placed.operation.clone(),
                sources,
                output: placed.output.clone(),
                parameters: circuit.weights.len() - placed.parameters.len()..circuit.weights.len(),
            };
            circuit.nodes.push(node);
        }
        let outside = |layer: usize| {
            let mut later = layers[run.end..].iter().flat_map(|placed| &placed.inputs);
            network.output_wire() == Wire::Layer(layer) || later.any(|wire| *wire == Wire::Layer(layer))
        };
        circuit.outputs = run
            .clone()
            .filter(|layer| outside(*layer))
            .map(|layer| (layer, layers[layer].output.iter().product()))
            .collect();
        Ok(circuit)
    }

    fn add_weights(&mut self, network: &Network, placed: &Placed, start: usize) {
        for parameter in &network.parameters()[placed.parameters.clone()] {
            let own = parameter.name.strip_prefix(&placed.path);
            let own = own.and_then(|name| name.strip_prefix('.'));
            self.weights.push(Weight {
                name: own.unwrap_or(&parameter.name).to_owned(),
                shape: parameter.shape.clone(),
                place: parameter.offset - start..parameter.offset - start + parameter.len(),
                trained: parameter.trained,
            });
        }
    }

    /// Where a wire leads; one from outside becomes an input.
    fn source(&mut self, network: &Network, wire: Wire) -> Source {
        if let Wire::Layer(layer) = wire
            && layer >= self.first
        {
            return Source::Node(layer - self.first);
        }
        if let Some(at) = self.inputs.iter().position(|input| input.wire == wire) {
            return Source::Input(at);
        }
        let shape = match wire {
            Wire::Features => features_shape(network),
            Wire::Layer(layer) => network.layers()[layer].output.clone(),
        };
        self.inputs.push(Input { wire, shape });
        Source::Input(self.inputs.len() - 1)
    }

    /// Elements of a row that goes out.
    pub(super) fn width(&self) -> usize {
        self.outputs.iter().map(|(_, width)| width).sum()
    }

    /// The outputs, one after another in a row: [rows, [`Circuit::width`]]. Inputs have their shapes after the batch,
    /// weights theirs.
    pub(super) fn run(&self, inputs: &[Tensor], weights: &[Tensor], training: Option<Rows<'_>>) -> Answer {
        let mut values: Vec<Tensor> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let read: Vec<Tensor> = node
                .sources
                .iter()
                .map(|source| match *source {
                    Source::Input(at) => inputs[at].clone(),
                    Source::Node(at) => values[at].clone(),
                })
                .collect();
            let value = match &node.action {
                Action::Select(start) => express::select(&read[0], *start, &node.output)?,
                Action::Concat => express::concat(&read)?,
                Action::Layer(express, arguments) => {
                    let named = self.weights[node.parameters.clone()]
                        .iter()
                        .zip(&weights[node.parameters.clone()]);
                    let parameters: Vec<(String, Tensor)> = named
                        .map(|(weight, tensor)| (weight.name.clone(), tensor.clone()))
                        .collect();
                    express(&Layer {
                        arguments,
                        path: &node.path,
                        inputs: &read,
                        output: &node.output,
                        parameters: &parameters,
                        operation: &node.operation,
                        training,
                    })?
                }
            };
            values.push(value);
        }
        let outputs: Vec<Tensor> = self
            .outputs
            .iter()
            .map(|(layer, _)| values[layer - self.first].clone())
            .collect();
        express::concat(&outputs)
    }
}

/// The shape that the features have for the layers that read them: of a graph with one input it is that input's.
fn features_shape(network: &Network) -> Vec<usize> {
    match network.graph_inputs() {
        [(_, shape)] => shape.clone(),
        _ => network.input_shape().to_vec(),
    }
}

fn action(
    network: &Network,
    layer: usize,
    find: &dyn Fn(&str) -> Option<Express>,
) -> Result<Action, Failure> {
    let placed = &network.layers()[layer];
    match placed.name {
        "Input" => {
            // They come in the order of the document, each after the elements of those before it.
            let before = network.layers()[..layer]
                .iter()
                .filter(|placed| placed.name == "Input");
            Ok(Action::Select(
                before.map(|placed| placed.output.iter().product::<usize>()).sum(),
            ))
        }
        "Outputs" => Ok(Action::Concat),
        name => match find(name) {
            Some(express) => {
                let arguments = Arguments::read(Kind::Layer, &placed.arguments, &placed.place)?;
                Ok(Action::Layer(express, arguments))
            }
            None => Err(Failure::internal(format!("{name} is not computed on devices"))),
        },
    }
}
