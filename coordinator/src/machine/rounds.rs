//! Feed rounds (rule A4): the first one feeds every shard; each later one exactly the shards that no member holds, from all
//! partitions. What is sealed on a member that lives is never fed again.

use super::recovery::Loss;
use super::{Machine, Now, Output, Phase};
use crate::command::Event;
use crate::homes;
use crate::ledger::{self, Expected};
use crate::members::owners;
use candlewick_failpoint::{Fault, planted};
use candlewick_protocol::feed::{ShardSum, TaskLedger, Winner};
use candlewick_protocol::message::{Member, ToTrainer};
use candlewick_protocol::placement;
use candlewick_protocol::plan;
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::shuffle::DataShuffle;
use candlewick_protocol::{ErrorKind, Failure};
use std::collections::BTreeSet;

impl Machine {
    /// Moves on once nothing is waited for: shards that no member holds are fed, then it is sealed, or training goes on.
    pub(super) fn proceed(&mut self, now: Now) {
        self.regroup(now);
        if self.phase == Phase::Failed || self.has_lost_the_state() || self.is_short(now) {
            return;
        }
        self.cover_all_shards();
        let lacks = |member: &Member| {
            let known = self.trainers.get(&member.trainer.id);
            known.is_none_or(|known| (member.lo..member.hi).any(|shard| !known.held.contains(shard)))
        };
        if self.members.iter().any(lacks) {
            return self.open_next_round(now);
        }
        if self.open_dealing(now) || self.open_copies(now) {
            return;
        }
        self.dismiss_leaving();
        if self.training {
            if !self.restore_first(now) {
                self.form_next(now);
            }
        } else {
            self.tell_sealed();
        }
    }

    /// Shards without an owner go to the neighbours of those that had them.
    fn cover_all_shards(&mut self) {
        let left: Vec<(u32, u32)> = self.members.iter().map(|member| (member.lo, member.hi)).collect();
        let ranges = plan::reassign(self.job.train.logical_shards, &left);
        for (member, (lo, hi)) in self.members.iter_mut().zip(ranges) {
            (member.lo, member.hi) = (lo, hi);
        }
    }

    /// The next round. What members lack and a trainer that lives holds is moved; then the rest is fed.
    fn open_next_round(&mut self, now: Now) {
        self.round += 1;
        let round = self.round;
        let movable = self.movable();
        if !movable.is_empty() {
            let moved = movable.values().flatten();
            let shards: ShardSet = moved.map(|part| part.lo..part.hi).collect();
            self.log(format!(
                "round {round}: shards {shards} move from trainer to trainer"
            ));
            return self.open_moves(now, movable, false);
        }
        self.open_round();
        let taken: Vec<(usize, ShardSet)> = (0..self.members.len())
            .filter_map(|rank| {
                Some((
                    rank,
                    self.trainers.get(&self.members[rank].trainer.id)?.taken.clone(),
                ))
            })
            .collect();
        let parts = taken.iter().flat_map(|(rank, shards)| {
            let ranges = shards.ranges().iter();
            ranges.map(|range| self.members[*rank].with_shards(range.clone()))
        });
        let owners = owners(&parts.collect::<Vec<_>>());
        self.log(format!("feed round {round}: {} shards are fed again", {
            let shards = taken.iter().map(|(_, shards)| shards.len());
            shards.sum::<usize>()
        }));
        let first = self.expected.as_ref().filter(|_| !planted(Fault::HomesForgotten));
        let homes = first.and_then(|first| first.homes.clone());
        let asked = Event::NeedFeed { round, owners, homes };
        self.out.push(Output::Event(asked));
    }

    /// A feed round: OPEN to every member that takes shards, those that it owns and does not hold.
    pub(super) fn open_round(&mut self) {
        let round = self.round;
        self.phase = Phase::Feeding { round };
        // What tasks feed is not dealt yet.
        if self.round == 0 || !planted(Fault::FedAgainAsDealt) {
            self.dealings.as_fed = (0..self.job.train.logical_shards).into();
        }
        for member in self.members.clone() {
            let id = member.trainer.id;
            let Some(trainer) = self.trainers.get(&id) else {
                continue;
            };
            let owned: ShardSet = (member.lo..member.hi).into();
            let shards = owned.filter(|shard| !trainer.held.contains(shard));
            self.open_for(&id, shards);
        }
    }

    /// OPEN of the round to a member, where it takes shards.
    pub(super) fn open_for(&mut self, id: &str, shards: ShardSet) {
        let round = self.round;
        if let Some(trainer) = self.trainers.get_mut(id) {
            trainer.taken = shards.clone();
        }
        if !shards.is_empty() {
            self.send(id, ToTrainer::Open { round, shards });
        }
    }

    /// What tasks of a round say, some of them or the last ones.
    pub(super) fn take_ledgers(
        &mut self,
        now: Now,
        round: u32,
        ledgers: Vec<TaskLedger>,
        more: bool,
    ) -> Result<(), Failure> {
        if self.phase != (Phase::Feeding { round }) {
            return Err(self.out_of_place("seal", &format!("Feeding {{ round: {round} }}")));
        }
        if self.told.0 != round {
            // Of a round that another one replaced.
            self.told = (round, Vec::new());
        }
        self.told.1.extend(ledgers);
        if more {
            return Ok(());
        }
        let all = std::mem::take(&mut self.told.1);
        let what = format!("has fed round {round}, {} partitions", all.len());
        self.recorder.note(None, what);
        self.seal(now, round, &all)
    }

    /// The tasks of a round have ended: SEAL to those that took shards.
    fn seal(&mut self, now: Now, round: u32, ledgers: &[TaskLedger]) -> Result<(), Failure> {
        let fed = match self.balance(ledgers) {
            Ok(fed) => fed,
            Err(failure) => {
                self.fail(failure.clone());
                return Err(failure);
            }
        };
        // A hole leads to another round, which must find what it had and where it went.
        if self.expected.is_none() {
            self.expected = Some(fed.clone());
        }
        self.count_holes(now, &fed, ledgers)?;
        self.say_seal(now, round, fed.winners, fed.incomplete);
        Ok(())
    }

    /// SEAL to those that take shards in this round.
    pub(super) fn say_seal(&mut self, now: Now, round: u32, winners: Vec<Winner>, incomplete: ShardSet) {
        self.phase = Phase::Sealing { round };
        self.restart_progress(now);
        self.incomplete = incomplete.clone();
        let expected = self.known_sums();
        for member in self.members.clone() {
            let id = &member.trainer.id;
            let takes = |trainer: &super::Trainer| !trainer.taken.is_empty();
            if self.trainers.get(id).is_some_and(takes) {
                let message = ToTrainer::Seal {
                    round,
                    winners: winners.clone(),
                    expected: expected.clone(),
                    incomplete: incomplete.clone(),
                    dealt: self.own_homes(&member),
                };
                self.send(id, message);
            }
        }
        self.when_all_sealed(now);
    }

    /// Adds the ledgers of a round up, and checks them against themselves and the first round.
    fn balance(&self, ledgers: &[TaskLedger]) -> Result<Expected, Failure> {
        let shards = self.job.train.logical_shards;
        let mut fed = ledger::add_up(ledgers, self.job.fed_shards())?;
        let known = self.expected.as_ref();
        if self.job.data.data_shuffle == DataShuffle::None {
            let first = known.and_then(|first| first.homes.as_ref());
            fed.homes = Some(homes::of(ledgers, first, shards)?);
            fed.ledger.rows_local = Some(ledgers.iter().map(|task| task.rows_local).sum());
        }
        let Some(first) = known else {
            return ledger::set_aside(ledger::not_empty(fed)?, shards);
        };
        let again: ShardSet = self.taken().collect();
        ledger::check_again(&first.sums, &fed.sums, &again, shards)
            .map_err(|failure| homes::explain(failure, fed.homes.is_some()))?;
        Ok(fed)
    }

    pub(super) fn taken(&self) -> impl Iterator<Item = u32> + '_ {
        let members = self.members.iter();
        let known = members.filter_map(|member| self.trainers.get(&member.trainer.id));
        known.flat_map(|trainer| trainer.taken.iter())
    }

    /// Shards that tasks could not hand over to a member that lives are fed to it again.
    fn count_holes(&mut self, now: Now, fed: &Expected, ledgers: &[TaskLedger]) -> Result<(), Failure> {
        let Some(id) = self.hole(&fed.incomplete) else {
            return Ok(());
        };
        let why = ledgers.iter().find_map(|task| task.lost_because.clone());
        let cut_off = self.cut_off(&id, ledgers);
        let whose = match cut_off.len() {
            0 => String::new(),
            1 => format!(" of executor {}", cut_off[0]),
            _ => format!(" of executors {}", cut_off.join(", ")),
        };
        let cause = format!(
            "feed tasks{whose} could not hand over shards {} of round {} to {}: {}",
            fed.incomplete,
            self.round,
            self.who(&id),
            why.unwrap_or_else(|| "it did not answer".to_owned())
        );
        if !cut_off.is_empty() && self.unreached.contains(&id) {
            // Whom else would be given up for it: it is that executor that reaches nobody, and it would be fed again and again.
            let failure = Failure::new(
                ErrorKind::JobFailed,
                format!(
                    "{cause}; tasks of other executors reached it: look at the network of {}",
                    whose.trim_start_matches(" of ")
                ),
            );
            self.fail(failure.clone());
            return Err(failure);
        }
        self.fill_hole(now, id, &cause)
    }

    /// Executors none of whose tasks reached a member in this round, which tasks of others did. None where an executor's own tasks
    /// reached it and then did not: that tells of the member.
    fn cut_off(&self, id: &str, ledgers: &[TaskLedger]) -> Vec<String> {
        let Some(member) = self.trainers.get(id) else {
            return Vec::new();
        };
        let its = |shard: u32| member.taken.contains(shard);
        let lost = |task: &TaskLedger| task.lost_shards.iter().any(its);
        let reached = |task: &TaskLedger| {
            let handed_over =
                |sum: &ShardSum| sum.rows > 0 && its(sum.shard) && !task.lost_shards.contains(sum.shard);
            task.shards.iter().any(handed_over)
        };
        let of = |test: &dyn Fn(&TaskLedger) -> bool| -> BTreeSet<&String> {
            let tasks = ledgers.iter().filter(|task| test(task));
            tasks.map(|task| &task.executor).collect()
        };
        let (cut_off, others) = (of(&lost), of(&reached));
        if others.is_empty() || !cut_off.is_disjoint(&others) {
            return Vec::new();
        }
        cut_off.into_iter().cloned().collect()
    }

    /// A member that lives and was to take one of these shards, which others could not hand over to it.
    pub(super) fn hole(&self, incomplete: &ShardSet) -> Option<String> {
        let mut ids = self.members.iter().map(|member| &member.trainer.id);
        let hole = ids.find(|id| {
            // The end of one that has ended is looked into, or will be.
            let known = self.trainers.get(*id);
            let lives = known.filter(|known| known.ended.is_none() && known.exit.is_none());
            lives.is_some_and(|known| known.taken.iter().any(|shard| incomplete.contains(shard)))
        });
        hole.cloned()
    }

    /// A member that lives was not reached: it is tried once more. If that fails too, it is lost to those that tried, if not to
    /// us. Each counts as a loss does.
    pub(super) fn fill_hole(&mut self, now: Now, id: String, cause: &str) -> Result<(), Failure> {
        let again = !self.unreached.insert(id.clone()) || self.is_newcomer(&id);
        if again && self.can_lose(&id) {
            let loss = Loss {
                trainer: id,
                what: String::new(),
                how: cause.to_owned(),
                open: false,
            };
            self.lose(now, vec![loss]);
            return Ok(());
        }
        // The last one is fed again and again: nobody else could take its place.
        if self.recoveries >= self.job.max_recoveries {
            let failure = Failure::new(
                ErrorKind::JobFailed,
                format!("{cause}{}", self.recoveries_so_far()),
            );
            self.fail(failure.clone());
            return Err(failure);
        }
        self.log(format!("{cause}: it is tried again"));
        self.recoveries += 1;
        self.recovery_of(now, cause.to_owned());
        Ok(())
    }

    pub(super) fn on_sealed(
        &mut self,
        now: Now,
        from: &str,
        round: u32,
        shards: &[ShardSum],
        heaped: &ShardSet,
    ) {
        if self.rank_of(from).is_none() || self.phase != (Phase::Sealing { round }) {
            return;
        }
        let Some(trainer) = self.trainers.get(from) else {
            return;
        };
        let took = trainer.taken.filter(|shard| !self.incomplete.contains(shard));
        let logical = self.job.train.logical_shards;
        let rows = match ledger::compare(&self.round_sums(), &took, &self.who(from), shards, logical) {
            Ok(rows) => rows,
            Err(failure) => return self.fail(failure),
        };
        let Some(trainer) = self.trainers.get_mut(from) else {
            return;
        };
        if !std::mem::take(&mut trainer.taken).is_empty() {
            let as_fed = took.filter(|shard| self.dealings.as_fed.contains(shard));
            let rest = |shards: &ShardSet| shards.filter(|shard| !took.contains(shard));
            (trainer.undealt, trainer.heaped) = (rest(&trainer.undealt), rest(&trainer.heaped));
            trainer.held.extend(took.ranges().iter().cloned());
            trainer.undealt.extend(as_fed.ranges().iter().cloned());
            trainer.heaped.extend(heaped.ranges().iter().cloned());
            trainer.rows.retain(|shard, _| !took.contains(*shard));
            for sum in shards {
                *trainer.rows.entry(sum.shard % logical).or_default() += sum.rows;
            }
            trainer.progressed = now;
            self.count_refed(rows);
        }
        self.when_all_sealed(now);
    }

    /// Moves on once every member that took shards has sealed them.
    pub(super) fn when_all_sealed(&mut self, now: Now) {
        let sealing = matches!(self.phase, Phase::Sealing { .. });
        if sealing && self.all_members(|trainer| trainer.taken.is_empty()) {
            self.fed(now);
            self.proceed(now);
        }
    }

    /// Every shard is sealed for the first time.
    fn tell_sealed(&mut self) {
        let Some(expected) = &self.expected else { return };
        let mut ledger = expected.ledger.clone();
        // Counted from the spools' answers, independently of what the tasks said (rule A8).
        let owned = |member: &Member| -> Option<u64> {
            let trainer = self.trainers.get(&member.trainer.id)?;
            // Others that it holds too have moved to their owners.
            Some(
                trainer
                    .rows
                    .range(member.lo..member.hi)
                    .map(|(_, rows)| rows)
                    .sum(),
            )
        };
        ledger.rows_spooled = self.members.iter().filter_map(owned).sum();
        ledger.rows_dealt = self.rows_dealt();
        let sums = self.known_sums();
        ledger.placement = expected.homes.as_ref().map(|_| placement::hash(&sums));
        let training = sums.iter().take(self.job.train.logical_shards as usize);
        ledger.shard_rows = training.map(|sum| sum.rows).collect();
        self.phase = Phase::Sealed;
        self.out.push(Output::Event(Event::Sealed { ledger }));
    }

    /// Sums of every shard as it was fed, once the first round has ended.
    pub(super) fn fed_sums(&self) -> &[ShardSum] {
        self.expected.as_ref().map_or(&[], |expected| &expected.sums)
    }
}
