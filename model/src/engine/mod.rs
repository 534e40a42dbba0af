//! Forward and backward of one step over flat memory that is reused, and scoring.
//!
//! The rows of all slices of a step go through the layers together, because products and maps give a row the same
//! bits in any company. Sums over rows (loss, gradients of parameters) are formed slice by slice and combined along
//! the tree of rule B5, so they do not depend on who owns which slice.

mod evaluate;
mod features;
mod gradient;
mod plan;
mod predictor;
mod prepared;
mod stage;
mod statistics;

pub use crate::layers::{Alone, Exchange, Slice};
pub use features::{Features, TypedRows};
pub(crate) use gradient::TouchedRows;
pub use gradient::{Gradient, NodeGradient, all_finite};
pub(crate) use plan::step_values;
pub use predictor::Predictor;
pub use prepared::Prepared;

use crate::kernels::{Kernels, Program, SparseMemory, Workers, add_into};
use crate::layers::{
    BackwardInputs, Context, Elementwise, Module, Operation, RowKey, SavedForBackward, Training,
};
use crate::losses::{self, Criterion, SliceRows};
use crate::network::Network;
use crate::resident::FlatRef;
use candlewick_protocol::Failure;
use candlewick_protocol::job::LabelKind;
use features::Input;
use plan::{GradTarget, ParamSlot, Plan, Source, Stage};
use serde_json::Value;
use stage::{Memory, PARALLEL_COST, StageCall, context, run_stage, taken};
use std::sync::Arc;

/// The rows of a step that this trainer holds, slice after slice in shard order.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Global step.
    pub step: u64,
    /// The slices, by ascending shard.
    pub slices: &'a [Slice],
    /// Features, row after row.
    pub features: Features<'a>,
    /// Labels, row after row.
    pub labels: &'a [f64],
    /// A weight a row.
    pub weights: &'a [f64],
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
    /// What it adds to the denominator, see [`Engine::denominator`].
    pub denominator: f64,
}

/// Computes losses and gradients. All memory is kept from step to step.
#[derive(Debug)]
pub struct Engine {
    network: Network,
    loss: Criterion,
    label_width: usize,
    seed: u64,
    plan: Plan,
    kernels: Kernels,
    memory: Memory,
    rows: Vec<RowKey>,
    sparse: SparseMemory,
    /// Features of rows of integers, where layers read them on the host.
    expanded: Vec<f32>,
    /// What gradients are multiplied with.
    loss_scale: f32,
}

impl Engine {
    /// An engine for a network and a loss.
    ///
    /// # Errors
    /// `InvalidParameter` where the loss document is not legal or does not fit the label; `Unavailable` where the
    /// operating system refuses threads.
    pub fn new(
        network: &Network,
        loss: &Value,
        label: &LabelKind,
        seed: u64,
        threads: usize,
    ) -> Result<Self, Failure> {
        let loss = losses::make(&losses::read_loss(loss)?)?;
        losses::check_loss(&loss, label, network.output_width())?;
        let plan = Plan::new(network, true);
        Ok(Engine {
            network: network.clone(),
            loss,
            label_width: label.width(),
            seed,
            memory: Memory::of(&plan),
            plan,
            kernels: Kernels::new(threads)?.with_precision(network.precision()),
            rows: Vec::new(),
            sparse: SparseMemory::default(),
            expanded: Vec::new(),
            loss_scale: 1.0,
        })
    }

    /// From now on gradients are so many times what they are, a power of two; losses are not.
    pub fn scale_loss(&mut self, factor: f32) {
        self.loss_scale = factor;
    }

    /// The threads, for others to share.
    #[must_use]
    pub fn workers(&self) -> Arc<Workers> {
        Arc::clone(self.kernels.workers())
    }

    /// Whether the loss is a sum over the rows of a step, and no mean.
    #[must_use]
    pub fn is_sum(&self) -> bool {
        self.loss.sum
    }

    /// What the loss and the gradient of a step are divided by, given the sum of its slices' denominators: that sum
    /// where the loss is a mean, 1 where its reduction is "sum"; 0 where no row counts.
    #[must_use]
    pub fn denominator(&self, total: f64) -> f64 {
        self.loss.denominator(total)
    }

    /// The same for a trainer that updates its weights by its own rows alone, which are a share of the step's: a sum over all rows is
    /// as many times as large.
    #[must_use]
    pub fn denominator_of(&self, total: f64, share: f64) -> f64 {
        self.loss.denominator_of(total, share)
    }

    /// One step's losses and gradients, by a trainer that owns all shards. `nodes` name the nodes of the reduction
    /// tree to compute; every shard of the batch lies in exactly one of them. The answer has a line for every slice,
    /// in order.
    ///
    /// # Errors
    /// `InvalidData` where a label is not one of the loss's; `Internal` where lengths or nodes do not fit.
    pub fn step(
        &mut self,
        weights: &[f32],
        batch: &Batch<'_>,
        nodes: &mut [NodeGradient],
    ) -> Result<Vec<SliceSums>, Failure> {
        self.step_among(weights, batch, nodes, &mut Alone)
    }

    /// As [`Engine::step`], by one trainer of several: `exchange` leads to the others.
    ///
    /// # Errors
    /// As [`Engine::step`], and those of the exchange.
    pub fn step_among(
        &mut self,
        weights: &[f32],
        batch: &Batch<'_>,
        nodes: &mut [NodeGradient],
        exchange: &mut (dyn Exchange + Send),
    ) -> Result<Vec<SliceSums>, Failure> {
        self.step_with(weights.into(), batch, nodes, exchange)
    }

    /// As [`Engine::step_among`], with weights that may live on a device.
    ///
    /// # Errors
    /// As there, and `JobFailed` where the device fails.
    pub fn step_with(
        &mut self,
        weights: FlatRef<'_>,
        batch: &Batch<'_>,
        nodes: &mut [NodeGradient],
        exchange: &mut (dyn Exchange + Send),
    ) -> Result<Vec<SliceSums>, Failure> {
        self.check(weights.len(), batch, nodes)?;
        let pool = self.kernels.workers().pool();
        match pool {
            // On a thread of the pool every parallel call below starts without a change of threads.
            Some(pool) => pool.install(|| self.compute(weights, batch, nodes, exchange)),
            None => self.compute(weights, batch, nodes, exchange),
        }
    }

    /// Brings the buffers among the weights (running statistics) up to date with the last step. To be called once
    /// after every step that updates the weights. False where a layer had too few values in the step to normalise by
    /// them (BatchNorm with one value a channel, rule B7): it used the running statistics and left them as they were.
    pub fn update_buffers(&self, weights: &mut [f32]) -> bool {
        let mut all = true;
        for (stage, saved) in self.plan.stages.iter().zip(&self.memory.saved) {
            if let Operation::Module(module) = &stage.operation {
                let length = module.saved(self.rows.len(), true);
                all &= module.update_buffers(&saved[..length], &mut weights[stage.weights.clone()]);
            }
        }
        all
    }

    fn check(&self, weights: usize, batch: &Batch<'_>, nodes: &[NodeGradient]) -> Result<(), Failure> {
        let rows: usize = batch.slices.iter().map(|slice| slice.rows).sum();
        for (what, got, wanted) in [
            ("weights", weights, self.network.num_parameters()),
            batch.features.count(rows, self.network.input_width()),
            ("labels", batch.labels.len(), rows * self.label_width),
            ("row weights", batch.weights.len(), rows),
        ] {
            if got != wanted {
                return Err(Failure::internal(format!(
                    "a step of {rows} rows has {got} {what}, not {wanted}"
                )));
            }
        }
        if matches!(batch.features, Features::Sparse(_)) && !self.network.has_sparse_input() {
            return Err(Failure::internal(
                "rows of zeros for a network that was not made for them (Network::with_sparse_input)",
            ));
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
        weights: FlatRef<'_>,
        batch: &Batch<'_>,
        nodes: &mut [NodeGradient],
        exchange: &mut (dyn Exchange + Send),
    ) -> Result<Vec<SliceSums>, Failure> {
        self.rows.clear();
        for slice in batch.slices {
            let keys = (0u32..).take(slice.rows).map(|row| RowKey {
                shard: slice.shard,
                row,
            });
            self.rows.extend(keys);
        }
        let mut sparse = std::mem::take(&mut self.sparse);
        let mut expanded = std::mem::take(&mut self.expanded);
        let input = self.input(batch.features, &mut sparse, &mut expanded);
        let done = input.and_then(|input| self.compute_from(weights, batch, input, nodes, exchange));
        (self.sparse, self.expanded) = (sparse, expanded);
        self.memory.device.bring(None);
        done
    }

    /// The features of the rows at hand, as the stages read them.
    fn input<'a>(
        &mut self,
        features: Features<'a>,
        sparse: &'a mut SparseMemory,
        expanded: &'a mut Vec<f32>,
    ) -> Result<Input<'a>, Failure> {
        let width = self.network.input_width();
        let typed = match features {
            Features::Dense(values) if !self.network.has_sparse_input() => values.into(),
            Features::Typed(typed) if !self.network.has_sparse_input() => typed,
            features => return features.without_zeros(sparse, width, expanded),
        };
        let size = (self.rows.len(), width);
        typed.input(&self.plan, size, &mut self.memory.device, expanded)
    }

    fn compute_from(
        &mut self,
        weights: FlatRef<'_>,
        batch: &Batch<'_>,
        input: Input<'_>,
        nodes: &mut [NodeGradient],
        exchange: &mut (dyn Exchange + Send),
    ) -> Result<Vec<SliceSums>, Failure> {
        for at in 0..self.plan.stages.len() {
            let call = StageCall {
                weights,
                input,
                rows: self.rows.len(),
                training: Some(training(self.seed, batch, &self.rows)),
            };
            run_stage(
                &self.plan,
                &mut self.memory,
                &mut self.kernels,
                at,
                &call,
                exchange,
            )?;
        }
        let sums = self.losses(batch)?;
        let programs = programs(batch.slices, nodes);
        for (node, program) in nodes.iter_mut().zip(&programs) {
            node.present = program.depth() > 0;
            node.fit(&self.network);
        }
        for at in (0..self.plan.stages.len()).rev() {
            let stage = &self.plan.stages[at];
            let Some(slot) = stage.gradient else { continue };
            match stage.operation.clone() {
                Operation::Module(module) => {
                    let mut gradients = ModuleGradients {
                        module: &*module,
                        programs: &programs,
                        nodes: &mut *nodes,
                    };
                    self.module_backward(at, (weights, batch, input), &mut gradients, exchange)?;
                    let from = self.plan.stages[at].final_from;
                    let nodes = nodes
                        .iter()
                        .map(|node| node.present.then_some(node.values.as_slice()));
                    exchange.ready(from, &nodes.collect::<Vec<_>>())?;
                }
                Operation::Elementwise(function) => {
                    self.elementwise_backward(at, slot, &*function, (batch, input))
                }
                Operation::View => {}
            }
        }
        Ok(sums)
    }

    fn losses(&mut self, batch: &Batch<'_>) -> Result<Vec<SliceSums>, Failure> {
        let width = self.network.output_width();
        let Source::Stage(last) = self.plan.output else {
            return Err(Failure::internal("a network without layers"));
        };
        let (last, length) = (&self.plan.stages[last], self.rows.len() * width);
        let outputs = &self.memory.values[last.output][..length];
        // Where nothing is trained the gradient is nobody's, but the losses are wanted.
        let slot = last.gradient.unwrap_or(0);
        let mut memory = taken(&mut self.memory.gradients[slot], length);
        let gradient = &mut memory[..length];
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
        if self.loss_scale != 1.0 {
            gradient.iter_mut().for_each(|value| *value *= self.loss_scale);
        }
        self.memory.gradients[slot] = memory;
        Ok(sums)
    }

    fn module_backward(
        &mut self,
        at: usize,
        (weights, batch, input): (FlatRef<'_>, &Batch<'_>, Input<'_>),
        gradients: &mut ModuleGradients<'_>,
        exchange: &mut (dyn Exchange + Send),
    ) -> Result<(), Failure> {
        let rows = self.rows.len();
        let stage = &self.plan.stages[at];
        let slot = stage.gradient.unwrap_or(0);
        let module = gradients.module;
        let mut targets: Vec<Option<Vec<f32>>> = Vec::with_capacity(stage.grad_targets.len());
        for (into, width) in stage.grad_targets.iter().zip(&stage.widths) {
            targets.push(match *into {
                GradTarget::Nothing => None,
                GradTarget::Set(slot) | GradTarget::Add(_, slot) => {
                    Some(taken(&mut self.memory.gradients[slot], rows * width))
                }
            });
        }
        let saved_length = module.saved(rows, true);
        let mut saved = std::mem::take(&mut self.memory.saved[at]);
        let mut device = std::mem::take(&mut self.memory.device);
        let inputs = self.memory.inputs(&self.plan, stage, input.dense, rows);
        let ends = BackwardInputs {
            inputs: &inputs,
            gradient: &self.memory.gradients[slot][..rows * stage.width],
        };
        let mut ctx = Context {
            kernels: &mut self.kernels,
            weights: &weights.host()[stage.weights.clone()],
            held: weights.run(&stage.weights),
            rows,
            sparse: input.sparse_of(stage),
            saved: &mut saved[..saved_length],
            training: Some(training(self.seed, batch, &self.rows)),
            values: &mut device,
            exchange,
        };
        let mut into: Vec<Option<&mut [f32]>> = targets
            .iter_mut()
            .zip(&stage.widths)
            .map(|(target, width)| target.as_mut().map(|target| &mut target[..rows * width]))
            .collect();
        let mut done = module.backward(&mut ctx, ends, &mut into);
        if done.is_ok() {
            done = gradients.of_parameters(&mut ctx, stage, ends);
        }
        self.memory.saved[at] = saved;
        self.memory.device = device;
        for ((target, into), width) in targets.into_iter().zip(&stage.grad_targets).zip(&stage.widths) {
            let (Some(target), GradTarget::Set(slot) | GradTarget::Add(_, slot)) = (target, *into) else {
                continue;
            };
            self.memory.gradients[slot] = target;
            if let GradTarget::Add(sum, part) = *into {
                add_slots(&self.kernels, &mut self.memory.gradients, sum, part, rows * width);
            }
        }
        done
    }

    fn elementwise_backward(
        &mut self,
        at: usize,
        slot: usize,
        function: &dyn Elementwise,
        (batch, input): (&Batch<'_>, Input<'_>),
    ) {
        let stage = &self.plan.stages[at];
        let rows = self.rows.len();
        let length = rows * stage.width;
        if stage.grad_targets[0] == GradTarget::Nothing {
            return;
        }
        let mut memory = std::mem::take(&mut self.memory.gradients[slot]);
        let inputs = self.memory.inputs(&self.plan, stage, input.dense, rows);
        let saved: &[f32] = match function.saved_for_backward() {
            SavedForBackward::Nothing => &[],
            SavedForBackward::Input => inputs[0],
            SavedForBackward::Output => &self.memory.values[stage.output][..length],
        };
        let training = training(self.seed, batch, &self.rows);
        let context = context(&self.kernels, Some(training), stage.width);
        self.kernels.workers().chunks(
            &mut memory[..length],
            stage.width,
            PARALLEL_COST / function.cost(),
            |start, part| {
                let saved = if saved.is_empty() {
                    saved
                } else {
                    &saved[start..start + part.len()]
                };
                function.backward(&context.of_rows(start, part.len()), saved, part);
            },
        );
        self.memory.gradients[slot] = memory;
        if let GradTarget::Add(sum, part) = stage.grad_targets[0] {
            add_slots(&self.kernels, &mut self.memory.gradients, sum, part, length);
        }
    }
}

/// A module and the nodes that want the gradients of its parameters.
struct ModuleGradients<'a> {
    module: &'a dyn Module,
    programs: &'a [Program],
    nodes: &'a mut [NodeGradient],
}

impl ModuleGradients<'_> {
    fn of_parameters(
        &mut self,
        ctx: &mut Context<'_>,
        stage: &Stage,
        ends: BackwardInputs<'_>,
    ) -> Result<(), Failure> {
        if stage.parameters.is_empty() {
            return Ok(());
        }
        let wanted = self.nodes.iter_mut().zip(self.programs);
        for (node, program) in wanted.filter(|(node, _)| node.present) {
            if let Some(held) = self.module.held_gradient(program)? {
                // Where its weights do not stay, the update wants it on the host.
                node.take_held(held, stage, ctx.held.is_some())?;
                continue;
            }
            for (index, place) in &stage.parameters {
                match place {
                    ParamSlot::Values(range) => {
                        let into = &mut node.values[range.clone()];
                        self.module.parameter_gradient(ctx, *index, program, ends, into);
                    }
                    ParamSlot::Sparse(at) => {
                        if let Some(held) = self.module.held_rows(program)? {
                            node.take_rows(held, *at, stage, ctx.held.is_some())?;
                            continue;
                        }
                        let into = &mut node.sparse_rows[*at];
                        self.module.sparse_gradient(ctx, *index, program, ends, into);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Adds the gradient in the slot `part` to that in `sum`, both of `length` values.
fn add_slots(kernels: &Kernels, slots: &mut [Vec<f32>], sum: usize, part: usize, length: usize) {
    let part_memory = std::mem::take(&mut slots[part]);
    let level = kernels.level();
    kernels
        .workers()
        .chunks(&mut slots[sum][..length], 1, PARALLEL_COST, |start, values| {
            add_into(level, values, &part_memory[start..start + values.len()]);
        });
    slots[part] = part_memory;
}

fn training<'a>(seed: u64, batch: &Batch<'a>, rows: &'a [RowKey]) -> Training<'a> {
    Training {
        seed,
        step: batch.step,
        rows,
        slices: batch.slices,
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
