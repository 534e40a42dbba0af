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
    shards: ShardSet,
    /// Those that it could not hand over, once it has answered.
    lost: Option<ShardSet>,
}

/// The round that runs, if one does.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// By id.
    sources: BTreeMap<String, Source>,
    /// The number of the last such round.
    round: Option<u32>,
    /// Shards that could not be handed over once are fed again from then on.
    failed: ShardSet,
}

impl Machine {
    /// Shards that members own and lack, by the trainer that has them: who takes which.
    pub(super) fn movable(&self) -> BTreeMap<String, Vec<Member>> {
        let mut holders: BTreeMap<u32, &String> = BTreeMap::new();
        // From one that has it dealt, where one has.
        for dealt in [true, false] {
            for (id, trainer) in self.trainers.iter().filter(|(_, trainer)| trainer.connected) {
                let held = trainer.held.iter();
                for shard in held.filter(|shard| trainer.undealt.contains(*shard) != dealt) {
                    holders.entry(shard).or_insert(id);
                }
            }
        }
        let mut found: BTreeMap<String, Vec<Member>> = BTreeMap::new();
        for member in &self.members {
            let taker = self.trainers.get(&member.trainer.id);
            let lacks = |shard: u32| taker.is_some_and(|taker| !taker.held.contains(shard));
            let moves = |shard: &u32| lacks(*shard) && !self.moves.failed.contains(*shard);
            for shard in (member.lo..member.hi).filter(moves) {
                let Some(source) = holders.get(&shard) else {
                    continue;
                };
                let parts = found.entry((*source).clone()).or_default();
                match parts.last_mut() {
                    Some(part) if part.trainer.id == member.trainer.id && part.hi == shard => part.hi += 1,
                    _ => parts.push(member.with_shards(shard..shard + 1)),
                }
            }
        }
        found
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

    /// Begins a round of moves.
    pub(super) fn open_moves(&mut self, now: Now, movable: BTreeMap<String, Vec<Member>>) {
        let round = self.round;
        let shards: ShardSet = movable.values().flatten().map(|part| part.lo..part.hi).collect();
        self.log(format!(
            "round {round}: shards {shards} move from trainer to trainer"
        ));
        self.open_round(Phase::Moving { round }, Some(&shards));
        self.restart_progress(now);
        self.moves.sources.clear();
        self.moves.round = Some(round);
        self.dealings.as_fed = self.as_fed(&movable);
        for (partition, (id, parts)) in (0u32..).zip(movable) {
            let owners = owners(&parts);
            let shards = parts.iter().map(|part| part.lo..part.hi).collect();
            self.send(
                &id,
                ToTrainer::Move {
                    round,
                    owners,
                    partition,
                },
            );
            let source = Source {
                partition,
                shards,
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
            self.log(format!(
                "{} could not hand over shards {lost}, which are fed again: {because}",
                self.who(from)
            ));
        }
        if let Some(source) = self.moves.sources.get_mut(from) {
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

    /// Seals the round once everybody has answered; what those had that are gone is fed again.
    pub(super) fn when_all_moved(&mut self, now: Now) {
        let Phase::Moving { round } = self.phase else {
            return;
        };
        for (id, source) in &mut self.moves.sources {
            let lives = self.trainers.get(id).is_some_and(|known| known.connected);
            if source.lost.is_none() && !lives {
                source.lost = Some(source.shards.clone());
            }
        }
        if self.moves.sources.values().any(|source| source.lost.is_none()) {
            return;
        }
        let sources = std::mem::take(&mut self.moves.sources);
        let lost = sources.values().filter_map(|source| source.lost.as_ref());
        let incomplete: ShardSet = lost.flat_map(|lost| lost.ranges().iter().cloned()).collect();
        self.moves.failed.extend(incomplete.ranges().iter().cloned());
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
        self.moves.failed = ShardSet::default();
    }
}
