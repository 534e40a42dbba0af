//! The gradient of the weights: windows, read where they lie, times packed gradients.

use super::window::Window;
use crate::kernels::isa::{Gather, Isa, Store};
use crate::kernels::maps::add_into;
use crate::kernels::matrix::{MAX_BLOCK, Matrix, blocks_of};
use crate::kernels::program::Program;
use crate::kernels::scratch::Scratch;
use crate::kernels::tiles::{Part, grown};

/// The gradient of a part of a group's weights, tap by tap: left in the memory of the thread.
pub(super) fn weights_part<I: Isa>(
    window: &Window,
    group: usize,
    part: Part,
    input: &[f32],
    gradient: &[f32],
    tree: &Program,
    scratch: &mut Scratch,
) {
    let (rows, cols) = (part.rows.1 - part.rows.0, part.cols.1 - part.cols.0);
    let (b, own) = (&mut scratch.tile.b, &mut scratch.window);
    window.taps(window.channels, &mut own.taps);
    let taps = &own.taps[part.rows.0..part.rows.1];
    if own.sums.len() < rows * cols {
        own.sums.resize(rows * cols, 0.0);
    }
    let (offsets, input) = (
        &mut own.offsets,
        &input[group * window.channels * window.plane()..],
    );
    // Elements of a packed operand hold one place, or two that are neighbours in a line.
    let steps = window.output[0] * window.steps(I::VALUES);
    let leaf = |start: usize, count: usize, values: &mut [f32]| {
        let first = start * steps;
        for (from, to) in blocks_of(count * steps, MAX_BLOCK / I::VALUES) {
            let range = (first + from, first + to);
            window.offsets(range, I::VALUES, offsets);
            let packed = pack_gradient::<I>(window, gradient, group, part.cols, range, b);
            leaf_block::<I>(input, taps, offsets, packed, &mut *values, cols, from > 0);
        }
    };
    let sums = &mut own.sums[..rows * cols];
    tree.evaluate(sums, &mut own.spare, leaf, |left, right| {
        add_into(I::LEVEL, left, right);
    });
}

/// Packs panels of filters of the gradient at steps of the batch.
fn pack_gradient<'a, I: Isa>(
    window: &Window,
    gradient: &[f32],
    group: usize,
    filters: (usize, usize),
    range: (usize, usize),
    into: &'a mut Vec<f32>,
) -> &'a [f32] {
    let (places, length) = (window.places(), range.1 - range.0);
    let into = grown(into, (filters.1 - filters.0).next_multiple_of(I::COLS) * length);
    let mut panel = 0;
    for first in (filters.0..filters.1).step_by(I::COLS) {
        let last = (first + I::COLS).min(filters.1);
        let wide = if last - first <= I::HALF { I::HALF } else { I::COLS };
        let mut at = panel;
        let mut pack = |row: usize, (from, to): (usize, usize)| {
            let start = row * window.output_row() + group * window.filters * places;
            let matrix = Matrix::new(&gradient[start..], window.filters, places);
            let size = wide * I::elements(to - from);
            I::panel(&matrix, (first, last), (from, to), wide, &mut into[at..at + size]);
            at += size;
        };
        if window.output[1].is_multiple_of(I::VALUES) {
            // Steps do not end within a line: they follow one another through a row.
            let range = (range.0 * I::VALUES, range.1 * I::VALUES);
            let mut at = range.0;
            while at < range.1 {
                let (row, from) = (at / places, at % places);
                let to = places.min(from + range.1 - at);
                pack(row, (from, to));
                at += to - from;
            }
        } else {
            window.lines(range, I::VALUES, |row, place, count| {
                let end = (place / window.output[1] + 1) * window.output[1];
                pack(row, (place, end.min(place + count * I::VALUES)));
            });
        }
        panel += wide * length;
    }
    into
}

/// Sets `sums` (tap by tap, `cols` filters each), or adds to them, the product of the windows that lie at the sums
/// of both offsets and packed gradients.
fn leaf_block<I: Isa>(
    input: &[f32],
    taps: &[usize],
    places: &[usize],
    packed: &[f32],
    sums: &mut [f32],
    cols: usize,
    add: bool,
) {
    let most = |offsets: &[usize]| offsets.iter().max().copied().unwrap_or(0);
    assert!(most(taps) + most(places) < input.len() && sums.len() >= taps.len() * cols);
    let mut held = I::Held::default();
    let mut panel = 0;
    for first in (0..cols).step_by(I::COLS) {
        let count = (cols - first).min(I::COLS);
        let half = count <= I::HALF;
        let right = &packed[panel..panel + places.len() * if half { I::HALF } else { I::COLS }];
        panel += right.len();
        for (index, rows) in taps.chunks(I::ROWS).enumerate() {
            let left = Gather {
                data: input.as_ptr(),
                rows: rows.as_ptr(),
                cols: places.as_ptr(),
            };
            let store = Store {
                c: sums[index * I::ROWS * cols + first..].as_mut_ptr(),
                stride: cols,
                cols: count,
                add,
                bias: None,
            };
            // SAFETY: I is the level of the processor or below; no sum of offsets leaves the input and all lines of
            // the tile lie in `sums`, both by the assertion above; the panel was sliced to the length the tile reads.
            unsafe {
                I::gather_tile(
                    &mut held,
                    (rows.len(), half),
                    places.len(),
                    left,
                    right.as_ptr(),
                    &store,
                )
            };
        }
    }
}
