//! PReLU: rectified with slopes that are learned.

use super::{BackwardInputs, BuiltLayer, Context, Family, Init, Module, ParameterSpec};
use crate::arguments::Arguments;
use crate::kernels::{Program, add_into, simd_dispatch, sum_by};
use crate::layers::error::LayerError;
use crate::numbers::to_f32;
use candlewick_protocol::Failure;

/// The layers of this family.
pub(super) const LAYERS: Family = &[("PReLU", make_prelu)];

/// x where positive, else a slope times x; a row is `slopes` runs of `run` values.
#[derive(Debug)]
struct Prelu {
    slopes: usize,
    run: usize,
    init: f32,
}

/// Values that are worth a thread.
const PARALLEL: usize = 1 << 18;

simd_dispatch! {
    /// Multiplies `values` by the slope of their run where `x` is not positive; in place where `x` is empty.
    fn bend(run: usize, slopes: &[f32], x: &[f32], values: &mut [f32]) {
        let runs = x.chunks_exact(run).zip(values.chunks_exact_mut(run)).enumerate();
        for (at, (x, values)) in runs {
            let slope = slopes[at % slopes.len()];
            for (x, value) in x.iter().zip(values) {
                *value = if *x > 0.0 { *value } else { *value * slope };
            }
        }
    }
}

simd_dispatch! {
    /// Adds the gradients of the slopes over rows.
    fn slope_gradients(run: usize, x: &[f32], g: &[f32], sums: &mut [f32]) {
        let slopes = sums.len();
        let runs = x.chunks_exact(run).zip(g.chunks_exact(run)).enumerate();
        for (at, (x, g)) in runs {
            sums[at % slopes] += sum_by(run, |at| if x[at] > 0.0 { 0.0 } else { x[at] * g[at] });
        }
    }
}

impl Module for Prelu {
    fn parameters(&self) -> Vec<ParameterSpec> {
        vec![ParameterSpec::new(
            "weight",
            &[self.slopes],
            Init::Constant(self.init),
        )]
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let (level, slopes, x) = (ctx.kernels.level(), ctx.weights, inputs[0]);
        output.copy_from_slice(x);
        let workers = ctx.kernels.workers();
        workers.chunks(output, self.slopes * self.run, PARALLEL, |start, y| {
            bend(level, self.run, slopes, &x[start..start + y.len()], y);
        });
        Ok(())
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        let (level, slopes, x) = (ctx.kernels.level(), ctx.weights, ends.inputs[0]);
        let Some(into) = &mut into[0] else { return Ok(()) };
        into.copy_from_slice(ends.gradient);
        let workers = ctx.kernels.workers();
        workers.chunks(into, self.slopes * self.run, PARALLEL, |start, g| {
            bend(level, self.run, slopes, &x[start..start + g.len()], g);
        });
        Ok(())
    }

    fn parameter_gradient(
        &self,
        ctx: &mut Context<'_>,
        _parameter: usize,
        tree: &Program,
        ends: BackwardInputs<'_>,
        into: &mut [f32],
    ) {
        let (level, width) = (ctx.kernels.level(), self.slopes * self.run);
        tree.evaluate(
            into,
            &mut Vec::new(),
            |start, rows, sums| {
                sums.fill(0.0);
                let values = start * width..(start + rows) * width;
                let (x, g) = (&ends.inputs[0][values.clone()], &ends.gradient[values]);
                slope_gradients(level, self.run, x, g, sums);
            },
            |left, right| add_into(level, left, right),
        );
    }
}

fn make_prelu(arguments: &mut Arguments, input: &[usize], _path: &str) -> Result<BuiltLayer, LayerError> {
    let slopes = arguments.size("num_parameters").unwrap_or(1);
    let channels = input.first().copied().unwrap_or(1);
    if slopes != 1 && slopes != channels {
        return Err(format!(
            "num_parameters={slopes} is neither 1 nor the {channels} channels of an input of shape {input:?}"
        )
        .into());
    }
    let prelu = Prelu {
        slopes,
        run: input.iter().product::<usize>() / slopes,
        init: to_f32(arguments.real("init")),
    };
    Ok(BuiltLayer::module(prelu, input.to_vec()))
}
