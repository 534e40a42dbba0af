//! Sums over the reduction tree (rule B5) whose every node is made what a codec sends.

use crate::kernels::{SimdLevel, Workers, add_into};
use candlewick_protocol::tree::{NodeValue, Step, steps};

/// Values worked on at once: the partial sums of a tile stay in the first-level cache.
const TILE: usize = 2_048;

/// A node of the tree over the shards `lo..hi`.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// First shard.
    pub lo: u32,
    /// One past the last shard.
    pub hi: u32,
    /// Its values; none where no shard of it has rows.
    pub values: Option<&'a [f32]>,
}

/// Values that are worth a thread.
const LEAST: usize = 1 << 16;

/// The node `lo..hi` of these parts, which are in the order of their shards: left + right, and then `round`, at each
/// addition. False where nothing is present; `out` is as it was then.
pub fn sum(span: (u32, u32), parts: &[Part<'_>], round: fn(&mut [f32]), out: &mut [f32]) -> bool {
    let (steps, depth) = steps_of(span, parts);
    if !steps.is_empty() {
        tiles((&steps, depth), 0, round, out);
    }
    !steps.is_empty()
}

/// The same by these threads.
pub fn sum_on(
    workers: &Workers,
    span: (u32, u32),
    parts: &[Part<'_>],
    round: fn(&mut [f32]),
    out: &mut [f32],
) -> bool {
    let (steps, depth) = steps_of(span, parts);
    if !steps.is_empty() {
        workers.chunks(out, TILE, LEAST, |first, out| {
            tiles((&steps, depth), first, round, out);
        });
    }
    !steps.is_empty()
}

fn steps_of<'a>((lo, hi): (u32, u32), parts: &[Part<'a>]) -> (Vec<Step<&'a [f32]>>, usize) {
    let mut find = |lo: u32, hi: u32| match parts.binary_search_by_key(&lo, |part| part.lo) {
        Ok(at) if parts[at].hi == hi => NodeValue::Known(parts[at].values),
        _ => NodeValue::Split,
    };
    steps(lo, hi, &mut find)
}

/// All values from `first` on that `out` has room for.
fn tiles((steps, depth): (&[Step<&[f32]>], usize), first: usize, round: fn(&mut [f32]), out: &mut [f32]) {
    let mut stack = vec![0.0f32; depth * TILE];
    for (at, out) in out.chunks_mut(TILE).enumerate() {
        tile(steps, first + at * TILE, round, (&mut stack, out));
    }
}

/// The sums of one tile, which begins at `start`.
fn tile(steps: &[Step<&[f32]>], start: usize, round: fn(&mut [f32]), (stack, out): (&mut [f32], &mut [f32])) {
    let (level, width) = (SimdLevel::detect(), out.len());
    let mut height = 0;
    for step in steps {
        match step {
            Step::Push(values) => {
                stack[height * TILE..][..width].copy_from_slice(&values[start..start + width]);
                height += 1;
            }
            Step::Add => {
                height -= 1;
                let (left, right) = stack.split_at_mut(height * TILE);
                let left = &mut left[(height - 1) * TILE..][..width];
                add_into(level, left, &right[..width]);
                round(left);
            }
        }
    }
    out.copy_from_slice(&stack[..width]);
}
