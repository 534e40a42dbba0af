//! Pooling, dimension by dimension: sums are products with a matrix of zeros and ones, maxima come of pairs of
//! neighbours, so that NaN wins and, of equal elements, the first one does.

use super::Products;
use super::convolution::{gathered, pair, planes, size_of};
use super::layer::{Answer, Layer, Lowering, choose};
use candle_core::Tensor;

pub(super) const LAYERS: &[(&str, Lowering)] = &[
    ("MaxPool1d", |layer| largest(layer, sliding(layer, 1))),
    ("MaxPool2d", |layer| largest(layer, sliding(layer, 2))),
    ("AvgPool1d", |layer| mean(layer, sliding(layer, 1))),
    ("AvgPool2d", |layer| mean(layer, sliding(layer, 2))),
    ("LPPool1d", |layer| power_mean(layer, 1)),
    ("LPPool2d", |layer| power_mean(layer, 2)),
    ("AdaptiveMaxPool1d", |layer| largest(layer, adaptive(layer))),
    ("AdaptiveMaxPool2d", |layer| largest(layer, adaptive(layer))),
    ("AdaptiveAvgPool1d", |layer| mean(layer, adaptive(layer))),
    ("AdaptiveAvgPool2d", |layer| mean(layer, adaptive(layer))),
];

/// What a place of the output sees along one dimension.
struct Span {
    elements: Vec<usize>,
    /// Elements that a mean counts.
    counted: usize,
}

/// The windows, down and across.
type Spans = [Vec<Span>; 2];

/// Height and width of the input.
fn input_size(layer: &Layer<'_>) -> [usize; 2] {
    size_of(layer.shape(0))
}

/// Windows by stride.
fn sliding(layer: &Layer<'_>, dimensions: usize) -> Spans {
    let (input, output) = (input_size(layer), size_of(layer.output));
    let kernel = pair(layer, "kernel_size", dimensions, 1);
    let stride = if layer.arguments.is_null("stride") {
        kernel
    } else {
        pair(layer, "stride", dimensions, 1)
    };
    let padding = pair(layer, "padding", dimensions, 0);
    let dilation = pair(layer, "dilation", dimensions, 1).map(|dilation| dilation.max(1));
    let with_padding = layer.arguments.flag("count_include_pad");
    [0, 1].map(|d| {
        let span = |at: usize| {
            let begin = at * stride[d];
            let places = (0..kernel[d]).map(|k| begin + k * dilation[d]);
            let elements: Vec<usize> = places
                .filter_map(|place| place.checked_sub(padding[d]))
                .filter(|place| *place < input[d])
                .collect();
            let end = (begin + kernel[d]).min(input[d] + 2 * padding[d]);
            Span {
                counted: if with_padding { end - begin } else { elements.len() },
                elements,
            }
        };
        (0..output[d]).map(span).collect()
    })
}

/// Windows that give an output of a size.
fn adaptive(layer: &Layer<'_>) -> Spans {
    let (input, output) = (input_size(layer), size_of(layer.output));
    [0, 1].map(|d| {
        let span = |at: usize| {
            let elements: Vec<usize> =
                (at * input[d] / output[d]..((at + 1) * input[d]).div_ceil(output[d])).collect();
            Span {
                counted: elements.len(),
                elements,
            }
        };
        (0..output[d]).map(span).collect()
    })
}

/// The largest along the last dimension, which goes.
pub(super) fn largest_of_last(mut x: Tensor) -> Answer {
    let last = x.rank() - 1;
    while x.dims()[last] > 1 {
        let size = x.dims()[last];
        let mut shape = x.dims().to_vec();
        shape[last] = size / 2;
        shape.push(2);
        let pairs = x.narrow(last, 0, size / 2 * 2)?.contiguous()?.reshape(shape)?;
        let first = pairs.narrow(last + 1, 0, 1)?.squeeze(last + 1)?.contiguous()?;
        let second = pairs.narrow(last + 1, 1, 1)?.squeeze(last + 1)?.contiguous()?;
        // Second wins where it is larger or NaN: where it is not at most the first, unless the first is NaN.
        let larger = second.gt(&first)?;
        let nan = second.ne(&second)?;
        let winners = choose(&nan, &second, &choose(&larger, &second, &first)?)?;
        x = if size.is_multiple_of(2) {
            winners
        } else {
            Tensor::cat(&[&winners, &x.narrow(last, size - 1, 1)?.contiguous()?], last)?
        };
    }
    Ok(x.squeeze(last)?)
}

/// The largest of every window along one dimension.
fn largest_along(layer: &Layer<'_>, x: &Tensor, dim: usize, spans: &[Span]) -> Answer {
    let most = spans.iter().map(|span| span.elements.len()).max().unwrap_or(1);
    let itself = |(at, span): (usize, &Span)| span.elements == [at];
    if spans.len() == x.dims()[dim] && spans.iter().enumerate().all(itself) {
        return Ok(x.clone());
    }
    let mut from = Vec::with_capacity(spans.len() * most);
    for span in spans {
        // A short window sees its first element again, which changes nothing.
        let first = span.elements.first().copied().unwrap_or(0);
        let places = (0..most).map(|at| span.elements.get(at).copied().unwrap_or(first));
        #[expect(clippy::cast_possible_truncation, reason = "a size of an image")]
        from.extend(places.map(|at| at as u32));
    }
    let seen = gathered(layer, x, dim, &from)?;
    let mut shape = x.dims().to_vec();
    shape.splice(dim..=dim, [spans.len(), most]);
    let rank = shape.len();
    let mut order: Vec<usize> = (0..rank).filter(|at| *at != dim + 1).collect();
    order.push(dim + 1);
    largest_of_last(seen.reshape(shape)?.permute(order)?.contiguous()?)
}

/// Across before down: of equal elements the first one of the window wins, line by line.
fn largest(layer: &Layer<'_>, [down, across]: Spans) -> Answer {
    let lines = largest_along(layer, &planes(layer)?, 3, &across)?;
    let output = largest_along(layer, &lines, 2, &down)?;
    layer.reshaped(&output, layer.output)
}

/// The sum of every window along one dimension.
fn sum_along(layer: &Layer<'_>, x: &Tensor, dim: usize, spans: &[Span]) -> Answer {
    let inputs = x.dims()[dim];
    layer.check(&[inputs, spans.len()])?;
    let mut matrix = vec![0.0; inputs * spans.len()];
    for (at, span) in spans.iter().enumerate() {
        span.elements
            .iter()
            .for_each(|element| matrix[element * spans.len() + at] = 1.0);
    }
    let matrix = layer.constant(&[inputs, spans.len()], &matrix)?;
    let last = x.rank() - 1;
    let x = x.transpose(dim, last)?.contiguous()?;
    let mut shape = x.dims().to_vec();
    shape[last] = spans.len();
    let flat = x.reshape((x.elem_count() / inputs.max(1), inputs))?;
    // Whatever the layers' products round: a mean is no product.
    let sums = Products::F32.multiply(&flat, &matrix)?.reshape(shape)?;
    Ok(sums.transpose(dim, last)?.contiguous()?)
}

#[expect(clippy::cast_precision_loss, reason = "elements of a window")]
fn mean(layer: &Layer<'_>, [down, across]: Spans) -> Answer {
    let lines = sum_along(layer, &planes(layer)?, 3, &across)?;
    let sums = sum_along(layer, &lines, 2, &down)?;
    let given = layer.arguments.size("divisor_override");
    let factors = down.iter().flat_map(|down| {
        across
            .iter()
            .map(move |across| 1.0 / given.unwrap_or(down.counted * across.counted) as f64)
    });
    let factors: Vec<f64> = factors.collect();
    let factors = layer.constant(&[1, 1, down.len(), across.len()], &factors)?;
    layer.reshaped(&sums.broadcast_mul(&factors)?, layer.output)
}

/// (Σ x^p)^(1/p), the sum of a window that is not full grown by what is missing.
#[expect(clippy::cast_precision_loss, reason = "elements of a window")]
fn power_mean(layer: &Layer<'_>, dimensions: usize) -> Answer {
    let power = layer.arguments.real("norm_type");
    let [down, across] = sliding(layer, dimensions);
    let full: usize = pair(layer, "kernel_size", dimensions, 1).iter().product();
    let lines = sum_along(layer, &planes(layer)?.powf(power)?, 3, &across)?;
    let sums = sum_along(layer, &lines, 2, &down)?;
    let factors = down.iter().flat_map(|down| {
        across
            .iter()
            .map(move |across| full as f64 / (down.elements.len() * across.elements.len()) as f64)
    });
    let factors: Vec<f64> = factors.collect();
    let factors = layer.constant(&[1, 1, down.len(), across.len()], &factors)?;
    let powers = sums.broadcast_mul(&factors)?.powf(1.0 / power)?;
    layer.reshaped(&powers, layer.output)
}
