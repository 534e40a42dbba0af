//! Which memory every layer reads and writes, forward and backward.
//!
//! A value is what a stage puts out. A buffer holds a value as long as somebody reads it: a later stage, or the
//! backward pass of its producer or of a consumer. An elementwise layer overwrites its input where nobody else reads
//! it. The gradient of a value lies in a slot from the backward pass of its last consumer to that of its producer;
//! consumers before the last add to it, in the order of the backward pass, which is that of the stages turned round.

use crate::layers::{Module, Operation, SavedForBackward};
use crate::network::{LayerNode, Network, ValueRef};
use crate::parameter::{Parameter, SparseParameter};
use crate::resident::Link;
use std::ops::Range;
use std::sync::Arc;

/// What a stage reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The features of the batch.
    Features,
    /// The output of a stage.
    Stage(usize),
}

/// Where the gradient of an input goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GradTarget {
    /// Nobody needs it.
    Nothing,
    /// Set this slot. An elementwise layer finds the gradient of its output there and changes it in place.
    Set(usize),
    /// Set the second slot, then add it to the first.
    Add(usize, usize),
}

/// Where the gradient of a parameter goes in a node's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ParamSlot {
    /// Among its values.
    Values(Range<usize>),
    /// To a sparse parameter, by its index.
    Sparse(usize),
}

impl ParamSlot {
    /// Where the gradient of a repeat lies: behind those of all parameters.
    pub(super) fn of_repeat(at: usize, network: &Network) -> Self {
        let (before, own) = (&network.repeats()[..at], network.repeats()[at]);
        if network.is_sparse(own) {
            let others = before.iter().filter(|other| network.is_sparse(**other));
            return ParamSlot::Sparse(network.sparse_parameters().len() + others.count());
        }
        let others = before.iter().filter(|other| !network.is_sparse(**other));
        let lengths = others.map(|other| network.parameters()[*other].len());
        let start = network.num_dense() + lengths.sum::<usize>();
        ParamSlot::Values(start..start + network.parameters()[own].len())
    }

    fn of(parameter: &Parameter, network: &Network) -> Self {
        let sparse = network.sparse_parameters();
        let before = sparse.partition_point(|other| other.offset < parameter.offset);
        if sparse
            .get(before)
            .is_some_and(|table| table.offset == parameter.offset)
        {
            return ParamSlot::Sparse(before);
        }
        let start = ParamSlot::dense_before(parameter.offset, network);
        ParamSlot::Values(start..start + parameter.len())
    }

    /// How many of the weights before `offset` belong to no sparse parameter.
    fn dense_before(offset: usize, network: &Network) -> usize {
        let sparse = network.sparse_parameters();
        let before = sparse.partition_point(|other| other.offset < offset);
        offset - sparse[..before].iter().map(SparseParameter::len).sum::<usize>()
    }
}

/// A layer that does something, and its memory.
#[derive(Debug)]
pub(super) struct Stage {
    pub operation: Operation,
    pub inputs: Vec<Source>,
    /// Elements of a row of every input.
    pub widths: Vec<usize>,
    /// Buffer of the output; an elementwise layer that may overwrites its input's.
    pub output: usize,
    /// An elementwise layer whose input must survive works on a copy.
    pub copies: bool,
    /// Elements of an output row.
    pub width: usize,
    /// The layer's elements in the flat weights.
    pub weights: Range<usize>,
    /// Where the gradient of the first of them lies in a node's values, where none of them is sparse.
    pub values_from: usize,
    /// Index within the layer of each parameter that is trained, and where its gradient goes.
    pub parameters: Vec<(usize, ParamSlot)>,
    /// Slot of the output's gradient; none where no parameter lies at or before this stage.
    pub gradient: Option<usize>,
    /// Where the inputs' gradients go.
    pub grad_targets: Vec<GradTarget>,
    /// From here on a node's values are final once backward has come by.
    pub final_from: usize,
}

/// Where stages read the features.
#[derive(Debug)]
pub(super) struct Readers {
    /// Some do on the host, or somebody asks for them.
    pub host: bool,
    /// The way to the device where others do.
    pub device: Option<Arc<Link>>,
}

impl Readers {
    fn of(network: &Network, stages: &[Stage], asked: &[Source]) -> Self {
        let (mut host, mut device) = (asked.contains(&Source::Features), false);
        for stage in stages {
            let ends = stage.inputs.iter().enumerate();
            for (at, _) in ends.filter(|(_, input)| **input == Source::Features) {
                let (here, there) = match &stage.operation {
                    Operation::Module(module) => (module.reads_on_host(at), module.reads_on_device(at)),
                    _ => (true, false),
                };
                (host, device) = (host | here, device | there);
            }
        }
        Readers {
            host,
            device: network.residence().link().filter(|_| device).cloned(),
        }
    }
}

/// The stages in order and the memory they need.
#[derive(Debug)]
pub(super) struct Plan {
    pub stages: Vec<Stage>,
    /// Buffers of values.
    pub buffers: usize,
    /// Slots of gradients.
    pub slots: usize,
    /// The network's output.
    pub output: Source,
    /// Other values that are asked for.
    pub inner: Vec<Source>,
    /// Where the features are read.
    pub readers: Readers,
}

impl Plan {
    /// The plan of a training step, or of scoring.
    pub(super) fn new(network: &Network, training: bool) -> Self {
        Plan::keeping(network, training, &[])
    }

    /// The plan of scoring where these values are asked for besides the output.
    pub(super) fn scoring(network: &Network, inner: &[ValueRef]) -> Self {
        Plan::keeping(network, false, inner)
    }

    fn keeping(network: &Network, training: bool, inner: &[ValueRef]) -> Self {
        let (mut stages, sources) = connect(network, training);
        let output = find(&sources, network.output_value());
        let inner: Vec<Source> = inner.iter().map(|value| find(&sources, *value)).collect();
        let mut kept = inner.clone();
        kept.push(output);
        let buffers = buffers(&mut stages, &kept, training);
        let slots = if training { slots(&mut stages, output) } else { 0 };
        finals(&mut stages);
        Plan {
            readers: Readers::of(network, &stages, &kept),
            stages,
            buffers,
            slots,
            output,
            inner,
        }
    }

    /// Whether all that reads the features takes rows of zeros.
    pub(super) fn takes_sparse(&self) -> bool {
        self.all_readers(|module| module.takes_sparse())
    }

    /// Whether all of it passes over zeros anyway.
    pub(super) fn skips_zeros(&self) -> bool {
        self.all_readers(|module| module.skips_zeros())
    }

    fn all_readers(&self, holds: impl Fn(&dyn Module) -> bool) -> bool {
        let holds = |stage: &Stage| match &stage.operation {
            Operation::Module(module) => holds(&**module) && stage.inputs.len() == 1,
            _ => false,
        };
        let reads = |source: &Source| *source == Source::Features;
        let mut readers = self.stages.iter().filter(|stage| stage.inputs.iter().any(reads));
        readers.all(holds) && !reads(&self.output) && !self.inner.iter().any(reads)
    }

    /// Elements of a row of the widest value.
    pub(super) fn widest(&self) -> usize {
        self.stages.iter().map(|stage| stage.width).max().unwrap_or(1)
    }
}

/// Values that the layers of a network hold during a training step over `rows` rows.
pub(crate) fn step_values(network: &Network, rows: usize) -> usize {
    let plan = Plan::new(network, true);
    let mut buffers = vec![0; plan.buffers];
    let mut slots = vec![0; plan.slots];
    let mut saved = 0usize;
    let larger = |place: &mut usize, width: usize| *place = width.max(*place);
    for stage in &plan.stages {
        larger(&mut buffers[stage.output], stage.width);
        if let Some(slot) = stage.gradient {
            larger(&mut slots[slot], stage.width);
        }
        for (into, width) in stage.grad_targets.iter().zip(&stage.widths) {
            match into {
                GradTarget::Nothing => {}
                GradTarget::Set(slot) | GradTarget::Add(_, slot) => larger(&mut slots[*slot], *width),
            }
        }
        if let Operation::Module(module) = &stage.operation {
            saved = saved.saturating_add(module.saved(rows, true));
        }
    }
    let widths: usize = buffers.iter().chain(&slots).sum();
    widths.saturating_mul(rows).saturating_add(saved)
}

/// Values that the layers of a network hold where `rows` rows are scored together.
pub(super) fn scored_values(network: &Network, rows: impl Fn(&Plan) -> usize) -> usize {
    let plan = Plan::scoring(network, &[]);
    let rows = rows(&plan);
    let (mut buffers, mut saved) = (vec![0; plan.buffers], 0usize);
    for stage in &plan.stages {
        let place: &mut usize = &mut buffers[stage.output];
        *place = stage.width.max(*place);
        if let Operation::Module(module) = &stage.operation {
            saved = saved.saturating_add(module.saved(rows, false));
        }
    }
    buffers
        .iter()
        .sum::<usize>()
        .saturating_mul(rows)
        .saturating_add(saved)
}

impl Stage {
    fn of(node: &LayerNode, network: &Network, inputs: Vec<Source>) -> Self {
        let parameters = &network.parameters()[node.parameters.clone()];
        Stage {
            operation: node.operation.instance(),
            widths: Vec::new(),
            inputs,
            output: 0,
            copies: false,
            width: node.output.iter().product(),
            weights: node.weights.clone(),
            values_from: ParamSlot::dense_before(node.weights.start, network),
            parameters: parameters
                .iter()
                .enumerate()
                .filter(|(_, parameter)| parameter.trained)
                .enumerate()
                .map(|(trained, (index, parameter))| {
                    let own = || ParamSlot::of(parameter, network);
                    let repeat = |first: usize| ParamSlot::of_repeat(first + trained, network);
                    (index, node.repeats.map_or_else(own, repeat))
                })
                .collect(),
            gradient: None,
            grad_targets: Vec::new(),
            final_from: 0,
        }
    }

    fn saved_for_backward(&self) -> SavedForBackward {
        match &self.operation {
            Operation::View => SavedForBackward::Nothing,
            Operation::Elementwise(function) => function.saved_for_backward(),
            Operation::Module(module) => module.saved_for_backward(),
        }
    }
}

/// Where a value comes from, of which the layers' are known.
fn find(sources: &[Source], value: ValueRef) -> Source {
    match value {
        ValueRef::Features => Source::Features,
        ValueRef::Layer(at) => sources[at],
    }
}

/// The stages, and where what each layer puts out comes from.
fn connect(network: &Network, training: bool) -> (Vec<Stage>, Vec<Source>) {
    let mut stages: Vec<Stage> = Vec::new();
    let mut sources = Vec::with_capacity(network.layers().len());
    for node in network.layers() {
        let inputs: Vec<Source> = node.inputs.iter().map(|value| find(&sources, *value)).collect();
        let skipped = match &node.operation {
            Operation::View => true,
            Operation::Elementwise(function) => !training && function.only_training(),
            Operation::Module(module) => !training && module.only_training(),
        };
        if skipped {
            sources.push(inputs[0]);
            continue;
        }
        let mut stage = Stage::of(node, network, inputs);
        let width = |source: &Source| match source {
            Source::Features => network.input_width(),
            Source::Stage(at) => stages[*at].width,
        };
        stage.widths = stage.inputs.iter().map(width).collect();
        sources.push(Source::Stage(stages.len()));
        stages.push(stage);
    }
    (stages, sources)
}

/// Gives every stage its output buffer; returns their number. The values `kept` are there in the end.
fn buffers(stages: &mut [Stage], kept: &[Source], training: bool) -> usize {
    let readers = |source: Source| {
        stages
            .iter()
            .enumerate()
            .flat_map(move |(at, stage)| {
                let times = stage.inputs.iter().filter(|input| **input == source).count();
                std::iter::repeat_n(at, times)
            })
            .collect::<Vec<usize>>()
    };
    let all: Vec<Vec<usize>> = (0..stages.len()).map(|at| readers(Source::Stage(at))).collect();
    let mut free: Vec<usize> = Vec::new();
    let mut count = 0;
    for at in 0..stages.len() {
        let stage = &stages[at];
        let overwrites = match (&stage.operation, stage.inputs[0]) {
            (Operation::Elementwise(function), Source::Stage(input)) => {
                let own = training && function.saved_for_backward().input();
                let producer = training && stages[input].saved_for_backward().output();
                (!own && !producer && all[input].len() == 1 && !kept.contains(&stage.inputs[0]))
                    .then(|| stages[input].output)
            }
            _ => None,
        };
        let buffer = overwrites.or_else(|| free.pop()).unwrap_or_else(|| {
            count += 1;
            count - 1
        });
        stages[at].output = buffer;
        stages[at].copies = overwrites.is_none() && matches!(stages[at].operation, Operation::Elementwise(_));
        let mut released: Vec<usize> = Vec::new();
        for input in &stages[at].inputs {
            let Source::Stage(input) = *input else { continue };
            let last = all[input].last() == Some(&at) && !kept.contains(&Source::Stage(input));
            let saved = training
                && (stages[input].saved_for_backward().output()
                    || all[input]
                        .iter()
                        .any(|reader| stages[*reader].saved_for_backward().input()));
            if last && !saved && overwrites.is_none() && !released.contains(&stages[input].output) {
                released.push(stages[input].output);
            }
        }
        free.extend(released);
    }
    count
}

/// Tells every stage from where on a node's values are final after it: behind those of all stages before.
fn finals(stages: &mut [Stage]) {
    let mut end = 0;
    for stage in stages {
        stage.final_from = end;
        let slots = stage.parameters.iter().filter(|_| stage.gradient.is_some());
        for (_, slot) in slots {
            if let ParamSlot::Values(range) = slot {
                end = range.end.max(end);
            }
        }
    }
}

/// Gives every gradient its slot; returns their number.
fn slots(stages: &mut [Stage], output: Source) -> usize {
    let mut wanted = vec![false; stages.len()];
    for at in 0..stages.len() {
        let above = |input: &Source| matches!(input, Source::Stage(input) if wanted[*input]);
        wanted[at] = !stages[at].parameters.is_empty() || stages[at].inputs.iter().any(above);
    }
    let mut free: Vec<usize> = vec![0];
    let mut count = 1;
    let mut take = |free: &mut Vec<usize>| {
        free.pop().unwrap_or_else(|| {
            count += 1;
            count - 1
        })
    };
    let mut held: Vec<Option<usize>> = vec![None; stages.len()];
    if let Source::Stage(at) = output {
        held[at] = Some(take(&mut free));
    }
    for at in (0..stages.len()).rev() {
        let Some(own) = held[at].filter(|_| wanted[at]) else {
            continue;
        };
        stages[at].gradient = Some(own);
        let elementwise = matches!(stages[at].operation, Operation::Elementwise(_));
        let mut saved = false;
        let mut spare = Vec::new();
        for input in stages[at].inputs.clone() {
            let into = match input {
                Source::Stage(input) if wanted[input] => match held[input] {
                    None if elementwise => {
                        saved = true;
                        held[input] = Some(own);
                        GradTarget::Set(own)
                    }
                    None => {
                        let slot = take(&mut free);
                        held[input] = Some(slot);
                        GradTarget::Set(slot)
                    }
                    Some(slot) if elementwise => GradTarget::Add(slot, own),
                    Some(slot) => {
                        let other = take(&mut free);
                        spare.push(other);
                        GradTarget::Add(slot, other)
                    }
                },
                _ => GradTarget::Nothing,
            };
            stages[at].grad_targets.push(into);
        }
        free.extend(spare);
        if !saved {
            free.push(own);
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn network(layers: &[&str]) -> Network {
        let layers: Vec<_> = layers
            .iter()
            .map(|name| {
                if *name == "Linear" {
                    json!({"type": name, "out_features": 3})
                } else {
                    json!({"type": name})
                }
            })
            .collect();
        let document = json!({"format": "candlewick.network/1", "layers": layers});
        Network::from_document(&document, &[3]).unwrap()
    }

    fn outputs(plan: &Plan) -> Vec<usize> {
        plan.stages.iter().map(|stage| stage.output).collect()
    }

    #[test]
    fn maps_overwrite_only_what_nobody_needs() {
        let plan = Plan::new(
            &network(&["Linear", "ReLU", "Flatten", "Dropout", "Linear"]),
            true,
        );
        assert_eq!(
            (outputs(&plan), plan.buffers),
            (vec![0, 0, 1, 2], 3),
            "ReLU's output survives Dropout"
        );
        let plan = Plan::new(&network(&["Linear", "GELU", "Dropout", "ReLU"]), true);
        assert_eq!(outputs(&plan), [0, 1, 1, 1], "GELU's input survives GELU");
        let plan = Plan::new(&network(&["ReLU", "Linear"]), true);
        assert_eq!(outputs(&plan), [0, 1], "the features survive");
        assert!(plan.stages[0].copies);
        assert_eq!(
            plan.stages[0].gradient, None,
            "nothing to train before the Linear"
        );
    }

    #[test]
    fn scoring_takes_two_buffers() {
        let layers = ["Dropout", "Tanh", "Linear", "GELU", "Linear", "Linear"];
        let plan = Plan::new(&network(&layers), false);
        assert_eq!((outputs(&plan), plan.buffers), (vec![0, 1, 1, 0, 1], 2));
        assert_eq!(plan.stages[0].inputs, [Source::Features]);
    }

    #[test]
    fn gradients_take_two_slots_in_a_chain() {
        let plan = Plan::new(&network(&["Linear", "ReLU", "Linear", "GELU", "Linear"]), true);
        let slots: Vec<_> = plan.stages.iter().map(|stage| stage.gradient).collect();
        assert_eq!(plan.slots, 2);
        assert_eq!(slots, [Some(0), Some(0), Some(1), Some(1), Some(0)]);
        assert_eq!(plan.stages[0].grad_targets, [GradTarget::Nothing]);
    }
}
