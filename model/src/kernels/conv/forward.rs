//! The output: weights times packed windows.

use super::window::{Run, Window};
use crate::kernels::isa::Isa;
use crate::kernels::lanes::LANES;
use crate::kernels::matrix::{Accumulate, MAX_BLOCK, Matrix, blocks};
use crate::kernels::scratch::Scratch;
use crate::kernels::simd::simd_dispatch;
use crate::kernels::tiles::{Part, Target, block, grown, pack_panels};

/// Packed values of a block of places at most: they stay in a second-level cache.
const BLOCK_VALUES: usize = 1 << 16;

/// Packs the weights for [`forward`]: by group, by block of taps.
pub(super) fn pack_filters<I: Isa>(window: &Window, weights: &[f32], into: &mut [f32]) {
    let (filters, depth) = (window.filters, window.depth());
    let groups = weights
        .chunks_exact(filters * depth)
        .zip(into.chunks_exact_mut(filters * I::elements_of(depth)));
    for (weights, into) in groups {
        let matrix = Matrix::new(weights, filters, depth);
        for (from, to) in blocks(depth) {
            let first = I::elements_before(from, depth);
            let into = &mut into[filters * first..][..filters * I::elements(to - from)];
            pack_panels::<I>(&matrix, (0, filters), (from, to), (I::ROWS, None), into);
        }
    }
}

/// Places whose packed columns of `length` values stay in cache; a multiple of the columns of every tile.
fn block_places(length: usize) -> usize {
    (BLOCK_VALUES / length.max(1) / 32).max(1) * 32
}

/// The output of whole rows. `input` starts with the first of them.
pub(super) fn forward<I: Isa>(
    window: &Window,
    input: &[f32],
    packed: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
    scratch: &mut Scratch,
) {
    let (filters, depth, places) = (window.filters, window.depth(), window.places());
    let mut taps = std::mem::take(&mut scratch.window.taps);
    window.taps(window.channels, &mut taps);
    for (at, output) in output.chunks_exact_mut(filters * places).enumerate() {
        let group = at % window.groups;
        let input = &input[at * window.channels * window.plane()..];
        if let Some(bias) = bias {
            let lines = output.chunks_exact_mut(places);
            lines
                .zip(&bias[group * filters..])
                .for_each(|(line, bias)| line.fill(*bias));
        }
        let packed = &packed[group * filters * I::elements_of(depth)..];
        let target = Target::new(output, places);
        let most = block_places(depth.min(MAX_BLOCK));
        for first in (0..places).step_by(most) {
            let cols = (first, (first + most).min(places));
            for (from, to) in blocks(depth) {
                let size = (cols.1 - cols.0).next_multiple_of(I::COLS) * (to - from);
                let right = grown(&mut scratch.tile.b, size + LANES);
                pack_places::<I>(
                    window,
                    input,
                    &taps[from..to],
                    cols,
                    right,
                    &mut scratch.window.runs,
                );
                let first = filters * I::elements_before(from, depth);
                let left = &packed[first..first + filters * I::elements(to - from)];
                let part = Part {
                    rows: (0, filters),
                    cols,
                };
                let start = if bias.is_some() || from > 0 {
                    Accumulate::Result
                } else {
                    Accumulate::Zero
                };
                block::<I>(left, right, part, start, target);
            }
        }
    }
    scratch.window.taps = taps;
}

/// Packs panels of places.
fn pack_places<I: Isa>(
    window: &Window,
    input: &[f32],
    taps: &[usize],
    places: (usize, usize),
    into: &mut [f32],
    runs: &mut Vec<Run>,
) {
    let mut at = 0;
    for first in (places.0..places.1).step_by(I::COLS) {
        let last = (first + I::COLS).min(places.1);
        let wide = if last - first <= I::HALF { I::HALF } else { I::COLS };
        window.runs((first, last), runs);
        // Copies of whole lanes write past the end of a panel, where the next one follows.
        pack_runs(
            I::LEVEL,
            input,
            taps,
            runs,
            (window.stride[1], wide),
            &mut into[at..],
        );
        I::fold(&mut into[at..at + wide * taps.len()], wide);
        at += wide * I::elements(taps.len());
    }
}

simd_dispatch! {
    /// Packs a panel: a line of `wide` values for every tap.
    fn pack_runs(input: &[f32], taps: &[usize], runs: &[Run], shape: (usize, usize), into: &mut [f32]) {
        let (stride, wide) = shape;
        for (index, tap) in taps.iter().enumerate() {
            for run in runs {
                let (start, from) = (index * wide + run.at, tap + run.from);
                if stride != 1 {
                    for at in 0..run.length {
                        into[start + at] = input[from + at * stride];
                    }
                    continue;
                }
                for at in (0..run.length).step_by(LANES) {
                    let (to, source) = (&mut into[start + at..], &input[from + at..]);
                    match (to.first_chunk_mut::<LANES>(), source.first_chunk::<LANES>()) {
                        (Some(to), Some(source)) => *to = *source,
                        _ => {
                            let length = run.length - at;
                            to[..length].copy_from_slice(&source[..length]);
                        }
                    }
                }
            }
        }
    }
}
