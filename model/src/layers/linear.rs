//! Linear: y = x Wᵀ + b over the last dimension.

use super::{BackwardInputs, BuiltLayer, Context, Family, Module, ParameterSpec, uniform_by_fan};
use crate::arguments::Arguments;
use crate::kernels::{Accumulate, Arithmetic, ByInput, Matrix, PackedLinear, Program, RowGradients};
use crate::layers::error::{LayerError, infer};
use candlewick_protocol::Failure;
use candlewick_protocol::rows::SparseRows;

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
        let init = uniform_by_fan(self.inputs);
        let mut specs = vec![ParameterSpec::new("weight", &[self.outputs, self.inputs], init)];
        if self.bias {
            specs.push(ParameterSpec::new("bias", &[self.outputs], init));
        }
        specs
    }

    fn takes_sparse(&self) -> bool {
        self.repeat == 1
    }

    fn by_input(&self, weights: &[f32]) -> Option<ByInput> {
        let (matrix, bias) = weights.split_at(self.outputs * self.inputs);
        let bias = self.bias.then(|| &bias[..self.outputs]);
        self.takes_sparse()
            .then(|| ByInput::of_linear(matrix, bias, self.inputs, self.outputs))
    }

    fn packed(&self, arithmetic: Arithmetic, weights: &[f32]) -> Option<PackedLinear> {
        let sizes = (self.inputs, self.outputs);
        Some(PackedLinear::new(arithmetic, weights, sizes, self.bias))
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        if let Some(rows) = ctx.sparse {
            let bias = self.bias.then(|| &ctx.weights[self.outputs * self.inputs..]);
            rows.product(ctx.kernels, self.weight(ctx.weights), bias, output);
            return Ok(());
        }
        let x = Matrix::new(inputs[0], ctx.rows * self.repeat, self.inputs);
        let bias = &ctx.weights[self.outputs * self.inputs..];
        let start = if self.bias {
            Accumulate::Bias(bias)
        } else {
            Accumulate::Zero
        };
        let weight = self.weight(ctx.weights).transposed();
        ctx.kernels.product(x, weight, start, output);
        Ok(())
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        if let Some(into) = &mut into[0] {
            let g = Matrix::new(ends.gradient, ctx.rows * self.repeat, self.outputs);
            ctx.kernels
                .product(g, self.weight(ctx.weights), Accumulate::Zero, into);
        }
        Ok(())
    }

    fn parameter_gradient(
        &self,
        ctx: &mut Context<'_>,
        parameter: usize,
        tree: &Program,
        ends: BackwardInputs<'_>,
        into: &mut [f32],
    ) {
        let rows = ends.gradient.len() / self.outputs;
        let g = Matrix::new(ends.gradient, rows, self.outputs);
        if parameter == 0 {
            let x = Matrix::new(ends.inputs[0], rows, self.inputs);
            ctx.kernels
                .tree_product(g.transposed(), x, tree, self.repeat, into);
        } else {
            ctx.kernels.tree_column_sums(&g, tree, self.repeat, into);
        }
    }

    fn sparse_gradient(
        &self,
        ctx: &mut Context<'_>,
        _parameter: usize,
        tree: &Program,
        ends: BackwardInputs<'_>,
        into: &mut SparseRows,
    ) {
        if let Some(rows) = ctx.sparse {
            let gradients = RowGradients {
                values: ends.gradient,
                outputs: self.outputs,
                winners: None,
            };
            rows.tree_product(ctx.kernels, gradients, tree, into);
        }
    }
}

/// The layers of this family.
pub(super) const LAYERS: Family = &[("Linear", make)];

fn make(arguments: &mut Arguments, input: &[usize], _path: &str) -> Result<BuiltLayer, LayerError> {
    let Some((&last, before)) = input.split_last() else {
        return Err(LayerError::single_number());
    };
    infer(
        arguments,
        "in_features",
        last,
        "values in the last dimension",
        input,
    )?;
    let outputs = arguments.size("out_features").unwrap_or_default();
    let linear = Linear {
        inputs: last,
        outputs,
        bias: arguments.flag("bias"),
        repeat: before.iter().product(),
    };
    let output = before.iter().copied().chain([outputs]).collect();
    Ok(BuiltLayer::module(linear, output))
}
