//! Trainers that come and leave while a run goes on, and rows that move between them.

use super::trainer::Model;
use super::work::Work;
use super::{Happening, Random, Simulation, info, ms, rows};
use candlewick_protocol::dealing::Deal;
use candlewick_protocol::feed::{Owner, ShardSum};
use candlewick_protocol::message::ToCoordinator;
use candlewick_protocol::shards::ShardSet;
use serde_json::json;

/// Rows on their way from one trainer to others.
#[derive(Debug, Clone)]
pub(super) struct Moving {
    pub(super) source: String,
    pub(super) round: u32,
    pub(super) owners: Vec<Owner>,
    /// What is dealt, where they are copies of rows.
    pub(super) deal: Option<Deal>,
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
    /// Rounds of dealing.
    pub(super) dealt: u64,
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
        self.hand_over(moving);
    }

    /// True where it lives and has heard of the round.
    fn takes_now(&self, owner: &Owner, round: u32) -> bool {
        let taker = &self.models[&owner.trainer];
        let takes = (owner.lo..owner.hi).all(|shard| taker.takes(round, shard));
        takes && taker.alive && taker.frozen_until <= self.now
    }

    fn hand_over(&mut self, moving: &Moving) {
        let round = moving.round;
        let mut lost = ShardSet::default();
        let mut sent: Vec<(String, u32, rows::Content)> = Vec::new();
        for owner in moving
            .owners
            .iter()
            .filter(|owner| owner.trainer != moving.source)
        {
            let shards = &self.models[&moving.source].shards;
            let rows_of = |shard: u32| match &moving.deal {
                Some(deal) => Some(rows::owed(shards, &deal.homes, deal.dealing, shard)),
                None => shards.get(&shard).cloned(),
            };
            let Some(rows) = (owner.lo..owner.hi).map(rows_of).collect::<Option<Vec<_>>>() else {
                return self.violated(&format!("{} is to move what it has not", moving.source));
            };
            if self.takes_now(owner, round) {
                let sends = (owner.lo..owner.hi).zip(rows);
                sent.extend(sends.map(|(shard, rows)| (owner.trainer.clone(), shard, rows)));
            } else {
                lost.extend(std::iter::once(owner.lo..owner.hi));
            }
        }
        self.not_handed_over(&lost);
        let because = (!lost.is_empty()).then(|| "it did not answer".to_owned());
        let told = match &moving.deal {
            Some(deal) => self.dealt(moving, deal, lost, because),
            None => ToCoordinator::Moved {
                round,
                rows: sent.iter().map(|(_, shard, rows)| rows.sum(*shard).rows).sum(),
                lost,
                because,
            },
        };
        for (taker, shard, rows) in sent {
            self.model(&taker).came.push((round, shard, rows));
        }
        self.model(&moving.source).work = Work::Idle;
        self.tell(&moving.source, told);
        self.pump(&moving.source);
    }

    /// The answer of a trainer that has dealt.
    fn dealt(&self, moving: &Moving, deal: &Deal, lost: ShardSet, because: Option<String>) -> ToCoordinator {
        let shards = &self.models[&moving.source].shards;
        let (mut heaps, mut shares): (Vec<ShardSum>, Vec<ShardSum>) = (Vec::new(), Vec::new());
        for shard in moving.owners.iter().flat_map(|owner| owner.lo..owner.hi) {
            // The whole heap of a home, and what of it stays.
            if deal.homes.contains(shard)
                && let Some(content) = shards.get(&shard)
            {
                heaps.push(rows::heap_of(shard, content, deal.dealing));
                shares.push(rows::kept(shard, content, deal.dealing));
            }
            shares.push(rows::owed(shards, &deal.homes, deal.dealing, shard).sum(shard));
        }
        ToCoordinator::Dealt {
            round: moving.round,
            lost,
            because,
            heaps,
            shares,
        }
    }
}
