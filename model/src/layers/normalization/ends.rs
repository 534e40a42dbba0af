//! What is normalised over the rows of a step, and where it lies: sums of slices, and maps by their coefficients. That of the host
//! is here, that of devices in `device/norm.rs`.

use super::moments::{Affine, Layout, gradient_sums, moments, normalise, normalise_gradient};
use crate::kernels::Kernels;
use crate::layers::Slice;
use candlewick_protocol::Failure;
use std::ops::Range;

/// Values that are worth a thread.
const PARALLEL: usize = 1 << 17;
/// Channels of a part of the work at least.
const CHANNELS: usize = 16;

/// Rows that are normalised together, and where their coefficients lie.
#[derive(Debug)]
pub(crate) struct Part {
    pub rows: Range<usize>,
    pub at: usize,
}

/// What every shard has of sums: a lead value, then two a channel; none without rows.
pub(crate) type Sums = Vec<(u32, Option<Vec<f64>>)>;

/// What goes in and what comes out, forward.
pub(crate) trait NormForward {
    /// Number of values a channel, mean and M2 of each channel of every slice.
    ///
    /// # Errors
    /// Those of a device.
    fn moments(&mut self, layout: Layout, kernels: &Kernels, slices: &[Slice]) -> Result<Sums, Failure>;

    /// Puts out a part by its coefficients.
    ///
    /// # Errors
    /// Those of a device.
    fn apply(&mut self, layout: Layout, kernels: &Kernels, part: &Part, set: &[f32]) -> Result<(), Failure>;
}

/// What goes in, its gradient and that of what came out.
pub(crate) trait NormBackward {
    /// Σ g and Σ g (x - centre) of each channel of every slice; `centres` has that of each.
    ///
    /// # Errors
    /// Those of a device.
    fn sums(
        &mut self,
        layout: Layout,
        kernels: &Kernels,
        slices: &[Slice],
        centres: Centres<'_>,
    ) -> Result<Sums, Failure>;

    /// Whether somebody wants the gradient of what goes in.
    fn is_wanted(&self) -> bool;

    /// Sets that of a part: g scale + (x - centre) factor + summand.
    ///
    /// # Errors
    /// Those of a device.
    fn input_gradient(
        &mut self,
        layout: Layout,
        kernels: &Kernels,
        part: &Part,
        slopes: &Slopes<'_>,
    ) -> Result<(), Failure>;
}

/// Coefficients of every part, the centres of its channels first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Centres<'a> {
    pub coefficients: &'a [f32],
    /// Values of a part.
    pub size: usize,
    /// True where each slice is a part.
    pub by_slice: bool,
}

impl<'a> Centres<'a> {
    /// The coefficients of the part that row `start` belongs to.
    pub(crate) fn of(self, start: usize) -> &'a [f32] {
        let at = if self.by_slice { start } else { 0 };
        &self.coefficients[at * self.size..(at + 1) * self.size]
    }
}

/// How the gradient of the input of a part follows from that of its output, by channel.
#[derive(Debug)]
pub(crate) struct Slopes<'a> {
    pub scale: &'a [f32],
    pub centre: &'a [f32],
    pub factor: Vec<f32>,
    pub summand: Vec<f32>,
}

/// Values on the host.
pub(super) struct HostForward<'a> {
    pub x: &'a [f32],
    pub y: &'a mut [f32],
}

impl NormForward for HostForward<'_> {
    fn moments(&mut self, layout: Layout, kernels: &Kernels, slices: &[Slice]) -> Result<Sums, Failure> {
        Ok(moments_of(layout, kernels, slices, self.x))
    }

    fn apply(&mut self, layout: Layout, kernels: &Kernels, part: &Part, set: &[f32]) -> Result<(), Failure> {
        apply(layout, kernels, part, set, self.x, self.y);
        Ok(())
    }
}

/// The same, backward.
pub(super) struct HostBackward<'a, 'b> {
    pub x: &'a [f32],
    pub g: &'a [f32],
    pub into: &'a mut Option<&'b mut [f32]>,
}

impl NormBackward for HostBackward<'_, '_> {
    fn sums(
        &mut self,
        layout: Layout,
        kernels: &Kernels,
        slices: &[Slice],
        centres: Centres<'_>,
    ) -> Result<Sums, Failure> {
        let (level, width) = (kernels.level(), layout.width());
        let (x, g) = (self.x, self.g);
        let sums = per_slice(
            layout,
            kernels,
            slices,
            |_| 0.0,
            |rows, first, out| {
                let at = rows.start * width..rows.end * width;
                let centre = &centres.of(rows.start)[..layout.channels];
                gradient_sums(level, layout, (&x[at.clone()], &g[at]), centre, first, out);
            },
        );
        Ok(sums)
    }

    fn is_wanted(&self) -> bool {
        self.into.is_some()
    }

    fn input_gradient(
        &mut self,
        layout: Layout,
        kernels: &Kernels,
        part: &Part,
        slopes: &Slopes<'_>,
    ) -> Result<(), Failure> {
        if let Some(into) = self.into {
            input_gradient(layout, kernels, part, slopes, (self.x, self.g), into);
        }
        Ok(())
    }
}

/// What every slice adds: a lead value, then two sums a channel.
fn per_slice(
    layout: Layout,
    kernels: &Kernels,
    slices: &[Slice],
    lead: impl Fn(usize) -> f64,
    sums: impl Fn(&Range<usize>, usize, &mut [f64]) + Send + Sync,
) -> Vec<(u32, Option<Vec<f64>>)> {
    let c = layout.channels;
    let mut own: Vec<(u32, Option<Vec<f64>>)> = places(slices)
        .map(|(shard, rows)| {
            let values = (!rows.is_empty()).then(|| {
                let mut values = vec![0.0; 1 + 2 * c];
                values[0] = lead(rows.len());
                values
            });
            (shard, values)
        })
        .collect();
    let rows: usize = slices.iter().map(|slice| slice.rows).sum();
    let threads = (rows * layout.width() / PARALLEL).clamp(1, kernels.workers().threads());
    let share = c.div_ceil(threads).next_multiple_of(CHANNELS);
    let mut items: Vec<(Range<usize>, usize, &mut [f64])> = Vec::new();
    for ((_, rows), (_, values)) in places(slices).zip(&mut own) {
        let Some(values) = values else { continue };
        let parts = values[1..].chunks_mut(2 * share).enumerate();
        items.extend(parts.map(|(at, part)| (rows.clone(), at * share, part)));
    }
    let body = |item: &mut (Range<usize>, usize, &mut [f64])| sums(&item.0, item.1, item.2);
    if threads == 1 {
        items.iter_mut().for_each(body);
    } else {
        kernels.workers().each(&mut items, |_, item| body(item));
    }
    own
}

fn moments_of(layout: Layout, kernels: &Kernels, slices: &[Slice], x: &[f32]) -> Sums {
    let (level, width) = (kernels.level(), layout.width());
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 values")]
    let count = |rows: usize| (rows * layout.run) as f64;
    per_slice(layout, kernels, slices, count, |rows, first, out| {
        moments(
            level,
            layout,
            &x[rows.start * width..rows.end * width],
            first,
            out,
        );
    })
}

fn apply(layout: Layout, kernels: &Kernels, part: &Part, set: &[f32], x: &[f32], y: &mut [f32]) {
    let (c, width, run, level) = (layout.channels, layout.width(), layout.run, kernels.level());
    let map = Affine {
        centre: &set[..c],
        factor: &set[c..2 * c],
        summand: &set[2 * c..3 * c],
    };
    let x = &x[part.rows.start * width..part.rows.end * width];
    let y = &mut y[part.rows.start * width..part.rows.end * width];
    kernels.workers().chunks(y, width, PARALLEL, |start, y| {
        normalise(level, run, map, &x[start..start + y.len()], y);
    });
}

fn input_gradient(
    layout: Layout,
    kernels: &Kernels,
    part: &Part,
    slopes: &Slopes<'_>,
    ends: (&[f32], &[f32]),
    into: &mut [f32],
) {
    let (width, run, level) = (layout.width(), layout.run, kernels.level());
    let map = Affine {
        centre: slopes.centre,
        factor: &slopes.factor,
        summand: &slopes.summand,
    };
    let rows = part.rows.start * width..part.rows.end * width;
    let (x, g) = (&ends.0[rows.clone()], &ends.1[rows.clone()]);
    kernels
        .workers()
        .chunks(&mut into[rows], width, PARALLEL, |start, into| {
            let at = start..start + into.len();
            normalise_gradient(level, run, map, slopes.scale, (&x[at.clone()], &g[at]), into);
        });
}

/// Shard and rows of every slice.
pub(crate) fn places(slices: &[Slice]) -> impl Iterator<Item = (u32, Range<usize>)> + '_ {
    slices.iter().scan(0, |start, slice| {
        let rows = *start..*start + slice.rows;
        *start = rows.end;
        Some((slice.shard, rows))
    })
}
