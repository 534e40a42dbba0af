//! Copies of shards (rule A5): with `dataReplicas` = 2 a second member keeps what each one owns, so that nothing is read again
//! where one is lost. They are made by moves, before a generation is formed and as far as they are missing: the feed knows
//! nothing of them.

use super::{Machine, Now};
use crate::members::copies;
use candlewick_protocol::message::Member;
use candlewick_protocol::shards::ShardSet;
use std::collections::BTreeMap;

impl Machine {
    /// Begins a round in which copies are made that are missing. True where one begins. To be called once every shard is
    /// where it belongs, and dealt.
    pub(super) fn open_copies(&mut self, now: Now) -> bool {
        if self.job.data_replicas < 2 {
            return false;
        }
        let missing = self.missing_copies();
        if missing.is_empty() {
            return false;
        }
        self.round += 1;
        let shards: ShardSet = missing.values().flatten().map(|part| part.lo..part.hi).collect();
        let round = self.round;
        self.log(format!(
            "round {round}: shards {shards} are copied to a second trainer"
        ));
        self.open_moves(now, missing, true);
        true
    }

    /// Those shards of others that members are to keep and do not have, by the trainer that sends them.
    fn missing_copies(&self) -> BTreeMap<String, Vec<Member>> {
        let wanted = self.wanted_copies();
        let lacks = |rank: usize, member: &Member| {
            let known = self.trainers.get(&member.trainer.id);
            // One that has it as it was fed does not know what was dealt to it.
            let has = |shard| known.is_some_and(|known| known.has_dealt(shard));
            wanted
                .get(rank)
                .map_or_else(ShardSet::default, |wanted| wanted.filter(|shard| !has(shard)))
        };
        self.copyable(lacks)
    }

    /// Shards that members are to keep beside their own, by rank.
    fn wanted_copies(&self) -> Vec<ShardSet> {
        if self.job.data_replicas < 2 {
            return vec![ShardSet::default(); self.members.len()];
        }
        copies(&self.members).into_iter().map(ShardSet::from).collect()
    }

    /// Those of them that they have, by rank: where one could not be made, training goes on without it.
    pub(super) fn kept_copies(&self) -> Vec<ShardSet> {
        let members = self.members.iter().zip(self.wanted_copies());
        let kept = |(member, wanted): (&Member, ShardSet)| {
            let known = self.trainers.get(&member.trainer.id);
            wanted.filter(|shard| known.is_some_and(|known| known.has_dealt(shard)))
        };
        members.map(kept).collect()
    }
}
