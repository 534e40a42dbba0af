//! Layers that bring several values together: Add, Multiply, Concat, and the ends of a graph.

use super::{BackwardInputs, BuiltLayer, Context, MakeJoin, Module, SavedForBackward};
use crate::arguments::Arguments;
use crate::kernels::simd_dispatch;
use crate::layers::error::LayerError;
use candlewick_protocol::Failure;

/// The layers of this family.
pub(super) const JOINS: &[(&str, MakeJoin)] = &[
    ("Add", sum),
    ("Residual", sum),
    ("Multiply", product),
    ("Concat", concat),
];

simd_dispatch! {
    /// `left += right`.
    fn add(left: &mut [f32], right: &[f32]) {
        left.iter_mut().zip(right).for_each(|(left, right)| *left += *right);
    }
}

simd_dispatch! {
    /// `left *= right`.
    fn multiply(left: &mut [f32], right: &[f32]) {
        left.iter_mut().zip(right).for_each(|(left, right)| *left *= *right);
    }
}

#[derive(Debug)]
struct Sum;

impl Module for Sum {
    fn saved_for_backward(&self) -> SavedForBackward {
        SavedForBackward::Nothing
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        output.copy_from_slice(inputs[0]);
        for input in &inputs[1..] {
            add(ctx.kernels.level(), output, input);
        }
        Ok(())
    }

    fn backward(
        &self,
        _pass: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        for into in into.iter_mut().flatten() {
            into.copy_from_slice(ends.gradient);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Product;

impl Module for Product {
    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        output.copy_from_slice(inputs[0]);
        for input in &inputs[1..] {
            multiply(ctx.kernels.level(), output, input);
        }
        Ok(())
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        for (at, into) in into.iter_mut().enumerate() {
            let Some(into) = into else { continue };
            into.copy_from_slice(ends.gradient);
            for (_, other) in ends.inputs.iter().enumerate().filter(|(other, _)| *other != at) {
                multiply(ctx.kernels.level(), into, other);
            }
        }
        Ok(())
    }
}

/// Puts blocks of the inputs one after another: `outer` times a block of every input.
#[derive(Debug)]
struct Concat {
    outer: usize,
    blocks: Vec<usize>,
}

impl Module for Concat {
    fn saved_for_backward(&self) -> SavedForBackward {
        SavedForBackward::Nothing
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let width: usize = self.blocks.iter().sum();
        let mut start = 0;
        for (input, block) in inputs.iter().zip(&self.blocks) {
            for at in 0..ctx.rows * self.outer {
                let to = at * width + start;
                output[to..to + block].copy_from_slice(&input[at * block..(at + 1) * block]);
            }
            start += block;
        }
        Ok(())
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        let width: usize = self.blocks.iter().sum();
        let mut start = 0;
        for (into, block) in into.iter_mut().zip(&self.blocks) {
            if let Some(into) = into {
                for at in 0..ctx.rows * self.outer {
                    let from = at * width + start;
                    into[at * block..(at + 1) * block].copy_from_slice(&ends.gradient[from..from + block]);
                }
            }
            start += block;
        }
        Ok(())
    }
}

/// A part of every row of features: an input of a graph.
#[derive(Debug)]
struct Select {
    start: usize,
    size: usize,
    width: usize,
}

impl Module for Select {
    fn saved_for_backward(&self) -> SavedForBackward {
        SavedForBackward::Nothing
    }

    fn selected(&self) -> Option<usize> {
        Some(self.start)
    }

    fn forward(&self, _pass: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let rows = inputs[0].chunks_exact(self.width);
        for (row, into) in rows.zip(output.chunks_exact_mut(self.size)) {
            into.copy_from_slice(&row[self.start..self.start + self.size]);
        }
        Ok(())
    }

    fn backward(
        &self,
        _pass: &mut Context<'_>,
        _ends: BackwardInputs<'_>,
        _into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        // Features want no gradient.
        Ok(())
    }
}

/// The input of a graph that starts at an element of a row of features of a width.
pub(crate) fn select(start: usize, width: usize, shape: &[usize]) -> BuiltLayer {
    let size = shape.iter().product();
    BuiltLayer::module(Select { start, size, width }, shape.to_vec())
}

/// The outputs of a graph, of these sizes, one after another.
pub(crate) fn join_outputs(sizes: &[usize]) -> BuiltLayer {
    let concat = Concat {
        outer: 1,
        blocks: sizes.to_vec(),
    };
    BuiltLayer::module(concat, vec![sizes.iter().sum()])
}

fn equal_shapes(inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
    match inputs {
        [] => Err("needs an input".into()),
        [first, rest @ ..] => match rest.iter().find(|shape| *shape != first) {
            None => Ok(first.to_vec()),
            Some(other) => Err(
                LayerError::input("inputs of one shape", format!("{first:?} and {other:?}"))
                    .hint("bring them to one shape, for example with a Linear"),
            ),
        },
    }
}

fn sum(_arguments: &mut Arguments, inputs: &[&[usize]], _path: &str) -> Result<BuiltLayer, LayerError> {
    Ok(BuiltLayer::module(Sum, equal_shapes(inputs)?))
}

fn product(_arguments: &mut Arguments, inputs: &[&[usize]], _path: &str) -> Result<BuiltLayer, LayerError> {
    Ok(BuiltLayer::module(Product, equal_shapes(inputs)?))
}

fn concat(arguments: &mut Arguments, inputs: &[&[usize]], _path: &str) -> Result<BuiltLayer, LayerError> {
    let rank = inputs.first().map_or(0, |shape| shape.len());
    let given = arguments.int("dim");
    let signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let at = if given < 0 { given + signed } else { given - 1 };
    let at = usize::try_from(at).ok().filter(|at| *at < rank && given != 0);
    let at = at.ok_or_else(|| {
        format!("dim={given} is not a dimension of inputs of {rank} dimensions without the batch, which is 0")
    })?;
    let mut output = inputs[0].to_vec();
    for shape in &inputs[1..] {
        let fits = shape.len() == rank && (0..rank).all(|d| d == at || shape[d] == output[d]);
        if !fits {
            let error = LayerError::input(
                format!("inputs that differ in dimension {given} only"),
                format!("{:?} and {shape:?}", inputs[0]),
            );
            if shape.len() == rank {
                return Err(error);
            }
            let longer = if rank > shape.len() { inputs[0] } else { *shape };
            return Err(error.hint(format!(
                "bring them to one number of dimensions, for example with a Flatten behind the one of shape {longer:?} (an Embedding of single \
                 numbers puts out [1, embedding_dim])"
            )));
        }
        output[at] += shape[at];
    }
    let inner: usize = output[at + 1..].iter().product();
    let concat = Concat {
        outer: output[..at].iter().product(),
        blocks: inputs.iter().map(|shape| shape[at] * inner).collect(),
    };
    Ok(BuiltLayer::module(concat, output))
}
