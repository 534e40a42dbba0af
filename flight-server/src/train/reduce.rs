//! Sums over all shards: by the collective, or at home where one trainer owns them all.

use super::Interrupt;
use candlewick_collective::{Collective, Forecast, Node, Reduced, Speed};
use candlewick_model::engine::{self, Exchange, Gradient, NodeGradient};
use candlewick_protocol::Failure;
use candlewick_protocol::exchange::{ExchangeUse, LinkSpeed};
use candlewick_protocol::rows::SparseRows;
use std::time::Duration;

/// Adds up nodes of the reduction tree over all trainers.
pub trait Reduce: Send {
    /// The sum of all shards' values and rows into `out`, and every shard's scalars.
    ///
    /// # Errors
    /// `Halted`, or the peer that is blamed.
    fn sum(
        &mut self,
        step: u64,
        scalars: &[(u32, Option<Vec<f64>>)],
        nodes: &[NodeGradient],
        out: (&mut [f32], &mut [SparseRows]),
    ) -> Result<Reduced, Interrupt>;

    /// The gradient of all shards into `out`, and every shard's scalars.
    ///
    /// # Errors
    /// As `sum`.
    fn reduce(
        &mut self,
        step: u64,
        scalars: &[(u32, Option<Vec<f64>>)],
        nodes: &[NodeGradient],
        out: &mut Gradient,
    ) -> Result<Reduced, Interrupt> {
        let root = match nodes {
            [root] if root.is_held() => root,
            _ => return out.assign(|values, tables| self.sum(step, scalars, nodes, (values, tables))),
        };
        // Nobody else has a part of it: what is on a device stays there, and only the scalars are told.
        let mut told = NodeGradient::new(root.lo, root.hi);
        told.present = root.present;
        let reduced = self.sum(step, scalars, &[told], (&mut [], &mut []))?;
        out.set(root);
        Ok(reduced)
    }

    /// Words for each trainer by rank, from each trainer by rank; at most `most` of another. `sequence` counts the
    /// exchanges of the step.
    ///
    /// # Errors
    /// As `sum`.
    fn words(
        &mut self,
        step: u64,
        sequence: u32,
        words: Vec<Vec<f32>>,
        most: usize,
    ) -> Result<Vec<Vec<f32>>, Interrupt>;

    /// This trainer's rank, and the number of trainers.
    fn rank(&self) -> (usize, usize);

    /// What every trainer has, one after another in the order of their shards; `what` says for messages what it is.
    ///
    /// # Errors
    /// As `sum`.
    fn gather(&mut self, what: &str, mine: &[f64]) -> Result<Vec<f64>, Interrupt>;

    /// Every shard's numbers in the middle of a step; `sequence` counts the exchanges of the step.
    ///
    /// # Errors
    /// As `sum`.
    fn exchange(
        &mut self,
        step: u64,
        sequence: u32,
        own: Vec<(u32, Option<Vec<f64>>)>,
    ) -> Result<Vec<Option<Vec<f64>>>, Interrupt>;

    /// The bytes of the trainer of rank `root`, on every other trainer; nothing on that one.
    ///
    /// # Errors
    /// As `sum`.
    fn broadcast(
        &mut self,
        what: &str,
        root: usize,
        mine: &[u8],
        alive: &dyn Fn(),
    ) -> Result<Vec<u8>, Interrupt>;

    /// How most of the gradients were exchanged so far, and how long that took; nothing of one trainer.
    fn exchanged(&self) -> Option<ExchangeUse> {
        None
    }

    /// What its exchanges are expected to take, the same on every trainer; nothing where no links were measured.
    fn forecast(&self) -> Option<Forecast> {
        None
    }

    /// Fails where `value` differs between trainers (rule B11).
    ///
    /// # Errors
    /// The difference, naming two hosts; or as `sum`.
    fn all_equal(&mut self, tag: &str, value: &str) -> Result<(), Interrupt>;

    /// The next sum is that of part `number` of a step's values.
    fn part(&mut self, _number: u32) {}

    /// Whether it is of use to compute while an exchange is under way: it waits for a network.
    fn overlaps(&self) -> bool {
        false
    }

    /// See [`Exchange::ready`].
    ///
    /// # Errors
    /// What has become of the exchange.
    fn ready(&mut self, _from: usize, _nodes: &[Option<&[f32]>]) -> Result<(), Failure> {
        Ok(())
    }

    /// So much of the time in the last exchange nobody waited for it: the next step was computed meanwhile.
    fn hid(&mut self, _time: Duration) {}

    /// This trainer waited so long for others, beside its exchanges.
    fn waits(&mut self, _time: Duration) {}

    /// The longest time for which another trainer, which exchanges, makes no step.
    fn patience(&self) -> Duration {
        Duration::MAX
    }

    /// What becomes of the silence of another trainer, by its number among those that own shards.
    fn blame(&self, who: usize, why: &str) -> Interrupt {
        Failure::internal(format!("trainer {who} of one {why}")).into()
    }

    /// The share of the time in exchanges since the last call in which this trainer computed; none where it always waits.
    fn hidden(&mut self) -> Option<f64> {
        None
    }
}

impl Reduce for Collective {
    fn sum(
        &mut self,
        step: u64,
        scalars: &[(u32, Option<Vec<f64>>)],
        nodes: &[NodeGradient],
        (values, tables): (&mut [f32], &mut [SparseRows]),
    ) -> Result<Reduced, Interrupt> {
        let nodes: Vec<Node<'_>> = nodes
            .iter()
            .map(|node| Node {
                lo: node.lo,
                hi: node.hi,
                values: node.present.then_some(node.values.as_slice()),
                tables: &node.sparse_rows,
            })
            .collect();
        breaks(self, "train.exchange", step);
        let mut sum = |gang: &mut Self| {
            let sum = gang.all_reduce(step, scalars, &nodes, values, tables);
            sum.map_err(Interrupt::from)
        };
        let reduced = sum(self)?;
        // A connection that breaks before the last bytes are here: the others have them.
        if breaks(self, "train.reduced", step) {
            return sum(self);
        }
        Ok(reduced)
    }

    fn patience(&self) -> Duration {
        Collective::patience(self)
    }

    fn blame(&self, who: usize, why: &str) -> Interrupt {
        Collective::blame(self, who, why).into()
    }

    fn words(
        &mut self,
        step: u64,
        sequence: u32,
        words: Vec<Vec<f32>>,
        most: usize,
    ) -> Result<Vec<Vec<f32>>, Interrupt> {
        Collective::all_to_all(self, step, sequence, words, most).map_err(Interrupt::from)
    }

    fn rank(&self) -> (usize, usize) {
        Collective::rank(self)
    }

    fn part(&mut self, number: u32) {
        Collective::part(self, number);
    }

    fn overlaps(&self) -> bool {
        // Through memory an exchange takes the cores that compute.
        let (near, _) = self.shared_memory();
        near + 1 < Collective::rank(self).1
    }

    fn gather(&mut self, what: &str, mine: &[f64]) -> Result<Vec<f64>, Interrupt> {
        Collective::all_gather(self, what, mine).map_err(Interrupt::from)
    }

    fn exchange(
        &mut self,
        step: u64,
        sequence: u32,
        own: Vec<(u32, Option<Vec<f64>>)>,
    ) -> Result<Vec<Option<Vec<f64>>>, Interrupt> {
        Collective::all_gather_shards(self, step, sequence, &own).map_err(Interrupt::from)
    }

    fn broadcast(
        &mut self,
        what: &str,
        root: usize,
        mine: &[u8],
        alive: &dyn Fn(),
    ) -> Result<Vec<u8>, Interrupt> {
        Collective::broadcast(self, what, root, mine, alive).map_err(Interrupt::from)
    }

    fn exchanged(&self) -> Option<ExchangeUse> {
        let known = Collective::exchanged(self)?;
        let speeds = self.speeds().unwrap_or_default();
        let link = |speed: Speed| LinkSpeed {
            latency_seconds: speed.latency,
            bytes_per_second: 1.0 / speed.per_byte,
        };
        let links = [("host", speeds.near), ("network", speeds.far)];
        let named = links.into_iter();
        let named = named.filter_map(|(name, speed)| Some((name.to_owned(), link(speed?))));
        #[expect(clippy::cast_precision_loss, reason = "a mean")]
        let count = known.count.max(1) as f64;
        Some(ExchangeUse {
            algorithm: known.choice.algorithm.name().to_owned(),
            reason: known.choice.reason.clone(),
            values: known.values as u64,
            exchanges: known.count,
            predicted_seconds: known.choice.seconds(),
            mean_seconds: known.seconds / count,
            least_seconds: known.least,
            links: named.collect(),
        })
    }

    fn forecast(&self) -> Option<Forecast> {
        Collective::forecast(self)
    }

    fn all_equal(&mut self, tag: &str, value: &str) -> Result<(), Interrupt> {
        Collective::all_equal(self, tag, value).map_err(Interrupt::from)
    }
}

/// A test breaks the network at this point; true where it has done so.
fn breaks(gang: &Collective, point: &'static str, step: u64) -> bool {
    let broken = candlewick_failpoint::reach(point, step).is_err();
    if broken {
        gang.disconnect();
    }
    broken
}

/// A trainer that owns every shard: its one node is the root.
#[derive(Debug, Clone, Copy)]
pub struct SingleProcess {
    /// V.
    pub logical_shards: u32,
}

impl Reduce for SingleProcess {
    fn sum(
        &mut self,
        _step: u64,
        scalars: &[(u32, Option<Vec<f64>>)],
        nodes: &[NodeGradient],
        (values, tables): (&mut [f32], &mut [SparseRows]),
    ) -> Result<Reduced, Interrupt> {
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
            values.copy_from_slice(&root.values);
            for (into, rows) in tables.iter_mut().zip(&root.sparse_rows) {
                into.set(rows.view());
            }
        }
        Ok(Reduced {
            present: root.present,
            scalars: by_shard,
        })
    }

    fn words(
        &mut self,
        _step: u64,
        _sequence: u32,
        words: Vec<Vec<f32>>,
        _most: usize,
    ) -> Result<Vec<Vec<f32>>, Interrupt> {
        Ok(words)
    }

    fn rank(&self) -> (usize, usize) {
        (0, 1)
    }

    fn gather(&mut self, _what: &str, mine: &[f64]) -> Result<Vec<f64>, Interrupt> {
        Ok(mine.to_vec())
    }

    fn exchange(
        &mut self,
        _step: u64,
        _sequence: u32,
        own: Vec<(u32, Option<Vec<f64>>)>,
    ) -> Result<Vec<Option<Vec<f64>>>, Interrupt> {
        engine::Alone.gather(own).map_err(Interrupt::from)
    }

    fn broadcast(
        &mut self,
        _what: &str,
        _root: usize,
        _mine: &[u8],
        _alive: &dyn Fn(),
    ) -> Result<Vec<u8>, Interrupt> {
        Ok(Vec::new())
    }

    fn all_equal(&mut self, _tag: &str, _value: &str) -> Result<(), Interrupt> {
        Ok(())
    }
}

/// The exchanges of one step, for the engine. It knows failures only, so what else stopped an exchange is kept here.
pub(super) struct StepExchange<'a> {
    reduce: &'a mut dyn Reduce,
    step: u64,
    sequence: u32,
    stop: Option<Interrupt>,
}

impl<'a> StepExchange<'a> {
    pub(super) fn new(reduce: &'a mut dyn Reduce, step: u64) -> Self {
        StepExchange {
            reduce,
            step,
            sequence: 0,
            stop: None,
        }
    }

    /// Why the step failed: what stopped an exchange, or else `failure`.
    pub(super) fn why(self, failure: Failure) -> Interrupt {
        self.stop.unwrap_or(Interrupt::Failed(failure))
    }
}

impl Exchange for StepExchange<'_> {
    fn gather(&mut self, own: Vec<(u32, Option<Vec<f64>>)>) -> Result<Vec<Option<Vec<f64>>>, Failure> {
        let sequence = self.sequence;
        self.sequence += 1;
        self.reduce.exchange(self.step, sequence, own).map_err(|stop| {
            self.stop = Some(stop);
            Failure::internal("an exchange of the step was stopped")
        })
    }

    fn ready(&mut self, from: usize, nodes: &[Option<&[f32]>]) -> Result<(), Failure> {
        self.reduce.ready(from, nodes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::support::{LONG, gang_over};

    #[test]
    fn one_that_makes_no_step_has_the_time_of_a_peer_whose_host_answers() {
        let set = |config: &mut candlewick_collective::Config| {
            (config.timeout, config.patience) = (LONG, LONG * 2);
        };
        let same = |host: &str, port| (host.to_owned(), port);
        let told = gang_over(&["127.0.0.1"; 2], same, 2, &set, |_, gang, _| {
            Reduce::patience(gang)
        });
        assert_eq!(told, [LONG * 2; 2]);
    }

    struct Stopped(Interrupt);

    impl Reduce for Stopped {
        fn sum(
            &mut self,
            _: u64,
            _: &[(u32, Option<Vec<f64>>)],
            _: &[NodeGradient],
            _: (&mut [f32], &mut [SparseRows]),
        ) -> Result<Reduced, Interrupt> {
            Err(self.0.clone())
        }

        fn words(&mut self, _: u64, _: u32, _: Vec<Vec<f32>>, _: usize) -> Result<Vec<Vec<f32>>, Interrupt> {
            Err(self.0.clone())
        }

        fn rank(&self) -> (usize, usize) {
            (0, 1)
        }

        fn gather(&mut self, _what: &str, mine: &[f64]) -> Result<Vec<f64>, Interrupt> {
            Ok(mine.to_vec())
        }

        fn exchange(
            &mut self,
            step: u64,
            sequence: u32,
            own: Vec<(u32, Option<Vec<f64>>)>,
        ) -> Result<Vec<Option<Vec<f64>>>, Interrupt> {
            match (step, sequence) {
                (7, 0) => Ok(own.into_iter().map(|(_, values)| values).collect()),
                (7, 1) => Err(self.0.clone()),
                _ => Err(Interrupt::Failed(Failure::internal("another exchange"))),
            }
        }

        fn broadcast(&mut self, _: &str, _: usize, _: &[u8], _: &dyn Fn()) -> Result<Vec<u8>, Interrupt> {
            Ok(Vec::new())
        }

        fn all_equal(&mut self, _: &str, _: &str) -> Result<(), Interrupt> {
            Ok(())
        }
    }

    #[test]
    fn what_stops_an_exchange_stops_the_step() {
        let mut reduce = Stopped(Interrupt::Halted);
        let mut exchange = StepExchange::new(&mut reduce, 7);
        assert_eq!(
            exchange.gather(vec![(0, Some(vec![1.0]))]).unwrap(),
            [Some(vec![1.0])]
        );
        let failure = exchange.gather(Vec::new()).unwrap_err();
        assert_eq!(exchange.why(failure), Interrupt::Halted);
        let exchange = StepExchange::new(&mut reduce, 8);
        let own = Failure::internal("of the engine");
        assert_eq!(exchange.why(own.clone()), Interrupt::Failed(own));
    }
}
