//! Gradients that are compressed before they are exchanged (`gradientCompression`): the codec is the model's, the exchange is
//! this.
//!
//! What a codec remembers of each logical shard is known to its owner alone, and no loss may change a bit. So at the settled
//! points of the run (`settled.rs`) what is left is added up over all shards; each shard goes on with an equal part of it
//! ([`Compressor::is_even`]).

use super::{Interrupt, Reduce};
use candlewick_collective::Reduced;
use candlewick_model::compression::{BLOCK, Codec, LowRank, Part, read_nodes, sum_on, write_node};
use candlewick_model::engine::{Gradient, NodeGradient};
use candlewick_model::kernels::Workers;
use candlewick_model::network::Network;
use candlewick_protocol::Failure;
use candlewick_protocol::compression::{CompressionUse, GradientCompression};
use candlewick_protocol::rows::SparseRows;
use candlewick_protocol::tree::{NodeValue, assemble, cover};
use low_rank::Factors;
use std::ops::Range;
use std::sync::Arc;

mod low_rank;

/// A step of a run, and what its shards say beside the gradient.
pub(super) type StepScalars<'a> = (u64, &'a [(u32, Option<Vec<f64>>)]);

/// See the module.
#[derive(Debug)]
pub(super) struct Compressor {
    codec: Option<Arc<Codec>>,
    /// In its place.
    factors: Option<Factors>,
    remembers: bool,
    shards: u32,
    /// Values of a node.
    length: usize,
    /// What was not sent, of each shard that this trainer owns.
    left: Vec<Vec<f32>>,
    /// Every shard has an equal part of what is left.
    even: bool,
    /// Bytes that were packed for other trainers, and those of the same values as f32.
    sent: [u64; 2],
    workers: Arc<Workers>,
}

/// Values of what is left over all shards, and of factors that are kept, which are part of the state.
pub(super) fn left_len(compression: GradientCompression, network: &Network) -> usize {
    if !compression.remembers() {
        return 0;
    }
    let length = Gradient::node_len(network);
    let factors = compression.rank();
    length + factors.map_or(0, |rank| LowRank::new(rank, network, length).factors_len())
}

impl Compressor {
    /// That of this kind, where it is one; it works on these threads.
    pub(super) fn new(
        compression: GradientCompression,
        shards: u32,
        network: &Network,
        workers: &Arc<Workers>,
    ) -> Result<Option<Self>, Failure> {
        let length = Gradient::node_len(network);
        let codec = Codec::new(compression, network, length).map(Arc::new);
        let rule = compression.rank().map(|rank| LowRank::new(rank, network, length));
        let factors = rule.map(|rule| Factors::new(rule, workers)).transpose()?;
        if codec.is_none() && factors.is_none() {
            return Ok(None);
        }
        Ok(Some(Compressor {
            codec,
            factors,
            remembers: compression.remembers(),
            shards,
            length,
            left: Vec::new(),
            even: true,
            sent: [0; 2],
            workers: Arc::clone(workers),
        }))
    }

    /// True where a run can be saved and gone back to.
    pub(super) fn is_even(&self) -> bool {
        self.even
    }

    /// True where that is not so everywhere.
    pub(super) fn remembers(&self) -> bool {
        self.remembers
    }

    /// Gives each of these shards its part of what is left over all.
    pub(super) fn deal(&mut self, owned: &Range<u32>, left: &[f32]) {
        self.even = true;
        if !self.remembers {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "there are at most 65,536 shards")]
        let part = 1.0 / self.shards as f32;
        let (left, right) = left.split_at(self.length);
        if let Some(factors) = &mut self.factors {
            factors.right.copy_from_slice(right);
        }
        self.left.resize_with(owned.len(), Vec::new);
        for of_shard in &mut self.left {
            of_shard.clear();
            of_shard.extend(left.iter().map(|value| value * part));
        }
    }

    /// What is left over all shards.
    pub(super) fn add_up(
        &self,
        step: u64,
        leaves: &[NodeGradient],
        reduce: &mut dyn Reduce,
    ) -> Result<Vec<f32>, Interrupt> {
        let none = |_: &mut [f32]| {};
        let parts = leaves.iter().zip(&self.left).map(|(leaf, left)| Part {
            lo: leaf.lo,
            hi: leaf.hi,
            values: Some(left),
        });
        let parts: Vec<Part<'_>> = parts.collect();
        let nodes = self.covers(leaves).into_iter().map(|(lo, hi)| {
            let mut node = NodeGradient::new(lo, hi);
            node.values.resize(self.length, 0.0);
            node.present = sum_on(&self.workers, (lo, hi), &parts, none, &mut node.values);
            node
        });
        let nodes: Vec<NodeGradient> = nodes.collect();
        let mut left = vec![0.0; self.length];
        reduce.sum(step, &[], &nodes, (&mut left, &mut []))?;
        left.extend(self.factors.iter().flat_map(|factors| &factors.right));
        Ok(left)
    }

    /// The maximal nodes of the leaves' shards.
    fn covers(&self, leaves: &[NodeGradient]) -> Vec<(u32, u32)> {
        match leaves {
            [first, .., last] => cover(first.lo, last.hi, self.shards),
            [one] => vec![(one.lo, one.hi)],
            [] => Vec::new(),
        }
    }

    /// The gradient of all shards into `out`, of the leaves of this trainer's.
    pub(super) fn reduce(
        &mut self,
        reduce: &mut dyn Reduce,
        (step, scalars): StepScalars<'_>,
        leaves: &mut [NodeGradient],
        out: &mut Gradient,
    ) -> Result<Reduced, Interrupt> {
        let nodes: Vec<NodeGradient> = self
            .covers(leaves)
            .into_iter()
            .map(|range| without_values(range, leaves))
            .collect();
        out.assign(|values, tables| {
            let reduced = reduce.sum(step, scalars, &nodes, (&mut [], tables))?;
            if reduced.present {
                self.dense(step, leaves, reduce, values)?;
            }
            Ok(reduced)
        })
    }

    fn dense(
        &mut self,
        step: u64,
        leaves: &mut [NodeGradient],
        reduce: &mut dyn Reduce,
        out: &mut [f32],
    ) -> Result<(), Interrupt> {
        self.even = !self.remembers;
        let Some(codec) = self.codec.clone() else {
            return self.by_low_rank(step, leaves, reduce, out);
        };
        let codec = codec.as_ref();
        let mut left = self.left.iter_mut();
        let with_left = leaves
            .iter_mut()
            .map(|leaf| (leaf, left.next().map_or(&mut [][..], Vec::as_mut_slice)));
        let mut present: Vec<_> = with_left.filter(|(leaf, _)| leaf.present).collect();
        self.workers
            .each(&mut present, |_, (leaf, left)| codec.leaf(&mut leaf.values, left));
        let leaves: Vec<Part<'_>> = leaves.iter().map(part).collect();
        if reduce.rank().1 == 1 {
            sum_on(&self.workers, (0, self.shards), &leaves, codec.rounding(), out);
            codec.root(out);
        } else if codec.sends_leaves() {
            self.among(codec, (step, &leaves), reduce, out)?;
        } else {
            let nodes = self.nodes(codec, &leaves);
            let nodes: Vec<Part<'_>> = nodes.iter().map(part).collect();
            self.among(codec, (step, &nodes), reduce, out)?;
        }
        codec.finish(out);
        Ok(())
    }

    /// The maximal nodes, of which the leaves are all that this trainer has.
    fn nodes(&self, codec: &Codec, leaves: &[Part<'_>]) -> Vec<NodeGradient> {
        let (lo, hi) = match leaves {
            [first, .., last] => (first.lo, last.hi),
            [one] => (one.lo, one.hi),
            [] => return Vec::new(),
        };
        let node = |(lo, hi)| {
            let mut node = NodeGradient::new(lo, hi);
            node.values.resize(self.length, 0.0);
            node.present = sum_on(
                &self.workers,
                (lo, hi),
                leaves,
                codec.rounding(),
                &mut node.values,
            );
            node
        };
        cover(lo, hi, self.shards).into_iter().map(node).collect()
    }

    /// Among several trainers: each adds up a part of the values for all.
    fn among(
        &mut self,
        codec: &Codec,
        (step, nodes): (u64, &[Part<'_>]),
        reduce: &mut dyn Reduce,
        out: &mut [f32],
    ) -> Result<(), Interrupt> {
        let (rank, ranks) = reduce.rank();
        let chunk = |rank: usize| bounds(self.length, ranks, rank);
        let words = (0..ranks).map(|to| {
            let mut words = Vec::new();
            for node in nodes {
                let values = node.values.map(|values| &values[chunk(to)]);
                write_node(codec, (node.lo, node.hi), values, &mut words);
            }
            words
        });
        let words: Vec<Vec<f32>> = words.collect();
        let mut count = packed(&words, rank);
        let mine = chunk(rank);
        let most = self.shards as usize * (codec.most_words(mine.len()) + 3);
        let received = reduce.words(step, 0, words, most)?;
        let mut all = Vec::new();
        for words in &received {
            all.extend(read_nodes(codec, words, mine.len())?);
        }
        if !covers_all(all.iter().map(|node| (node.lo, node.hi)), self.shards) {
            return Err(Failure::internal("the trainers sent other nodes of the tree than all").into());
        }
        let parts = all.iter().map(|node| Part {
            lo: node.lo,
            hi: node.hi,
            values: node.values.as_deref(),
        });
        let parts: Vec<Part<'_>> = parts.collect();
        let mut root = vec![0.0; mine.len()];
        sum_on(
            &self.workers,
            (0, self.shards),
            &parts,
            codec.rounding(),
            &mut root,
        );
        codec.root(&mut root);
        let mut packed_root = Vec::new();
        codec.pack_root(&root, &mut packed_root);
        let words = vec![packed_root; ranks];
        count += packed(&words, rank);
        let most = self.length.div_ceil(2).max(codec.most_words(self.length));
        let received = reduce.words(step, 1, words, most)?;
        for (from, words) in received.iter().enumerate() {
            let rest = codec.unpack_root(words, &mut out[chunk(from)])?;
            if !rest.is_empty() {
                return Err(Failure::internal("sent more than its part of the gradient").into());
            }
        }
        let plain = (self.length - mine.len()) * nodes.len() + mine.len() * (ranks - 1);
        self.sent[0] += (count * size_of::<f32>()) as u64;
        self.sent[1] += (plain * size_of::<f32>()) as u64;
        Ok(())
    }

    /// What went out to others; none where there was nobody.
    pub(super) fn sent(&self) -> Option<CompressionUse> {
        let [sent_bytes, plain_bytes] = self.sent;
        (plain_bytes > 0).then_some(CompressionUse {
            choice: None,
            sent_bytes,
            plain_bytes,
        })
    }
}

/// Words for others.
fn packed(words: &[Vec<f32>], own: usize) -> usize {
    let others = words.iter().enumerate().filter(|(rank, _)| *rank != own);
    others.map(|(_, words)| words.len()).sum()
}

/// Where a rank's part of the values lies.
fn bounds(length: usize, ranks: usize, rank: usize) -> Range<usize> {
    let blocks = length.div_ceil(BLOCK);
    let edge = |rank: usize| (blocks * rank / ranks * BLOCK).min(length);
    edge(rank)..edge(rank + 1)
}

fn covers_all(nodes: impl Iterator<Item = (u32, u32)>, shards: u32) -> bool {
    let mut next = 0;
    for (lo, hi) in nodes {
        if lo != next {
            return false;
        }
        next = hi;
    }
    next == shards
}

fn part(node: &NodeGradient) -> Part<'_> {
    Part {
        lo: node.lo,
        hi: node.hi,
        values: node.present.then_some(node.values.as_slice()),
    }
}

/// A node of the tree with the rows of these leaves, which are not compressed.
fn without_values((lo, hi): (u32, u32), leaves: &[NodeGradient]) -> NodeGradient {
    let first = leaves.first().map_or(0, |leaf| leaf.lo);
    let mut find = |lo: u32, hi: u32| match hi - lo {
        1 => {
            let leaf = &leaves[(lo - first) as usize];
            NodeValue::Known(leaf.present.then(|| leaf.sparse_rows.clone()))
        }
        _ => NodeValue::Split,
    };
    let mut add = |left: Vec<SparseRows>, right: Vec<SparseRows>| {
        let sum = left.iter().zip(&right).map(|(left, right)| {
            let mut sum = SparseRows::new(left.entries, left.width);
            sum.set_sum(left.view(), right.view());
            sum
        });
        sum.collect()
    };
    let rows = assemble(lo, hi, &mut find, &mut add);
    let mut node = NodeGradient::new(lo, hi);
    node.present = rows.is_some();
    node.sparse_rows = rows.unwrap_or_default();
    node
}

/// The leaves of a trainer's shards.
pub(super) fn leaves(owned: Range<u32>) -> Vec<NodeGradient> {
    owned.map(|shard| NodeGradient::new(shard, shard + 1)).collect()
}

#[cfg(test)]
mod tests;
