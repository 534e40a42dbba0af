//! Rounds in which rows go from trainer to trainer (rule C4): like a feed round, but those that hold the shards send them, in
//! place of the tasks. Shards that a trainer that lives holds are moved, those that nobody holds are fed.

use super::{Machine, Now, Phase};
use crate::members::owners;
use candlewick_protocol::feed::Winner;
use candlewick_protocol::message::{Member, ToTrainer};
use candlewick_protocol::shards::ShardSet;
use std::collections::BTreeMap;

/// A trainer that hands shards over.
#[derive(Debug)]
struct Source {
    partition: u32,
    /// Who takes which.
    parts: Vec<Member>,
    /// Those that it could not hand over, once it has answered.
    lost: Option<ShardSet>,
}

/// By the ids of a trainer that sent and one that was to take.
type Failed = BTreeMap<(String, String), ShardSet>;

/// The round that runs, if one does.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// By id.
    sources: BTreeMap<String, Source>,
    /// The number of the last such round.
    round: Option<u32>,
    /// True where copies are made in it.
    pub(super) copies: bool,
    /// Shards that one trainer could not hand over to another, by the ids of both, and copies that it could not: it does not
    /// try that again before a generation has begun.
    failed: Failed,
    failed_copies: Failed,
}

impl Machine {
    /// Shards that members own and lack, by the trainer that has them: who takes which.
    pub(super) fn movable(&self) -> BTreeMap<String, Vec<Member>> {
        self.sources(&self.moves.failed, |_, member| {
            let known = self.trainers.get(&member.trainer.id);
            let owned = ShardSet::from(member.lo..member.hi);
            owned.filter(|shard| known.is_some_and(|known| !known.held.contains(shard)))
        })
    }

    /// Copies of those shards of others that `takes` says of each rank, by the trainer that sends them.
    pub(super) fn copyable(
        &self,
        takes: impl Fn(usize, &Member) -> ShardSet,
    ) -> BTreeMap<String, Vec<Member>> {
        self.sources(&self.moves.failed_copies, takes)
    }

    /// Shards that members are to take, which `takes` says of each rank, by a trainer that has them: who takes which. Those
    /// that nobody has who has not failed to hand them over are left out.
    fn sources(
        &self,
        failed: &Failed,
        takes: impl Fn(usize, &Member) -> ShardSet,
    ) -> BTreeMap<String, Vec<Member>> {
        let holders = self.holders();
        let mut found: BTreeMap<String, Vec<Member>> = BTreeMap::new();
        for (rank, member) in self.members.iter().enumerate() {
            let taker = &member.trainer.id;
            for shard in takes(rank, member).iter() {
                let mut holders = holders.get(&shard).into_iter().flatten();
                let may = |source: &String| {
                    let failed = failed.get(&(source.clone(), taker.clone()));
                    source != taker && failed.is_none_or(|failed| !failed.contains(shard))
                };
                let Some(source) = holders.find(|id| may(id)) else {
                    continue;
                };
                let parts = found.entry((*source).clone()).or_default();
                match parts.last_mut() {
                    Some(part) if part.trainer.id == *taker && part.hi == shard => part.hi += 1,
                    _ => parts.push(member.with_shards(shard..shard + 1)),
                }
            }
        }
        found
    }

    /// Who has each shard, the owner first. Those that have it dealt, where one has.
    fn holders(&self) -> BTreeMap<u32, Vec<&String>> {
        let alive = self.trainers.iter().filter(|(_, known)| known.connected);
        let owners = self.members.iter().filter_map(|member| {
            let owner = self.trainers.get_key_value(&member.trainer.id)?;
            owner.1.connected.then_some((owner, Some(member.lo..member.hi)))
        });
        let all: Vec<_> = owners.chain(alive.map(|one| (one, None))).collect();
        let mut holders: BTreeMap<u32, Vec<&String>> = BTreeMap::new();
        for dealt in [true, false] {
            let before: ShardSet = holders.keys().copied().collect();
            for ((id, known), of) in &all {
                let counts = |shard: &u32| {
                    let of = of.as_ref().is_none_or(|of| of.contains(shard));
                    of && known.has_dealt(*shard) == dealt && !before.contains(*shard)
                };
                for shard in known.held.iter().filter(counts) {
                    let ids = holders.entry(shard).or_default();
                    if !ids.contains(id) {
                        ids.push(id);
                    }
                }
            }
        }
        holders
    }

    /// Those of the shards that move that are as they were fed.
    fn as_fed(&self, movable: &BTreeMap<String, Vec<Member>>) -> ShardSet {
        let of = |(id, parts): (&String, &Vec<Member>)| {
            let known = self.trainers.get(id);
            let moved: ShardSet = parts.iter().map(|part| part.lo..part.hi).collect();
            known.map(|known| moved.filter(|shard| known.undealt.contains(shard)))
        };
        let undealt = movable.iter().filter_map(of);
        undealt.flat_map(|shards| shards.ranges().to_vec()).collect()
    }

    /// Begins a round of moves, or of `copies`: who sends what to whom.
    pub(super) fn open_moves(&mut self, now: Now, parts: BTreeMap<String, Vec<Member>>, copies: bool) {
        let round = self.round;
        self.phase = Phase::Moving { round };
        for id in self
            .members
            .iter()
            .map(|member| member.trainer.id.clone())
            .collect::<Vec<_>>()
        {
            let taken = parts.values().flatten().filter(|part| part.trainer.id == id);
            let taken = taken.map(|part| part.lo..part.hi).collect();
            self.open_for(&id, taken);
        }
        self.restart_progress(now);
        self.moves.sources.clear();
        (self.moves.round, self.moves.copies) = (Some(round), copies);
        self.dealings.as_fed = self.as_fed(&parts);
        for (partition, (id, parts)) in (0u32..).zip(parts) {
            let message = ToTrainer::Move {
                round,
                owners: owners(&parts),
                partition,
            };
            self.send(&id, message);
            let source = Source {
                partition,
                parts,
                lost: None,
            };
            self.moves.sources.insert(id, source);
        }
    }

    /// A trainer has handed over what it was asked to, or as much of it as it could.
    pub(super) fn on_moved(
        &mut self,
        now: Now,
        from: &str,
        round: u32,
        rows: u64,
        lost: (ShardSet, Option<String>),
    ) {
        if self.phase != (Phase::Moving { round }) {
            return;
        }
        let (lost, because) = lost;
        if let Some(because) = because {
            let (what, follows) = if self.moves.copies {
                ("copies of shards", "the fit goes on without them")
            } else {
                (
                    "shards",
                    "they come from another trainer that has them, or are fed again",
                )
            };
            let who = self.who(from);
            self.log(format!(
                "{who} could not hand over {what} {lost}, {follows}: {because}"
            ));
        }
        let known = if self.moves.copies {
            &mut self.moves.failed_copies
        } else {
            &mut self.moves.failed
        };
        if let Some(source) = self.moves.sources.get_mut(from) {
            for part in &source.parts {
                let failed = lost.filter(|shard| (part.lo..part.hi).contains(&shard));
                let pair = (from.to_owned(), part.trainer.id.clone());
                let known = known.entry(pair).or_default();
                known.extend(failed.ranges().iter().cloned());
            }
            source.lost = Some(lost);
            self.count_moved(rows);
        }
        self.when_all_moved(now);
    }

    /// True where it hands shards over and has not said that it has.
    pub(super) fn still_moves(&self, id: &str) -> bool {
        let moving = matches!(self.phase, Phase::Moving { .. });
        let source = self.moves.sources.get(id).filter(|_| moving);
        source.is_some_and(|source| source.lost.is_none())
    }

    /// Ids of those that hand shards over and have not said that they have.
    pub(super) fn movers(&self) -> impl Iterator<Item = &String> {
        self.moves.sources.keys().filter(|id| self.still_moves(id))
    }

    /// Seals the round once everybody has answered. What was not handed over comes from another trainer that has it, else it is
    /// fed again.
    pub(super) fn when_all_moved(&mut self, now: Now) {
        let Phase::Moving { round } = self.phase else {
            return;
        };
        for (id, source) in &mut self.moves.sources {
            let lives = self.trainers.get(id).is_some_and(|known| known.connected);
            if source.lost.is_none() && !lives {
                source.lost = Some(source.parts.iter().map(|part| part.lo..part.hi).collect());
            }
        }
        if self.moves.sources.values().any(|source| source.lost.is_none()) {
            return;
        }
        let sources = std::mem::take(&mut self.moves.sources);
        let lost = sources.values().filter_map(|source| source.lost.as_ref());
        let incomplete: ShardSet = lost.flat_map(|lost| lost.ranges().iter().cloned()).collect();
        let winner = |source: &Source| Winner {
            partition: source.partition,
            attempt: 0,
        };
        let winners = sources.values().map(winner).collect();
        self.say_seal(now, round, winners, incomplete);
    }

    /// True where the rows of the round come from trainers.
    pub(super) fn round_moves(&self) -> bool {
        self.moves.round == Some(self.round)
    }

    /// A generation has begun: what could not be moved before may be moved the next time.
    pub(super) fn forget_failed_moves(&mut self) {
        self.moves.failed.clear();
        self.moves.failed_copies.clear();
    }
}
