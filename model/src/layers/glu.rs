//! GLU (Dauphin et al. 2017, arXiv:1612.08083): y = a σ(b), where a and b are the halves of a dimension. Its gradient is
//! computed from the input: da = g σ(b), db = g a σ(b) σ(-b).

use super::softmax::dimension;
use super::{BackwardInputs, BuiltLayer, Context, Family, Module};
use crate::arguments::Arguments;
use crate::kernels::{Halves, gated, gated_gradient};
use crate::layers::error::LayerError;
use candlewick_protocol::Failure;

/// Values that are worth a thread.
const PARALLEL: usize = 1 << 15;

/// A row is parts, each of a half of values and a half of gates.
#[derive(Debug)]
struct Glu {
    /// Values of a half.
    half: usize,
}

impl Module for Glu {
    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let (level, half, x) = (ctx.kernels.level(), self.half, inputs[0]);
        let workers = ctx.kernels.workers();
        workers.chunks(output, half, PARALLEL, |start, output| {
            let parts = x[2 * start..].chunks_exact(2 * half);
            for (output, part) in output.chunks_exact_mut(half).zip(parts) {
                let (values, gates) = part.split_at(half);
                gated(level, values, gates, output);
            }
        });
        Ok(())
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        let (level, half, x) = (ctx.kernels.level(), self.half, ends.inputs[0]);
        let Some(into) = &mut into[0] else { return Ok(()) };
        let workers = ctx.kernels.workers();
        workers.chunks(into, 2 * half, PARALLEL, |start, into| {
            let parts = x[start..].chunks_exact(2 * half);
            let gradients = ends.gradient[start / 2..].chunks_exact(half);
            for ((into, part), gradient) in into.chunks_exact_mut(2 * half).zip(parts).zip(gradients) {
                let (values, gates) = part.split_at(half);
                let (of_values, of_gates) = into.split_at_mut(half);
                let halves = Halves {
                    values,
                    gates,
                    of_values,
                    of_gates,
                };
                gated_gradient(level, halves, gradient);
            }
        });
        Ok(())
    }
}

/// The layers of this family.
pub(super) const LAYERS: Family = &[("GLU", make)];

fn make(arguments: &mut Arguments, input: &[usize], _path: &str) -> Result<BuiltLayer, LayerError> {
    let at = dimension(arguments, input)?;
    if !input[at].is_multiple_of(2) {
        return Err(format!(
            "expects an even size in the dimension that it halves, got {} in an input of shape {input:?}; make the \
             layer before twice as wide as the output",
            input[at]
        ).into());
    }
    let mut output = input.to_vec();
    output[at] /= 2;
    let half = output[at..].iter().product();
    Ok(BuiltLayer::module(Glu { half }, output))
}
