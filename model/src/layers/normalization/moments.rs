//! Sums per channel of a slice in f64, and the affine maps per channel that normalise.
//!
//! A row is `channels` runs of `run` values. Without positions (`run` = 1) a sum goes over the rows; else its lanes are
//! positions of a run. Either way it has one order, whatever the threads.

use crate::kernels::{LANES, lanes_of, simd_dispatch, sum_lanes_f64};

/// Channels without positions whose sums are formed together, in the nearest cache: a row's part of them is read in
/// one go.
const TILE: usize = 256;

/// How a row is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub channels: usize,
    pub run: usize,
}

impl Layout {
    pub(crate) fn width(self) -> usize {
        self.channels * self.run
    }
}

simd_dispatch! {
    /// Mean and sum of squared differences from it of the channels from `first` on; `out` takes both of each.
    pub(super) fn moments(layout: Layout, x: &[f32], first: usize, out: &mut [f64]) {
        let width = layout.width();
        #[expect(clippy::cast_precision_loss, reason = "elements of a channel are far below 2^53")]
        let count = (x.len() / layout.channels) as f64;
        if layout.run == 1 {
            for (tile, out) in out.chunks_mut(2 * TILE).enumerate() {
                let range = first + tile * TILE..first + tile * TILE + out.len() / 2;
                // Differences from the first value cancel less than squares do.
                let shift = &x[range.clone()];
                let (mut sums, mut squares) = ([0.0f64; TILE], [0.0f64; TILE]);
                for row in x.chunks_exact(width) {
                    let both = sums.iter_mut().zip(&mut squares);
                    for (((sum, square), x), shift) in both.zip(&row[range.clone()]).zip(shift) {
                        let difference = f64::from(*x) - f64::from(*shift);
                        *sum += difference;
                        *square += difference * difference;
                    }
                }
                for (at, out) in out.chunks_exact_mut(2).enumerate() {
                    out[0] = f64::from(shift[at]) + sums[at] / count;
                    out[1] = (squares[at] - sums[at] * sums[at] / count).max(0.0);
                }
            }
            return;
        }
        for (at, out) in out.chunks_exact_mut(2).enumerate() {
            let start = (first + at) * layout.run;
            let shift = x[start];
            let (mut sums, mut squares) = ([0.0f64; LANES], [0.0f64; LANES]);
            for row in x.chunks_exact(width) {
                for values in row[start..start + layout.run].chunks(LANES) {
                    let values = lanes_of(values, shift);
                    for at in 0..LANES {
                        let difference = f64::from(values[at]) - f64::from(shift);
                        sums[at] += difference;
                        squares[at] += difference * difference;
                    }
                }
            }
            let (sum, square) = (sum_lanes_f64(sums), sum_lanes_f64(squares));
            out[0] = f64::from(shift) + sum / count;
            out[1] = (square - sum * sum / count).max(0.0);
        }
    }
}

simd_dispatch! {
    /// Σ g and Σ g (x - centre) of the channels from `first` on; `out` takes both of each.
    pub(super) fn gradient_sums(layout: Layout, ends: (&[f32], &[f32]), centre: &[f32], first: usize, out: &mut [f64]) {
        let width = layout.width();
        let (x, g) = ends;
        let rows = x.chunks_exact(width).zip(g.chunks_exact(width));
        if layout.run == 1 {
            for (tile, out) in out.chunks_mut(2 * TILE).enumerate() {
                let range = first + tile * TILE..first + tile * TILE + out.len() / 2;
                let centre = &centre[range.clone()];
                let (mut sums, mut products) = ([0.0f64; TILE], [0.0f64; TILE]);
                for (x, g) in rows.clone() {
                    let both = sums.iter_mut().zip(&mut products);
                    let seen = x[range.clone()].iter().zip(&g[range.clone()]).zip(centre);
                    for ((sum, product), ((x, g), centre)) in both.zip(seen) {
                        let g = f64::from(*g);
                        *sum += g;
                        *product += g * (f64::from(*x) - f64::from(*centre));
                    }
                }
                for (at, out) in out.chunks_exact_mut(2).enumerate() {
                    out.copy_from_slice(&[sums[at], products[at]]);
                }
            }
            return;
        }
        for (at, out) in out.chunks_exact_mut(2).enumerate() {
            let range = (first + at) * layout.run..(first + at + 1) * layout.run;
            let centre = centre[first + at];
            let (mut sums, mut products) = ([0.0f64; LANES], [0.0f64; LANES]);
            for (x, g) in rows.clone() {
                for (x, g) in x[range.clone()].chunks(LANES).zip(g[range.clone()].chunks(LANES)) {
                    let (x, g) = (lanes_of(x, centre), lanes_of(g, 0.0));
                    for at in 0..LANES {
                        sums[at] += f64::from(g[at]);
                        products[at] += f64::from(g[at]) * (f64::from(x[at]) - f64::from(centre));
                    }
                }
            }
            out.copy_from_slice(&[sum_lanes_f64(sums), sum_lanes_f64(products)]);
        }
    }
}

/// Coefficients per channel of an affine map of x - centre.
#[derive(Debug, Clone, Copy)]
pub(super) struct Affine<'a> {
    pub centre: &'a [f32],
    pub factor: &'a [f32],
    pub summand: &'a [f32],
}

simd_dispatch! {
    /// y = (x - centre) factor + summand.
    pub(super) fn normalise(run: usize, map: Affine<'_>, x: &[f32], y: &mut [f32]) {
        let channels = map.centre.len();
        let (factor, summand) = (&map.factor[..channels], &map.summand[..channels]);
        let width = channels * run;
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            if run == 1 {
                for at in 0..channels {
                    y[at] = (x[at] - map.centre[at]) * factor[at] + summand[at];
                }
                continue;
            }
            let runs = x.chunks_exact(run).zip(y.chunks_exact_mut(run)).enumerate();
            for (at, (x, y)) in runs {
                let (c, f, s) = (map.centre[at], factor[at], summand[at]);
                y.iter_mut().zip(x).for_each(|(y, x)| *y = (*x - c) * f + s);
            }
        }
    }
}

simd_dispatch! {
    /// The gradient: g scale + (x - centre) factor + summand.
    pub(super) fn normalise_gradient(run: usize, map: Affine<'_>, scale: &[f32], ends: (&[f32], &[f32]), into: &mut [f32]) {
        let channels = map.centre.len();
        let (factor, summand, scale) = (&map.factor[..channels], &map.summand[..channels], &scale[..channels]);
        let width = channels * run;
        let rows = ends.0.chunks_exact(width).zip(ends.1.chunks_exact(width));
        for ((x, g), into) in rows.zip(into.chunks_exact_mut(width)) {
            if run == 1 {
                for at in 0..channels {
                    into[at] = g[at] * scale[at] + ((x[at] - map.centre[at]) * factor[at] + summand[at]);
                }
                continue;
            }
            let runs = x.chunks_exact(run).zip(g.chunks_exact(run)).zip(into.chunks_exact_mut(run));
            for (at, ((x, g), into)) in runs.enumerate() {
                let (c, f, s, k) = (map.centre[at], factor[at], summand[at], scale[at]);
                for ((into, x), g) in into.iter_mut().zip(x).zip(g) {
                    *into = *g * k + ((*x - c) * f + s);
                }
            }
        }
    }
}

/// Merges (count, then mean and sum of squared differences of every channel) of two sets, Chan's formula.
pub(super) fn merge(mut left: Vec<f64>, right: Vec<f64>) -> Vec<f64> {
    let (a, b) = (left[0], right[0]);
    let count = a + b;
    let pairs = left[1..].chunks_exact_mut(2).zip(right[1..].chunks_exact(2));
    for (left, right) in pairs {
        let difference = right[0] - left[0];
        left[0] += difference * (b / count);
        left[1] += right[1] + difference * difference * (a * b / count);
    }
    left[0] = count;
    left
}
