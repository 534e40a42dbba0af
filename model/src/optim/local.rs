//! Steps that logical shards make by themselves (`localSteps`): each has weights and a state of the optimiser of its own, until
//! all of them meet. There the mean of what they have moved by is the gradient of an outer step: SGD with Nesterov momentum
//! (DiLoCo, Douillard et al. 2023; with momentum 0 and learning rate 1 the mean of the weights, local SGD).

use super::clip::Clip;
use super::optimizer::Optimizer;
use super::updates::Updates;
use crate::compression::{Part, sum};
use crate::engine::{Engine, Gradient};
use crate::network::Network;
use crate::numbers::to_f32;
use candlewick_protocol::Failure;
use candlewick_protocol::job::TrainSpec;

/// A shard's own.
#[derive(Debug, Clone, Default)]
pub(super) struct Replica {
    pub(super) weights: Vec<f32>,
    pub(super) state: Vec<Vec<f32>>,
    /// What the groups of the optimiser carry.
    pub(super) carried: Vec<f32>,
    steps: u64,
    /// What its rows since the last meeting weigh in the loss.
    pub(super) weight: f64,
    /// Whether it had any.
    pub(super) present: bool,
}

/// The logical shards of a trainer between two meetings. Nothing of it outlives one: all of them begin with the weights and the
/// state of the optimiser of the last one, and bring back both.
///
/// The optimiser's state at a meeting is the mean over the shards, as the weights' is, and so one that every trainer has. If each
/// shard kept its own, it would be lost with its trainer.
#[derive(Debug)]
pub struct Replicas {
    /// Rules and layout; the state in it stands in for that of the shard at hand.
    optimizer: Optimizer,
    clip: Clip,
    pub(super) all: Vec<Replica>,
}

impl Replicas {
    /// Of no shard yet.
    ///
    /// # Errors
    /// `InvalidParameter` where the optimiser's document is not legal.
    pub fn new(train: &TrainSpec, network: &Network, engine: &Engine) -> Result<Self, Failure> {
        let mut optimizer = Optimizer::from_document(&train.optimizer, network)?;
        optimizer.use_threads_of(engine);
        Ok(Replicas {
            optimizer,
            clip: Clip {
                norm: train.clip_norm,
                value: train.clip_value,
            },
            all: Vec::new(),
        })
    }

    /// So many shards leave a meeting, before step `step` of the training.
    ///
    /// # Errors
    /// `InvalidParameter` where the schedule moves a momentum that is not there.
    pub fn depart(
        &mut self,
        updates: &Updates,
        weights: &[f32],
        (shards, step): (usize, u64),
    ) -> Result<(), Failure> {
        // A schedule may bring a momentum that has had no memory.
        updates.schedule_at(&mut self.optimizer, step)?;
        let from = updates.optimizer();
        self.all.resize_with(shards, Replica::default);
        for replica in &mut self.all {
            replica.weights.clear();
            replica.weights.extend_from_slice(weights);
            replica.state.resize_with(self.optimizer.state.len(), Vec::new);
            let new = self.optimizer.state.iter().skip(from.state.len());
            let values = from.state.iter().chain(new);
            for (into, values) in replica.state.iter_mut().zip(values) {
                into.clear();
                into.extend_from_slice(values.host());
            }
            replica.carried = from.groups.iter().map(|group| group.scalar_state).collect();
            (replica.steps, replica.weight, replica.present) = (from.steps, 0.0, false);
        }
        Ok(())
    }

    /// The weights of the shard at `at`, counted from this trainer's first one.
    #[must_use]
    pub fn weights(&self, at: usize) -> &[f32] {
        &self.all[at].weights
    }

    /// The same, for running statistics.
    pub fn weights_mut(&mut self, at: usize) -> &mut [f32] {
        &mut self.all[at].weights
    }

    /// A step of the shard at `at`: the gradient of its own rows, what that is divided by (0 where no row counts), what its rows
    /// weigh.
    ///
    /// # Errors
    /// As [`Updates::step`].
    pub fn step(
        &mut self,
        updates: &Updates,
        (at, step): (usize, u64),
        gradient: &mut Gradient,
        (denominator, weight): (f64, f64),
    ) -> Result<(), Failure> {
        updates.schedule_at(&mut self.optimizer, step)?;
        self.swap(at);
        let replica = &mut self.all[at];
        let counted = self
            .optimizer
            .update_from(&mut replica.weights, gradient, denominator, &self.clip);
        replica.present = true;
        replica.weight += weight;
        self.swap(at);
        counted.map(|_| ())
    }

    fn swap(&mut self, at: usize) {
        let (replica, optimizer) = (&mut self.all[at], &mut self.optimizer);
        // Nothing of it is on a device where shards are by themselves.
        for (own, at_hand) in replica.state.iter_mut().zip(&mut optimizer.state) {
            std::mem::swap(own, at_hand.host_vec());
        }
        std::mem::swap(&mut replica.steps, &mut optimizer.steps);
        for (group, carried) in optimizer.groups.iter_mut().zip(&mut replica.carried) {
            std::mem::swap(&mut group.scalar_state, carried);
        }
    }

    /// Updates of the shard since the last meeting, and what its rows weigh; none where it had no rows.
    #[must_use]
    pub fn made(&self, updates: &Updates, at: usize) -> Option<(u64, f64)> {
        let replica = &self.all[at];
        let made = replica.steps - updates.optimizer().steps;
        replica.present.then_some((made, replica.weight))
    }

    /// The shards arrive at a meeting: what each brings is weighed, as [`Replicas::sum`] adds it up. `from` are the weights that
    /// they left with.
    pub fn arrive(&mut self, from: &[f32]) {
        for replica in self.all.iter_mut().filter(|replica| replica.present) {
            let weight = to_f32(replica.weight);
            for (value, from) in replica.weights.iter_mut().zip(from) {
                *value = weight * (from - *value);
            }
            let state = replica.state.iter_mut().flatten();
            state
                .chain(&mut replica.carried)
                .for_each(|value| *value *= weight);
        }
    }

    /// Values that a shard brings.
    #[must_use]
    pub fn brought(&self) -> usize {
        let of = |replica: &Replica| replica.sections().map(<[f32]>::len).sum();
        self.all.first().map_or(0, of)
    }

    /// The node `lo..hi` of the reduction tree of what shards bring, of which this trainer's first is `first`. False where none of
    /// them had rows.
    pub fn sum(&self, (lo, hi): (u32, u32), first: u32, into: &mut [f32]) -> bool {
        let Some(model) = self.all.first() else {
            return false;
        };
        let (mut start, mut present) = (0, false);
        for (section, length) in model.sections().map(<[f32]>::len).enumerate() {
            let parts = (first..).zip(&self.all).map(|(shard, replica)| Part {
                lo: shard,
                hi: shard + 1,
                values: replica
                    .present
                    .then(|| replica.sections().nth(section).unwrap_or_default()),
            });
            let parts: Vec<Part<'_>> = parts.collect();
            let out = &mut into[start..start + length];
            present |= sum((lo, hi), &parts, |_| {}, out);
            start += length;
        }
        present
    }
}

impl Replica {
    fn sections(&self) -> impl Iterator<Item = &[f32]> {
        let state = self.state.iter().map(Vec::as_slice);
        std::iter::once(self.weights.as_slice())
            .chain(state)
            .chain([self.carried.as_slice()])
    }
}

impl Updates {
    /// The outer step, of what all shards brought together ([`Replicas::sum`]), which weighs `weight`; `made`: the most updates
    /// that one of them made. `step` is the last one of the round. Where no row counted nothing but the schedule moves.
    ///
    /// # Errors
    /// `Internal` where the lengths do not agree.
    pub fn meet(
        &mut self,
        weights: &mut [f32],
        sum: &[f32],
        (weight, made): (f64, u64),
        step: u64,
    ) -> Result<(), Failure> {
        self.apply_schedule(step)?;
        if weight == 0.0 {
            return Ok(());
        }
        let (optimizer, outer) = self.parts();
        let state: usize = optimizer.state.iter().map(|values| values.host().len()).sum();
        if sum.len() != weights.len() + state + optimizer.groups.len() {
            return Err(Failure::internal(
                "what shards bring to a meeting has another length",
            ));
        }
        let scale = to_f32(1.0 / weight);
        let (moved, rest) = sum.split_at(weights.len());
        if let Some(outer) = outer {
            outer.step(weights, moved, scale);
        }
        self.take_state(rest, (scale, made));
        self.average((&*weights).into())
    }

    /// The optimiser's state becomes `scale` times what all brought of theirs, with `made` updates more.
    pub(super) fn take_state(&mut self, mut sum: &[f32], (scale, made): (f32, u64)) {
        let (optimizer, _) = self.parts();
        for values in &mut optimizer.state {
            let values = values.host_vec();
            let (own, after) = sum.split_at(values.len());
            sum = after;
            for (value, sum) in values.iter_mut().zip(own) {
                *value = sum * scale;
            }
        }
        if optimizer.has_scalar_state() {
            for (group, sum) in optimizer.groups.iter_mut().zip(sum) {
                group.scalar_state = sum * scale;
            }
        }
        optimizer.steps += made;
    }
}
