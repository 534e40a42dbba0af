//! Encodings of positions: sines, and learned ones.

use crate::arguments::Arguments;
use crate::kernels::{Kernels, Matrix, Program, add_into};
use crate::layers::dropout::Dropout;
use crate::layers::error::{LayerError, infer};
use crate::layers::{
    BackwardInputs, BuiltLayer, Context, Elementwise, ElementwiseContext, Family, Init, Module, Operation,
    ParameterSpec, SavedForBackward,
};
use candlewick_protocol::Failure;
use std::sync::Arc;

/// Additions that are worth a thread.
const LEAST: usize = 1 << 18;

/// Adds a table to every row, then drops.
#[derive(Debug)]
struct Sines {
    /// A value for every element of a row.
    table: Vec<f32>,
    dropout: Option<Dropout>,
}

impl Elementwise for Sines {
    fn saved_for_backward(&self) -> SavedForBackward {
        SavedForBackward::Nothing
    }

    fn cost(&self) -> usize {
        match &self.dropout {
            Some(dropout) => 2 + dropout.cost(),
            None => 2,
        }
    }

    fn forward(&self, context: &ElementwiseContext<'_>, values: &mut [f32]) {
        for row in values.chunks_exact_mut(self.table.len()) {
            add_into(context.level, row, &self.table);
        }
        if let Some(dropout) = &self.dropout {
            dropout.forward(context, values);
        }
    }

    fn backward(&self, context: &ElementwiseContext<'_>, saved: &[f32], gradient: &mut [f32]) {
        if let Some(dropout) = &self.dropout {
            dropout.backward(context, saved, gradient);
        }
    }
}

/// Adds a learned table to every row.
#[derive(Debug)]
struct Learned {
    length: usize,
    size: usize,
    /// Positions of the table; those beyond `length` are never used.
    positions: usize,
}

impl Learned {
    fn add(&self, kernels: &Kernels, weights: &[f32], output: &mut [f32]) {
        let (level, width) = (kernels.level(), self.length * self.size);
        kernels.workers().chunks(output, width, LEAST, |_, part| {
            for row in part.chunks_exact_mut(width) {
                add_into(level, row, &weights[..width]);
            }
        });
    }
}

impl Module for Learned {
    fn parameters(&self) -> Vec<ParameterSpec> {
        let init = Init::Normal(0.02);
        vec![ParameterSpec::new("weight", &[self.positions, self.size], init)]
    }

    fn saved_for_backward(&self) -> SavedForBackward {
        SavedForBackward::Nothing
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        output.copy_from_slice(inputs[0]);
        self.add(ctx.kernels, ctx.weights, output);
        Ok(())
    }

    fn backward(
        &self,
        _pass: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        if let Some(into) = &mut into[0] {
            into.copy_from_slice(ends.gradient);
        }
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
        let width = self.length * self.size;
        let (used, unused) = into.split_at_mut(width);
        let g = Matrix::new(ends.gradient, ctx.rows, width);
        ctx.kernels.tree_column_sums(&g, tree, 1, used);
        unused.fill(0.0);
    }
}

/// The layers of this family that take one input.
pub(in crate::layers) const LAYERS: Family = &[
    ("PositionalEncoding", sines),
    ("LearnedPositionalEncoding", learned),
];

/// Length and size of the input's sequence.
fn sequence(arguments: &mut Arguments, input: &[usize]) -> Result<(usize, usize), LayerError> {
    let &[length, size] = input else {
        return Err(LayerError::input(
            "an input of shape [length, d_model]",
            format!("{input:?}"),
        ));
    };
    infer(arguments, "d_model", size, "values in the last dimension", input)?;
    match arguments.size("max_len").filter(|most| *most < length) {
        Some(most) => Err(format!(
            "expects at most {most} positions (max_len={most}), but the input has shape {input:?}; set max_len to \
             {length} or more"
        ).into()),
        None => Ok((length, size)),
    }
}

/// Sines and cosines of a position: value 2i is sin(p / 10000^(2i/d)), value 2i + 1 the cosine.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "computed in f64"
)]
pub(crate) fn table(length: usize, size: usize) -> Vec<f32> {
    let value = |position: usize, at: usize| {
        let power = (at / 2 * 2) as f64 / size as f64;
        let angle = position as f64 / libm::pow(10_000.0, power);
        let value = if at.is_multiple_of(2) {
            libm::sin(angle)
        } else {
            libm::cos(angle)
        };
        value as f32
    };
    (0..length * size).map(|at| value(at / size, at % size)).collect()
}

fn sines(arguments: &mut Arguments, input: &[usize], path: &str) -> Result<BuiltLayer, LayerError> {
    let (length, size) = sequence(arguments, input)?;
    let p = arguments.real("dropout");
    let sines = Sines {
        table: table(length, size),
        dropout: (p > 0.0).then(|| Dropout::new(p, format!("{path}.dropout"))),
    };
    Ok(BuiltLayer {
        operation: Operation::Elementwise(Arc::new(sines)),
        output: input.to_vec(),
    })
}

fn learned(arguments: &mut Arguments, input: &[usize], _path: &str) -> Result<BuiltLayer, LayerError> {
    let (length, size) = sequence(arguments, input)?;
    let positions = arguments.size("max_len").unwrap_or(length);
    arguments.set_size("max_len", positions);
    let learned = Learned {
        length,
        size,
        positions,
    };
    Ok(BuiltLayer::module(learned, input.to_vec()))
}
