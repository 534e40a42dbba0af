//! Linear: y = x Wᵀ + b over the last dimension.

use super::{Family, Init, Made, Module, Operation, ParameterSpec, Sides};
use crate::arguments::Arguments;
use crate::kernels::{Kernels, Matrix, Program, Start};
use std::sync::Arc;

#[derive(Debug)]
struct Linear {
    inputs: usize,
    outputs: usize,
    bias: bool,
    /// Applications per row: the product of the dimensions before the last.
    repeat: usize,
}

impl Linear {
    fn weight<'a>(&self, weights: &'a [f32]) -> Matrix<'a> {
        Matrix::new(weights, self.outputs, self.inputs)
    }
}

impl Module for Linear {
    fn parameters(&self) -> Vec<ParameterSpec> {
        // kaiming_uniform with a = sqrt 5 for the weight, as for the bias: both are uniform in ±1/sqrt(inputs).
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "a bound"
        )]
        let init = Init::Uniform((1.0 / (self.inputs as f64).sqrt()) as f32);
        let mut specs = vec![ParameterSpec {
            name: "weight",
            shape: vec![self.outputs, self.inputs],
            init,
        }];
        if self.bias {
            specs.push(ParameterSpec {
                name: "bias",
                shape: vec![self.outputs],
                init,
            });
        }
        specs
    }

    fn forward(
        &self,
        kernels: &mut Kernels,
        weights: &[f32],
        rows: usize,
        input: &[f32],
        output: &mut [f32],
    ) {
        let x = Matrix::new(input, rows * self.repeat, self.inputs);
        let bias = &weights[self.outputs * self.inputs..];
        let start = if self.bias { Start::Bias(bias) } else { Start::Zero };
        kernels.product(x, self.weight(weights).transposed(), start, output);
    }

    fn input_gradient(
        &self,
        kernels: &mut Kernels,
        weights: &[f32],
        rows: usize,
        gradient: &[f32],
        into: &mut [f32],
    ) {
        let g = Matrix::new(gradient, rows * self.repeat, self.outputs);
        kernels.product(g, self.weight(weights), Start::Zero, into);
    }

    fn parameter_gradient(
        &self,
        kernels: &mut Kernels,
        parameter: usize,
        tree: &Program,
        sides: Sides<'_>,
        into: &mut [f32],
    ) {
        let rows = sides.gradient.len() / self.outputs;
        let g = Matrix::new(sides.gradient, rows, self.outputs);
        if parameter == 0 {
            let x = Matrix::new(sides.input, rows, self.inputs);
            kernels.tree_product(g.transposed(), x, tree, self.repeat, into);
        } else {
            kernels.tree_column_sums(&g, tree, self.repeat, into);
        }
    }
}

/// The layers of this family.
pub(super) const LAYERS: Family = &[("Linear", make)];

fn make(arguments: &mut Arguments, input: &[usize], _path: &str) -> Result<Made, String> {
    let Some((&last, before)) = input.split_last() else {
        return Err("wants an input of at least one dimension, got a single number".to_owned());
    };
    if let Some(wanted) = arguments.size("in_features").filter(|wanted| *wanted != last) {
        return Err(format!(
            "wants {wanted} values in the last dimension (in_features={wanted}), but the input has shape {input:?}; \
             set in_features to {last} or leave it out"
        ));
    }
    arguments.set_size("in_features", last);
    let outputs = arguments.size("out_features").unwrap_or_default();
    let linear = Linear {
        inputs: last,
        outputs,
        bias: arguments.flag("bias"),
        repeat: before.iter().product(),
    };
    let output = before.iter().copied().chain([outputs]).collect();
    Ok(Made {
        operation: Operation::Module(Arc::new(linear)),
        output,
    })
}
