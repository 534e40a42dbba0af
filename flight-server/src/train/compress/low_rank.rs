//! Gradients as matrices of low rank (`"powersgd:rank"`): two sums of f32 along the tree in every step.

use super::super::{Interrupt, Reduce};
use super::{Compressor, bounds};
use candlewick_model::compression::{LowRank, Part, sum_on};
use candlewick_model::engine::NodeGradient;
use candlewick_model::kernels::{Kernels, Workers};
use candlewick_protocol::Failure;
use std::sync::Arc;

/// The rule, and what is kept for the next step: the right factors, which all trainers have.
#[derive(Debug)]
pub(super) struct Factors {
    pub(super) rule: LowRank,
    pub(super) right: Vec<f32>,
    /// By thread, what it computes with.
    kernels: Vec<Kernels>,
}

impl Factors {
    pub(super) fn new(rule: LowRank, workers: &Workers) -> Result<Self, Failure> {
        let kernels = (0..workers.threads()).map(|_| Kernels::new(1));
        Ok(Factors {
            right: vec![0.0; rule.factors_len()],
            kernels: kernels.collect::<Result<_, Failure>>()?,
            rule,
        })
    }
}

/// Does something with each item, each thread with kernels of its own: leaves are as many as they are, and none depends on who has it.
fn each<T: Send>(
    workers: &Workers,
    kernels: &mut [Kernels],
    items: &mut [T],
    body: impl Fn(&mut Kernels, &mut T) + Send + Sync,
) {
    let share = items.len().div_ceil(kernels.len().max(1)).max(1);
    let mut shares: Vec<_> = kernels.iter_mut().zip(items.chunks_mut(share)).collect();
    workers.each(&mut shares, |_, (kernels, items)| {
        items.iter_mut().for_each(|item| body(kernels, item));
    });
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
        Factors { rule, right, kernels }: &mut Factors,
        (step, leaves): (u64, &mut [NodeGradient]),
        reduce: &mut dyn Reduce,
        out: &mut [f32],
    ) -> Result<(), Interrupt> {
        rule.renew(right);
        let workers = Arc::clone(&self.workers);
        let mut firsts = vec![vec![0.0; rule.first_len()]; leaves.len()];
        let own = leaves.iter_mut().zip(&self.left).zip(&mut firsts);
        let mut own: Vec<_> = own.filter(|((leaf, _), _)| leaf.present).collect();
        each(&workers, kernels, &mut own, |kernels, ((leaf, left), first)| {
            rule.first(kernels, (&mut leaf.values, left), right, first);
        });
        let mut first = vec![0.0; rule.first_len()];
        self.sum_of(step, (leaves, &firsts), reduce, &mut first)?;
        if !first.iter().all(|value| value.is_finite()) {
            // A gradient that is not finite is told as that, and what is remembered stays as it is.
            out.fill(f32::NAN);
            return Ok(());
        }
        rule.orthonormalise(&mut first);
        let mut seconds = vec![vec![0.0; rule.factors_len()]; leaves.len()];
        let own = leaves.iter().zip(&mut seconds);
        let mut own: Vec<_> = own.filter(|(leaf, _)| leaf.present).collect();
        each(&workers, kernels, &mut own, |kernels, (leaf, second)| {
            rule.second(kernels, &leaf.values, &first, second);
        });
        let mut sum = vec![0.0; rule.factors_len()];
        self.sum_of(step, (leaves, &seconds), reduce, &mut sum)?;
        let (rank, ranks) = reduce.rank();
        self.sent[1] += self.direct(self.length, leaves, (rank, ranks));
        if let Some(kernels) = kernels.first_mut() {
            rule.expand(kernels, &first, &sum, out);
        }
        if !sum.iter().chain(&*out).all(|value| value.is_finite()) {
            // Finite gradients may have a product that is not. Factors that are not finite would make all later steps so.
            out.fill(f32::NAN);
            return Ok(());
        }
        right.copy_from_slice(&sum);
        let own = leaves.iter().zip(&mut self.left).zip(&seconds);
        let mut own: Vec<_> = own.filter(|((leaf, _), _)| leaf.present).collect();
        each(&workers, kernels, &mut own, |kernels, ((leaf, left), second)| {
            rule.rest(kernels, (&leaf.values, &first), second, left);
        });
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
            node.present = sum_on(&self.workers, (lo, hi), &parts, |_| {}, &mut node.values);
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
