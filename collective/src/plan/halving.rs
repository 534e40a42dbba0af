//! Recursive halving over aligned groups of the tree: two neighbours, then two pairs, and so on. Each exchange is half as long as the one
//! before, so that as much is sent as directly, in fewer messages.

use super::{Group, Shape, Span};
use candlewick_protocol::tree::split;

/// As many levels as the trainers' tree is high. It need not be the tree of the shards: where a trainer's shards belong to both
/// halves of a node, it joins one of them, and its group has more nodes than one until the other half joins.
pub(super) fn levels(shape: &Shape) -> Vec<Vec<Group>> {
    let mut found: Vec<(usize, Group)> = Vec::new();
    let height = collect(shape, &(0..shape.ranks()), &mut found).max(1);
    let mut groups: Vec<Group> = (0..shape.ranks()).map(|rank| rank..rank + 1).collect();
    let mut levels = Vec::with_capacity(height);
    for level in 1..=height {
        for (_, group) in found.iter().filter(|(at, _)| *at == level) {
            groups.retain(|part| part.end <= group.start || group.end <= part.start);
            groups.push(group.clone());
        }
        groups.sort_unstable_by_key(|group| group.start);
        levels.push(groups.clone());
    }
    levels
}

/// The groups within this one, it included, with their heights; returns its own.
fn collect(shape: &Shape, group: &Group, found: &mut Vec<(usize, Group)>) -> usize {
    if group.len() < 2 {
        return 0;
    }
    let middle = middle(shape, group);
    let left = collect(shape, &(group.start..middle), found);
    let right = collect(shape, &(middle..group.end), found);
    let height = 1 + left.max(right);
    found.push((height, group.clone()));
    height
}

/// Where two groups become this one: the trainers' edge that is next to the middle of the smallest node over all their shards. No half
/// gets less than a quarter, or the way would be long where trainers own very different numbers of shards.
fn middle(shape: &Shape, group: &Group) -> usize {
    let shards = (shape.shards[group.start].0, shape.shards[group.end - 1].1);
    let node = smallest((0, shape.all_shards()), shards);
    let at = split(node.0, node.1);
    let least = group.len().div_ceil(4);
    let edges = group.start + least..=group.end - least;
    let distance = |rank: &usize| shape.shards[*rank].0.abs_diff(at);
    edges.min_by_key(distance).unwrap_or(group.start + 1)
}

/// The smallest node of the tree that has these shards.
fn smallest(mut node: Span, shards: Span) -> Span {
    loop {
        let middle = split(node.0, node.1);
        node = match node {
            (lo, hi) if hi - lo < 2 => return node,
            (lo, _) if shards.1 <= middle => (lo, middle),
            (_, hi) if middle <= shards.0 => (middle, hi),
            _ => return node,
        };
    }
}
