//! Sums over all shards: by the collective, or at home where one trainer owns them all.

use super::Stop;
use candlewick_collective::{Collective, Node, Reduced};
use candlewick_model::engine::{self, Exchange, Gradient, NodeGradient};
use candlewick_protocol::Failure;

/// Adds up nodes of the reduction tree over all trainers.
pub trait Reduce: Send {
    /// The gradient of all shards into `out`, and every shard's scalars.
    ///
    /// # Errors
    /// `Halted`, or the peer that is blamed.
    fn reduce(
        &mut self,
        step: u64,
        scalars: &[(u32, Option<Vec<f64>>)],
        nodes: &[NodeGradient],
        out: &mut Gradient,
    ) -> Result<Reduced, Stop>;

    /// What every trainer has, one after another in the order of their shards; `what` says for messages what it is.
    ///
    /// # Errors
    /// As `reduce`.
    fn gather(&mut self, what: &str, mine: &[f64]) -> Result<Vec<f64>, Stop>;

    /// Every shard's numbers in the middle of a step; `sequence` counts the exchanges of the step.
    ///
    /// # Errors
    /// As `reduce`.
    fn exchange(
        &mut self,
        step: u64,
        sequence: u32,
        own: Vec<(u32, Option<Vec<f64>>)>,
    ) -> Result<Vec<Option<Vec<f64>>>, Stop>;

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
        out: &mut Gradient,
    ) -> Result<Reduced, Stop> {
        let nodes: Vec<Node<'_>> = nodes
            .iter()
            .map(|node| Node {
                lo: node.lo,
                hi: node.hi,
                values: node.present.then_some(node.values.as_slice()),
                tables: &node.tables,
            })
            .collect();
        out.assign(|values, tables| Collective::reduce(self, step, scalars, &nodes, values, tables))
            .map_err(Stop::from)
    }

    fn gather(&mut self, what: &str, mine: &[f64]) -> Result<Vec<f64>, Stop> {
        Collective::gather(self, what, mine).map_err(Stop::from)
    }

    fn exchange(
        &mut self,
        step: u64,
        sequence: u32,
        own: Vec<(u32, Option<Vec<f64>>)>,
    ) -> Result<Vec<Option<Vec<f64>>>, Stop> {
        Collective::exchange(self, step, sequence, &own).map_err(Stop::from)
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
        out: &mut Gradient,
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
            out.set(root);
        }
        Ok(Reduced {
            present: root.present,
            scalars: by_shard,
        })
    }

    fn gather(&mut self, _what: &str, mine: &[f64]) -> Result<Vec<f64>, Stop> {
        Ok(mine.to_vec())
    }

    fn exchange(
        &mut self,
        _step: u64,
        _sequence: u32,
        own: Vec<(u32, Option<Vec<f64>>)>,
    ) -> Result<Vec<Option<Vec<f64>>>, Stop> {
        engine::Alone.gather(own).map_err(Stop::from)
    }

    fn all_equal(&mut self, _tag: &str, _value: &str) -> Result<(), Stop> {
        Ok(())
    }
}

/// The exchanges of one step, for the engine. It knows failures only, so what else stopped an exchange is kept here.
pub(super) struct Midway<'a> {
    reduce: &'a mut dyn Reduce,
    step: u64,
    sequence: u32,
    stop: Option<Stop>,
}

impl<'a> Midway<'a> {
    pub(super) fn new(reduce: &'a mut dyn Reduce, step: u64) -> Self {
        Midway {
            reduce,
            step,
            sequence: 0,
            stop: None,
        }
    }

    /// Why the step failed: what stopped an exchange, or else `failure`.
    pub(super) fn why(self, failure: Failure) -> Stop {
        self.stop.unwrap_or(Stop::Failed(failure))
    }
}

impl Exchange for Midway<'_> {
    fn gather(&mut self, own: Vec<(u32, Option<Vec<f64>>)>) -> Result<Vec<Option<Vec<f64>>>, Failure> {
        let sequence = self.sequence;
        self.sequence += 1;
        self.reduce.exchange(self.step, sequence, own).map_err(|stop| {
            self.stop = Some(stop);
            Failure::internal("an exchange of the step was stopped")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stopped(Stop);

    impl Reduce for Stopped {
        fn reduce(
            &mut self,
            _: u64,
            _: &[(u32, Option<Vec<f64>>)],
            _: &[NodeGradient],
            _: &mut Gradient,
        ) -> Result<Reduced, Stop> {
            Err(self.0.clone())
        }

        fn gather(&mut self, _what: &str, mine: &[f64]) -> Result<Vec<f64>, Stop> {
            Ok(mine.to_vec())
        }

        fn exchange(
            &mut self,
            step: u64,
            sequence: u32,
            own: Vec<(u32, Option<Vec<f64>>)>,
        ) -> Result<Vec<Option<Vec<f64>>>, Stop> {
            match (step, sequence) {
                (7, 0) => Ok(own.into_iter().map(|(_, values)| values).collect()),
                (7, 1) => Err(self.0.clone()),
                _ => Err(Stop::Failed(Failure::internal("another exchange"))),
            }
        }

        fn all_equal(&mut self, _: &str, _: &str) -> Result<(), Stop> {
            Ok(())
        }
    }

    #[test]
    fn what_stops_an_exchange_stops_the_step() {
        let mut reduce = Stopped(Stop::Halted);
        let mut midway = Midway::new(&mut reduce, 7);
        assert_eq!(
            midway.gather(vec![(0, Some(vec![1.0]))]).unwrap(),
            [Some(vec![1.0])]
        );
        let failure = midway.gather(Vec::new()).unwrap_err();
        assert_eq!(midway.why(failure), Stop::Halted);
        let midway = Midway::new(&mut reduce, 8);
        let own = Failure::internal("of the engine");
        assert_eq!(midway.why(own.clone()), Stop::Failed(own));
    }
}
