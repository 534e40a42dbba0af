//! Gradients as matrices of low rank (`"powersgd:rank"`): two sums of f32 along the tree in every step.

use super::super::{Interrupt, Reduce};
use super::{Compressor, bounds};
use candlewick_model::compression::{LowRank, Part, sum};
use candlewick_model::engine::NodeGradient;

/// The rule, and what is kept for the next step: the right factors, which all trainers have.
#[derive(Debug)]
pub(super) struct Factors {
    pub(super) rule: LowRank,
    pub(super) right: Vec<f32>,
}

impl Compressor {
    /// The sum of all shards' gradients, of the leaves of this trainer's.
    pub(super) fn by_low_rank(
        &mut self,
        step: u64,
        leaves: &mut [NodeGradient],
        reduce: &mut dyn Reduce,
        out: &mut [f32],
    ) -> Result<(), Interrupt> {
        let Some(mut factors) = self.factors.take() else {
            return Ok(());
        };
        let done = self.by_factors(&mut factors, (step, leaves), reduce, out);
        self.factors = Some(factors);
        done
    }

    fn by_factors(
        &mut self,
        Factors { rule, right }: &mut Factors,
        (step, leaves): (u64, &mut [NodeGradient]),
        reduce: &mut dyn Reduce,
        out: &mut [f32],
    ) -> Result<(), Interrupt> {
        rule.renew(right);
        let firsts = leaves.iter_mut().zip(&self.left).map(|(leaf, left)| {
            let mut first = vec![0.0; rule.first_len()];
            if leaf.present {
                rule.first(&mut leaf.values, left, right, &mut first);
            }
            first
        });
        let firsts: Vec<Vec<f32>> = firsts.collect();
        let mut first = vec![0.0; rule.first_len()];
        self.sum_of(step, (leaves, &firsts), reduce, &mut first)?;
        if !first.iter().all(|value| value.is_finite()) {
            // A gradient that is not finite is told as that, and what is remembered stays as it is.
            out.fill(f32::NAN);
            return Ok(());
        }
        rule.orthonormalise(&mut first);
        let seconds = leaves.iter().map(|leaf| {
            let mut second = vec![0.0; rule.factors_len()];
            if leaf.present {
                rule.second(&leaf.values, &first, &mut second);
            }
            second
        });
        let seconds: Vec<Vec<f32>> = seconds.collect();
        let mut sum = vec![0.0; rule.factors_len()];
        self.sum_of(step, (leaves, &seconds), reduce, &mut sum)?;
        let (rank, ranks) = reduce.rank();
        self.sent[1] += self.direct(self.length, leaves, (rank, ranks));
        rule.expand(&first, &sum, out);
        if !sum.iter().chain(&*out).all(|value| value.is_finite()) {
            // Finite gradients may have a product that is not. Factors that are not finite would make all later steps so.
            out.fill(f32::NAN);
            return Ok(());
        }
        right.copy_from_slice(&sum);
        for ((leaf, left), second) in leaves.iter().zip(&mut self.left).zip(&seconds) {
            if leaf.present {
                rule.rest(&leaf.values, &first, second, left);
            }
        }
        Ok(())
    }

    /// The sum of what each present leaf has, over all shards.
    fn sum_of(
        &mut self,
        step: u64,
        (leaves, values): (&[NodeGradient], &[Vec<f32>]),
        reduce: &mut dyn Reduce,
        out: &mut [f32],
    ) -> Result<(), Interrupt> {
        let parts = leaves.iter().zip(values).map(|(leaf, values)| Part {
            lo: leaf.lo,
            hi: leaf.hi,
            values: leaf.present.then_some(values.as_slice()),
        });
        let parts: Vec<Part<'_>> = parts.collect();
        let nodes = self.covers(leaves).into_iter().map(|(lo, hi)| {
            let mut node = NodeGradient::new(lo, hi);
            node.values.resize(out.len(), 0.0);
            node.present = sum((lo, hi), &parts, |_| {}, &mut node.values);
            node
        });
        let nodes: Vec<NodeGradient> = nodes.collect();
        reduce.sum(step, &[], &nodes, (out, &mut []))?;
        self.sent[0] += self.direct(out.len(), leaves, reduce.rank());
        Ok(())
    }

    /// Bytes that this trainer sends of so many values, where each adds up a part of them for all.
    fn direct(&self, length: usize, leaves: &[NodeGradient], (rank, ranks): (usize, usize)) -> u64 {
        let mine = bounds(length, ranks, rank).len();
        let values = (length - mine) * self.covers(leaves).len() + mine * (ranks - 1);
        if ranks > 1 {
            (values * size_of::<f32>()) as u64
        } else {
            0
        }
    }
}
