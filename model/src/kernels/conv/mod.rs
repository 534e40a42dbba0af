//! Convolutions: products with the matrix of all windows of a row, which is never written down as a whole.
//!
//! In that matrix (im2col) a row is a tap (channel, then place in the kernel) and a column is a place of the output.
//! The value of a tap at a place lies at the tap's offset plus the place's in the padded input. Forward packs panels
//! of it straight from the input. The gradient of the input is the product with the transposed weights, a block of
//! taps and places at a time, whose rows are added onto the input where their taps lie. The gradient of the weights
//! reads the matrix in place, by both offsets. Order of sums: that of [`super::blocks`] over the taps, over the
//! filters, and over rows and places of a slice; onto an element of the input, by block of places, then by tap.

mod backward;
mod forward;
#[cfg(test)]
mod tests;
mod weights;
mod window;

use super::arithmetic::with_isa;
use super::bf16::pair_lines;
use super::gemm::Kernels;
use super::isa::Isa;
use super::lanes::{LANES, sum_lanes};
use super::maps::add_into;
use super::program::Program;
use super::scratch::Scratch;
use super::simd::simd_dispatch;
use super::tiles::{Part, grown};
use backward::{backward, pack_taps};
use forward::{forward, pack_filters};
use weights::weights_part;
pub(crate) use window::Window;
pub(super) use window::WindowScratch;

/// Multiply-adds that are worth a thread.
const WORK_PER_THREAD: usize = 1 << 19;

impl Kernels {
    /// Puts zeros around the planes of `rows` rows.
    pub(crate) fn pad(&mut self, window: &Window, rows: usize, input: &[f32], into: &mut [f32]) {
        let (line, wide) = (window.input[1], window.padded[1]);
        let (size, row) = (window.input_row(), window.padded_row());
        self.workers
            .chunks(&mut into[..rows * row], row, 1 << 16, |start, part| {
                part.fill(0.0);
                let input = &input[start / row * size..];
                let planes = part.chunks_exact_mut(window.plane());
                for (plane, input) in planes.zip(input.chunks_exact(window.input[0] * line)) {
                    let lines = plane[window.before[0] * wide..].chunks_mut(wide);
                    for (to, from) in lines.zip(input.chunks_exact(line)) {
                        to[window.before[1]..window.before[1] + line].copy_from_slice(from);
                    }
                }
            });
    }

    /// Calls `body` with a range of whole rows of `output`, its first row, and memory, on every thread.
    fn over_rows(
        &mut self,
        work: usize,
        row: usize,
        output: &mut [f32],
        body: impl Fn(usize, &mut [f32], &mut Scratch) + Send + Sync,
    ) {
        let rows = output.len() / row.max(1);
        let threads = (work.saturating_mul(rows) / WORK_PER_THREAD).clamp(1, self.workers.threads());
        let each = rows.div_ceil(threads).max(1);
        let parts = output.chunks_mut((each * row).max(1)).zip(&mut self.scratch);
        let mut items: Vec<_> = parts.collect();
        self.workers.each(&mut items, |index, (part, scratch)| {
            body(index * each, part, scratch)
        });
    }

    /// The convolution of `rows` rows of padded input with `weights` (filter, then tap). A bias has a value a filter.
    pub(crate) fn convolve(
        &mut self,
        window: &Window,
        input: &[f32],
        weights: &[f32],
        bias: Option<&[f32]>,
        output: &mut [f32],
    ) {
        let mut shared = std::mem::take(&mut self.shared);
        let arithmetic = self.arithmetic();
        let packed = grown(&mut shared, weights.len());
        with_isa!(arithmetic, I => pack_filters::<I>(window, weights, packed));
        let packed = &*packed;
        self.over_rows(
            window.work(),
            window.output_row(),
            output,
            |row, part, scratch| {
                let input = &input[row * window.padded_row()..];
                with_isa!(arithmetic, I => forward::<I>(window, input, packed, bias, part, scratch));
            },
        );
        self.shared = shared;
    }

    /// The gradient of the input of a convolution, without the zeros around it. `bias`, a value a channel, is added.
    pub(crate) fn convolve_back(
        &mut self,
        window: &Window,
        gradient: &[f32],
        weights: &[f32],
        bias: Option<&[f32]>,
        into: &mut [f32],
    ) {
        let mut shared = std::mem::take(&mut self.shared);
        let arithmetic = self.arithmetic();
        let packed = grown(&mut shared, weights.len());
        with_isa!(arithmetic, I => pack_taps::<I>(window, weights, packed));
        let packed = &*packed;
        self.over_rows(window.work(), window.input_row(), into, |row, part, scratch| {
            let gradient = &gradient[row * window.output_row()..];
            with_isa!(arithmetic, I => backward::<I>(window, gradient, packed, bias, part, scratch));
        });
        self.shared = shared;
    }

    /// The gradient of the weights over a node of the reduction tree, from padded input and the output's gradient.
    pub(crate) fn convolve_weights(
        &mut self,
        window: &Window,
        input: &[f32],
        gradient: &[f32],
        tree: &Program,
        into: &mut [f32],
    ) {
        let (arithmetic, depth, filters) = (self.arithmetic(), window.depth(), window.filters);
        let mut shared = std::mem::take(&mut self.shared);
        let input = self.neighbours(window, input, tree, &mut shared);
        let work = (window.work() / window.groups).saturating_mul(tree.rows());
        let threads = (work / WORK_PER_THREAD).clamp(1, self.workers.threads());
        // Parts of the filters pack nothing twice.
        let by_filters = filters >= threads * LANES;
        let unit = if by_filters {
            LANES
        } else {
            with_isa!(arithmetic, I => I::ROWS)
        };
        let length = if by_filters { filters } else { depth };
        let each = length.div_ceil(threads).next_multiple_of(unit);
        let part = |index: usize| {
            let range = ((index * each).min(length), ((index + 1) * each).min(length));
            if by_filters {
                Part {
                    rows: (0, depth),
                    cols: range,
                }
            } else {
                Part {
                    rows: range,
                    cols: (0, filters),
                }
            }
        };
        for group in 0..window.groups {
            let scratch = &mut self.scratch[..length.div_ceil(each)];
            self.workers.each(scratch, |index, scratch| {
                let part = part(index);
                with_isa!(arithmetic, I =>
                    weights_part::<I>(window, group, part, input, gradient, tree, scratch)
                );
            });
            let into = &mut into[group * filters * depth..(group + 1) * filters * depth];
            for (index, scratch) in scratch.iter().enumerate() {
                let part = part(index);
                let cols = part.cols.1 - part.cols.0;
                if cols == 0 {
                    continue;
                }
                for (line, tap) in scratch
                    .window
                    .sums
                    .chunks_exact(cols)
                    .zip(part.rows.0..part.rows.1)
                {
                    for (value, filter) in line.iter().zip(part.cols.0..) {
                        into[filter * depth + tap] = *value;
                    }
                }
            }
        }
        self.shared = shared;
    }

    /// What the kernels of a precision read for the windows of the rows under a node: the padded input itself, or each of its
    /// values paired with that of the next place to its right.
    fn neighbours<'a>(
        &self,
        window: &Window,
        input: &'a [f32],
        tree: &Program,
        shared: &'a mut Vec<f32>,
    ) -> &'a [f32] {
        let arithmetic = self.arithmetic();
        if with_isa!(arithmetic, I => I::VALUES) == 1 {
            return input;
        }
        let row = window.padded_row();
        let first = tree.leaves().next().map_or(0, |(start, _)| start * row);
        let last = tree
            .leaves()
            .last()
            .map_or(0, |(start, rows)| (start + rows) * row);
        let pairs = grown(shared, last);
        let stride = window.stride[1];
        self.workers
            .chunks(&mut pairs[first..], 1, 1 << 16, |start, into| {
                let start = first + start;
                let right = (start + stride).min(last)..(start + stride + into.len()).min(last);
                pair_lines(
                    arithmetic.level,
                    &input[start..start + into.len()],
                    &input[right],
                    into,
                );
            });
        pairs
    }

    /// The sums of the planes of `values` over a node: those of a row by [`LANES`] partial sums, then row by row.
    pub(crate) fn tree_plane_sums(&mut self, values: &[f32], plane: usize, tree: &Program, into: &mut [f32]) {
        let (level, row) = (self.level, plane * into.len());
        let threads = (row.saturating_mul(tree.rows()) / WORK_PER_THREAD).clamp(1, self.workers.threads());
        let each = into.len().div_ceil(threads).max(1);
        let mut items: Vec<_> = into.chunks_mut(each).zip(&mut self.scratch).collect();
        self.workers.each(&mut items, |index, (into, scratch)| {
            let size = into.len() * plane;
            let leaf = |start: usize, rows: usize, sums: &mut [f32]| {
                sums.fill(0.0);
                for at in start..start + rows {
                    let first = at * row + index * each * plane;
                    add_planes(level, &values[first..first + size], plane, sums);
                }
            };
            let add = |left: &mut [f32], right: &[f32]| add_into(level, left, right);
            tree.evaluate(into, &mut scratch.window.spare, leaf, add);
        });
    }
}

simd_dispatch! {
    /// Adds the sum of every plane to its number.
    fn add_planes(values: &[f32], plane: usize, sums: &mut [f32]) {
        for (sum, plane) in sums.iter_mut().zip(values.chunks_exact(plane)) {
            let mut lanes = [0.0f32; LANES];
            let (whole, rest) = plane.as_chunks::<LANES>();
            for chunk in whole {
                for lane in 0..LANES {
                    lanes[lane] += chunk[lane];
                }
            }
            lanes.iter_mut().zip(rest).for_each(|(lane, value)| *lane += *value);
            *sum += sum_lanes(lanes);
        }
    }
}
