//! The gradient of the input: transposed weights times packed gradients, added onto the planes.

use super::window::{Run, Window};
use crate::kernels::isa::Isa;
use crate::kernels::lanes::LANES;
use crate::kernels::matrix::{Accumulate, Matrix, blocks};
use crate::kernels::scratch::Scratch;
use crate::kernels::simd::simd_dispatch;
use crate::kernels::tiles::{Part, Target, block, grown, pack_panels};

/// Values of a block of the product at most: they stay in a second-level cache.
const BLOCK_VALUES: usize = 1 << 16;
/// Places of a block at most. Sums depend on it.
const PLACES: usize = 512;

/// Places and channels of a block of the input's gradient.
fn back_blocks(window: &Window) -> (usize, usize) {
    let places = PLACES.min(window.places());
    let channels = (BLOCK_VALUES / (places * window.area())).clamp(1, window.channels);
    (places, channels)
}

/// Packs the weights for [`backward`]: by group, by block of channels, by block of filters.
pub(super) fn pack_taps<I: Isa>(window: &Window, weights: &[f32], into: &mut [f32]) {
    let (filters, depth) = (window.filters, window.depth());
    let step = back_blocks(window).1 * window.area();
    let mut at = 0;
    for weights in weights.chunks_exact(filters * depth) {
        let matrix = Matrix::new(weights, filters, depth).transposed();
        for first in (0..depth).step_by(step) {
            let rows = (first, (first + step).min(depth));
            for (from, to) in blocks(filters) {
                let size = (rows.1 - rows.0) * I::elements(to - from);
                let into = &mut into[at..at + size];
                pack_panels::<I>(&matrix, rows, (from, to), (I::ROWS, None), into);
                at += size;
            }
        }
    }
}

/// The gradient of whole rows of the input. `gradient` starts with the first of them.
pub(super) fn backward<I: Isa>(
    window: &Window,
    gradient: &[f32],
    packed: &[f32],
    bias: Option<&[f32]>,
    into: &mut [f32],
    scratch: &mut Scratch,
) {
    let (filters, depth, places) = (window.filters, window.depth(), window.places());
    let mut taps = std::mem::take(&mut scratch.window.taps);
    window.taps(1, &mut taps);
    let mut plane = std::mem::take(&mut scratch.window.plane);
    let size = window.channels * window.input[0] * window.input[1];
    for (at, into) in into.chunks_exact_mut(size).enumerate() {
        let group = at % window.groups;
        let gradient = &gradient[at * filters * places..(at + 1) * filters * places];
        let planes = grown(&mut plane, window.channels * window.plane() + LANES);
        planes.fill(0.0);
        let packed = &packed[group * I::elements_of(filters) * depth..][..I::elements_of(filters) * depth];
        for first in (0..places).step_by(back_blocks(window).0) {
            let block = (first, (first + back_blocks(window).0).min(places));
            backward_block::<I>(window, gradient, packed, block, &taps, planes, scratch);
        }
        let lines = into.chunks_exact_mut(window.input[0] * window.input[1]);
        for (channel, (into, plane)) in lines.zip(planes.chunks_exact(window.plane())).enumerate() {
            let bias = bias.map_or(0.0, |bias| bias[group * window.channels + channel]);
            let from = plane[window.before[0] * window.padded[1]..].chunks(window.padded[1]);
            for (into, from) in into.chunks_exact_mut(window.input[1]).zip(from) {
                let from = &from[window.before[1]..window.before[1] + window.input[1]];
                into.iter_mut()
                    .zip(from)
                    .for_each(|(into, from)| *into = *from + bias);
            }
        }
    }
    scratch.window.plane = plane;
    scratch.window.taps = taps;
}

/// Adds what a block of places contributes onto the planes of a group.
fn backward_block<I: Isa>(
    window: &Window,
    gradient: &[f32],
    packed: &[f32],
    places: (usize, usize),
    taps: &[usize],
    planes: &mut [f32],
    scratch: &mut Scratch,
) {
    let (filters, count) = (window.filters, places.1 - places.0);
    let wide = count.next_multiple_of(I::COLS);
    let right = Matrix {
        data: gradient,
        rows: window.places(),
        cols: filters,
        row_stride: 1,
        col_stride: window.places(),
    };
    let panels = grown(&mut scratch.tile.b, wide * filters);
    let place = |from: usize, to: usize| {
        let first = wide * I::elements_before(from, filters);
        first..first + wide * I::elements(to - from)
    };
    for (from, to) in blocks(filters) {
        let into = &mut panels[place(from, to)];
        pack_panels::<I>(&right, places, (from, to), (I::COLS, Some(I::HALF)), into);
    }
    window.runs(places, &mut scratch.window.runs);
    let mut at = 0;
    let step = back_blocks(window).1;
    for first in (0..window.channels).step_by(step) {
        let channels = step.min(window.channels - first);
        let rows = channels * window.area();
        let columns = grown(&mut scratch.tile.tiles, rows * count + LANES);
        let target = Target::new(columns, count);
        for (from, to) in blocks(filters) {
            let left = &packed[at..at + rows * I::elements(to - from)];
            at += left.len();
            let part = Part {
                rows: (0, rows),
                cols: (0, count),
            };
            block::<I>(
                left,
                &panels[place(from, to)],
                part,
                if from > 0 {
                    Accumulate::Result
                } else {
                    Accumulate::Zero
                },
                target,
            );
        }
        let planes = &mut planes[first * window.plane()..];
        let shape = [channels, window.plane(), count, window.stride[1]];
        scatter(I::LEVEL, columns, taps, &scratch.window.runs, shape, planes);
    }
}

simd_dispatch! {
    /// Adds lines of `count` places, by channel and tap, onto planes. Channels come innermost: neighbouring runs
    /// overlap in memory, and a processor waits where it reads what it has just written.
    fn scatter(
        columns: &[f32],
        taps: &[usize],
        runs: &[Run],
        shape: [usize; 4],
        planes: &mut [f32],
    ) {
        let [channels, plane, count, stride] = shape;
        for (index, tap) in taps.iter().enumerate() {
            for run in runs {
                for channel in 0..channels {
                    let from = &columns[(channel * taps.len() + index) * count + run.at..];
                    let to = &mut planes[channel * plane + tap + run.from..];
                    if stride != 1 {
                        let to = to.iter_mut().step_by(stride);
                        to.zip(&from[..run.length]).for_each(|(to, from)| *to += *from);
                        continue;
                    }
                    for at in (0..run.length).step_by(LANES) {
                        let length = run.length - at;
                        match (to[at..].first_chunk_mut::<LANES>(), from[at..].first_chunk::<LANES>()) {
                            (Some(to), Some(from)) => {
                                for lane in 0..LANES {
                                    let sum = to[lane] + from[lane];
                                    to[lane] = if lane < length { sum } else { to[lane] };
                                }
                            }
                            _ => {
                                let to = to[at..].iter_mut();
                                to.zip(&from[at..at + length]).for_each(|(to, from)| *to += *from);
                            }
                        }
                    }
                }
            }
        }
    }
}
