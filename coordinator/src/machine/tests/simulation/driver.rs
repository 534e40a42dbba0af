//! A model of the driver: feeds what it is asked to, says when to train, and judges the end.

use super::limits::Limits;
use super::truth::{restore, state_hash, truth};
use super::{Happening, ROWS, SHARDS, STEPS_PER_EPOCH, Simulation};
use crate::command::Event;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::feed::{Ledger, Owner, TaskLedger};
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::shuffle::{DataShuffle, Home, Homes};
use serde_json::{Value, json};

/// A feed round that runs.
#[derive(Debug)]
pub(super) struct Round {
    number: u32,
    owners: Vec<Owner>,
    /// Where partitions went before, where the coordinator says so.
    homes: Option<Homes>,
    /// How long its tasks have waited for trainers that had not heard of it.
    waited: u64,
}

#[derive(Debug)]
pub(super) struct Driver {
    /// Recoveries that were told of.
    pub(super) told: u64,
    /// Where each partition went in the first round, where rows stay where they are read.
    homes: Vec<Home>,
    /// What it decides at the ends of epochs.
    pub(super) limits: Limits,
}

impl Driver {
    pub(super) fn new(seed: u64) -> Self {
        Driver {
            told: 0,
            homes: Vec::new(),
            limits: Limits::new(seed),
        }
    }
}

impl Simulation {
    /// Begins a round; tasks reach those that live when they do.
    pub(super) fn feed(&mut self, number: u32, owners: &Value, homes: Option<Homes>) {
        let owners: Vec<Owner> = serde_json::from_value(owners.clone()).unwrap();
        let round = Round {
            number,
            owners,
            homes,
            waited: 0,
        };
        let delay = 50 + self.random.below(2_000);
        self.at(delay, Happening::Fed(round));
    }

    /// The tasks of a round have ended.
    pub(super) fn fed(&mut self, round: Round) {
        // A trainer that has not heard of the round yet is waited for.
        let early = |owner: &Owner| {
            let model = &self.models[&owner.trainer];
            let lives = model.alive && model.frozen_until <= self.now;
            lives && !(owner.lo..owner.hi).all(|shard| model.takes(round.number, shard))
        };
        if round.waited < 10_000 && round.owners.iter().any(early) {
            let waited = round.waited + 500;
            return self.at(500, Happening::Fed(Round { waited, ..round }));
        }
        let mut unreached = ShardSet::default();
        for owner in &round.owners {
            let model = &self.models[&owner.trainer];
            let takes = (owner.lo..owner.hi).all(|shard| model.takes(round.number, shard));
            if !model.alive || model.frozen_until > self.now || !takes {
                unreached.extend(owner.lo..owner.hi);
            }
        }
        let fed: ShardSet = round.owners.iter().map(|owner| owner.lo..owner.hi).collect();
        let ledgers: Vec<TaskLedger> = match self.source.shuffle {
            DataShuffle::Hash => vec![self.task((0, None), &fed, &unreached)],
            DataShuffle::None => {
                let Some(homes) = self.homes(&round) else {
                    return self.violated("A1: partitions are to be fed elsewhere than first");
                };
                let tasks = (0..).zip(homes);
                tasks
                    .map(|(partition, home)| self.task((partition, Some(home)), &fed, &unreached))
                    .collect()
            }
        };
        let _ = self.command(json!({"cmd": "seal", "round": round.number, "ledgers": ledgers}));
    }

    /// Where each partition goes: in the first round beside its executor, one has as many partitions as it has shards; later
    /// where the coordinator says, which must be there.
    fn homes(&mut self, round: &Round) -> Option<Vec<Home>> {
        if round.number == 0 {
            let home = |owner: &Owner| Home {
                lo: owner.lo,
                hi: owner.hi,
            };
            let partitions = |owner: &Owner| vec![home(owner); (owner.hi - owner.lo) as usize];
            self.driver.homes = round.owners.iter().flat_map(partitions).collect();
        }
        let first: Homes = self.driver.homes.iter().copied().collect();
        let told = round.number == 0 || round.homes.as_ref() == Some(&first);
        told.then(|| self.driver.homes.clone())
    }

    /// The ledger of a task. With homes each task has the rows of one shard, and reads none where its home is not fed.
    fn task(
        &self,
        (partition, home): (u32, Option<Home>),
        fed: &ShardSet,
        unreached: &ShardSet,
    ) -> TaskLedger {
        let mine: ShardSet = match home {
            None => (0..SHARDS).into(),
            Some(home) if home.meets(fed) => std::iter::once(partition).collect(),
            Some(_) => ShardSet::default(),
        };
        let taken = mine.filter(|shard| fed.contains(shard) && !unreached.contains(shard));
        let (all, sent) = (mine.len() as u64 * ROWS, taken.len() as u64 * ROWS);
        TaskLedger {
            partition,
            home,
            rows_read: all,
            rows_sent: sent,
            rows_passed_over: all - sent,
            shards: mine
                .iter()
                .map(|shard| self.source.fed(shard).sum(shard))
                .collect(),
            lost_shards: unreached.clone(),
            ..TaskLedger::default()
        }
    }

    pub(super) fn event(&mut self, event: Event) {
        self.judge_copies(&event);
        match event {
            Event::NeedFeed { round, owners, homes } => {
                self.judge_feed(&owners);
                self.feed(round, &json!(owners), homes);
            }
            Event::Sealed { ledger } => self.judge_ledger(&ledger),
            Event::Epoch { record } if record.epoch != self.epochs => {
                self.violated(&format!("epoch {} came after {}", record.epoch, self.epochs));
            }
            Event::Epoch { record } => {
                self.epochs += 1;
                self.consider(self.epochs);
                if truth().records.get(record.epoch as usize) != Some(&record) {
                    self.violated(&format!(
                        "I7: the record of a run without faults is another one: {record:?}"
                    ));
                }
            }
            Event::Snapshot { counter, .. } => self.judge_snapshot(counter),
            Event::Recovered { record } => {
                self.driver.told += 1;
                let lost = record.lost.len();
                self.note(|| format!("recovered: {lost} lost, {}", record.cause));
                if record.steps_redone > 1 {
                    self.end = Some(Err(format!("steps redone: {}", record.steps_redone)));
                }
            }
            Event::Left { .. } => self.elastic.left += 1,
            // Given up by the rules though it lives: no fault was planned to take it away.
            Event::Lost { why, .. }
                if why.starts_with("feed tasks could not hand over")
                    || why.starts_with("equal rows could not be dealt")
                    || why.contains("have lost each other") =>
            {
                self.faults.fatal += 1;
            }
            Event::Lost { why, .. } if why.contains("made no progress") => {
                self.violated(&format!("a deadlock: {why}"));
            }
            Event::Rescaled { record } => {
                self.elastic.rescaled += 1;
                self.elastic.joined += record.joined.len() as u64;
                let stays = record.joined.is_empty() && record.left.is_empty();
                self.elastic.rebalanced += u64::from(stays);
                self.note(|| format!("rescaled: {record:?}"));
                if record.resume_step + 1 < self.furthest {
                    self.end = Some(Err(format!("rescaled at {}", record.resume_step)));
                }
            }
            Event::Done { steps, .. } => self.end = Some(self.judge_done(steps)),
            Event::Failed { failure } => self.end = Some(self.judge_failed(&failure.message)),
            Event::Log { message } => {
                self.elastic.dealt += u64::from(message.contains("equal rows are dealt"));
                self.note(|| message);
            }
            _ => {}
        }
    }

    /// Training begins where the ledger balances.
    fn judge_ledger(&mut self, ledger: &Ledger) {
        if self.balances(ledger) {
            let delay = self.random.below(50);
            self.at(delay, Happening::Train);
        } else {
            self.end = Some(Err(format!("the ledger does not balance: {ledger:?}")));
        }
    }

    fn balances(&self, ledger: &Ledger) -> bool {
        let rows = |shard| self.source.dealt(shard).sum(shard).rows;
        let spread = ledger.shard_rows.iter().copied().eq((0..SHARDS).map(rows));
        let all = (ledger.rows_spooled, ledger.rows_sent) == (u64::from(SHARDS) * ROWS, ledger.rows_read);
        all && spread && (ledger.rows_dealt > 0) == self.source.deals()
    }

    fn judge_snapshot(&mut self, counter: ProgramCounter) {
        let taken = self.machine.take_snapshot().unwrap();
        let state = restore(&taken.state, STEPS_PER_EPOCH);
        let hash = state.map(|(weights, course)| state_hash(weights, &course));
        if hash.ok().as_ref() != truth().states.get(&counter) {
            self.violated(&format!("I7: the checkpoint at {counter} is of another state"));
        }
    }

    fn judge_done(&self, steps: u64) -> Result<(), String> {
        let last = self.driver.limits.epochs();
        if (steps, self.epochs) != (u64::from(last) * STEPS_PER_EPOCH, last) {
            return Err(format!(
                "it ended with (steps, epochs) = {:?}, not after {last} epochs",
                (steps, self.epochs)
            ));
        }
        let (weights, _) = self.machine.weights().map_err(|failure| failure.message)?;
        if *weights == Self::model_after(last) {
            Ok(())
        } else {
            Err("I7: the model is another one".to_owned())
        }
    }

    /// A fit may fail only where the faults were more than it can get over.
    fn judge_failed(&self, message: &str) -> Result<(), String> {
        let gone = self.faults.fatal + self.elastic.leavers();
        let nobody_left = gone >= self.elastic.first;
        let too_few = message.contains("of at least minTrainers")
            && self.elastic.first < gone + u64::from(self.machine.job.min_trainers);
        let too_often = self.faults.costly > u64::from(self.machine.job.max_recoveries);
        // Two that never reached each other are for the user to mend.
        let first = message.contains("neither of the two processes") && self.machine.generation <= 1;
        if nobody_left || too_often || first || too_few {
            Ok(())
        } else {
            Err(format!("the fit failed: {message}"))
        }
    }
}
