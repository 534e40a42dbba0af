//! Convolutions: the elements under every place of the kernel, gathered dimension by dimension, then one product of
//! matrices a group. The gradient of gathering adds in a fixed order on every device, which that of candle's own
//! transposed convolution does not promise.

use super::layer::{Answer, Layer, Lowering};
use candle_core::Tensor;

pub(super) const LAYERS: &[(&str, Lowering)] = &[
    ("Conv1d", |layer| convolve(layer, 1)),
    ("Conv2d", |layer| convolve(layer, 2)),
    ("ConvTranspose1d", |layer| transposed(layer, 1)),
    ("ConvTranspose2d", |layer| transposed(layer, 2)),
];

/// How a kernel slides, height before width.
struct Window {
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    /// Zeros before the input.
    before: [usize; 2],
    output: [usize; 2],
}

/// A pair of sizes, height before width, from an argument; the height of a single dimension is `missing`.
pub(super) fn pair(layer: &Layer<'_>, name: &str, dimensions: usize, missing: usize) -> [usize; 2] {
    match layer.arguments.sizes(name, dimensions).unwrap_or_default()[..] {
        [height, width] => [height, width],
        [width] => [missing, width],
        _ => [missing; 2],
    }
}

/// The input as [rows, channels, height, width].
pub(super) fn planes(layer: &Layer<'_>) -> Answer {
    let x = layer.input();
    match *x.dims() {
        [rows, channels, length] => Ok(x.reshape((rows, channels, 1, length))?),
        _ => Ok(x.clone()),
    }
}

/// Height and width of an output of one or two dimensions.
pub(super) fn size_of(output: &[usize]) -> [usize; 2] {
    match *output {
        [_, length] => [1, length],
        [_, height, width] => [height, width],
        _ => [1, 1],
    }
}

/// Zeros before and after a dimension.
pub(super) fn padded(layer: &Layer<'_>, x: &Tensor, dim: usize, (before, after): (usize, usize)) -> Answer {
    let mut shape = x.dims().to_vec();
    shape[dim] += before + after;
    layer.check(&shape)?;
    Ok(x.pad_with_zeros(dim, before, after)?)
}

/// The elements of a dimension that `from` names.
pub(super) fn gathered(layer: &Layer<'_>, x: &Tensor, dim: usize, from: &[u32]) -> Answer {
    let mut shape = x.dims().to_vec();
    shape[dim] = from.len();
    layer.check(&shape)?;
    Ok(x.contiguous()?.index_select(&layer.indices(from)?, dim)?)
}

/// Under every place of the kernel along one dimension the elements it meets: [.., kernel · output, ..].
fn unfolded(layer: &Layer<'_>, x: &Tensor, window: &Window, d: usize) -> Answer {
    let (kernel, stride, dilation) = (window.kernel[d], window.stride[d], window.dilation[d]);
    let reach = (window.output[d] - 1) * stride + dilation * (kernel - 1) + 1;
    let size = x.dims()[1 + d];
    let after = reach.saturating_sub(window.before[d] + size);
    let x = padded(layer, x, 1 + d, (window.before[d], after))?;
    if (kernel, stride) == (1, 1) {
        return Ok(x.narrow(1 + d, 0, window.output[d])?);
    }
    let places = (0..kernel).flat_map(|k| (0..window.output[d]).map(move |o| o * stride + k * dilation));
    #[expect(clippy::cast_possible_truncation, reason = "a size of an image")]
    let from: Vec<u32> = places.map(|at| at as u32).collect();
    gathered(layer, &x, 1 + d, &from)
}

/// The convolution of [rows, channels, height, width] with [filters, channels / groups, height, width].
fn convolution(layer: &Layer<'_>, x: &Tensor, weight: &Tensor, window: &Window) -> Answer {
    let (rows, channels, _, _) = x.dims4()?;
    let groups = layer.arguments.size("groups").unwrap_or(1);
    let ([height, width], [down, across]) = (window.kernel, window.output);
    let (filters, inner) = (weight.dims()[0], channels / groups);
    // What is laid out last is the most.
    layer.check(&[rows, height * down, width * across, channels])?;
    // Channels last: neighbouring threads of a GPU then gather, and add gradients up, in neighbouring memory.
    let x = x.permute((0, 2, 3, 1))?;
    let columns = unfolded(layer, &unfolded(layer, &x, window, 0)?, window, 1)?
        .contiguous()?
        .reshape(vec![rows, height, down, width, across, groups, inner])?
        .permute(vec![5, 0, 2, 4, 1, 3, 6])?
        .contiguous()?
        .reshape((groups, rows * down * across, height * width * inner))?;
    let weight = weight
        .reshape((groups, filters / groups, inner, height, width))?
        .permute((0, 3, 4, 2, 1))?
        .contiguous()?
        .reshape((groups, height * width * inner, filters / groups))?;
    let output = layer
        .product(&columns, &weight)?
        .reshape((groups, rows, down, across, filters / groups))?
        .permute((1, 0, 4, 2, 3))?
        .contiguous()?;
    Ok(output.reshape((rows, filters, down, across))?)
}

/// Adds the bias and drops a dimension that is not there.
fn finished(layer: &Layer<'_>, output: &Tensor) -> Answer {
    let output = match layer.parameter("bias") {
        Some(bias) => output.broadcast_add(&bias.reshape((1, bias.elem_count(), 1, 1))?)?,
        None => output.clone(),
    };
    layer.reshaped(&output, layer.output)
}

fn convolve(layer: &Layer<'_>, dimensions: usize) -> Answer {
    let kernel = pair(layer, "kernel_size", dimensions, 1);
    let dilation = pair(layer, "dilation", dimensions, 1);
    let mut before = pair(layer, "padding", dimensions, 0);
    if layer.arguments.text("padding") == "same" {
        before = [0, 1].map(|d| dilation[d] * (kernel[d] - 1) / 2);
    }
    let window = Window {
        kernel,
        stride: pair(layer, "stride", dimensions, 1),
        dilation,
        before,
        output: size_of(layer.output),
    };
    let weight = layer.required("weight")?;
    let filters = weight.dims()[0];
    let channels = weight.elem_count() / (filters * kernel[0] * kernel[1]);
    let weight = weight.reshape((filters, channels, kernel[0], kernel[1]))?;
    finished(layer, &convolution(layer, &planes(layer)?, &weight, &window)?)
}

/// Elements of a dimension `step` apart, zeros between.
fn spread(layer: &Layer<'_>, x: &Tensor, dim: usize, step: usize) -> Answer {
    if step == 1 {
        return Ok(x.clone());
    }
    let size = x.dims()[dim];
    let mut shape = x.dims().to_vec();
    shape[dim] = size * step;
    let apart = padded(layer, &x.unsqueeze(dim + 1)?, dim + 1, (0, step - 1))?.reshape(shape)?;
    Ok(apart.narrow(dim, 0, (size - 1) * step + 1)?)
}

/// A dimension from its last element to its first.
fn turned(layer: &Layer<'_>, x: &Tensor, dim: usize) -> Answer {
    #[expect(clippy::cast_possible_truncation, reason = "a size of a kernel")]
    let from: Vec<u32> = (0..x.dims()[dim] as u32).rev().collect();
    gathered(layer, x, dim, &from)
}

/// The convolution of the input, its elements apart by the stride, with the kernel turned round.
fn transposed(layer: &Layer<'_>, dimensions: usize) -> Answer {
    let (weight, groups) = (
        layer.required("weight")?,
        layer.arguments.size("groups").unwrap_or(1),
    );
    let (inputs, outputs) = (weight.dims()[0], weight.dims()[1]);
    let kernel = pair(layer, "kernel_size", dimensions, 1);
    let [height, width] = kernel;
    let dilation = pair(layer, "dilation", dimensions, 1);
    let stride = pair(layer, "stride", dimensions, 1);
    let padding = pair(layer, "padding", dimensions, 0);
    let output = size_of(layer.output);
    let mut x = planes(layer)?;
    let mut before = [0; 2];
    for d in 0..2 {
        x = spread(layer, &x, 2 + d, stride[d])?;
        let reach = dilation[d] * (kernel[d] - 1);
        before[d] = reach.saturating_sub(padding[d]);
        // A padding beyond the kernel cuts elements of the input off.
        let cut = padding[d].saturating_sub(reach);
        let left = x.dims()[2 + d].saturating_sub(cut);
        x = x.narrow(2 + d, cut, left)?;
    }
    let weight = weight
        .reshape((groups, inputs / groups, outputs, height * width))?
        .transpose(1, 2)?
        .contiguous()?
        .reshape((groups * outputs, inputs / groups, height, width))?;
    let weight = turned(layer, &turned(layer, &weight, 2)?, 3)?;
    let window = Window {
        kernel,
        stride: [1, 1],
        dilation,
        before,
        output,
    };
    finished(layer, &convolution(layer, &x, &weight, &window)?)
}
