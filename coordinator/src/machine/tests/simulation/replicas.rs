//! Copies of shards (rule A5): while one lives, its shard is not fed again.

use super::{BTreeMap, Event, Simulation, ToTrainer};
use candlewick_protocol::feed::Owner;
use candlewick_protocol::message::RecoveryRecord;
use candlewick_protocol::shards::ShardSet;

/// What is known of the copies of a run.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// True once steps have been made.
    trains: bool,
    /// Shards, and copies of some, that one trainer could not hand over to another since the last START.
    failed: ShardSet,
    failed_copies: ShardSet,
    /// Shards that trainers give up by the FORM that was said last, until they are to take them again. The coordinator cannot
    /// count on them, though the word may not have come yet.
    given_up: BTreeMap<String, ShardSet>,
    /// Rounds in which copies were made, and those after the first START.
    pub(super) copied: u64,
    pub(super) copied_again: u64,
    /// Recoveries from a loss in training without a feed.
    pub(super) spared: u64,
}

impl Simulation {
    /// A trainer could not hand these over.
    pub(super) fn not_handed_over(&mut self, shards: &ShardSet) {
        let judge = &mut self.replicas;
        let failed = if self.machine.moves.copies {
            &mut judge.failed_copies
        } else {
            &mut judge.failed
        };
        failed.extend(shards.ranges().iter().cloned());
    }

    /// What a trainer is to keep it has, whole; and at START there are two of each shard.
    pub(super) fn check_copies(&mut self, to: &str, message: &ToTrainer) {
        match message {
            ToTrainer::Open { shards, .. } => {
                if let Some(given_up) = self.replicas.given_up.get_mut(to) {
                    *given_up = given_up.filter(|shard| !shards.contains(shard));
                }
            }
            ToTrainer::Form { members, copies, .. } => {
                let own = members.iter().find(|member| member.trainer.id == to);
                let owns = |shard: &u32| own.is_some_and(|own| (own.lo..own.hi).contains(shard));
                let given_up = (0..super::SHARDS).filter(|shard| !owns(shard) && !copies.contains(*shard));
                self.replicas.given_up.insert(to.to_owned(), given_up.collect());
                let shards = &self.models[to].shards;
                let lacks = |shard: &u32| shards.get(shard) != Some(&self.source.dealt(*shard));
                if let Some(shard) = copies.iter().find(lacks) {
                    let has = shards.get(&shard);
                    self.violated(&format!(
                        "A5: {to} is to keep a copy of shard {shard} and has {has:?}"
                    ));
                }
            }
            ToTrainer::Start { .. } => {
                let members = self.machine.members.clone();
                if self.machine.job.data_replicas == 2 && members.len() > 1 {
                    let keepers = |shard: u32| {
                        let has = |id: &String| self.models[id].shards.contains_key(&shard);
                        members.iter().filter(|member| has(&member.trainer.id)).count()
                    };
                    let alone =
                        |shard: &u32| keepers(*shard) < 2 && !self.replicas.failed_copies.contains(*shard);
                    if let Some(shard) = (0..super::SHARDS).find(alone) {
                        self.violated(&format!("A5: there is one of shard {shard} when training begins"));
                    }
                }
                // The last of them gets it in the same moment.
                let last = members.last().is_some_and(|member| member.trainer.id == to);
                if last {
                    let judge = &mut self.replicas;
                    judge.trains = true;
                    (judge.failed, judge.failed_copies) = Default::default();
                }
            }
            _ => {}
        }
    }

    /// Tasks are to feed these again.
    pub(super) fn judge_feed(&mut self, owners: &[Owner]) {
        let lives = |shard: u32| {
            let mut models = self.models.values().filter(|model| {
                let known = self.machine.trainers.get(&model.id);
                model.alive && known.is_some_and(|known| known.connected)
            });
            let given_up = |id: &String| {
                let given_up = self.replicas.given_up.get(id);
                given_up.is_some_and(|given_up| given_up.contains(shard))
            };
            let whole = self.source.dealt(shard);
            let has = models.find(|model| model.shards.get(&shard) == Some(&whole) && !given_up(&model.id));
            has.map(|model| (shard, model.id.clone()))
        };
        let asked = owners.iter().flat_map(|owner| owner.lo..owner.hi);
        let mut asked = asked.filter(|shard| !self.replicas.failed.contains(*shard));
        if let Some((shard, id)) = asked.find_map(lives) {
            self.violated(&format!("A5: shard {shard} is fed again, and {id} has it"));
        }
    }

    /// What the driver hears.
    pub(super) fn judge_copies(&mut self, event: &Event) {
        match event {
            Event::Log { message } if message.ends_with("copied to a second trainer") => {
                self.replicas.copied += 1;
                self.replicas.copied_again += u64::from(self.replicas.trains);
            }
            Event::Recovered { record } => self.count_spared(record),
            _ => {}
        }
    }

    fn count_spared(&mut self, record: &RecoveryRecord) {
        let copies = self.machine.job.data_replicas == 2;
        let lost = record.generation > 1 && !record.lost.is_empty();
        self.replicas.spared += u64::from(copies && lost && record.rows_refed == 0);
    }
}
