//! Pooling over windows: maxima and means, with windows by stride or by the size of the output.

use super::convolution::{pair, planes, shape};
use super::limits::check_table;
use super::{BackwardInputs, BuiltLayer, Context, Family, Module, SavedForBackward, check_output};
use crate::arguments::Arguments;
use crate::kernels::{LANES, simd_dispatch};
use crate::layers::error::LayerError;
use candlewick_protocol::Failure;

/// Elements that are worth a thread.
const PARALLEL: usize = 1 << 16;

/// What a place of the output sees along one dimension.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// First element.
    pub start: usize,
    /// Number of elements, `step` apart.
    pub count: usize,
    step: usize,
    /// Elements that a mean counts.
    counted: usize,
}

/// The windows of a plane.
#[derive(Debug, Clone)]
pub(super) struct Windows {
    pub input: [usize; 2],
    pub output: [usize; 2],
    pub down: Vec<Span>,
    pub across: Vec<Span>,
    /// True for windows of 2 x 2 side by side.
    halves: bool,
}

impl Windows {
    fn new(input: [usize; 2], down: Vec<Span>, across: Vec<Span>) -> Self {
        let pairs = |spans: &[Span]| {
            let mut spans = spans.iter().enumerate();
            spans.all(|(at, span)| (span.start, span.count, span.step) == (2 * at, 2, 1))
        };
        Windows {
            input,
            output: [down.len(), across.len()],
            halves: pairs(&down) && pairs(&across),
            down,
            across,
        }
    }

    pub(super) fn input_plane(&self) -> usize {
        self.input[0] * self.input[1]
    }

    pub(super) fn output_plane(&self) -> usize {
        self.output[0] * self.output[1]
    }
}

/// Calls `body` with the first plane and planes of `values`, of `size` values each, on every thread.
pub(super) fn over_planes(
    ctx: &mut Context<'_>,
    size: usize,
    values: &mut [f32],
    body: impl Fn(usize, &mut [f32]) + Send + Sync,
) {
    ctx.kernels
        .workers()
        .chunks(values, size, PARALLEL, |start, part| body(start / size, part));
}

/// Maxima.
#[derive(Debug)]
struct Largest(Windows);

/// The offset in the plane of the largest element of a window: NaN wins, then the first of equals, as in PyTorch.
#[inline(always)]
fn largest(plane: &[f32], width: usize, down: Span, across: Span) -> usize {
    let mut at = down.start * width + across.start;
    let mut best = f32::NEG_INFINITY;
    for y in 0..down.count {
        let line = (down.start + y * down.step) * width + across.start;
        for x in 0..across.count {
            let value = plane[line + x * across.step];
            if value > best || value.is_nan() {
                (at, best) = (line + x * across.step, value);
            }
        }
    }
    at
}

/// The corners of windows of 2 x 2 side by side: of [`LANES`] windows from `at` on, or of as many as there are.
#[inline(always)]
fn corners(top: &[f32], bottom: &[f32], at: usize, count: usize) -> [[f32; LANES]; 4] {
    let mut corners = [[0.0f32; LANES]; 4];
    let mut split = |line: &[f32], first: usize| {
        let line = &line[2 * at..];
        if let Some(line) = line.first_chunk::<{ 2 * LANES }>() {
            for lane in 0..LANES {
                corners[first][lane] = line[2 * lane];
                corners[first + 1][lane] = line[2 * lane + 1];
            }
        } else {
            for lane in 0..count {
                corners[first][lane] = line[2 * lane];
                corners[first + 1][lane] = line[2 * lane + 1];
            }
        }
    };
    split(top, 0);
    split(bottom, 2);
    corners
}

/// The larger of two values; NaN wins, then the first of equals.
#[inline(always)]
fn larger(first: f32, second: f32) -> f32 {
    if second > first || second.is_nan() {
        second
    } else {
        first
    }
}

simd_dispatch! {
    /// Maxima of windows of 2 x 2 side by side, of whole planes.
    fn halve(input: &[f32], windows: &Windows, output: &mut [f32]) {
        let (width, places) = (windows.input[1], windows.output[1]);
        let planes = input.chunks(windows.input_plane()).zip(output.chunks_mut(windows.output_plane()));
        for (plane, output) in planes {
            for (y, line) in output.chunks_mut(places).enumerate() {
                let (top, bottom) = (&plane[2 * y * width..], &plane[(2 * y + 1) * width..]);
                for (at, line) in (0..).step_by(LANES).zip(line.chunks_mut(LANES)) {
                    let [a, b, c, d] = corners(top, bottom, at, line.len());
                    let mut most = [0.0f32; LANES];
                    for lane in 0..LANES {
                        most[lane] = larger(larger(larger(a[lane], b[lane]), c[lane]), d[lane]);
                    }
                    line.copy_from_slice(&most[..line.len()]);
                }
            }
        }
    }
}

simd_dispatch! {
    /// The gradient of [`halve`].
    fn halve_gradient(input: &[f32], windows: &Windows, gradient: &[f32], into: &mut [f32]) {
        let (width, places) = (windows.input[1], windows.output[1]);
        let size = windows.input_plane();
        let planes = input.chunks(size).zip(gradient.chunks(windows.output_plane()));
        for ((plane, gradient), into) in planes.zip(into.chunks_mut(size)) {
            for (y, line) in gradient.chunks(places).enumerate() {
                let (top, bottom) = (&plane[2 * y * width..], &plane[(2 * y + 1) * width..]);
                let (up, low) = into[2 * y * width..(2 * y + 2) * width].split_at_mut(width);
                for (at, line) in (0..).step_by(LANES).zip(line.chunks(LANES)) {
                    let [a, b, c, d] = corners(top, bottom, at, line.len());
                    let mut g = [0.0f32; LANES];
                    g[..line.len()].copy_from_slice(line);
                    let mut both = [[0.0f32; 2 * LANES]; 2];
                    for lane in 0..LANES {
                        let (a, b, c, d, g) = (a[lane], b[lane], c[lane], d[lane], g[lane]);
                        let second = b > a || b.is_nan();
                        let most = if second { b } else { a };
                        let third = c > most || c.is_nan();
                        let most = if third { c } else { most };
                        let fourth = d > most || d.is_nan();
                        both[0][2 * lane] = if second | third | fourth { 0.0 } else { g };
                        both[0][2 * lane + 1] = if second & !third & !fourth { g } else { 0.0 };
                        both[1][2 * lane] = if third & !fourth { g } else { 0.0 };
                        both[1][2 * lane + 1] = if fourth { g } else { 0.0 };
                    }
                    let range = 2 * at..2 * (at + line.len());
                    up[range.clone()].copy_from_slice(&both[0][..range.len()]);
                    low[range.clone()].copy_from_slice(&both[1][..range.len()]);
                }
                up[2 * places..].fill(0.0);
                low[2 * places..].fill(0.0);
            }
            into[2 * windows.output[0] * width..].fill(0.0);
        }
    }
}

impl Module for Largest {
    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let (windows, input, level) = (&self.0, inputs[0], ctx.kernels.level());
        let (from, to) = (windows.input_plane(), windows.output_plane());
        over_planes(ctx, to, output, |first, output| {
            let input = &input[first * from..][..output.len() / to * from];
            if windows.halves {
                halve(level, input, windows, output);
                return;
            }
            for (plane, output) in input.chunks(from).zip(output.chunks_mut(to)) {
                for (line, down) in output.chunks_mut(windows.output[1]).zip(&windows.down) {
                    for (value, across) in line.iter_mut().zip(&windows.across) {
                        *value = plane[largest(plane, windows.input[1], *down, *across)];
                    }
                }
            }
        });
        Ok(())
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        let Some(into) = &mut into[0] else { return Ok(()) };
        let (windows, input, level) = (&self.0, ends.inputs[0], ctx.kernels.level());
        let (from, to) = (windows.input_plane(), windows.output_plane());
        over_planes(ctx, from, into, |first, into| {
            let count = into.len() / from;
            let input = &input[first * from..(first + count) * from];
            let gradient = &ends.gradient[first * to..(first + count) * to];
            if windows.halves {
                halve_gradient(level, input, windows, gradient, into);
                return;
            }
            into.fill(0.0);
            let planes = input.chunks(from).zip(gradient.chunks(to));
            for ((plane, gradient), into) in planes.zip(into.chunks_mut(from)) {
                for (line, down) in gradient.chunks(windows.output[1]).zip(&windows.down) {
                    for (value, across) in line.iter().zip(&windows.across) {
                        into[largest(plane, windows.input[1], *down, *across)] += value;
                    }
                }
            }
        });
        Ok(())
    }
}

/// Means.
#[derive(Debug)]
struct Mean {
    windows: Windows,
    /// What sums are divided by, where it is given.
    divisor: Option<usize>,
}

impl Mean {
    #[expect(
        clippy::cast_precision_loss,
        reason = "elements of a window; a divisor is rounded as PyTorch rounds it"
    )]
    fn divisor(&self, down: Span, across: Span) -> f32 {
        self.divisor.unwrap_or(down.counted * across.counted) as f32
    }
}

impl Module for Mean {
    fn saved_for_backward(&self) -> SavedForBackward {
        SavedForBackward::Nothing
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let (windows, input) = (&self.windows, inputs[0]);
        let (from, to, width) = (windows.input_plane(), windows.output_plane(), windows.input[1]);
        over_planes(ctx, to, output, |first, output| {
            for (plane, output) in input[first * from..].chunks(from).zip(output.chunks_mut(to)) {
                for (line, down) in output.chunks_mut(windows.output[1]).zip(&windows.down) {
                    for (value, across) in line.iter_mut().zip(&windows.across) {
                        let mut sum = 0.0f32;
                        for y in down.start..down.start + down.count {
                            let first = y * width + across.start;
                            plane[first..first + across.count].iter().for_each(|x| sum += x);
                        }
                        *value = sum / self.divisor(*down, *across);
                    }
                }
            }
        });
        Ok(())
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        let Some(into) = &mut into[0] else { return Ok(()) };
        let (windows, gradient) = (&self.windows, ends.gradient);
        let (from, to, width) = (windows.input_plane(), windows.output_plane(), windows.input[1]);
        over_planes(ctx, from, into, |first, into| {
            into.fill(0.0);
            for (gradient, into) in gradient[first * to..].chunks(to).zip(into.chunks_mut(from)) {
                for (line, down) in gradient.chunks(windows.output[1]).zip(&windows.down) {
                    for (value, across) in line.iter().zip(&windows.across) {
                        let part = value / self.divisor(*down, *across);
                        for y in down.start..down.start + down.count {
                            let first = y * width + across.start;
                            let line = &mut into[first..first + across.count];
                            line.iter_mut().for_each(|x| *x += part);
                        }
                    }
                }
            }
        });
        Ok(())
    }
}

/// The layers of this family.
pub(super) const LAYERS: Family = &[
    ("MaxPool1d", |arguments, input, _| largest_of(arguments, input, 1)),
    ("MaxPool2d", |arguments, input, _| largest_of(arguments, input, 2)),
    ("AvgPool1d", |arguments, input, _| mean_of(arguments, input, 1)),
    ("AvgPool2d", |arguments, input, _| mean_of(arguments, input, 2)),
    ("AdaptiveMaxPool1d", |arguments, input, _| {
        let (channels, windows) = adaptive(arguments, input, 1)?;
        let output = shape(channels, windows.output, 1);
        Ok(BuiltLayer::module(Largest(windows), output))
    }),
    ("AdaptiveMaxPool2d", |arguments, input, _| {
        let (channels, windows) = adaptive(arguments, input, 2)?;
        let output = shape(channels, windows.output, 2);
        Ok(BuiltLayer::module(Largest(windows), output))
    }),
    ("AdaptiveAvgPool1d", |arguments, input, _| {
        adaptive_mean(arguments, input, 1)
    }),
    ("AdaptiveAvgPool2d", |arguments, input, _| {
        adaptive_mean(arguments, input, 2)
    }),
];

/// The windows along a dimension that arguments describe.
struct Sliding {
    size: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
    ceil: bool,
    include_padding: bool,
}

impl Sliding {
    fn spans(&self, input: &[usize]) -> Result<Vec<Span>, LayerError> {
        let extent = self.dilation * (self.kernel - 1) + 1;
        if 2 * self.padding > self.kernel {
            return Err(format!(
                "padding={} must be at most half of kernel_size={}",
                self.padding, self.kernel
            )
            .into());
        }
        // As PyTorch: with ceil_mode the last window may end outside, also where it is the first.
        let slack = if self.ceil { self.stride - 1 } else { 0 };
        let Some(room) = (self.size + 2 * self.padding + slack).checked_sub(extent) else {
            return Err(format!(
                "has a window of {extent}, but the input {input:?} has {} elements there with its padding; make \
                 kernel_size smaller",
                self.size + 2 * self.padding
            ).into());
        };
        let mut count = room / self.stride + 1;
        // It begins inside the input or the padding before it.
        if self.ceil && (count - 1) * self.stride >= self.size + self.padding {
            count -= 1;
        }
        check_table::<Span>(count, "stride", self.stride)?;
        let spans: Vec<Span> = (0..count).map(|at| self.span(at)).collect();
        if spans.iter().any(|span| span.count == 0) {
            return Err(format!(
                "has a window without an element of the input {input:?}: its dilation={} steps over it; make dilation \
                 or padding smaller",
                self.dilation
            ).into());
        }
        Ok(spans)
    }

    fn span(&self, at: usize) -> Span {
        let begin = at * self.stride;
        let skipped = self.padding.saturating_sub(begin).div_ceil(self.dilation);
        let start = begin + skipped * self.dilation - self.padding;
        let most = self.size.saturating_sub(start).div_ceil(self.dilation);
        let count = (self.kernel - skipped).min(most);
        let end = (begin + self.kernel).min(self.size + 2 * self.padding);
        Span {
            start,
            count,
            step: self.dilation,
            counted: if self.include_padding { end - begin } else { count },
        }
    }
}

pub(super) fn sliding(
    arguments: &Arguments,
    input: &[usize],
    dimensions: usize,
) -> Result<(usize, Windows), LayerError> {
    let (channels, size) = planes(input, dimensions)?;
    let kernel = pair(arguments, "kernel_size", dimensions, 1);
    let stride = if arguments.is_null("stride") {
        kernel
    } else {
        pair(arguments, "stride", dimensions, 1)
    };
    let padding = pair(arguments, "padding", dimensions, 0);
    let dilation = pair(arguments, "dilation", dimensions, 1).map(|dilation| dilation.max(1));
    let spans = |d: usize| {
        Sliding {
            size: size[d],
            kernel: kernel[d],
            stride: stride[d],
            padding: padding[d],
            dilation: dilation[d],
            ceil: arguments.flag("ceil_mode"),
            include_padding: arguments.flag("count_include_pad"),
        }
        .spans(input)
    };
    Ok((channels, Windows::new(size, spans(0)?, spans(1)?)))
}

fn largest_of(
    arguments: &mut Arguments,
    input: &[usize],
    dimensions: usize,
) -> Result<BuiltLayer, LayerError> {
    let (channels, windows) = sliding(arguments, input, dimensions)?;
    let output = shape(channels, windows.output, dimensions);
    Ok(BuiltLayer::module(Largest(windows), output))
}

fn mean_of(arguments: &mut Arguments, input: &[usize], dimensions: usize) -> Result<BuiltLayer, LayerError> {
    let (channels, windows) = sliding(arguments, input, dimensions)?;
    let output = shape(channels, windows.output, dimensions);
    let divisor = arguments.size("divisor_override");
    Ok(BuiltLayer::module(Mean { windows, divisor }, output))
}

/// The size of an adaptive pool's output. None in it stands for the size that comes in, and stays in the document: a layer that is
/// called again may meet another one.
fn adaptive_size(arguments: &Arguments, size: [usize; 2], dimensions: usize) -> [usize; 2] {
    let Some(given) = arguments.value("output_size").as_array() else {
        return pair(arguments, "output_size", dimensions, 1);
    };
    let mut output = [1, 1];
    let own = output.iter_mut().zip(size).skip(2 - dimensions);
    for ((output, size), given) in own.zip(given) {
        let given = given.as_u64().and_then(|given| usize::try_from(given).ok());
        *output = given.unwrap_or(size);
    }
    output
}

/// Windows that give an output of a size: from ⌊i · in / out⌋ to ⌈(i + 1) · in / out⌉, as in PyTorch.
fn adaptive(
    arguments: &Arguments,
    input: &[usize],
    dimensions: usize,
) -> Result<(usize, Windows), LayerError> {
    let (channels, size) = planes(input, dimensions)?;
    let output = adaptive_size(arguments, size, dimensions);
    check_output(&shape(channels, output, dimensions))?;
    for places in output {
        check_table::<Span>(places, "output_size", arguments.value("output_size"))?;
    }
    let spans = |d: usize| {
        let span = |at: usize| {
            let start = at * size[d] / output[d];
            let count = ((at + 1) * size[d]).div_ceil(output[d]) - start;
            Span {
                start,
                count,
                step: 1,
                counted: count,
            }
        };
        (0..output[d]).map(span).collect()
    };
    Ok((channels, Windows::new(size, spans(0), spans(1))))
}

fn adaptive_mean(
    arguments: &mut Arguments,
    input: &[usize],
    dimensions: usize,
) -> Result<BuiltLayer, LayerError> {
    let (channels, windows) = adaptive(arguments, input, dimensions)?;
    let output = shape(channels, windows.output, dimensions);
    Ok(BuiltLayer::module(
        Mean {
            windows,
            divisor: None,
        },
        output,
    ))
}
