//! The reduction tree of a node, rule B5, as a short program for a stack machine.

use candlewick_protocol::tree::{self, NodeValue, Step};

/// The rows of a leaf within the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// First row.
    pub start: usize,
    /// Number of rows, at least 1.
    pub rows: usize,
}

/// The value of a node in terms of its leaves. Leaves without rows do not occur: absent + x is x untouched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    steps: Vec<Step<Leaf>>,
    depth: usize,
}

impl Program {
    /// The program of node `[lo, hi)`; `leaf` returns the first row and the number of rows of a shard.
    #[must_use]
    pub fn of(lo: u32, hi: u32, leaf: &dyn Fn(u32) -> (usize, usize)) -> Self {
        let mut find = |lo: u32, hi: u32| match hi - lo {
            1 => {
                let (start, rows) = leaf(lo);
                NodeValue::Known((rows > 0).then_some(Leaf { start, rows }))
            }
            _ => NodeValue::Split,
        };
        let (steps, depth) = tree::steps(lo, hi, &mut find);
        Program { steps, depth }
    }

    /// The steps.
    pub(crate) fn steps(&self) -> &[Step<Leaf>] {
        &self.steps
    }

    /// Values on the stack at most; 0 where no leaf has rows.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Rows under the node.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.leaves().map(|(_, rows)| rows).sum()
    }

    /// First row and number of rows of every leaf, in order.
    pub fn leaves(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.steps.iter().filter_map(|step| match step {
            Step::Push(leaf) => Some((leaf.start, leaf.rows)),
            Step::Add => None,
        })
    }

    /// Evaluates the node leaf by leaf into `into`. `spare` holds the stack above its bottom and grows as needed;
    /// `leaf(start, rows, values)` sets the value of a leaf; `add(left, right)` forms `left += right`.
    pub fn evaluate(
        &self,
        into: &mut [f32],
        spare: &mut Vec<Vec<f32>>,
        mut leaf: impl FnMut(usize, usize, &mut [f32]),
        add: impl Fn(&mut [f32], &[f32]),
    ) {
        let length = into.len();
        if spare.len() + 1 < self.depth {
            spare.resize_with(self.depth - 1, Vec::new);
        }
        for level in spare.iter_mut().take(self.depth.saturating_sub(1)) {
            if level.len() < length {
                level.resize(length, 0.0);
            }
        }
        let mut height = 0;
        for step in &self.steps {
            match *step {
                Step::Push(Leaf { start, rows }) => {
                    let place = if height == 0 {
                        &mut *into
                    } else {
                        &mut spare[height - 1][..length]
                    };
                    leaf(start, rows, place);
                    height += 1;
                }
                Step::Add => {
                    let (below, above) = spare.split_at_mut(height - 2);
                    let left = match below.last_mut() {
                        Some(level) => &mut level[..length],
                        None => &mut *into,
                    };
                    add(left, &above[0][..length]);
                    height -= 1;
                }
            }
        }
    }
}

/// A level of a stack whose bottom is the result, and the level below it.
pub(crate) fn level_of<'a>(
    (into, stack): (&'a mut [f32], &'a mut [f32]),
    height: usize,
    width: usize,
) -> (&'a mut [f32], &'a mut [f32]) {
    match height {
        0 => (&mut [], into),
        1 => (into, &mut stack[..width]),
        _ => stack[(height - 2) * width..height * width].split_at_mut(width),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_protocol::tree::split;

    fn value(program: &Program, leaves: &[f32]) -> Option<f32> {
        let mut out = [f32::NAN];
        program.evaluate(
            &mut out,
            &mut Vec::new(),
            |start, _, v| v[0] = leaves[start],
            |l, r| l[0] += r[0],
        );
        (program.depth() > 0).then_some(out[0])
    }

    fn reference(lo: u32, hi: u32, leaf: &[Option<f32>]) -> Option<f32> {
        if hi - lo == 1 {
            return leaf[lo as usize];
        }
        let middle = split(lo, hi);
        match (reference(lo, middle, leaf), reference(middle, hi, leaf)) {
            (Some(left), Some(right)) => Some(left + right),
            (left, right) => left.or(right),
        }
    }

    #[test]
    fn programs_follow_the_tree() {
        let mut state = 1u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u32
        };
        for _ in 0..2_000 {
            let v = 1 + random() % 40;
            let leaves: Vec<Option<f32>> = (0..v)
                .map(|_| {
                    (random() % 5 > 0).then(|| (random() as f32 - 1e9) * 10f32.powi(random() as i32 % 9))
                })
                .collect();
            let flat: Vec<f32> = leaves.iter().map(|leaf| leaf.unwrap_or(f32::NAN)).collect();
            let program = Program::of(0, v, &|shard| {
                (shard as usize, usize::from(leaves[shard as usize].is_some()))
            });
            assert!(program.depth() <= v.next_power_of_two().ilog2() as usize + 1);
            assert_eq!(
                value(&program, &flat).map(f32::to_bits),
                reference(0, v, &leaves).map(f32::to_bits)
            );
        }
    }

    #[test]
    fn a_lone_leaf_keeps_its_sign_of_zero() {
        let program = Program::of(0, 4, &|shard| (shard as usize, usize::from(shard == 2)));
        assert_eq!(
            value(&program, &[1.0, 1.0, -0.0, 1.0]).unwrap().to_bits(),
            (-0.0f32).to_bits()
        );
        assert_eq!(value(&Program::of(0, 4, &|_| (0, 0)), &[]), None);
    }
}
