//! Forward and backward of one step over flat memory that is reused, and scoring.
//!
//! The rows of all slices of a step go through the layers together, because products and maps give a row the same
//! bits in any company. Sums over rows (loss, gradients of parameters) are formed slice by slice and combined along
//! the tree of rule B5, so they do not depend on who owns which slice.

mod evaluate;
mod predictor;
mod stages;

pub use predictor::Predictor;

use crate::kernels::{Kernels, Program, Workers};
use crate::layers::{Keeps, MapContext, Operation, RowKey, Sides};
use crate::losses::{self, Loss, SliceRows};
use crate::network::Network;
use crate::resolve;
use candlewick_protocol::Failure;
use candlewick_protocol::job::LabelKind;
use serde_json::Value;
use stages::{Source, Stage};
use std::sync::Arc;

/// Rows of a logical shard in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Logical shard.
    pub shard: u32,
    /// Number of rows, possibly 0.
    pub rows: usize,
}

/// The rows of a step that this trainer holds, slice after slice in shard order.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Global step.
    pub step: u64,
    /// The slices, by ascending shard.
    pub slices: &'a [Slice],
    /// Features, row after row.
    pub features: &'a [f32],
    /// Labels, row after row.
    pub labels: &'a [f64],
    /// A weight a row.
    pub weights: &'a [f64],
}

/// Gradient of the weighted sum of the loss over the shards `lo..hi`: a node of the reduction tree. Nothing is
/// divided yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodeGradient {
    /// First shard.
    pub lo: u32,
    /// One past the last shard.
    pub hi: u32,
    /// False where no shard of it has rows in this step; the values mean nothing then.
    pub present: bool,
    /// The gradient, in the order of the weights; given its length by the engine.
    pub values: Vec<f32>,
}

impl NodeGradient {
    /// A node without values yet.
    #[must_use]
    pub fn new(lo: u32, hi: u32) -> Self {
        NodeGradient {
            lo,
            hi,
            present: false,
            values: Vec::new(),
        }
    }
}

/// What a slice adds to the loss of the step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SliceSums {
    /// Logical shard.
    pub shard: u32,
    /// Number of rows.
    pub rows: u64,
    /// Weighted sum of the loss.
    pub loss: f64,
    /// What the sum of all slices is divided by.
    pub denominator: f64,
}

/// Computes losses and gradients. All memory is kept from step to step.
#[derive(Debug)]
pub struct Engine {
    network: Network,
    loss: Box<dyn Loss>,
    label_width: usize,
    seed: u64,
    stages: Vec<Stage>,
    kernels: Kernels,
    /// Outputs of the stages.
    values: Vec<Vec<f32>>,
    /// Gradient of the output of the stage at hand, and of its input.
    gradients: [Vec<f32>; 2],
    rows: Vec<RowKey>,
}

impl Engine {
    /// An engine for a network and a loss.
    ///
    /// # Errors
    /// `InvalidParameter` where the loss document is not legal or does not fit the label; `Unavailable` where the
    /// operating system gives no threads.
    pub fn new(
        network: &Network,
        loss: &Value,
        label: &LabelKind,
        seed: u64,
        threads: usize,
    ) -> Result<Self, Failure> {
        let arguments = resolve::read_loss(loss)?;
        resolve::check_loss(arguments.name(), label, network.output_width())?;
        let (stages, buffers) = stages::for_training(network);
        Ok(Engine {
            network: network.clone(),
            loss: losses::make(&arguments)?,
            label_width: label.width(),
            seed,
            stages,
            kernels: Kernels::new(threads)?,
            values: vec![Vec::new(); buffers],
            gradients: [Vec::new(), Vec::new()],
            rows: Vec::new(),
        })
    }

    /// The threads, for others to share.
    pub(crate) fn workers(&self) -> Arc<Workers> {
        Arc::clone(self.kernels.workers())
    }

    /// One step's losses and gradients. `nodes` name the nodes of the reduction tree to compute; every shard of the
    /// batch lies in exactly one of them. The answer has a line for every slice, in order.
    ///
    /// # Errors
    /// `InvalidData` where a label is not one of the loss's; `Internal` where lengths or nodes do not fit.
    pub fn step(
        &mut self,
        weights: &[f32],
        batch: &Batch<'_>,
        nodes: &mut [NodeGradient],
    ) -> Result<Vec<SliceSums>, Failure> {
        self.check(weights, batch, nodes)?;
        let pool = self.kernels.workers().pool();
        match pool {
            // On a thread of the pool every parallel call below starts without a change of threads.
            Some(pool) => pool.install(|| self.compute(weights, batch, nodes)),
            None => self.compute(weights, batch, nodes),
        }
    }

    fn check(&self, weights: &[f32], batch: &Batch<'_>, nodes: &[NodeGradient]) -> Result<(), Failure> {
        let rows: usize = batch.slices.iter().map(|slice| slice.rows).sum();
        for (what, got, wanted) in [
            ("weights", weights.len(), self.network.num_parameters()),
            (
                "features",
                batch.features.len(),
                rows * self.network.input_width(),
            ),
            ("labels", batch.labels.len(), rows * self.label_width),
            ("row weights", batch.weights.len(), rows),
        ] {
            if got != wanted {
                return Err(Failure::internal(format!(
                    "a step of {rows} rows has {got} {what}, not {wanted}"
                )));
            }
        }
        if !batch.slices.is_sorted_by(|a, b| a.shard < b.shard) {
            return Err(Failure::internal(
                "the slices of a step are not in the order of their shards",
            ));
        }
        for slice in batch.slices {
            let holders = nodes
                .iter()
                .filter(|node| (node.lo..node.hi).contains(&slice.shard))
                .count();
            if holders != 1 {
                return Err(Failure::internal(format!(
                    "shard {} lies in {holders} nodes, not 1",
                    slice.shard
                )));
            }
        }
        Ok(())
    }

    fn compute(
        &mut self,
        weights: &[f32],
        batch: &Batch<'_>,
        nodes: &mut [NodeGradient],
    ) -> Result<Vec<SliceSums>, Failure> {
        self.rows.clear();
        for slice in batch.slices {
            let keys = (0u32..).take(slice.rows).map(|row| RowKey {
                shard: slice.shard,
                row,
            });
            self.rows.extend(keys);
        }
        self.forward(weights, batch);
        let sums = self.losses(batch)?;
        let programs = programs(batch.slices, nodes);
        for (node, program) in nodes.iter_mut().zip(&programs) {
            node.present = program.depth() > 0;
            node.values.resize(self.network.num_parameters(), 0.0);
        }
        self.backward(weights, batch, &programs, nodes);
        Ok(sums)
    }

    fn forward(&mut self, weights: &[f32], batch: &Batch<'_>) {
        let rows = self.rows.len();
        for stage in &self.stages {
            let mut output = std::mem::take(&mut self.values[stage.output]);
            output.resize(rows * stage.width, 0.0);
            let input = match stage.input {
                Source::Features => batch.features,
                Source::Buffer(at) => &self.values[at],
            };
            match &stage.operation {
                Operation::Module(module) => {
                    module.forward(
                        &mut self.kernels,
                        &weights[stage.weights.clone()],
                        rows,
                        input,
                        &mut output,
                    );
                }
                Operation::Map(map) => {
                    if stage.copies {
                        output.copy_from_slice(input);
                    }
                    let least = PARALLEL_COST / map.cost();
                    let context = context(&self.kernels, self.seed, batch.step, stage.width);
                    let keys = &self.rows;
                    self.kernels
                        .workers()
                        .chunks(&mut output, stage.width, least, |start, part| {
                            map.forward(&context.of_rows(keys, start, part.len()), part);
                        });
                }
                Operation::View => {}
            }
            self.values[stage.output] = output;
        }
    }

    fn losses(&mut self, batch: &Batch<'_>) -> Result<Vec<SliceSums>, Failure> {
        let width = self.network.output_width();
        let outputs = match self.stages.last() {
            Some(stage) => &self.values[stage.output],
            None => return Err(Failure::internal("a network without layers")),
        };
        let gradient = &mut self.gradients[0];
        gradient.resize(outputs.len(), 0.0);
        let mut sums = Vec::with_capacity(batch.slices.len());
        let mut start = 0;
        for slice in batch.slices {
            let end = start + slice.rows;
            let rows = SliceRows {
                outputs: &outputs[start * width..end * width],
                labels: &batch.labels[start * self.label_width..end * self.label_width],
                weights: &batch.weights[start..end],
                gradient: &mut gradient[start * width..end * width],
            };
            let slice_sums = self.loss.slice(self.kernels.level(), width, rows)?;
            sums.push(SliceSums {
                shard: slice.shard,
                rows: slice.rows as u64,
                loss: slice_sums.loss,
                denominator: slice_sums.denominator,
            });
            start = end;
        }
        Ok(sums)
    }

    fn backward(
        &mut self,
        weights: &[f32],
        batch: &Batch<'_>,
        programs: &[Program],
        nodes: &mut [NodeGradient],
    ) {
        let rows = self.rows.len();
        let first = self
            .stages
            .iter()
            .position(|stage| !stage.weights.is_empty())
            .unwrap_or(0);
        for (at, stage) in self.stages.iter().enumerate().skip(first).rev() {
            let input = match stage.input {
                Source::Features => batch.features,
                Source::Buffer(at) => &self.values[at],
            };
            let [gradient, spare] = &mut self.gradients;
            match &stage.operation {
                Operation::Module(module) => {
                    let sides = Sides { input, gradient };
                    for (node, program) in nodes.iter_mut().zip(programs).filter(|(node, _)| node.present) {
                        for (index, place) in stage.parameters.iter().enumerate() {
                            let into = &mut node.values[place.clone()];
                            module.parameter_gradient(&mut self.kernels, index, program, sides, into);
                        }
                    }
                    if at > first {
                        let weights = &weights[stage.weights.clone()];
                        spare.resize(input.len(), 0.0);
                        module.input_gradient(&mut self.kernels, weights, rows, gradient, spare);
                        std::mem::swap(gradient, spare);
                    }
                }
                Operation::Map(map) => {
                    let kept: &[f32] = match map.keeps() {
                        Keeps::Nothing => &[],
                        Keeps::Input => input,
                        Keeps::Output => &self.values[stage.output],
                    };
                    let least = PARALLEL_COST / map.cost();
                    let context = context(&self.kernels, self.seed, batch.step, stage.width);
                    let keys = &self.rows;
                    self.kernels
                        .workers()
                        .chunks(gradient, stage.width, least, |start, part| {
                            let kept = if kept.is_empty() {
                                kept
                            } else {
                                &kept[start..start + part.len()]
                            };
                            map.backward(&context.of_rows(keys, start, part.len()), kept, part);
                        });
                }
                Operation::View => {}
            }
        }
    }
}

/// Additions that are worth a thread.
const PARALLEL_COST: usize = 1 << 18;

fn context(kernels: &Kernels, seed: u64, step: u64, width: usize) -> MapContext<'static> {
    MapContext {
        level: kernels.level(),
        width,
        seed,
        step,
        rows: &[],
    }
}

impl MapContext<'_> {
    /// The context of the rows that the elements `start..start + length` belong to.
    fn of_rows(self, rows: &[RowKey], start: usize, length: usize) -> MapContext<'_> {
        let width = self.width.max(1);
        MapContext {
            rows: &rows[start / width..(start + length) / width],
            ..self
        }
    }
}

/// The reduction program of every node.
fn programs(slices: &[Slice], nodes: &[NodeGradient]) -> Vec<Program> {
    let mut start = 0;
    let mut places = Vec::with_capacity(slices.len());
    for slice in slices {
        places.push((slice.shard, start, slice.rows));
        start += slice.rows;
    }
    let leaf = |shard: u32| match places.binary_search_by_key(&shard, |place| place.0) {
        Ok(at) => (places[at].1, places[at].2),
        Err(_) => (0, 0),
    };
    nodes
        .iter()
        .map(|node| Program::of(node.lo, node.hi, &leaf))
        .collect()
}
