//! Sums over all shards: by the collective, or at home where one trainer owns them all.

use super::Stop;
use candlewick_collective::{Collective, Node, Reduced};
use candlewick_model::engine::NodeGradient;
use candlewick_protocol::Failure;

/// Adds up nodes of the reduction tree over all trainers.
pub trait Reduce {
    /// The gradient of all shards into `out`, and every shard's scalars.
    ///
    /// # Errors
    /// `Halted`, or the peer that is blamed.
    fn reduce(
        &mut self,
        step: u64,
        scalars: &[(u32, Option<Vec<f64>>)],
        nodes: &[NodeGradient],
        out: &mut [f32],
    ) -> Result<Reduced, Stop>;

    /// What every trainer has, one after another in the order of their shards; `what` says for messages what it is.
    ///
    /// # Errors
    /// As `reduce`.
    fn gather(&mut self, what: &str, mine: &[f64]) -> Result<Vec<f64>, Stop>;

    /// Fails where `value` differs between trainers (rule B11).
    ///
    /// # Errors
    /// The difference, naming two hosts; or as `reduce`.
    fn all_equal(&mut self, tag: &str, value: &str) -> Result<(), Stop>;
}

impl Reduce for Collective {
    fn reduce(
        &mut self,
        step: u64,
        scalars: &[(u32, Option<Vec<f64>>)],
        nodes: &[NodeGradient],
        out: &mut [f32],
    ) -> Result<Reduced, Stop> {
        let nodes: Vec<Node<'_>> = nodes
            .iter()
            .map(|node| Node {
                lo: node.lo,
                hi: node.hi,
                values: node.present.then_some(node.values.as_slice()),
            })
            .collect();
        Collective::reduce(self, step, scalars, &nodes, out).map_err(Stop::from)
    }

    fn gather(&mut self, what: &str, mine: &[f64]) -> Result<Vec<f64>, Stop> {
        Collective::gather(self, what, mine).map_err(Stop::from)
    }

    fn all_equal(&mut self, tag: &str, value: &str) -> Result<(), Stop> {
        Collective::all_equal(self, tag, value).map_err(Stop::from)
    }
}

/// A trainer that owns every shard: its one node is the root.
#[derive(Debug, Clone, Copy)]
pub struct Alone {
    /// V.
    pub logical_shards: u32,
}

impl Reduce for Alone {
    fn reduce(
        &mut self,
        _step: u64,
        scalars: &[(u32, Option<Vec<f64>>)],
        nodes: &[NodeGradient],
        out: &mut [f32],
    ) -> Result<Reduced, Stop> {
        let mut by_shard = vec![None; self.logical_shards as usize];
        for (shard, values) in scalars {
            if let Some(place) = by_shard.get_mut(*shard as usize) {
                place.clone_from(values);
            }
        }
        let [root] = nodes else {
            return Err(Failure::internal("a trainer alone has one node: the root").into());
        };
        if root.present {
            out.copy_from_slice(&root.values);
        }
        Ok(Reduced {
            present: root.present,
            scalars: by_shard,
        })
    }

    fn gather(&mut self, _what: &str, mine: &[f64]) -> Result<Vec<f64>, Stop> {
        Ok(mine.to_vec())
    }

    fn all_equal(&mut self, _tag: &str, _value: &str) -> Result<(), Stop> {
        Ok(())
    }
}
