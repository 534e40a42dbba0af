//! MultiheadAttention (Vaswani et al. 2017, arXiv:1706.03762): projections, attention of every head, projection.

use crate::arguments::Arguments;
use crate::kernels::{Accumulate, Attention, Layout, Matrix, Program, Shape};
use crate::layers::dropout::Dropout;
use crate::layers::error::{LayerError, infer};
use crate::layers::{
    BackwardInputs, BuiltLayer, Context, Init, MakeJoin, Module, ParameterSpec, Training, check_padding,
    uniform_by_fan,
};
use crate::philox::mask_row_from;
use candlewick_protocol::Failure;
use std::ops::Range;

/// A projection of an input to queries, keys, values, or all three.
#[derive(Debug)]
struct Projection {
    /// Index of the input.
    input: usize,
    /// Size of its last dimension.
    size: usize,
    /// Queries or keys of a row of the batch.
    length: usize,
    /// Values that come out for each.
    width: usize,
    /// Index of the parameter that its weight belongs to.
    parameter: usize,
    /// Its rows of that parameter, and of the bias.
    rows: (usize, usize),
    /// First element of its weight in the module's.
    weight: usize,
}

#[derive(Debug)]
struct MultiheadAttention {
    shape: Shape,
    embed: usize,
    projections: Vec<Projection>,
    /// Weights of the projections, by name.
    specs: Vec<ParameterSpec>,
    bias: bool,
    dropout: Option<Dropout>,
    /// Whether the last input tells which keys are padding.
    padding: bool,
}

/// The parts of [`Context::saved`].
struct Saved<'a> {
    /// Queries, keys, values.
    projected: &'a mut [f32],
    /// What the heads put out.
    context: &'a mut [f32],
    statistics: &'a mut [f32],
    /// Gradient of `projected`.
    slopes: &'a mut [f32],
    /// Gradient of `context`.
    context_slopes: &'a mut [f32],
}

impl MultiheadAttention {
    /// Values of `projected`, `context` and `statistics` for a row.
    fn sizes(&self) -> [usize; 3] {
        let (queries, keys) = (self.shape.queries * self.embed, self.shape.keys * self.embed);
        [queries + 2 * keys, queries, self.shape.statistics()]
    }

    fn parts<'a>(&self, rows: usize, saved: &'a mut [f32]) -> Saved<'a> {
        let [projected, context, statistics] = self.sizes().map(|size| size * rows);
        let training = saved.len() > projected + context + statistics;
        let (projected, saved) = saved.split_at_mut(projected);
        let (context, saved) = saved.split_at_mut(context);
        let (statistics, saved) = saved.split_at_mut(statistics);
        let (slopes, saved) = saved.split_at_mut(if training { projected.len() } else { 0 });
        Saved {
            projected,
            context,
            statistics,
            slopes,
            context_slopes: saved,
        }
    }

    /// Where queries, keys and values lie.
    fn layout(&self, rows: usize) -> Layout {
        let (queries, keys) = (
            rows * self.shape.queries * self.embed,
            rows * self.shape.keys * self.embed,
        );
        match self.projections.len() {
            1 => Layout {
                starts: [0, self.embed, 2 * self.embed],
                stride: 3 * self.embed,
            },
            _ => Layout {
                starts: [0, queries, queries + keys],
                stride: self.embed,
            },
        }
    }

    /// Elements of every projection's result.
    fn places(&self, rows: usize) -> Vec<Range<usize>> {
        let mut end = 0;
        let places = self.projections.iter().map(|projection| {
            let start = end;
            end += rows * projection.length * projection.width;
            start..end
        });
        places.collect()
    }

    fn weight<'a>(&self, projection: &Projection, weights: &'a [f32]) -> Matrix<'a> {
        Matrix::new(&weights[projection.weight..], projection.width, projection.size)
    }

    /// First elements of the bias of the projections, of the last weight, and of the last bias.
    fn offsets(&self) -> [usize; 3] {
        let weights: usize = self
            .specs
            .iter()
            .map(|spec| spec.shape.iter().product::<usize>())
            .sum();
        let bias = if self.bias { 3 * self.embed } else { 0 };
        [weights, weights + bias, weights + bias + self.embed * self.embed]
    }

    fn out_weight<'a>(&self, weights: &'a [f32]) -> Matrix<'a> {
        Matrix::new(&weights[self.offsets()[1]..], self.embed, self.embed)
    }

    fn start<'a>(&self, bias: &'a [f32]) -> Accumulate<'a> {
        if self.bias {
            Accumulate::Bias(bias)
        } else {
            Accumulate::Zero
        }
    }

    /// The input that tells which keys are padding; empty where there is none.
    fn padding<'a>(&self, inputs: &[&'a [f32]]) -> &'a [f32] {
        let last = inputs.last().filter(|_| self.padding);
        last.copied().unwrap_or_default()
    }

    /// Calls `body` with the attention of a batch over `ends`.
    fn attention(
        &self,
        rows: usize,
        (ends, padding): (&[f32], &[f32]),
        level: crate::kernels::SimdLevel,
        training: Option<Training<'_>>,
        body: impl FnOnce(&Attention<'_>),
    ) {
        let mut attention = Attention {
            shape: self.shape,
            rows,
            layout: self.layout(rows),
            ends,
            drop: None,
            padding,
        };
        let (Some(dropout), Some(training)) = (&self.dropout, training) else {
            return body(&attention);
        };
        let drop = |row: usize, first: usize, values: &mut [f32]| {
            let mask = dropout.mask(training.seed, training.rows[row], training.step);
            mask_row_from(level, mask, first, values);
        };
        attention.drop = Some(&drop);
        body(&attention);
    }
}

impl Module for MultiheadAttention {
    fn parameters(&self) -> Vec<ParameterSpec> {
        let mut specs = self.specs.clone();
        if self.bias {
            specs.push(ParameterSpec::new(
                "in_proj_bias",
                &[3 * self.embed],
                Init::Constant(0.0),
            ));
        }
        let init = uniform_by_fan(self.embed);
        specs.push(ParameterSpec::new(
            "out_proj.weight",
            &[self.embed, self.embed],
            init,
        ));
        if self.bias {
            specs.push(ParameterSpec::new(
                "out_proj.bias",
                &[self.embed],
                Init::Constant(0.0),
            ));
        }
        specs
    }

    fn saved(&self, rows: usize, training: bool) -> usize {
        let [projected, context, statistics] = self.sizes();
        let forward = projected + context + statistics;
        rows * if training {
            forward + projected + context
        } else {
            forward
        }
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let (rows, weights, training) = (ctx.rows, ctx.weights, ctx.training);
        let saved = self.parts(rows, ctx.saved);
        let [bias, _, out_bias] = self.offsets();
        for (projection, place) in self.projections.iter().zip(self.places(rows)) {
            let x = Matrix::new(
                inputs[projection.input],
                rows * projection.length,
                projection.size,
            );
            let weight = self.weight(projection, weights).transposed();
            let start = self.start(&weights[bias + projection.rows.0..]);
            ctx.kernels.product(x, weight, start, &mut saved.projected[place]);
        }
        let level = ctx.kernels.level();
        let ends = (&*saved.projected, self.padding(inputs));
        self.attention(rows, ends, level, training, |attention| {
            ctx.kernels.attend(attention, saved.context, saved.statistics);
        });
        let context = Matrix::new(saved.context, rows * self.shape.queries, self.embed);
        let start = self.start(&weights[out_bias..]);
        let weight = self.out_weight(weights).transposed();
        ctx.kernels.product(context, weight, start, output);
        Ok(())
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        let (rows, weights, training) = (ctx.rows, ctx.weights, ctx.training);
        let saved = self.parts(rows, ctx.saved);
        let g = Matrix::new(ends.gradient, rows * self.shape.queries, self.embed);
        let weight = self.out_weight(weights);
        ctx.kernels
            .product(g, weight, Accumulate::Zero, saved.context_slopes);
        let level = ctx.kernels.level();
        let projected = (&*saved.projected, self.padding(ends.inputs));
        self.attention(rows, projected, level, training, |attention| {
            ctx.kernels
                .attend_backward(attention, saved.statistics, saved.context_slopes, saved.slopes);
        });
        for (projection, place) in self.projections.iter().zip(self.places(rows)) {
            if let Some(into) = &mut into[projection.input] {
                let g = Matrix::new(&saved.slopes[place], rows * projection.length, projection.width);
                ctx.kernels
                    .product(g, self.weight(projection, weights), Accumulate::Zero, into);
            }
        }
        if let Some(Some(into)) = into.last_mut().filter(|_| self.padding) {
            into.fill(0.0);
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
        let rows = ctx.rows;
        let saved = self.parts(rows, ctx.saved);
        let last = self.specs.len() + usize::from(self.bias);
        if parameter >= last {
            let g = Matrix::new(ends.gradient, rows * self.shape.queries, self.embed);
            if parameter == last {
                let context = Matrix::new(saved.context, rows * self.shape.queries, self.embed);
                ctx.kernels
                    .tree_product(g.transposed(), context, tree, self.shape.queries, into);
            } else {
                ctx.kernels.tree_column_sums(&g, tree, self.shape.queries, into);
            }
            return;
        }
        for (projection, place) in self.projections.iter().zip(self.places(rows)) {
            let g = Matrix::new(&saved.slopes[place], rows * projection.length, projection.width);
            let (first, end) = projection.rows;
            if parameter == self.specs.len() {
                ctx.kernels
                    .tree_column_sums(&g, tree, projection.length, &mut into[first..end]);
            } else if parameter == projection.parameter {
                let first = if self.specs.len() > 1 {
                    0
                } else {
                    first * projection.size
                };
                let into = &mut into[first..first + projection.width * projection.size];
                let x = Matrix::new(
                    ends.inputs[projection.input],
                    rows * projection.length,
                    projection.size,
                );
                ctx.kernels
                    .tree_product(g.transposed(), x, tree, projection.length, into);
            }
        }
    }
}

/// The layers of this family that take several inputs.
pub(in crate::layers) const JOINS: &[(&str, MakeJoin)] = &[("MultiheadAttention", make)];

/// Xavier's (Glorot's) uniform bound for a matrix.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a bound"
)]
fn xavier(rows: usize, cols: usize) -> Init {
    Init::Uniform(libm::sqrt(6.0 / (rows + cols) as f64) as f32)
}

fn make(arguments: &mut Arguments, inputs: &[&[usize]], path: &str) -> Result<BuiltLayer, LayerError> {
    let (ends, padding): ([&[usize]; 3], Option<&[usize]>) = match *inputs {
        [own] => ([own; 3], None),
        [own, padding] => ([own; 3], Some(padding)),
        [query, key, value] => ([query, key, value], None),
        [query, key, value, padding] => ([query, key, value], Some(padding)),
        _ => {
            return Err(format!(
                "takes one input, or query, key and value in a graph network, and a key_padding_mask behind them, got {} \
                 inputs",
                inputs.len()
            )
            .into());
        }
    };
    if let Some(shape) = ends.iter().find(|shape| shape.len() != 2) {
        return Err(LayerError::input(
            "inputs of shape [length, embed_dim]",
            format!("{shape:?}"),
        ));
    }
    let [query, key, value] = ends;
    for (name, shape) in [("embed_dim", query), ("kdim", key), ("vdim", value)] {
        infer(arguments, name, shape[1], "values in the last dimension", shape)?;
    }
    check_padding(padding, key[0])?;
    let embed = query[1];
    if key[0] != value[0] {
        return Err(LayerError::input(
            "as many values as keys",
            format!("keys {key:?} and values {value:?}"),
        ));
    }
    let heads = arguments.size("num_heads").unwrap_or(1);
    if embed % heads != 0 {
        return Err(format!(
            "expects an embed_dim that num_heads={heads} divides, got {embed}: every head has embed_dim / num_heads values"
        ).into());
    }
    let p = arguments.real("dropout");
    let (projections, specs) = projections(ends, inputs.len() < 3);
    let module = MultiheadAttention {
        shape: Shape {
            heads,
            size: embed / heads,
            queries: query[0],
            keys: key[0],
            causal: arguments.flag("is_causal"),
        },
        embed,
        projections,
        specs,
        bias: arguments.flag("bias"),
        dropout: (p > 0.0).then(|| Dropout::new(p, format!("{path}.dropout"))),
        padding: padding.is_some(),
    };
    Ok(BuiltLayer::module(module, query.to_vec()))
}

/// The projections of query, key and value, and their weights: one matrix where sizes agree, as PyTorch has it.
fn projections(ends: [&[usize]; 3], one_input: bool) -> (Vec<Projection>, Vec<ParameterSpec>) {
    let embed = ends[0][1];
    let one = ends.iter().all(|shape| shape[1] == embed);
    let names = ["q_proj_weight", "k_proj_weight", "v_proj_weight"];
    let specs = if one {
        let init = xavier(3 * embed, embed);
        vec![ParameterSpec::new("in_proj_weight", &[3 * embed, embed], init)]
    } else {
        let spec = |(name, shape): (&str, &[usize])| {
            ParameterSpec::new(name, &[embed, shape[1]], xavier(embed, shape[1]))
        };
        names.into_iter().zip(ends).map(spec).collect()
    };
    let whole = Projection {
        input: 0,
        size: embed,
        length: ends[0][0],
        width: 3 * embed,
        parameter: 0,
        rows: (0, 3 * embed),
        weight: 0,
    };
    if one_input {
        return (vec![whole], specs);
    }
    let mut weight = 0;
    let part = |(input, shape): (usize, &[usize])| {
        let start = weight;
        weight += embed * shape[1];
        Projection {
            input,
            size: shape[1],
            length: shape[0],
            width: embed,
            parameter: if one { 0 } else { input },
            rows: (input * embed, (input + 1) * embed),
            weight: start,
        }
    };
    (ends.into_iter().enumerate().map(part).collect(), specs)
}
