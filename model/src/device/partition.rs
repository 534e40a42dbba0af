//! A network on a device: its runs of layers that candle can compute become segments, the others stay.

use super::lowering;
use super::norm::DeviceNorm;
use super::segment::{Part, Segment};
use super::subgraph::{Subgraph, is_end};
use super::table::{Columns, DeviceTable, Looked, columns};
use crate::layers::{Module, Operation};
use crate::network::{InnerValue, LayerNode, Network, ValueRef};
use crate::resident::{Link, Residence};
use candle_core::Device;
use candlewick_protocol::Failure;
use serde_json::Value;
use std::ops::Range;
use std::sync::Arc;

/// What a run of layers on the device is called.
const SEGMENT: &str = "Segment";

/// Whether a layer becomes a part of a segment. Tables do not: a segment's gradient is that of all of its weights, and a step touches
/// few of a table's rows. Those that can go to the device by themselves do ([`columns`]).
fn is_lowered(network: &Network, node: &LayerNode) -> bool {
    let mut sparse = network.sparse_parameters().iter();
    let has_table = sparse.any(|parameter| node.weights.contains(&parameter.offset));
    !has_table && (is_end(node) || lowering::find(node.name).is_some())
}

/// The longest runs of layers that `wanted` holds for, and between them the others one by one.
fn runs(layers: &[LayerNode], wanted: impl Fn(usize, &LayerNode) -> bool) -> Vec<(Range<usize>, bool)> {
    let mut runs: Vec<(Range<usize>, bool)> = Vec::new();
    for (at, node) in layers.iter().enumerate() {
        let own = wanted(at, node);
        match runs.last_mut() {
            Some((run, true)) if own => run.end = at + 1,
            _ => runs.push((at..at + 1, own)),
        }
    }
    runs
}

/// The same network, computed on a device as far as it can be. Parameters keep their places.
///
/// # Errors
/// `Internal` where the network's documents cannot be read again.
pub(super) fn place(network: &Network, device: &Device) -> Result<Network, Failure> {
    place_with(network, &Arc::new(Link::new(device.clone())), &[])
}

/// The same by a way that others share, and with values of these layers and nodes that are wanted on the host, by their names.
///
/// # Errors
/// As of [`place`]; `InvalidParameter` where the network has no such layer.
pub(super) fn place_with(network: &Network, link: &Arc<Link>, inner: &[&str]) -> Result<Network, Failure> {
    let found = inner.iter().map(|name| network.inner_value(name));
    let found: Vec<&InnerValue> = found.collect::<Result<_, _>>()?;
    let mut placing = Placing {
        link: Arc::clone(link),
        network,
        wanted: found.iter().map(|inner| inner.value).collect(),
        layers: Vec::new(),
        tables: Vec::new(),
        there: Vec::new(),
        values: Vec::with_capacity(network.layers().len()),
        stages: Vec::with_capacity(network.layers().len()),
    };
    let (runs, there, mut tables) = divided(network);
    placing.there = there;
    for (run, on_device) in runs {
        match (on_device, placing.alone(run.start, &mut tables)) {
            (true, Alone::No) => placing.segment(run)?,
            (true, Alone::Norm(module)) => placing.normalise(run.start, module),
            (true, Alone::Table(module, columns)) => placing.look_up(run.start, module, columns),
            (false, _) => network.layers()[run].iter().for_each(|node| placing.stay(node)),
        }
    }
    let output = placing.value(network.output_value());
    let named = found.iter().map(|inner| InnerValue {
        value: placing.value(inner.value),
        ..(*inner).clone()
    });
    let named = named.collect();
    let places = resident(&placing.layers, &placing.tables);
    let residence = Residence::new(places, Arc::clone(link));
    Ok(network.with_layers(placing.layers, output, named, residence))
}

/// The layers in runs with whether each is computed on the device; the same of every layer; and the tables that are, by their layers.
type Divided = (Vec<(Range<usize>, bool)>, Vec<bool>, Vec<Option<Columns>>);

/// Divides a network. A BatchNorm is on the device where it normalises what is there already, a table where what it puts out is read
/// there.
fn divided(network: &Network) -> Divided {
    let layers = network.layers();
    let mut there = vec![false; layers.len()];
    let mut divided = lowered(network);
    let views = |run: &Range<usize>| {
        let mut own = layers[run.clone()].iter();
        own.all(|node| matches!(node.operation, Operation::View))
    };
    for (run, on_device) in &mut divided {
        *on_device &= !views(run);
        there[run.clone()].fill(*on_device);
    }
    let reads = |node: &LayerNode, layer: usize| node.inputs.contains(&ValueRef::Layer(layer));
    let norm = |node: &LayerNode| is_norm(node) && node.repeats.is_none();
    let tables = columns(network, |table| {
        let mut later = layers.iter().zip(&there);
        later.any(|(node, there)| reads(node, table) && (*there || norm(node)))
    });
    for (run, on_device) in &mut divided {
        let own = &layers[run.start];
        let reads_there = matches!(own.inputs[..], [ValueRef::Layer(input)] if there[input]);
        *on_device |= tables[run.start].is_some() || (norm(own) && reads_there);
        there[run.clone()].fill(*on_device);
    }
    (divided, there, tables)
}

/// The layers in runs of those that are lowered. A layer that is called again is where its first call is in the same run: the tape
/// adds up the gradients of all calls over a slice then, whoever has it.
fn lowered(network: &Network) -> Vec<(Range<usize>, bool)> {
    let layers = network.layers();
    let first = |node: &LayerNode| {
        let mut all = layers.iter();
        all.position(|other| other.repeats.is_none() && other.parameters == node.parameters)
    };
    let mut apart: Vec<usize> = Vec::new();
    loop {
        let runs = runs(layers, |at, node| {
            !apart.contains(&at) && is_lowered(network, node)
        });
        let alone = runs.iter().filter(|(_, lowered)| *lowered).find_map(|(run, _)| {
            let again = run.clone().filter(|at| layers[*at].repeats.is_some());
            let mut again = again.filter(|at| first(&layers[*at]).is_none_or(|first| !run.contains(&first)));
            again.next()
        });
        match alone {
            Some(layer) => apart.push(layer),
            None => return runs,
        }
    }
}

fn is_norm(node: &LayerNode) -> bool {
    match &node.operation {
        Operation::Module(module) => module.step_norm().is_some(),
        _ => false,
    }
}

/// The weights that stay on the device from step to step: those of segments and tables there that no layer of the host reads too.
fn resident(layers: &[LayerNode], tables: &[Range<usize>]) -> Vec<Range<usize>> {
    let with_weights = layers.iter().filter(|node| !node.weights.is_empty());
    let there = |node: &&LayerNode| node.name == SEGMENT || tables.contains(&node.weights);
    let (segments, others): (Vec<_>, Vec<_>) = with_weights.partition(there);
    let read = |place: &Range<usize>| {
        let mut others = others.iter();
        others.any(|node| node.weights.start < place.end && place.start < node.weights.end)
    };
    let places = segments.iter().map(|node| node.weights.clone());
    places.filter(|place| !read(place)).collect()
}

/// A layer that is no part of a segment on the device.
enum Alone {
    No,
    Norm(Arc<dyn Module>),
    Table(Arc<dyn Module>, Columns),
}

struct Placing<'a> {
    link: Arc<Link>,
    network: &'a Network,
    /// What is wanted on the host beside what layers there read.
    wanted: Vec<ValueRef>,
    layers: Vec<LayerNode>,
    /// Weights of the tables on the device.
    tables: Vec<Range<usize>>,
    /// Which layers are computed on the device.
    there: Vec<bool>,
    /// Where the values of the network's layers are to be read on the host; of those that do not come there it is not known.
    values: Vec<Option<ValueRef>>,
    /// What computes each of them.
    stages: Vec<ValueRef>,
}

impl Placing<'_> {
    fn value(&self, value: ValueRef) -> ValueRef {
        match value {
            ValueRef::Features => ValueRef::Features,
            ValueRef::Layer(at) => self.values[at].unwrap_or(ValueRef::Features),
        }
    }

    fn push(&mut self, node: LayerNode) -> ValueRef {
        self.layers.push(node);
        ValueRef::Layer(self.layers.len() - 1)
    }

    /// A layer that the engine computes itself.
    fn stay(&mut self, node: &LayerNode) {
        let inputs = node.inputs.iter().map(|value| self.value(*value)).collect();
        let value = self.push(LayerNode {
            inputs,
            ..node.clone()
        });
        self.values.push(Some(value));
        self.stages.push(value);
    }

    /// Whether somebody on the host, and whether somebody else on the device reads what a layer puts out; `end` is where its run
    /// ends.
    fn readers(&self, layer: usize, end: usize) -> (bool, bool) {
        let value = ValueRef::Layer(layer);
        let later = self.network.layers()[end..].iter().zip(&self.there[end..]);
        let readers = later.filter(|(node, _)| node.inputs.contains(&value));
        let (device, host): (Vec<_>, Vec<_>) = readers.partition(|(_, there)| **there);
        let host = !host.is_empty() || self.network.output_value() == value || self.wanted.contains(&value);
        (host, !device.is_empty())
    }

    /// Where a layer on the device reads a value, and the layer whose value it is where it comes from the device.
    fn arrives(&self, value: ValueRef) -> (ValueRef, Option<usize>) {
        match value {
            ValueRef::Layer(layer) if self.there[layer] => (self.stages[layer], Some(layer)),
            _ => (self.value(value), None),
        }
    }

    /// What the layer at `layer` is on the device, where it is no part of a segment.
    fn alone(&self, layer: usize, tables: &mut [Option<Columns>]) -> Alone {
        match (&self.network.layers()[layer].operation, tables[layer].take()) {
            (Operation::Module(module), Some(columns)) => Alone::Table(Arc::clone(module), columns),
            (Operation::Module(module), None) if module.step_norm().is_some() => {
                Alone::Norm(Arc::clone(module))
            }
            _ => Alone::No,
        }
    }

    /// A table whose rows are read on the device.
    fn look_up(&mut self, layer: usize, module: Arc<dyn Module>, columns: Columns) {
        let node = &self.network.layers()[layer];
        let (to_host, _) = self.readers(layer, layer + 1);
        let looked = Looked {
            module,
            link: Arc::clone(&self.link),
            name: node.name,
            path: node.path.clone(),
            layer,
            columns,
            output: node.output.clone(),
            to_host,
        };
        self.tables.push(node.weights.clone());
        let value = self.push(LayerNode {
            operation: Operation::Module(Arc::new(DeviceTable::new(Arc::new(looked)))),
            inputs: vec![ValueRef::Features],
            output: if to_host { node.output.clone() } else { vec![0] },
            ..node.clone()
        });
        self.values.push(to_host.then_some(value));
        self.stages.push(value);
    }

    /// A BatchNorm of what is on the device.
    fn normalise(&mut self, layer: usize, module: Arc<dyn Module>) {
        let node = &self.network.layers()[layer];
        let (stage, input) = self.arrives(node.inputs[0]);
        let (to_host, _) = self.readers(layer, layer + 1);
        let norm = DeviceNorm {
            module,
            link: Arc::clone(&self.link),
            input: input.unwrap_or_default(),
            layer,
            to_host,
        };
        let value = self.push(LayerNode {
            operation: Operation::Module(Arc::new(norm)),
            inputs: vec![stage],
            output: if to_host { node.output.clone() } else { vec![0] },
            ..node.clone()
        });
        self.values.push(to_host.then_some(value));
        self.stages.push(value);
    }

    /// Layers that become one segment; where several of their values go to the host, each is a part of its output.
    fn segment(&mut self, run: Range<usize>) -> Result<(), Failure> {
        let mut subgraph = Subgraph::of(self.network, run.clone(), &lowering::find)?;
        let read = |(layer, _): &(usize, usize)| self.readers(*layer, run.end);
        for layer in run
            .clone()
            .filter(|layer| self.wanted.contains(&ValueRef::Layer(*layer)))
        {
            subgraph.put_out(self.network, layer);
        }
        let outputs = std::mem::take(&mut subgraph.outputs);
        let held = outputs.iter().filter(|output| read(output).1);
        subgraph.held = held.map(|(layer, _)| *layer).collect();
        subgraph.outputs = outputs.into_iter().filter(|output| read(output).0).collect();
        for input in &mut subgraph.inputs {
            input.held = self.arrives(input.value).1;
        }
        let subgraph = Arc::new(subgraph);
        let layers = &self.network.layers()[run.clone()];
        let mut own = layers.iter().filter(|node| node.repeats.is_none());
        let first = own.next().unwrap_or(&layers[0]);
        let last = own.next_back().unwrap_or(first);
        let whole = subgraph.width();
        let inputs = subgraph
            .inputs
            .iter()
            .map(|input| self.arrives(input.value).0)
            .collect();
        let module = Segment::new(Arc::clone(&subgraph), Arc::clone(&self.link));
        let mut segment = added(module, format!("{} to {}", first.place, last.place), whole);
        segment.inputs = inputs;
        segment.parameters = first.parameters.start..last.parameters.end;
        segment.weights = first.weights.start..last.weights.end;
        let value = self.push(segment);
        self.stages.extend(run.clone().map(|_| value));
        self.values.extend(run.map(|_| None));
        let mut start = 0;
        for (layer, width) in &subgraph.outputs {
            let place = start..start + width;
            start = place.end;
            self.values[*layer] = Some(if *width == whole {
                value
            } else {
                let mut part = added(Part { whole, place }, layers[0].place.clone(), *width);
                part.inputs = vec![value];
                self.push(part)
            });
        }
        Ok(())
    }
}

/// A module that stands for no layer of the document.
fn added(module: impl Module + 'static, place: String, width: usize) -> LayerNode {
    LayerNode {
        place,
        path: String::new(),
        name: SEGMENT,
        operation: Operation::Module(Arc::new(module)),
        arguments: Value::Null,
        inputs: Vec::new(),
        output: vec![width],
        parameters: 0..0,
        weights: 0..0,
        repeats: None,
    }
}
