//! Assembling the root of the reduction tree from the nodes of all trainers, rule B5.

use candlewick_protocol::rows::{SparseRows, SparseRowsView};
use candlewick_protocol::tree::{NodeValue, Step, steps};

/// Values worked on at once: the partial sums of a tile stay in the first-level cache.
const TILE: usize = 2048;

/// A node's shards, and whether it is present.
pub(crate) type NodePresence = ((u32, u32), bool);

/// A step of the sum, on a stack of partial sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    /// Push node `.0`.
    Load(usize),
    /// Push node `.0` + node `.1`.
    Sum(usize, usize),
    /// top = top + node `.0`.
    AddNode(usize),
    /// Pop the right one; top = top + right.
    Add,
}

/// The steps with every addition of a node as one pass: a node that was just pushed is added from where it lies.
fn fused(steps: &[Step<usize>]) -> Vec<Op> {
    let mut ops = Vec::with_capacity(steps.len());
    for step in steps {
        let op = match (step, ops.as_slice()) {
            (Step::Push(node), _) => Op::Load(*node),
            (Step::Add, [.., Op::Load(left), Op::Load(right)]) => Op::Sum(*left, *right),
            (Step::Add, [.., Op::Load(right)]) => Op::AddNode(*right),
            (Step::Add, _) => Op::Add,
        };
        let replaced = match op {
            Op::Sum(..) => 2,
            Op::AddNode(_) => 1,
            Op::Load(_) | Op::Add => 0,
        };
        ops.truncate(ops.len() - replaced);
        ops.push(op);
    }
    ops
}

/// The sum over a node of the tree as a list of steps; `nodes` says which nodes there are, in shard order, and which of them are
/// present. Empty where none is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    ops: Vec<Op>,
    depth: usize,
}

impl Program {
    pub(crate) fn new(nodes: &[NodePresence], (lo, hi): (u32, u32)) -> Self {
        // Nodes do not overlap, so one at most begins at a shard.
        let at = |lo: u32, hi: u32| {
            let found = nodes.binary_search_by_key(&lo, |(node, _)| node.0).ok()?;
            (nodes[found].0.1 == hi).then_some(found)
        };
        let mut find = |lo: u32, hi: u32| match at(lo, hi) {
            Some(at) => NodeValue::Known(nodes[at].1.then_some(at)),
            None => NodeValue::Split,
        };
        let (steps, _) = steps(lo, hi, &mut find);
        let ops = fused(&steps);
        let (mut height, mut depth) = (0usize, 0);
        for op in &ops {
            match op {
                Op::Load(_) | Op::Sum(..) => height += 1,
                Op::AddNode(_) => {}
                Op::Add => height -= 1,
            }
            depth = depth.max(height);
        }
        Program { ops, depth }
    }

    /// True where some node is present.
    pub(crate) fn is_present(&self) -> bool {
        !self.ops.is_empty()
    }

    /// Writes the root's values; `nodes[i]` are those of node i, as long as `out` where it is present.
    pub(crate) fn run(&self, nodes: &[&[f32]], out: &mut [f32], scratch: &mut Vec<f32>) {
        if !self.is_present() {
            return;
        }
        // The lowest partial sum is formed in `out` itself.
        scratch.resize(self.depth.saturating_sub(1) * TILE, 0.0);
        let mut start = 0;
        for out in out.chunks_mut(TILE) {
            let range = start..start + out.len();
            start = range.end;
            self.run_tile(nodes, range, out, scratch);
        }
    }

    /// Partial sums on the stack at most.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// As [`Program::run`], of the rows of a table, into the lowest of `levels`, of which there are as many as the
    /// stack gets deep; `node(i)` are the rows of node i.
    pub(crate) fn run_rows<'a>(
        &self,
        levels: &mut [SparseRows],
        spare: &mut SparseRows,
        node: impl Fn(usize) -> SparseRowsView<'a>,
    ) {
        let mut height = 0usize;
        for op in &self.ops {
            match *op {
                Op::Load(at) => {
                    levels[height].set(node(at));
                    height += 1;
                }
                Op::Sum(left, right) => {
                    levels[height].set_sum(node(left), node(right));
                    height += 1;
                }
                Op::AddNode(at) => {
                    spare.set_sum(levels[height - 1].view(), node(at));
                    std::mem::swap(&mut levels[height - 1], spare);
                }
                Op::Add => {
                    height -= 1;
                    spare.set_sum(levels[height - 1].view(), levels[height].view());
                    std::mem::swap(&mut levels[height - 1], spare);
                }
            }
        }
    }

    fn run_tile(
        &self,
        nodes: &[&[f32]],
        range: std::ops::Range<usize>,
        out: &mut [f32],
        scratch: &mut [f32],
    ) {
        let width = out.len();
        let mut height = 0usize;
        for op in &self.ops {
            match *op {
                Op::Load(node) => {
                    level(out, scratch, height, width).copy_from_slice(&nodes[node][range.clone()]);
                    height += 1;
                }
                Op::Sum(left, right) => {
                    let (left, right) = (&nodes[left][range.clone()], &nodes[right][range.clone()]);
                    let to = level(out, scratch, height, width);
                    for ((to, left), right) in to.iter_mut().zip(left).zip(right) {
                        *to = left + right;
                    }
                    height += 1;
                }
                Op::AddNode(node) => add(
                    level(out, scratch, height - 1, width),
                    &nodes[node][range.clone()],
                ),
                Op::Add => {
                    height -= 1;
                    if height == 1 {
                        add(out, &scratch[..width]);
                    } else {
                        let (left, right) = scratch.split_at_mut((height - 1) * TILE);
                        add(&mut left[(height - 2) * TILE..][..width], &right[..width]);
                    }
                }
            }
        }
    }
}

/// The partial sum at a height of the stack.
fn level<'a>(out: &'a mut [f32], scratch: &'a mut [f32], height: usize, width: usize) -> &'a mut [f32] {
    if height == 0 {
        out
    } else {
        &mut scratch[(height - 1) * TILE..][..width]
    }
}

/// left = left + right, element by element; the compiler makes vector instructions of it.
fn add(left: &mut [f32], right: &[f32]) {
    for (left, right) in left.iter_mut().zip(right) {
        *left += right;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_protocol::order::mix;
    use candlewick_protocol::plan::ownership;
    use candlewick_protocol::tree::assemble;
    use candlewick_protocol::tree::cover;

    fn program(nodes: &[NodePresence], shards: u32) -> Program {
        Program::new(nodes, (0, shards))
    }

    #[test]
    fn absent_nodes_leave_no_trace() {
        let nodes = [((0, 4), false), ((4, 6), true), ((6, 8), false)];
        let program = program(&nodes, 8);
        assert_eq!(program.ops, [Op::Load(1)]);
        let mut out = [1.0];
        program.run(&[&[], &[-0.0], &[]], &mut out, &mut Vec::new());
        assert!(out[0].is_sign_negative());
    }

    #[test]
    fn the_order_is_the_trees() {
        let leaves: Vec<NodePresence> = (0..8).map(|leaf| ((leaf, leaf + 1), true)).collect();
        let program = program(&leaves, 8);
        assert_eq!(program.depth, 3);
        let values: Vec<Vec<f32>> = (0..8u32)
            .map(|leaf| vec![1.0 / (leaf as f32 + 1.3); 5000])
            .collect();
        let nodes: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
        let mut out = vec![0.0; 5000];
        program.run(&nodes, &mut out, &mut Vec::new());
        let v = |leaf: usize| values[leaf][0];
        let expected = ((v(0) + v(1)) + (v(2) + v(3))) + ((v(4) + v(5)) + (v(6) + v(7)));
        assert!(out.iter().all(|value| value.to_bits() == expected.to_bits()));
    }

    /// The program as it was compiled before: by a look through all nodes for every node of the tree.
    fn slow(nodes: &[NodePresence], shards: u32) -> Vec<Op> {
        let mut find = |lo: u32, hi: u32| match nodes.iter().position(|(node, _)| *node == (lo, hi)) {
            Some(at) => NodeValue::Known(nodes[at].1.then(|| vec![Op::Load(at)])),
            None => NodeValue::Split,
        };
        let mut add = |mut left: Vec<Op>, right: Vec<Op>| {
            match (left.as_slice(), right.as_slice()) {
                ([Op::Load(first)], [Op::Load(second)]) => left = vec![Op::Sum(*first, *second)],
                (_, [Op::Load(node)]) => left.push(Op::AddNode(*node)),
                _ => {
                    left.extend(right);
                    left.push(Op::Add);
                }
            }
            left
        };
        assemble(0, shards, &mut find, &mut add).unwrap_or_default()
    }

    #[test]
    fn the_program_is_that_of_the_slow_form_for_any_shape() {
        for round in 0..400u32 {
            let random = |at: u64| mix(at, 11, round);
            let shards = 1 + u32::try_from(random(0) % 90).unwrap();
            let ranks = 1 + usize::try_from(random(1) % u64::from(shards)).unwrap();
            let nodes: Vec<NodePresence> = ownership(shards, ranks)
                .into_iter()
                .flat_map(|(lo, hi)| cover(lo, hi, shards))
                .zip(2..)
                .map(|(node, at)| (node, !random(at).is_multiple_of(1 + u64::from(round % 5))))
                .collect();
            assert_eq!(Program::new(&nodes, (0, shards)).ops, slow(&nodes, shards));
        }
    }

    /// What it costs; run with --ignored --nocapture.
    #[test]
    #[ignore = "a measurement"]
    fn time_to_compile() {
        for shards in [1_024, 8_192] {
            let nodes: Vec<NodePresence> = (0..shards).map(|leaf| ((leaf, leaf + 1), true)).collect();
            for (name, compile) in [
                ("before", slow as fn(&[NodePresence], u32) -> Vec<Op>),
                ("now", |nodes, shards| Program::new(nodes, (0, shards)).ops),
            ] {
                let begin = std::time::Instant::now();
                for _ in 0..10 {
                    std::hint::black_box(compile(&nodes, shards));
                }
                println!("V = {shards}, {name}: {:?} a program", begin.elapsed() / 10);
            }
        }
    }

    #[test]
    fn nothing_present_is_an_empty_program() {
        assert!(!program(&[((0, 2), false)], 2).is_present());
    }
}
