//! A network on a device: its runs of layers that candle can express become segments, the others stay.

use super::circuit::{Circuit, is_end};
use super::express;
use super::segment::{Part, Segment};
use crate::layers::{Module, Operation};
use crate::network::{Network, Placed, Wire};
use candle_core::Device;
use candlewick_protocol::Failure;
use serde_json::Value;
use std::ops::Range;
use std::sync::Arc;

/// Whether a layer goes to the device. Tables do not, though they could: a step reads and moves few of their rows,
/// which is soon done where they lie, but the device would be given the whole table in every step.
fn is_expressed(network: &Network, placed: &Placed) -> bool {
    let mut tables = network.tables().iter();
    let has_table = tables.any(|table| placed.weights.contains(&table.offset));
    !has_table && (is_end(placed) || express::find(placed.name).is_some())
}

/// The longest runs of layers that `wanted` holds for, and between them the others one by one.
fn runs(layers: &[Placed], wanted: impl Fn(&Placed) -> bool) -> Vec<(Range<usize>, bool)> {
    let mut runs: Vec<(Range<usize>, bool)> = Vec::new();
    for (at, placed) in layers.iter().enumerate() {
        let own = wanted(placed);
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
pub(super) fn onto(network: &Network, device: &Device) -> Result<Network, Failure> {
    let mut placing = Placing {
        device,
        network,
        layers: Vec::new(),
        wires: Vec::with_capacity(network.layers().len()),
    };
    for (run, expressed) in runs(network.layers(), |placed| is_expressed(network, placed)) {
        let layers = &network.layers()[run.clone()];
        let views = |placed: &Placed| matches!(placed.operation, Operation::View);
        if expressed && !layers.iter().all(views) {
            placing.segment(run)?;
        } else {
            layers.iter().for_each(|placed| placing.stay(placed));
        }
    }
    let output = placing.wire(network.output_wire());
    Ok(network.with_layers(placing.layers, output))
}

struct Placing<'a> {
    device: &'a Device,
    network: &'a Network,
    layers: Vec<Placed>,
    /// Where the values of the network's layers are to be read; of those within a segment it is not known.
    wires: Vec<Option<Wire>>,
}

impl Placing<'_> {
    fn wire(&self, wire: Wire) -> Wire {
        match wire {
            Wire::Features => Wire::Features,
            Wire::Layer(at) => self.wires[at].unwrap_or(Wire::Features),
        }
    }

    fn push(&mut self, placed: Placed) -> Wire {
        self.layers.push(placed);
        Wire::Layer(self.layers.len() - 1)
    }

    /// A layer that the engine computes itself.
    fn stay(&mut self, placed: &Placed) {
        let inputs = placed.inputs.iter().map(|wire| self.wire(*wire)).collect();
        let wire = self.push(Placed {
            inputs,
            place: placed.place.clone(),
            path: placed.path.clone(),
            name: placed.name,
            operation: placed.operation.clone(),
            arguments: placed.arguments.clone(),
            output: placed.output.clone(),
            parameters: placed.parameters.clone(),
            weights: placed.weights.clone(),
        });
        self.wires.push(Some(wire));
    }

    /// Layers that become one segment; where several of their values go out, each is a part of its output.
    fn segment(&mut self, run: Range<usize>) -> Result<(), Failure> {
        let circuit = Arc::new(Circuit::of(self.network, run.clone(), &express::find)?);
        let layers = &self.network.layers()[run.clone()];
        let (first, last) = (&layers[0], &layers[layers.len() - 1]);
        let whole = circuit.width();
        let inputs = circuit.inputs.iter().map(|input| self.wire(input.wire)).collect();
        let module = Segment::new(Arc::clone(&circuit), self.device.clone());
        let mut segment = added(module, format!("{} to {}", first.place, last.place), whole);
        segment.inputs = inputs;
        segment.parameters = first.parameters.start..last.parameters.end;
        segment.weights = first.weights.start..last.weights.end;
        let wire = self.push(segment);
        self.wires.extend(run.map(|_| None));
        let mut start = 0;
        for (layer, width) in &circuit.outputs {
            let place = start..start + width;
            start = place.end;
            self.wires[*layer] = Some(if *width == whole {
                wire
            } else {
                let mut part = added(Part { whole, place }, layers[0].place.clone(), *width);
                part.inputs = vec![wire];
                self.push(part)
            });
        }
        Ok(())
    }
}

/// A module that stands for no layer of the document.
fn added(module: impl Module + 'static, place: String, width: usize) -> Placed {
    Placed {
        place,
        path: String::new(),
        name: "Segment",
        operation: Operation::Module(Arc::new(module)),
        arguments: Value::Null,
        inputs: Vec::new(),
        output: vec![width],
        parameters: 0..0,
        weights: 0..0,
    }
}
