//! Convolutions in one and two dimensions, and transposed ones.
//!
//! A transposed convolution is a convolution turned round: its output is the gradient of the input, its gradient the
//! output, so both are made of the same three calls. A dimension that is not there has size 1.

use super::{BackwardInputs, BuiltLayer, Context, Family, Module, ParameterSpec, uniform_by_fan};
use crate::arguments::Arguments;
use crate::kernels::{Program, Window};
use crate::layers::error::LayerError;
use candlewick_protocol::Failure;

/// A convolution.
#[derive(Debug)]
struct Convolution {
    window: Window,
    /// Shape of the weight.
    weight: Vec<usize>,
    bias: bool,
}

impl Convolution {
    fn weights(&self) -> usize {
        self.weight.iter().product()
    }

    fn bias<'a>(&self, weights: &'a [f32]) -> Option<&'a [f32]> {
        self.bias.then(|| &weights[self.weights()..])
    }
}

/// The parameters of a weight of this shape and a bias of this size.
fn parameters(weight: &[usize], bias: Option<usize>) -> Vec<ParameterSpec> {
    // kaiming_uniform with a = sqrt 5 for the weight, as for the bias: both are uniform in ±1/sqrt(fan in).
    let init = uniform_by_fan(weight[1..].iter().product());
    let weight = ParameterSpec::new("weight", weight, init);
    let bias = bias.map(|size| ParameterSpec::new("bias", &[size], init));
    std::iter::once(weight).chain(bias).collect()
}

/// What the window slides over, padded where it has padding.
fn padded<'a>(window: &Window, saved: &'a [f32], input: &'a [f32]) -> &'a [f32] {
    if window.is_padded() { saved } else { input }
}

/// Values of the padded input of `rows` rows where there is padding.
fn saved(window: &Window, rows: usize) -> usize {
    if window.is_padded() {
        rows * window.padded_row()
    } else {
        0
    }
}

impl Module for Convolution {
    fn parameters(&self) -> Vec<ParameterSpec> {
        parameters(
            &self.weight,
            self.bias.then_some(self.window.groups * self.window.filters),
        )
    }

    fn saved(&self, rows: usize, _training: bool) -> usize {
        saved(&self.window, rows)
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        if self.window.is_padded() {
            ctx.kernels.pad(&self.window, ctx.rows, inputs[0], ctx.saved);
        }
        let input = padded(&self.window, ctx.saved, inputs[0]);
        let weights = &ctx.weights[..self.weights()];
        let bias = self.bias(ctx.weights);
        ctx.kernels.convolve(&self.window, input, weights, bias, output);
        Ok(())
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        if let Some(into) = &mut into[0] {
            let weights = &ctx.weights[..self.weights()];
            ctx.kernels
                .convolve_back(&self.window, ends.gradient, weights, None, into);
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
        if parameter == 0 {
            let input = padded(&self.window, ctx.saved, ends.inputs[0]);
            ctx.kernels
                .convolve_weights(&self.window, input, ends.gradient, tree, into);
        } else {
            let plane = self.window.output[0] * self.window.output[1];
            ctx.kernels.tree_plane_sums(ends.gradient, plane, tree, into);
        }
    }
}

/// A transposed convolution: the convolution from its output to its input, turned round.
#[derive(Debug)]
struct Transposed(Convolution);

impl Module for Transposed {
    fn parameters(&self) -> Vec<ParameterSpec> {
        let Convolution { window, weight, bias } = &self.0;
        parameters(weight, bias.then_some(window.groups * window.channels))
    }

    fn saved(&self, rows: usize, training: bool) -> usize {
        if training { saved(&self.0.window, rows) } else { 0 }
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let weights = &ctx.weights[..self.0.weights()];
        let bias = self.0.bias(ctx.weights);
        ctx.kernels
            .convolve_back(&self.0.window, inputs[0], weights, bias, output);
        Ok(())
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        let window = &self.0.window;
        if window.is_padded() {
            ctx.kernels.pad(window, ctx.rows, ends.gradient, ctx.saved);
        }
        if let Some(into) = &mut into[0] {
            let gradient = padded(window, ctx.saved, ends.gradient);
            let weights = &ctx.weights[..self.0.weights()];
            ctx.kernels.convolve(window, gradient, weights, None, into);
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
        let window = &self.0.window;
        if parameter == 0 {
            let gradient = padded(window, ctx.saved, ends.gradient);
            ctx.kernels
                .convolve_weights(window, gradient, ends.inputs[0], tree, into);
        } else {
            let plane = window.input[0] * window.input[1];
            ctx.kernels.tree_plane_sums(ends.gradient, plane, tree, into);
        }
    }
}

/// The layers of this family.
pub(super) const LAYERS: Family = &[
    ("Conv1d", conv1d),
    ("Conv2d", conv2d),
    ("ConvTranspose1d", |arguments, input, _| {
        transposed(arguments, input, 1)
    }),
    ("ConvTranspose2d", |arguments, input, _| {
        transposed(arguments, input, 2)
    }),
];

/// A pair of sizes, height before width, from an argument; the height of a single dimension is `missing`.
pub(super) fn pair(arguments: &Arguments, name: &str, dimensions: usize, missing: usize) -> [usize; 2] {
    let sizes = arguments.sizes(name, dimensions).unwrap_or_default();
    match sizes[..] {
        [height, width] => [height, width],
        [width] => [missing, width],
        _ => [missing; 2],
    }
}

/// Channels, height and width of an input; the height of a single dimension is 1.
pub(super) fn planes(input: &[usize], dimensions: usize) -> Result<(usize, [usize; 2]), LayerError> {
    match *input {
        [channels, length] if dimensions == 1 => Ok((channels, [1, length])),
        [channels, height, width] if dimensions == 2 => Ok((channels, [height, width])),
        _ => {
            let wanted = if dimensions == 1 {
                "[channels, length]"
            } else {
                "[channels, height, width]"
            };
            Err(LayerError::input(
                format!("an input of shape {wanted} without the batch"),
                format!("{input:?}"),
            )
            .hint("bring it to that shape with Unflatten or Reshape, or, where it is the features, with inputShape"))
        }
    }
}

/// The shape of planes without a dimension that is not there.
pub(super) fn shape(channels: usize, [height, width]: [usize; 2], dimensions: usize) -> Vec<usize> {
    if dimensions == 1 {
        vec![channels, width]
    } else {
        vec![channels, height, width]
    }
}

/// Checks the channels against the arguments and sets them; returns the groups and the channels of the output.
fn channels(
    arguments: &mut Arguments,
    input: &[usize],
    channels: usize,
) -> Result<(usize, usize), LayerError> {
    if let Some(wanted) = arguments.size("in_channels").filter(|wanted| *wanted != channels) {
        return Err(format!(
            "expects {wanted} channels (in_channels={wanted}), but the input has shape {input:?}, whose first dimension \
             is the channels; set in_channels to {channels} or leave it out"
        ).into());
    }
    arguments.set_size("in_channels", channels);
    let groups = arguments.size("groups").unwrap_or(1);
    let outputs = arguments.size("out_channels").unwrap_or_default();
    for (what, count) in [("in_channels", channels), ("out_channels", outputs)] {
        if !count.is_multiple_of(groups) {
            return Err(format!(
                "groups={groups} does not divide {what}={count}; both numbers of channels are to be multiples of it"
            ).into());
        }
    }
    Ok((groups, outputs))
}

/// Size of the kernel with its gaps.
fn extent(kernel: usize, dilation: usize) -> usize {
    dilation * (kernel - 1) + 1
}

fn conv1d(arguments: &mut Arguments, input: &[usize], _path: &str) -> Result<BuiltLayer, LayerError> {
    convolution(arguments, input, 1)
}

fn conv2d(arguments: &mut Arguments, input: &[usize], _path: &str) -> Result<BuiltLayer, LayerError> {
    convolution(arguments, input, 2)
}

fn convolution(
    arguments: &mut Arguments,
    input: &[usize],
    dimensions: usize,
) -> Result<BuiltLayer, LayerError> {
    let (count, size) = planes(input, dimensions)?;
    let (groups, filters) = channels(arguments, input, count)?;
    let kernel = pair(arguments, "kernel_size", dimensions, 1);
    let stride = pair(arguments, "stride", dimensions, 1);
    let dilation = pair(arguments, "dilation", dimensions, 1);
    let word = arguments.text("padding");
    if word == "same" && stride != [1, 1] {
        return Err(format!(
            "padding=\"same\" expects a stride of 1, got stride={}; give the padding as numbers",
            arguments.value("stride")
        )
        .into());
    }
    let given = pair(arguments, "padding", dimensions, 0);
    let (mut before, mut padded, mut output) = ([0; 2], [0; 2], [0; 2]);
    for d in 0..2 {
        let extent = extent(kernel[d], dilation[d]);
        // As PyTorch: an odd zero goes to the end.
        let (first, both) = match word {
            "same" => ((extent - 1) / 2, extent - 1),
            _ => (given[d], 2 * given[d]),
        };
        (before[d], padded[d]) = (first, size[d] + both);
        if padded[d] < extent {
            return Err(format!(
                "has a kernel of {extent} with its dilation, but the input {input:?} has {} elements there with its \
                 padding; make kernel_size or dilation smaller, or padding larger",
                padded[d]
            ).into());
        }
        output[d] = (padded[d] - extent) / stride[d] + 1;
    }
    let mut weight = vec![filters, count / groups];
    weight.extend(&kernel[2 - dimensions..]);
    let window = Window {
        groups,
        channels: count / groups,
        filters: filters / groups,
        input: size,
        kernel,
        stride,
        dilation,
        before,
        padded,
        output,
    };
    let bias = arguments.flag("bias");
    let layer = Convolution { window, weight, bias };
    Ok(BuiltLayer::module(layer, shape(filters, output, dimensions)))
}

fn transposed(
    arguments: &mut Arguments,
    input: &[usize],
    dimensions: usize,
) -> Result<BuiltLayer, LayerError> {
    let (count, size) = planes(input, dimensions)?;
    let (groups, outputs) = channels(arguments, input, count)?;
    let kernel = pair(arguments, "kernel_size", dimensions, 1);
    let stride = pair(arguments, "stride", dimensions, 1);
    let dilation = pair(arguments, "dilation", dimensions, 1);
    let padding = pair(arguments, "padding", dimensions, 0);
    let more = pair(arguments, "output_padding", dimensions, 0);
    let (mut padded, mut output) = ([0; 2], [0; 2]);
    for d in 0..2 {
        if more[d] >= stride[d].max(dilation[d]) {
            return Err(format!(
                "output_padding={} must be less than the stride or the dilation, which are {} and {}",
                more[d], stride[d], dilation[d]
            )
            .into());
        }
        padded[d] = (size[d] - 1) * stride[d] + extent(kernel[d], dilation[d]) + more[d];
        output[d] = padded[d].saturating_sub(2 * padding[d]);
        if output[d] == 0 {
            return Err(format!(
                "padding={} cuts off all {} elements that come of the input {input:?}; make it smaller",
                padding[d], padded[d]
            )
            .into());
        }
    }
    let window = Window {
        groups,
        channels: outputs / groups,
        filters: count / groups,
        input: output,
        kernel,
        stride,
        dilation,
        before: padding,
        padded,
        output: size,
    };
    let mut weight = vec![count, outputs / groups];
    weight.extend(&kernel[2 - dimensions..]);
    let bias = arguments.flag("bias");
    let layer = Transposed(Convolution { window, weight, bias });
    Ok(BuiltLayer::module(layer, shape(outputs, output, dimensions)))
}
