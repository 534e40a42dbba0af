//! The reduction tree over the logical shards, rule B5: sums are formed in one order, whoever owns the shards.
//!
//! `node(lo, hi)` is the leaf `lo` where `hi - lo` is 1; else it is `node(lo, m) + node(m, hi)`, left first, with `m`
//! from [`split`]. A leaf without rows is absent, and absent + x is x untouched (so -0.0 stays -0.0).

/// Where the node `[lo, hi)` of more than one leaf splits: at `lo` plus the largest power of two below `hi - lo`.
///
/// ```
/// use candlewick_protocol::tree::split;
/// assert_eq!(split(0, 8), 4);
/// assert_eq!(split(2, 5), 4);
/// ```
#[must_use]
pub const fn split(lo: u32, hi: u32) -> u32 {
    let width = hi.saturating_sub(lo);
    if width < 2 {
        hi
    } else {
        lo + (1 << (31 - (width - 1).leading_zeros()))
    }
}

/// The most nodes that a range of at most so many shards consists of, wherever it lies: two of each size.
///
/// ```
/// use candlewick_protocol::tree::{cover, most_nodes};
/// assert_eq!(most_nodes(4), 3);
/// assert_eq!(cover(3, 7, 8).len(), 3);
/// ```
#[must_use]
pub fn most_nodes(shards: u32) -> u32 {
    let (mut nodes, mut left, mut size) = (0, shards, 1);
    while left >= size {
        let fit = (left / size).min(2);
        nodes += fit;
        left -= fit * size;
        size = size.saturating_mul(2);
    }
    nodes
}

/// The maximal nodes of the tree over `v` shards that lie wholly in `[lo_owned, hi_owned)`, in shard order: what the
/// owner of that range sends.
///
/// ```
/// use candlewick_protocol::tree::cover;
/// assert_eq!(cover(2, 5, 8), [(2, 4), (4, 5)]);
/// assert_eq!(cover(0, 8, 8), [(0, 8)]);
/// ```
#[must_use]
pub fn cover(lo_owned: u32, hi_owned: u32, v: u32) -> Vec<(u32, u32)> {
    let mut nodes = Vec::new();
    collect_cover((lo_owned, hi_owned), 0, v, &mut nodes);
    nodes
}

fn collect_cover(owned: (u32, u32), lo: u32, hi: u32, nodes: &mut Vec<(u32, u32)>) {
    if hi <= lo || hi <= owned.0 || owned.1 <= lo {
        return;
    }
    if owned.0 <= lo && hi <= owned.1 {
        nodes.push((lo, hi));
        return;
    }
    let middle = split(lo, hi);
    collect_cover(owned, lo, middle, nodes);
    collect_cover(owned, middle, hi, nodes);
}

/// What is known of a node while the tree is assembled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeValue<T> {
    /// The value of the node; `None` where no shard under it has rows.
    Known(Option<T>),
    /// The node is the sum of its two children.
    Split,
}

/// The value of `node(lo, hi)`: `find` tells what is known of a node (asked from the root down, left before right),
/// `add` forms left + right. `None` where no leaf is present. A leaf that is not known counts as absent.
///
/// ```
/// use candlewick_protocol::tree::{NodeValue, assemble};
/// let leaves = [Some("a"), None, Some("c")];
/// let mut find = |lo: u32, hi: u32| match hi - lo {
///     1 => NodeValue::Known(leaves[lo as usize].map(str::to_owned)),
///     _ => NodeValue::Split,
/// };
/// let sum = assemble(0, 3, &mut find, &mut |left, right| format!("({left}+{right})"));
/// assert_eq!(sum.as_deref(), Some("(a+c)"));
/// ```
pub fn assemble<T>(
    lo: u32,
    hi: u32,
    find: &mut dyn FnMut(u32, u32) -> NodeValue<T>,
    add: &mut dyn FnMut(T, T) -> T,
) -> Option<T> {
    if hi <= lo {
        return None;
    }
    match find(lo, hi) {
        NodeValue::Known(value) => value,
        NodeValue::Split if hi - lo == 1 => None,
        NodeValue::Split => {
            let middle = split(lo, hi);
            let left = assemble(lo, middle, find, add);
            let right = assemble(middle, hi, find, add);
            match (left, right) {
                (Some(left), Some(right)) => Some(add(left, right)),
                (left, right) => left.or(right),
            }
        }
    }
}

/// A step of a sum over the tree, on a stack of partial sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<L> {
    /// Push the value of a node.
    Push(L),
    /// Pop right, then left; push left + right.
    Add,
}

/// The sum of `node(lo, hi)` as steps of a stack machine, and the values on its stack at most; `find` tells as in
/// [`assemble`] which nodes there are. No steps where none is present.
///
/// ```
/// use candlewick_protocol::tree::{NodeValue, Step, steps};
/// let mut find = |lo: u32, hi: u32| match hi - lo {
///     1 => NodeValue::Known((lo != 1).then_some(lo)),
///     _ => NodeValue::Split,
/// };
/// assert_eq!(steps(0, 3, &mut find), (vec![Step::Push(0), Step::Push(2), Step::Add], 2));
/// ```
pub fn steps<L>(lo: u32, hi: u32, find: &mut dyn FnMut(u32, u32) -> NodeValue<L>) -> (Vec<Step<L>>, usize) {
    let (mut steps, mut depth) = (Vec::new(), 0);
    push_steps((lo, hi), 0, find, &mut |step, height: usize| {
        steps.push(step);
        depth = depth.max(height);
    });
    (steps, depth)
}

/// Adds the steps of a node to those of a stack that holds `height` values; false where nothing is present.
fn push_steps<L>(
    (lo, hi): (u32, u32),
    height: usize,
    find: &mut dyn FnMut(u32, u32) -> NodeValue<L>,
    push: &mut dyn FnMut(Step<L>, usize),
) -> bool {
    if hi <= lo {
        return false;
    }
    match find(lo, hi) {
        NodeValue::Known(Some(node)) => push(Step::Push(node), height + 1),
        NodeValue::Known(None) => return false,
        NodeValue::Split if hi - lo == 1 => return false,
        NodeValue::Split => {
            let middle = split(lo, hi);
            let left = push_steps((lo, middle), height, find, push);
            let right = push_steps((middle, hi), height + usize::from(left), find, push);
            if left && right {
                push(Step::Add, height + 1);
            }
            return left || right;
        }
    }
    true
}

/// The sum of `leaves` in tree order, in f64: losses and denominators. `None` where all are absent.
///
/// ```
/// use candlewick_protocol::tree::reduce_f64;
/// assert_eq!(reduce_f64(&[Some(1.0), None, Some(2.0)]), Some(3.0));
/// assert_eq!(reduce_f64(&[None, None]), None);
/// ```
#[must_use]
pub fn reduce_f64(leaves: &[Option<f64>]) -> Option<f64> {
    let mut find = |lo: u32, hi: u32| match hi - lo {
        1 => NodeValue::Known(leaves[lo as usize]),
        _ => NodeValue::Split,
    };
    assemble(
        0,
        u32::try_from(leaves.len()).ok()?,
        &mut find,
        &mut |left, right| left + right,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_the_largest_power_of_two_below() {
        let splits: Vec<u32> = (2..=9).map(|hi| split(0, hi)).collect();
        assert_eq!(splits, [1, 2, 2, 4, 4, 4, 4, 8]);
        assert_eq!(split(3, 4), 4);
        assert_eq!(split(0, u32::MAX), 1 << 31);
    }

    #[test]
    fn no_range_has_more_nodes_than_its_size_allows() {
        for v in 1..70 {
            for lo in 0..v {
                for hi in lo + 1..=v {
                    assert!(
                        cover(lo, hi, v).len() <= most_nodes(hi - lo) as usize,
                        "{lo}..{hi} of {v}"
                    );
                }
            }
        }
        let worst = |shards: u32| (0..=64 - shards).map(|lo| cover(lo, lo + shards, 64).len()).max();
        for most in 1..33 {
            let found = (1..=most).filter_map(worst).max();
            assert_eq!(
                found,
                Some(most_nodes(most) as usize),
                "some range of at most {most} has so many"
            );
        }
    }

    #[test]
    fn covers_of_neighbours_are_the_whole_tree() {
        for v in 1..40 {
            for owners in 1..=v {
                let mut nodes = Vec::new();
                for (lo, hi) in crate::plan::ownership(v, owners as usize) {
                    nodes.extend(cover(lo, hi, v));
                }
                assert_eq!((nodes[0].0, nodes[nodes.len() - 1].1), (0, v));
                assert!(nodes.windows(2).all(|pair| pair[0].1 == pair[1].0));
            }
        }
        assert!(cover(3, 3, 8).is_empty());
    }

    #[test]
    fn absent_leaves_keep_the_sign_of_zero() {
        let sum = reduce_f64(&[None, Some(-0.0), None]).unwrap();
        assert!(sum.is_sign_negative());
        assert_eq!(reduce_f64(&[]), None);
    }

    #[test]
    fn the_order_of_additions_is_the_trees() {
        // (1e16 + 1) + (-1e16 + 1) in tree order; left to right it would be 1.
        assert_eq!(
            reduce_f64(&[Some(1e16), Some(1.0), Some(-1e16), Some(1.0)]),
            Some(0.0)
        );
    }
}
