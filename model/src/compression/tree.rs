//! Sums over the reduction tree (rule B5) whose every node is made what a codec sends.

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

/// The node `lo..hi` of these parts, which are in the order of their shards: left + right, and then `round`, at each
/// addition. False where nothing is present; `out` is as it was then.
pub fn sum((lo, hi): (u32, u32), parts: &[Part<'_>], round: fn(&mut [f32]), out: &mut [f32]) -> bool {
    let mut find = |lo: u32, hi: u32| match parts.binary_search_by_key(&lo, |part| part.lo) {
        Ok(at) if parts[at].hi == hi => NodeValue::Known(parts[at].values),
        _ => NodeValue::Split,
    };
    let (steps, depth) = steps(lo, hi, &mut find);
    if steps.is_empty() {
        return false;
    }
    let mut stack = vec![0.0f32; depth * TILE];
    for (at, out) in out.chunks_mut(TILE).enumerate() {
        let (start, width) = (at * TILE, out.len());
        let mut height = 0;
        for step in &steps {
            match step {
                Step::Push(values) => {
                    let level = &mut stack[height * TILE..][..width];
                    level.copy_from_slice(&values[start..start + width]);
                    height += 1;
                }
                Step::Add => {
                    height -= 1;
                    let (left, right) = stack.split_at_mut(height * TILE);
                    let left = &mut left[(height - 1) * TILE..][..width];
                    left.iter_mut()
                        .zip(&right[..width])
                        .for_each(|(left, right)| *left += right);
                    round(left);
                }
            }
        }
        out.copy_from_slice(&stack[..width]);
    }
    true
}
