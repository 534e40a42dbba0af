//! Trainers that come and leave while a run goes on, and rows that move between them.

use super::trainer::Model;
use super::work::Work;
use super::{Happening, ROWS, Random, Simulation, info, ms};
use candlewick_protocol::feed::Owner;
use candlewick_protocol::message::ToCoordinator;
use candlewick_protocol::shards::ShardSet;
use serde_json::json;

/// Rows on their way from one trainer to others.
#[derive(Debug, Clone)]
pub(super) struct Moving {
    pub(super) source: String,
    pub(super) round: u32,
    pub(super) owners: Vec<Owner>,
    /// How long it has waited for a taker that had not heard of the round.
    pub(super) waited: u64,
}

/// Who comes and who leaves.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// When others come.
    comes: Vec<u64>,
    /// When executors are taken away, and which.
    leaves: Vec<(u64, u64)>,
    /// Trainers that the run begins with.
    pub(super) first: u64,
    /// What the driver was told of.
    pub(super) joined: u64,
    pub(super) left: u64,
    pub(super) rescaled: u64,
    /// Where nobody came or left.
    pub(super) rebalanced: u64,
}

impl Plan {
    pub(super) fn new(random: &mut Random, first: u64) -> Self {
        let comers = random.below(4);
        let comes = (0..comers).map(|_| random.below(9_000)).collect();
        let leavers = if random.one_in(3) { 1 + random.below(2) } else { 0 };
        let leaves = (0..leavers)
            .map(|_| (random.below(9_000), random.below(first + comers)))
            .collect();
        Plan {
            comes,
            leaves,
            first,
            ..Plan::default()
        }
    }

    /// Those that may leave.
    pub(super) fn leavers(&self) -> u64 {
        self.leaves.len() as u64
    }
}

impl Simulation {
    /// Plans what happens.
    pub(super) fn begin_elastic(&mut self) {
        let comes = self.elastic.comes.clone();
        for (index, at) in (self.elastic.first..).zip(comes) {
            self.at(at, Happening::Comes(index));
        }
        for (at, index) in self.elastic.leaves.clone() {
            self.at(at, Happening::Decommissioned(index));
        }
    }

    /// Another trainer registers.
    pub(super) fn comes(&mut self, index: u64) {
        let id = format!("t{index}");
        let _ = self.command(json!({"cmd": "expect", "trainers": [id]}));
        let came = self.machine.connect(ms(self.now), info(&id, &index.to_string()));
        if came.is_ok() {
            let ahead = self.random.below(100_000);
            self.models.insert(id.clone(), Model::new(&id, self.now, ahead));
            let at = self.random.below(100);
            self.at(at, Happening::Wake(id));
        }
    }

    /// Spark tells that it takes an executor away.
    pub(super) fn decommissioned(&mut self, index: u64) {
        let command = json!({"cmd": "decommission", "executor": index.to_string(), "reason": "taken away"});
        let _ = self.command(command);
    }

    /// A trainer hands rows over, once those that take them have heard of the round.
    pub(super) fn moves(&mut self, moving: &Moving) {
        let (now, round) = (self.now, moving.round);
        let source = &self.models[&moving.source];
        if !source.alive {
            return;
        }
        if source.frozen_until > now {
            let left = source.frozen_until - now;
            return self.at(left, Happening::Moves(moving.clone()));
        }
        let takes = |owner: &Owner| {
            let taker = &self.models[&owner.trainer];
            (owner.lo..owner.hi).all(|shard| taker.takes(round, shard))
        };
        let lives = |owner: &Owner| {
            let taker = &self.models[&owner.trainer];
            taker.alive && taker.frozen_until <= now
        };
        let early = moving.owners.iter().any(|owner| lives(owner) && !takes(owner));
        if early && moving.waited < 10_000 {
            let waited = moving.waited + 500;
            return self.at(
                500,
                Happening::Moves(Moving {
                    waited,
                    ..moving.clone()
                }),
            );
        }
        let (mut rows, mut lost) = (0, ShardSet::default());
        for owner in &moving.owners {
            let held = &self.models[&moving.source].held;
            if !(owner.lo..owner.hi).all(|shard| held.contains(shard)) {
                return self.violated(&format!("{} is to move what it has not", moving.source));
            }
            if lives(owner) && takes(owner) {
                rows += u64::from(owner.hi - owner.lo) * ROWS;
            } else {
                lost.extend(std::iter::once(owner.lo..owner.hi));
            }
        }
        let because = (!lost.is_empty()).then(|| "it did not answer".to_owned());
        let moved = ToCoordinator::Moved {
            round,
            rows,
            lost,
            because,
        };
        self.model(&moving.source).work = Work::Idle;
        self.tell(&moving.source, moved);
        self.pump(&moving.source);
    }
}
