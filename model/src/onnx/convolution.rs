//! Convolutions and pooling.

use super::check_size;
use super::graph::ExportLayer;
use super::graph::{Attribute, Graph, Layer, Name, long};
use candlewick_protocol::Failure;

pub(super) const LAYERS: &[(&str, ExportLayer)] = &[
    ("Conv1d", |graph, layer| convolution(graph, layer, "Conv", 1)),
    ("Conv2d", |graph, layer| convolution(graph, layer, "Conv", 2)),
    ("ConvTranspose1d", |graph, layer| {
        convolution(graph, layer, "ConvTranspose", 1)
    }),
    ("ConvTranspose2d", |graph, layer| {
        convolution(graph, layer, "ConvTranspose", 2)
    }),
    ("MaxPool1d", |graph, layer| pool(graph, layer, "MaxPool", 1)),
    ("MaxPool2d", |graph, layer| pool(graph, layer, "MaxPool", 2)),
    ("AvgPool1d", |graph, layer| pool(graph, layer, "AveragePool", 1)),
    ("AvgPool2d", |graph, layer| pool(graph, layer, "AveragePool", 2)),
    ("LPPool1d", |graph, layer| power_pool(graph, layer, 1)),
    ("LPPool2d", |graph, layer| power_pool(graph, layer, 2)),
    ("AdaptiveAvgPool1d", |graph, layer| adaptive_mean(graph, layer, 1)),
    ("AdaptiveAvgPool2d", |graph, layer| adaptive_mean(graph, layer, 2)),
    ("AdaptiveMaxPool1d", |graph, layer| {
        adaptive_largest(graph, layer, 1)
    }),
    ("AdaptiveMaxPool2d", |graph, layer| {
        adaptive_largest(graph, layer, 2)
    }),
];

/// Padding at both ends of every dimension: begins first, then ends.
fn pads(layer: &Layer<'_>, dims: usize) -> Vec<i64> {
    let ones = vec![1; dims];
    if layer.arguments["padding"] == "same" {
        let kernel = layer.sizes("kernel_size", dims, &ones);
        let dilation = layer.sizes("dilation", dims, &ones);
        let total: Vec<i64> = kernel.iter().zip(&dilation).map(|(k, d)| (k - 1) * d).collect();
        let begin = total.iter().map(|total| total / 2);
        return begin.chain(total.iter().map(|total| total - total / 2)).collect();
    }
    let zeros = vec![0; dims];
    let one = layer.sizes("padding", dims, &zeros);
    one.iter().chain(&one).copied().collect()
}

fn convolution(graph: &mut Graph, layer: &Layer<'_>, op: &str, dims: usize) -> Result<Name, Failure> {
    let ones = vec![1; dims];
    let mut inputs = vec![layer.input().to_owned(), layer.required(graph, "weight")?];
    inputs.extend(layer.constant(graph, "bias"));
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let mut attributes = vec![
        (
            "kernel_shape",
            Attribute::Ints(layer.sizes("kernel_size", dims, &ones)),
        ),
        ("strides", Attribute::Ints(layer.sizes("stride", dims, &ones))),
        ("dilations", Attribute::Ints(layer.sizes("dilation", dims, &ones))),
        ("pads", Attribute::Ints(pads(layer, dims))),
        ("group", Attribute::Int(layer.int("groups").max(1))),
    ];
    if op == "ConvTranspose" {
        let extra = layer.sizes("output_padding", dims, &vec![0; dims]);
        attributes.push(("output_padding", Attribute::Ints(extra)));
    }
    Ok(graph.node(op, &inputs, &attributes))
}

fn pool(graph: &mut Graph, layer: &Layer<'_>, op: &str, dims: usize) -> Result<Name, Failure> {
    let kernel = layer.sizes("kernel_size", dims, &vec![1; dims]);
    let stride = layer.sizes("stride", dims, &kernel);
    let mut attributes = vec![
        ("kernel_shape", Attribute::Ints(kernel.clone())),
        ("strides", Attribute::Ints(stride.clone())),
        ("pads", Attribute::Ints(pads(layer, dims))),
        ("ceil_mode", Attribute::Int(i64::from(layer.flag("ceil_mode")))),
    ];
    if op == "MaxPool" {
        attributes.push((
            "dilations",
            Attribute::Ints(layer.sizes("dilation", dims, &vec![1; dims])),
        ));
        return Ok(graph.node(op, &[layer.input()], &attributes));
    }
    if let Some(divisor) = layer.arguments["divisor_override"].as_i64() {
        return Ok(sums(graph, layer, (&kernel, &stride), divisor));
    }
    let include = i64::from(layer.flag("count_include_pad"));
    attributes.push(("count_include_pad", Attribute::Int(include)));
    Ok(graph.node(op, &[layer.input()], &attributes))
}

/// Sums of windows divided by one number: zeros are put around the input until every window is whole, so that means
/// over whole windows and a factor do it.
fn sums(graph: &mut Graph, layer: &Layer<'_>, (kernel, stride): (&[i64], &[i64]), divisor: i64) -> Name {
    let dims = kernel.len();
    let (before, rank) = (pads(layer, dims), layer.shape().len());
    let (mut begins, mut ends) = (vec![0; rank + 1 - dims], vec![0; rank + 1 - dims]);
    for at in 0..dims {
        let (input, output) = (layer.shape()[rank - dims + at], layer.output[rank - dims + at]);
        let reached = (long(output) - 1) * stride[at] + kernel[at];
        begins.push(before[at]);
        ends.push(reached - long(input) - before[at]);
    }
    let pads = graph.ints(&[begins, ends].concat());
    let whole = graph.node("Pad", &[layer.input(), &pads], &[]);
    let attributes = [
        ("kernel_shape", Attribute::Ints(kernel.to_vec())),
        ("strides", Attribute::Ints(stride.to_vec())),
    ];
    let mean = graph.node("AveragePool", &[&whole], &attributes);
    #[expect(clippy::cast_precision_loss, reason = "windows are small")]
    let factor = graph.real(kernel.iter().product::<i64>() as f32 / divisor as f32);
    graph.node("Mul", &[&mean, &factor], &[])
}

/// (Σ x^p)^(1/p) by means of powers: the operator LpPool takes absolute values.
fn power_pool(graph: &mut Graph, layer: &Layer<'_>, dims: usize) -> Result<Name, Failure> {
    let kernel = layer.sizes("kernel_size", dims, &vec![1; dims]);
    #[expect(clippy::cast_precision_loss, reason = "windows are small")]
    let full = graph.real(kernel.iter().product::<i64>() as f32);
    let power = layer.real("norm_type");
    let (power, root) = (graph.real(power), graph.real(1.0 / power));
    let powers = graph.node("Pow", &[layer.input(), &power], &[]);
    let attributes = [
        ("kernel_shape", Attribute::Ints(kernel.clone())),
        ("strides", Attribute::Ints(layer.sizes("stride", dims, &kernel))),
        ("ceil_mode", Attribute::Int(i64::from(layer.flag("ceil_mode")))),
    ];
    let mean = graph.node("AveragePool", &[&powers], &attributes);
    let sum = graph.node("Mul", &[&mean, &full], &[]);
    Ok(graph.node("Pow", &[&sum, &root], &[]))
}

/// First and one past the last element of every window of an adaptive pool, as PyTorch cuts them.
fn windows(input: usize, output: usize) -> Vec<(usize, usize)> {
    (0..output)
        .map(|at| (at * input / output, ((at + 1) * input).div_ceil(output)))
        .collect()
}

/// A product with the matrix of means for every pooled dimension.
fn adaptive_mean(graph: &mut Graph, layer: &Layer<'_>, dims: usize) -> Result<Name, Failure> {
    let (shape, mut value) = (layer.shape(), layer.input().to_owned());
    let rank = shape.len();
    for back in 0..dims {
        let (input, output) = (shape[rank - 1 - back], layer.output[rank - 1 - back]);
        // Before it is made: the file would hold it whole.
        check_size(input.saturating_mul(output).saturating_mul(size_of::<f32>()))?;
        let mut matrix = vec![0.0; input * output];
        for (at, (from, to)) in windows(input, output).into_iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "windows are small")]
            let share = 1.0 / (to - from) as f32;
            (from..to).for_each(|row| matrix[row * output + at] = share);
        }
        let swap = back == 1;
        let mut order: Vec<i64> = (0..=long(rank)).collect();
        let last = order.len() - 1;
        order.swap(last, last - 1);
        if swap {
            value = graph.transpose(&value, &order);
        }
        let matrix = graph.reals(&[input, output], &matrix);
        value = graph.node("MatMul", &[&value, &matrix], &[]);
        if swap {
            value = graph.transpose(&value, &order);
        }
    }
    Ok(value)
}

/// The largest of every window, dimension by dimension.
fn adaptive_largest(graph: &mut Graph, layer: &Layer<'_>, dims: usize) -> Result<Name, Failure> {
    let (shape, mut value) = (layer.shape(), layer.input().to_owned());
    let rank = shape.len();
    for back in 0..dims {
        let axis = long(rank - back);
        let mut parts = Vec::new();
        for (from, to) in windows(shape[rank - 1 - back], layer.output[rank - 1 - back]) {
            let (from, to) = (graph.ints(&[long(from)]), graph.ints(&[long(to)]));
            let axes = graph.ints(&[axis]);
            let part = graph.node("Slice", &[&value, &from, &to, &axes], &[]);
            let attributes = [
                ("axes", Attribute::Ints(vec![axis])),
                ("keepdims", Attribute::Int(1)),
            ];
            parts.push(graph.node("ReduceMax", &[&part], &attributes));
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        value = graph.node("Concat", &parts, &[("axis", Attribute::Int(axis))]);
    }
    Ok(value)
}
