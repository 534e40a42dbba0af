//! Layers that follow each other on a device: what they read, and how they are computed on tensors.

#[cfg(test)]
use super::lowering::layer::Answer;
use super::lowering::layer::{Layer, Lowering, Rows, batched};
use super::lowering::{self, Products, limits};
use crate::arguments::Arguments;
use crate::catalogue::Kind;
use crate::layers::Operation;
use crate::network::{LayerNode, Network, ValueRef};
use crate::resident::{DeviceError, Link};
use candle_core::Tensor;
use candlewick_protocol::Failure;
use std::ops::Range;

/// What a node reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// What comes into the subgraph.
    Input(usize),
    /// An earlier node.
    Node(usize),
}

/// What a node does.
#[derive(Debug)]
enum Action {
    /// A layer of the catalogue.
    Layer(Lowering, Arguments),
    /// A part of the features, from an element on.
    Select(usize),
    /// The outputs of a graph.
    Concat,
}

impl Action {
    /// What messages call it.
    fn name(&self) -> &'static str {
        match self {
            Action::Layer(_, arguments) => arguments.name(),
            Action::Select(_) => "Input",
            Action::Concat => "Outputs",
        }
    }
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
    pub value: ValueRef,
    /// Shape, without the batch.
    pub shape: Vec<usize>,
    /// The layer that puts it out, where it comes from the device and not from the host.
    pub held: Option<usize>,
}

/// A parameter of one of the layers.
#[derive(Debug)]
pub(super) struct Weight {
    /// Name within its layer.
    name: String,
    pub shape: Vec<usize>,
    /// Its elements among the weights of the subgraph.
    pub place: Range<usize>,
    pub trained: bool,
}

/// A run of layers, its ends, and its parameters.
#[derive(Debug)]
pub(super) struct Subgraph {
    nodes: Vec<Node>,
    pub inputs: Vec<Input>,
    pub weights: Vec<Weight>,
    /// Layers of the network whose values go out to the host, and elements of their rows.
    pub outputs: Vec<(usize, usize)>,
    /// Layers whose values others on the device read.
    pub held: Vec<usize>,
    /// What its products round their operands to.
    pub products: Products,
    /// First of the layers.
    first: usize,
}

/// True for the ends of a graph, which no document names.
pub(super) fn is_end(node: &LayerNode) -> bool {
    matches!(node.name, "Input" | "Outputs")
}

/// Whether a layer is another one, called again.
fn is_same(node: &LayerNode, other: &LayerNode) -> bool {
    node.repeats.is_some() && other.parameters == node.parameters
}

impl Subgraph {
    /// The layers `run` of a network, lowered by what `find` finds.
    pub(super) fn of(
        network: &Network,
        run: Range<usize>,
        find: &dyn Fn(&str) -> Option<Lowering>,
    ) -> Result<Self, Failure> {
        let layers = network.layers();
        let mut subgraph = Subgraph {
            nodes: Vec::with_capacity(run.len()),
            inputs: Vec::new(),
            weights: Vec::new(),
            outputs: Vec::new(),
            held: Vec::new(),
            products: Products::of(network.precision(), network.allows_tf32()),
            first: run.start,
        };
        for (at, node) in layers[run.clone()].iter().enumerate() {
            let parameters = match layers[run.clone()][..at]
                .iter()
                .position(|other| is_same(node, other))
            {
                // Called again.
                Some(before) => subgraph.nodes[before].parameters.clone(),
                None => subgraph.add_weights(network, node, layers[run.start].weights.start),
            };
            let sources = node
                .inputs
                .iter()
                .map(|value| subgraph.source(network, *value))
                .collect();
            let node = Node {
                action: action(network, run.start + at, find)?,
                path: node.path.clone(),
                operation: node.operation.clone(),
                sources,
                output: node.output.clone(),
                parameters,
            };
            subgraph.nodes.push(node);
        }
        let outside = |layer: usize| {
            let mut later = layers[run.end..].iter().flat_map(|node| &node.inputs);
            network.output_value() == ValueRef::Layer(layer)
                || later.any(|value| *value == ValueRef::Layer(layer))
        };
        subgraph.outputs = run
            .clone()
            .filter(|layer| outside(*layer))
            .map(|layer| (layer, layers[layer].output.iter().product()))
            .collect();
        Ok(subgraph)
    }

    fn add_weights(&mut self, network: &Network, node: &LayerNode, start: usize) -> Range<usize> {
        let from = self.weights.len();
        for parameter in &network.parameters()[node.parameters.clone()] {
            let own = parameter.name.strip_prefix(&node.path);
            let own = own.and_then(|name| name.strip_prefix('.'));
            self.weights.push(Weight {
                name: own.unwrap_or(&parameter.name).to_owned(),
                shape: parameter.shape.clone(),
                place: parameter.offset - start..parameter.offset - start + parameter.len(),
                trained: parameter.trained,
            });
        }
        from..self.weights.len()
    }

    /// Where a value leads; one from outside becomes an input.
    fn source(&mut self, network: &Network, value: ValueRef) -> Source {
        if let ValueRef::Layer(layer) = value
            && layer >= self.first
        {
            return Source::Node(layer - self.first);
        }
        if let Some(at) = self.inputs.iter().position(|input| input.value == value) {
            return Source::Input(at);
        }
        let shape = match value {
            ValueRef::Features => features_shape(network),
            ValueRef::Layer(layer) => network.layers()[layer].output.clone(),
        };
        self.inputs.push(Input {
            value,
            shape,
            held: None,
        });
        Source::Input(self.inputs.len() - 1)
    }

    /// Has one of the layers put out what it computes, as far as it does not yet.
    pub(super) fn put_out(&mut self, network: &Network, layer: usize) {
        if let Err(at) = self.outputs.binary_search_by_key(&layer, |(known, _)| *known) {
            let width = network.layers()[layer].output.iter().product();
            self.outputs.insert(at, (layer, width));
        }
    }

    /// Elements of a row that goes out.
    pub(super) fn width(&self) -> usize {
        self.outputs.iter().map(|(_, width)| width).sum()
    }

    /// The outputs to the host, one after another in a row: [rows, [`Subgraph::width`]]; none where there are none. Then those that
    /// stay. Inputs have their shapes after the batch, weights theirs.
    pub(super) fn run_all(
        &self,
        inputs: &[Tensor],
        weights: &[Tensor],
        training: Option<Rows<'_>>,
        link: &Link,
    ) -> Result<(Option<Tensor>, Vec<Tensor>), DeviceError> {
        let values = self.values(inputs, weights, training, link)?;
        let of = |layer: &usize| values[layer - self.first].clone();
        let outputs: Vec<Tensor> = self.outputs.iter().map(|(layer, _)| of(layer)).collect();
        let joined = match outputs.as_slice() {
            [] => None,
            all => Some(lowering::concat(all)?),
        };
        Ok((joined, self.held.iter().map(of).collect()))
    }

    /// The outputs to the host, of which there are some.
    #[cfg(test)]
    pub(super) fn run(
        &self,
        inputs: &[Tensor],
        weights: &[Tensor],
        training: Option<Rows<'_>>,
        link: &Link,
    ) -> Answer {
        let (outputs, _) = self.run_all(inputs, weights, training, link)?;
        outputs.ok_or_else(|| DeviceError::defect("nothing goes out".to_owned()))
    }

    /// What every layer puts out.
    fn values(
        &self,
        inputs: &[Tensor],
        weights: &[Tensor],
        training: Option<Rows<'_>>,
        link: &Link,
    ) -> Result<Vec<Tensor>, DeviceError> {
        let mut values: Vec<Tensor> = Vec::with_capacity(self.nodes.len());
        let rows = inputs.first().map_or(0, |input| input.dims()[0]);
        for node in &self.nodes {
            limits::check(&node.path, node.action.name(), &batched(rows, &node.output))?;
            let read: Vec<Tensor> = node
                .sources
                .iter()
                .map(|source| match *source {
                    Source::Input(at) => inputs[at].clone(),
                    Source::Node(at) => values[at].clone(),
                })
                .collect();
            let value = match &node.action {
                Action::Select(start) => lowering::select(&read[0], *start, &node.output)?,
                Action::Concat => lowering::concat(&read)?,
                Action::Layer(lower, arguments) => {
                    let named = self.weights[node.parameters.clone()]
                        .iter()
                        .zip(&weights[node.parameters.clone()]);
                    let parameters: Vec<(String, Tensor)> = named
                        .map(|(weight, tensor)| (weight.name.clone(), tensor.clone()))
                        .collect();
                    lower(&Layer {
                        arguments,
                        path: &node.path,
                        inputs: &read,
                        output: &node.output,
                        parameters: &parameters,
                        operation: &node.operation,
                        training,
                        products: self.products,
                        link,
                    })?
                }
            };
            values.push(value);
        }
        Ok(values)
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
    find: &dyn Fn(&str) -> Option<Lowering>,
) -> Result<Action, Failure> {
    let node = &network.layers()[layer];
    match node.name {
        "Input" => {
            // They come in the order of the document, each after the elements of those before it.
            let before = network.layers()[..layer]
                .iter()
                .filter(|node| node.name == "Input");
            Ok(Action::Select(
                before.map(|node| node.output.iter().product::<usize>()).sum(),
            ))
        }
        "Outputs" => Ok(Action::Concat),
        name => match find(name) {
            Some(lower) => {
                let arguments = Arguments::read(Kind::Layer, &node.arguments, &node.place)?;
                Ok(Action::Layer(lower, arguments))
            }
            None => Err(Failure::internal(format!("{name} is not computed on devices"))),
        },
    }
}
