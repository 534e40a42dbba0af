//! Bilinear: y = x₁ᵀ A x₂ + b over the last dimensions of two inputs.
//!
//! The products of every value of one input with every value of the other are formed once; what is left is the
//! product of matrices that a Linear of in1_features x in2_features inputs has.

use super::{BackwardInputs, BuiltLayer, Context, MakeJoin, Module, ParameterSpec, uniform_by_fan};
use crate::arguments::Arguments;
use crate::kernels::{Accumulate, Kernels, LANES, Matrix, Program, simd_dispatch};
use crate::layers::error::LayerError;
use candlewick_protocol::Failure;

/// Products that are formed at a time when scoring.
const BLOCK: usize = 1 << 20;
/// Products that are worth a thread.
const LEAST: usize = 1 << 17;

#[derive(Debug)]
struct Bilinear {
    left: usize,
    right: usize,
    outputs: usize,
    bias: bool,
    /// Applications per row: the product of the dimensions before the last.
    repeat: usize,
}

simd_dispatch! {
    /// For every application, all products of a left and a right value; `sizes` are those of the inputs.
    fn outer(left: &[f32], right: &[f32], sizes: (usize, usize), into: &mut [f32]) {
        let ends = left.chunks_exact(sizes.0).zip(right.chunks_exact(sizes.1));
        for ((left, right), into) in ends.zip(into.chunks_exact_mut(sizes.0 * sizes.1)) {
            for (left, into) in left.iter().zip(into.chunks_exact_mut(sizes.1)) {
                for (into, right) in into.iter_mut().zip(right) {
                    *into = *left * *right;
                }
            }
        }
    }
}

simd_dispatch! {
    /// The gradient of the right values, from that of the products.
    fn contract_left(slopes: &[f32], left: &[f32], sizes: (usize, usize), into: &mut [f32]) {
        let ends = left.chunks_exact(sizes.0).zip(into.chunks_exact_mut(sizes.1));
        for ((left, into), slopes) in ends.zip(slopes.chunks_exact(sizes.0 * sizes.1)) {
            into.fill(0.0);
            for (left, slopes) in left.iter().zip(slopes.chunks_exact(sizes.1)) {
                for (into, slope) in into.iter_mut().zip(slopes) {
                    *into += *left * *slope;
                }
            }
        }
    }
}

simd_dispatch! {
    /// The gradient of the left values, from that of the products.
    fn contract_right(slopes: &[f32], right: &[f32], sizes: (usize, usize), into: &mut [f32]) {
        let ends = right.chunks_exact(sizes.1).zip(into.chunks_exact_mut(sizes.0));
        for ((right, into), slopes) in ends.zip(slopes.chunks_exact(sizes.0 * sizes.1)) {
            for (into, slopes) in into.iter_mut().zip(slopes.chunks_exact(sizes.1)) {
                let mut sums = [0.0f32; LANES];
                for (slopes, right) in slopes.chunks(LANES).zip(right.chunks(LANES)) {
                    for ((sum, slope), right) in sums.iter_mut().zip(slopes).zip(right) {
                        *sum += *slope * *right;
                    }
                }
                *into = sums.iter().sum();
            }
        }
    }
}

impl Bilinear {
    fn pairs(&self) -> usize {
        self.left * self.right
    }

    /// Applications whose products are formed at a time.
    fn block(&self, applications: usize, training: bool) -> usize {
        match training {
            true => applications,
            false => applications.min((BLOCK / self.pairs()).max(1)),
        }
    }

    fn weight<'a>(&self, weights: &'a [f32]) -> Matrix<'a> {
        Matrix::new(weights, self.outputs, self.pairs())
    }

    fn outer(&self, kernels: &Kernels, left: &[f32], right: &[f32], into: &mut [f32]) {
        let (level, pairs) = (kernels.level(), self.pairs());
        kernels.workers().chunks(into, pairs, LEAST, |start, part| {
            let (first, count) = (start / pairs, part.len() / pairs);
            let left = &left[first * self.left..(first + count) * self.left];
            let right = &right[first * self.right..(first + count) * self.right];
            outer(level, left, right, (self.left, self.right), part);
        });
    }
}

impl Module for Bilinear {
    fn parameters(&self) -> Vec<ParameterSpec> {
        let init = uniform_by_fan(self.left);
        let mut specs = vec![ParameterSpec::new(
            "weight",
            &[self.outputs, self.left, self.right],
            init,
        )];
        if self.bias {
            specs.push(ParameterSpec::new("bias", &[self.outputs], init));
        }
        specs
    }

    fn saved(&self, rows: usize, training: bool) -> usize {
        self.block(rows * self.repeat, training) * self.pairs()
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let block = self.block(ctx.rows * self.repeat, ctx.training.is_some()).max(1);
        let bias = &ctx.weights[self.outputs * self.pairs()..];
        let start = if self.bias {
            Accumulate::Bias(bias)
        } else {
            Accumulate::Zero
        };
        let weight = self.weight(ctx.weights).transposed();
        let lefts = inputs[0].chunks(block * self.left);
        let ends = lefts.zip(inputs[1].chunks(block * self.right));
        for ((left, right), output) in ends.zip(output.chunks_mut(block * self.outputs)) {
            let count = output.len() / self.outputs;
            let products = &mut ctx.saved[..count * self.pairs()];
            self.outer(ctx.kernels, left, right, products);
            let products = Matrix::new(products, count, self.pairs());
            ctx.kernels.product(products, weight, start, output);
        }
        Ok(())
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        if into.iter().all(Option::is_none) {
            return Ok(());
        }
        let g = Matrix::new(ends.gradient, ctx.rows * self.repeat, self.outputs);
        let weight = self.weight(ctx.weights);
        ctx.kernels.product(g, weight, Accumulate::Zero, ctx.saved);
        let (slopes, pairs) = (&*ctx.saved, self.pairs());
        let (level, sizes) = (ctx.kernels.level(), (self.left, self.right));
        let contractions = [
            (
                contract_right as fn(_, &[f32], &[f32], _, &mut [f32]),
                self.left,
                self.right,
            ),
            (contract_left, self.right, self.left),
        ];
        for (at, (contract, own, other)) in contractions.into_iter().enumerate() {
            let Some(into) = &mut into[at] else { continue };
            let least = (LEAST / other).max(1);
            ctx.kernels.workers().chunks(into, own, least, |start, part| {
                let (first, count) = (start / own, part.len() / own);
                let slopes = &slopes[first * pairs..(first + count) * pairs];
                let values = &ends.inputs[1 - at][first * other..(first + count) * other];
                contract(level, slopes, values, sizes, part);
            });
        }
        // The gradient of the weights needs the products again.
        self.outer(ctx.kernels, ends.inputs[0], ends.inputs[1], ctx.saved);
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
            let products = Matrix::new(ctx.saved, rows, self.pairs());
            ctx.kernels
                .tree_product(g.transposed(), products, tree, self.repeat, into);
        } else {
            ctx.kernels.tree_column_sums(&g, tree, self.repeat, into);
        }
    }
}

/// The layers of this family.
pub(super) const JOINS: &[(&str, MakeJoin)] = &[("Bilinear", make)];

fn make(arguments: &mut Arguments, inputs: &[&[usize]], _path: &str) -> Result<BuiltLayer, LayerError> {
    let &[first, second] = inputs else {
        return Err(format!(
            "takes two inputs, got {}: name both in a node of a graph network",
            inputs.len()
        )
        .into());
    };
    let (Some((&left, before)), Some((&right, before_right))) = (first.split_last(), second.split_last())
    else {
        return Err(LayerError::input(
            "inputs of at least one dimension",
            "a single number",
        ));
    };
    if before != before_right {
        return Err(LayerError::input(
            "inputs that differ in the last dimension only",
            format!("{first:?} and {second:?}"),
        ));
    }
    for (name, got) in [("in1_features", left), ("in2_features", right)] {
        if let Some(wanted) = arguments.size(name).filter(|wanted| *wanted != got) {
            return Err(format!(
                "expects {wanted} values in the last dimension ({name}={wanted}), but the inputs have shapes \
                 {first:?} and {second:?}; set {name} to {got} or leave it out"
            )
            .into());
        }
        arguments.set_size(name, got);
    }
    let outputs = arguments.size("out_features").unwrap_or_default();
    let bilinear = Bilinear {
        left,
        right,
        outputs,
        bias: arguments.flag("bias"),
        repeat: before.iter().product(),
    };
    let output = before.iter().copied().chain([outputs]).collect();
    Ok(BuiltLayer::module(bilinear, output))
}
