//! One stage of a plan, forward, while training and when scoring.

use super::features::Input;
use super::plan::{Plan, Source, Stage};
use crate::kernels::Kernels;
use crate::layers::{Context, ElementwiseContext, Exchange, Operation, Training};
use crate::resident::{DeviceValues, FlatRef};
use candlewick_protocol::Failure;

/// Additions that are worth a thread.
pub(super) const PARALLEL_COST: usize = 1 << 18;

/// Memory of a plan. It grows to what the largest batch needs and stays.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Buffers of the plan's values.
    pub values: Vec<Vec<f32>>,
    /// Slots of the plan's gradients.
    pub gradients: Vec<Vec<f32>>,
    /// What every stage keeps from forward to backward.
    pub saved: Vec<Vec<f32>>,
    /// What stages on a device give to each other.
    pub device: DeviceValues,
}

impl Memory {
    pub(super) fn of(plan: &Plan) -> Self {
        Memory {
            values: vec![Vec::new(); plan.buffers],
            gradients: vec![Vec::new(); plan.slots],
            saved: vec![Vec::new(); plan.stages.len()],
            device: DeviceValues::default(),
        }
    }

    /// The inputs of a stage for `rows` rows.
    pub(super) fn inputs<'a>(
        &'a self,
        plan: &Plan,
        stage: &Stage,
        features: &'a [f32],
        rows: usize,
    ) -> Vec<&'a [f32]> {
        let ends = stage.inputs.iter().zip(&stage.widths);
        ends.map(|(source, width)| match source {
            Source::Features => features,
            Source::Stage(at) => &self.values[plan.stages[*at].output][..rows * width],
        })
        .collect()
    }
}

/// Takes a buffer of at least `length` values out of its place.
pub(super) fn taken(place: &mut Vec<f32>, length: usize) -> Vec<f32> {
    let mut buffer = std::mem::take(place);
    if buffer.len() < length {
        // It stays for the whole training: no room for growth that does not come.
        buffer.reserve_exact(length - buffer.len());
        buffer.resize(length, 0.0);
    }
    buffer
}

/// What a stage is computed from.
pub(super) struct StageCall<'a> {
    /// Weights of the whole network.
    pub weights: FlatRef<'a>,
    /// Features of the rows.
    pub input: Input<'a>,
    /// Number of rows.
    pub rows: usize,
    /// While training; else the layers are in evaluation mode.
    pub training: Option<Training<'a>>,
}

/// What an elementwise layer knows of its rows.
pub(super) fn context<'a>(
    kernels: &Kernels,
    training: Option<Training<'a>>,
    width: usize,
) -> ElementwiseContext<'a> {
    ElementwiseContext {
        level: kernels.level(),
        width,
        seed: training.map_or(0, |training| training.seed),
        step: training.map_or(0, |training| training.step),
        rows: training.map_or(&[], |training| training.rows),
    }
}

impl<'a> ElementwiseContext<'a> {
    /// The context of the rows that the elements `start..start + length` belong to.
    pub(super) fn of_rows(self, start: usize, length: usize) -> ElementwiseContext<'a> {
        let width = self.width.max(1);
        let rows = start / width..(start + length) / width;
        ElementwiseContext {
            // None while scoring.
            rows: self.rows.get(rows).unwrap_or_default(),
            ..self
        }
    }
}

/// Computes the output of stage `at` into its buffer.
///
/// # Errors
/// Those of the exchange.
pub(super) fn run_stage(
    plan: &Plan,
    memory: &mut Memory,
    kernels: &mut Kernels,
    at: usize,
    call: &StageCall<'_>,
    exchange: &mut (dyn Exchange + Send),
) -> Result<(), Failure> {
    let stage = &plan.stages[at];
    let length = call.rows * stage.width;
    let mut output = taken(&mut memory.values[stage.output], length);
    match &stage.operation {
        Operation::Module(module) => {
            let saved_length = module.saved(call.rows, call.training.is_some());
            let mut saved = taken(&mut memory.saved[at], saved_length);
            let mut device = std::mem::take(&mut memory.device);
            let inputs = memory.inputs(plan, stage, call.input.dense, call.rows);
            let mut ctx = Context {
                kernels,
                weights: &call.weights.host()[stage.weights.clone()],
                held: call.weights.run(&stage.weights),
                rows: call.rows,
                sparse: call.input.sparse_of(stage),
                saved: &mut saved[..saved_length],
                training: call.training,
                values: &mut device,
                exchange,
            };
            let done = module.forward(&mut ctx, &inputs, &mut output[..length]);
            memory.saved[at] = saved;
            memory.device = device;
            done?;
        }
        Operation::Elementwise(function) => {
            if stage.copies {
                let inputs = memory.inputs(plan, stage, call.input.dense, call.rows);
                output[..length].copy_from_slice(inputs[0]);
            }
            let least = PARALLEL_COST / function.cost();
            let context = context(kernels, call.training, stage.width);
            kernels
                .workers()
                .chunks(&mut output[..length], stage.width, least, |start, part| {
                    function.forward(&context.of_rows(start, part.len()), part);
                });
        }
        Operation::View => {}
    }
    memory.values[stage.output] = output;
    Ok(())
}
