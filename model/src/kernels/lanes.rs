//! Partial sums side by side, so that every instruction set adds in the same order.

/// Partial sums side by side: what a vector register of the widest instruction set holds in f32. The order of a sum is
/// that of its lanes, at every level.
pub(crate) const LANES: usize = 16;

/// The sum of the lanes, halves first.
#[inline(always)]
pub(crate) fn sum_lanes(mut lanes: [f32; LANES]) -> f32 {
    for half in [8, 4, 2, 1] {
        for at in 0..half {
            lanes[at] += lanes[at + half];
        }
    }
    lanes[0]
}

/// As [`sum_lanes`].
#[inline(always)]
pub(crate) fn sum_lanes_f64(mut lanes: [f64; LANES]) -> f64 {
    for half in [8, 4, 2, 1] {
        for at in 0..half {
            lanes[at] += lanes[at + half];
        }
    }
    lanes[0]
}

/// The first lanes of `values`, filled up with `pad`.
#[inline(always)]
pub(crate) fn lanes_of(values: &[f32], pad: f32) -> [f32; LANES] {
    match values.first_chunk::<LANES>() {
        Some(full) => *full,
        None => {
            let mut lanes = [pad; LANES];
            lanes[..values.len()].copy_from_slice(values);
            lanes
        }
    }
}

/// Sum of `of(index)`, lane by lane.
#[inline(always)]
pub(crate) fn sum_by(size: usize, of: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let full = size / LANES * LANES;
    for start in (0..full).step_by(LANES) {
        for (at, lane) in lanes.iter_mut().enumerate() {
            *lane += of(start + at);
        }
    }
    for at in full..size {
        lanes[at - full] += of(at);
    }
    sum_lanes(lanes)
}
