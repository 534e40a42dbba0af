//! Trainers that come and leave by plan (rule C4). Who comes waits until no generation runs: until a recovery, or the end of
//! an epoch, for which the generation is halted. Who leaves is not waited for: it is halted for at once. Shards are dealt
//! anew, and their rows go from trainer to trainer; nothing is read from Spark.

use super::pace::Balance;
use super::{Machine, Now, Output, Phase, Trainer};
use crate::command::Event;
use crate::members::{one_device, rank};
use candlewick_protocol::message::{RescaleRecord, ToTrainer, TrainerInfo, TrainerRef};
use candlewick_protocol::{ErrorKind, Failure};
use std::collections::BTreeSet;
use std::time::Duration;

/// Those that come and leave before the next generation.
#[derive(Debug)]
struct Rescale {
    cause: String,
    began: Now,
    joined: Vec<TrainerRef>,
    left: Vec<TrainerRef>,
    rows_moved: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Elastic {
    /// Ids of trainers that the driver has announced: no others are taken once the members are fixed.
    expected: BTreeSet<String>,
    rescale: Option<Rescale>,
    /// Since when there are too few.
    short_since: Option<Now>,
    /// Why shards shall move between those that stay, where they shall.
    rebalance: Option<String>,
    /// Whether they do.
    pub(super) balance: Balance,
}

impl Machine {
    /// A trainer's first message on a new stream. An error refuses the stream.
    pub(crate) fn connect(&mut self, now: Now, info: TrainerInfo) -> Result<(), Failure> {
        if self.trainers.contains_key(&info.id) {
            return Err(Failure::parameter(format!(
                "trainer {} has registered before",
                info.id
            )));
        }
        if let Some(member) = self.members.first() {
            // As a member it would end the fit.
            one_device(&[member.trainer.clone(), info.clone()])?;
        }
        let over = matches!(self.phase, Phase::Done | Phase::Failed);
        let gathers = self.phase == Phase::Gathering;
        if over || !gathers && !self.elastic.expected.remove(&info.id) {
            let why = format!("trainer {} came too late: the gang is complete", info.id);
            return Err(Failure::new(ErrorKind::Cancelled, why));
        }
        let id = info.id.clone();
        self.send(
            &id,
            ToTrainer::Welcome {
                job: Box::new(self.job.clone()),
            },
        );
        self.out.push(Output::Event(Event::Registered {
            trainer: info.clone(),
        }));
        self.trainers.insert(id, Trainer::new(info, now));
        Ok(())
    }

    /// The driver starts trainers, which may come from now on.
    pub(super) fn expect(&mut self, trainers: Vec<String>) {
        self.elastic.expected.extend(trainers);
    }

    /// Spark takes an executor away before long: its trainers leave while they can still hand over what they hold.
    pub(super) fn decommission(&mut self, now: Now, executor: &str, reason: &str) {
        let of_it = |trainer: &&mut Trainer| trainer.info.executor == executor && trainer.connected;
        let leaving: Vec<String> = self
            .trainers
            .values_mut()
            .filter(of_it)
            .map(|trainer| {
                trainer.leaving.get_or_insert_with(|| reason.to_owned());
                trainer.info.id.clone()
            })
            .collect();
        for id in &leaving {
            self.log(format!("{} leaves: {reason}", self.who(id)));
        }
        self.leave_when_possible(now);
    }

    /// Trainers that have come, have built their network, and are no members yet.
    fn waiting(&self) -> Vec<&Trainer> {
        // It ticks as it begins to build it, and when it has.
        const BUILT: u64 = 2;
        let lives = |trainer: &&Trainer| {
            let there = trainer.connected && trainer.exit.is_none() && trainer.ended.is_none();
            there && trainer.leaving.is_none() && trainer.progress.ticks >= BUILT
        };
        let waiting = self.trainers.values().filter(lives);
        waiting
            .filter(|trainer| self.rank_of(&trainer.info.id).is_none())
            .collect()
    }

    /// True where it has never been a member.
    fn is_new(&self, trainer: &TrainerInfo) -> bool {
        let known = self.trainers.get(&trainer.id);
        known.is_some_and(|known| known.number.is_none())
    }

    fn is_leaving(&self, trainer: &TrainerInfo) -> bool {
        let known = self.trainers.get(&trainer.id);
        known.is_some_and(|known| known.leaving.is_some())
    }

    /// True where it could give others the state of the training: before the first step everybody has it.
    pub(super) fn has_state(&self, id: &str) -> bool {
        let begun = self.trainers.values().any(|trainer| trainer.has_state);
        let has = |trainer: &Trainer| trainer.has_state || trainer.ready.is_some();
        !begun || self.trainers.get(id).is_some_and(has)
    }

    /// True where it has come while the fit runs, and nothing depends on it yet: its loss costs what it was to take, and is
    /// none that `maxRecoveries` counts.
    pub(super) fn is_newcomer(&self, id: &str) -> bool {
        self.trainers.get(id).is_some_and(|trainer| trainer.newcomer)
    }

    /// Those that have left the members and not yet gone, and hold the state.
    pub(super) fn leavers_with_state(&self) -> impl Iterator<Item = &Trainer> {
        let leaves = |trainer: &&Trainer| trainer.connected && trainer.has_state && trainer.leaving.is_some();
        let all = self.trainers.values().filter(leaves);
        all.filter(|trainer| self.rank_of(&trainer.info.id).is_none())
    }

    fn least(&self) -> usize {
        self.job.min_trainers.max(1) as usize
    }

    /// Who would be a member after those that leave and with those that have come; nothing where it would be the same ones,
    /// or too few.
    fn next_members(&self) -> Option<Vec<TrainerInfo>> {
        let mut all: Vec<TrainerInfo> = self.members.iter().map(|member| member.trainer.clone()).collect();
        let lacks_state = !all.iter().any(|one| self.has_state(&one.id));
        let back: Vec<TrainerInfo> = self.leavers_with_state().map(|one| one.info.clone()).collect();
        let comes_back = lacks_state && !back.is_empty();
        if comes_back {
            // Whoever else had the state is lost: those that were about to go stay.
            all.extend(back);
        }
        let (leaving, staying): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|trainer| self.is_leaving(trainer));
        let waiting = self.waiting();
        // Where too few would be left, or none that has the state, nobody leaves before others have come, and have it.
        let enough = staying.len() + waiting.len() >= self.least()
            && staying.iter().any(|one| self.has_state(&one.id));
        let (leaving, mut next) = if enough {
            (leaving, staying)
        } else {
            (Vec::new(), staying.into_iter().chain(leaving).collect())
        };
        let room = (self.job.train.logical_shards as usize).saturating_sub(next.len());
        let joining = waiting.len().min(room);
        next.extend(waiting.into_iter().take(room).map(|trainer| trainer.info.clone()));
        let changes = joining > 0 || !leaving.is_empty() || comes_back || self.elastic.rebalance.is_some();
        changes.then_some(next)
    }

    /// An epoch is over and another one follows: those that have come are taken in.
    pub(super) fn regroup_at_epoch_end(&mut self, now: Now) {
        if self.next_members().is_some() {
            self.halt_to_regroup(now);
        }
    }

    /// Those that leave are let go as soon as training can go on without them; those that take their place are taken in at
    /// once.
    pub(super) fn leave_when_possible(&mut self, now: Now) {
        let leaving = self.members.iter().any(|member| self.is_leaving(&member.trainer));
        if !leaving {
            return;
        }
        if self.next_members().is_some() {
            self.halt_to_regroup(now);
        }
    }

    /// Shards move to those that are faster.
    pub(super) fn rebalance(&mut self, now: Now, why: String) {
        self.elastic.rebalance = Some(why);
        self.halt_to_regroup(now);
        if matches!(self.phase, Phase::Running { .. }) {
            // Something else goes on; another epoch will tell again.
            self.elastic.rebalance = None;
            self.elastic.balance = Balance::default();
        }
    }

    /// Ends the generation that runs, to go on with other members. Not while a recovery is not over, nor at the end.
    fn halt_to_regroup(&mut self, now: Now) {
        let Phase::Running { generation } = self.phase else {
            return;
        };
        let ends = self.trainers.values().any(|trainer| trainer.done.is_some());
        if ends || self.recovery.is_some() || self.pending_loss.is_some() {
            return;
        }
        self.plan_recovery(now);
        self.halt(now, generation);
    }

    /// Takes in those that have come, lets those go that leave, and deals the shards anew. To be called where no generation
    /// runs.
    pub(super) fn regroup(&mut self, now: Now) {
        let Some(next) = self.next_members() else { return };
        let ids = |members: &[TrainerInfo]| -> BTreeSet<String> {
            members.iter().map(|trainer| trainer.id.clone()).collect()
        };
        let before: Vec<TrainerInfo> = self.members.iter().map(|member| member.trainer.clone()).collect();
        let (had, has) = (ids(&before), ids(&next));
        let (joined, left): (Vec<TrainerInfo>, Vec<TrainerInfo>) = (
            next.iter()
                .filter(|one| !had.contains(&one.id) && self.is_new(one))
                .cloned()
                .collect(),
            before.into_iter().filter(|one| !has.contains(&one.id)).collect(),
        );
        let rebalance = self.elastic.rebalance.take();
        if !joined.is_empty() || !left.is_empty() {
            self.forget_the_last_move();
        }
        let known = |one: &TrainerInfo| self.trainers.get(&one.id).map(Trainer::known).unwrap_or_default();
        match rank(next, self.job.train.logical_shards, &known) {
            Ok(members) => self.members = members,
            Err(failure) => return self.fail(failure),
        }
        let mut number = self.trainers.values().filter_map(|known| known.number).max();
        for trainer in &joined {
            number = Some(number.map_or(0, |number| number + 1));
            if let Some(known) = self.trainers.get_mut(&trainer.id) {
                known.number = number;
                known.newcomer = true;
            }
            self.log(format!("{} joins the gang", self.who(&trainer.id)));
        }
        let cause = self.why_rescaled(&joined, &left, rebalance);
        let rescale = self.elastic.rescale.get_or_insert_with(|| Rescale {
            cause: String::new(),
            began: now,
            joined: Vec::new(),
            left: Vec::new(),
            rows_moved: 0,
        });
        let separator = if rescale.cause.is_empty() { "" } else { "; " };
        rescale.cause = format!("{}{separator}{cause}", rescale.cause);
        rescale.joined.extend(joined.iter().map(TrainerRef::from));
        rescale.left.extend(left.iter().map(TrainerRef::from));
        rescale.left.retain(|one| !has.contains(&one.trainer));
    }

    /// "trainer 2 (hostB, executor 3, pid 4711) has come; trainer 0 (...) leaves: its executor is decommissioned".
    fn why_rescaled(
        &self,
        joined: &[TrainerInfo],
        left: &[TrainerInfo],
        rebalance: Option<String>,
    ) -> String {
        let came = joined.iter().map(|one| format!("{} has come", self.who(&one.id)));
        let leaves = left.iter().map(|one| {
            let known = self.trainers.get(&one.id);
            let why = known.and_then(|known| known.leaving.clone()).unwrap_or_default();
            format!("{} leaves: {why}", self.who(&one.id))
        });
        came.chain(leaves).chain(rebalance).collect::<Vec<_>>().join("; ")
    }

    /// Rows have gone from one trainer to another.
    pub(super) fn count_moved(&mut self, rows: u64) {
        if let Some(rescale) = &mut self.elastic.rescale {
            rescale.rows_moved += rows;
        }
    }

    /// Fails where those that had the state of the training are all lost, one that was about to leave as the last: newcomers
    /// would begin again at the first step.
    pub(super) fn has_lost_the_state(&mut self) -> bool {
        if self
            .members
            .iter()
            .any(|member| self.has_state(&member.trainer.id))
        {
            return false;
        }
        let first = self
            .recovery
            .as_ref()
            .map(|recovery| format!("{}; then ", recovery.told()));
        let message = format!(
            "{}no trainer is left that has the state of the training, only such as have just come",
            first.unwrap_or_default()
        );
        self.fail(Failure::new(ErrorKind::JobFailed, message));
        true
    }

    /// True where there are fewer members than training may go on with: others are waited for.
    pub(super) fn is_short(&mut self, now: Now) -> bool {
        if self.members.len() >= self.least() {
            self.elastic.short_since = None;
            return false;
        }
        self.phase = Phase::Short;
        self.elastic.short_since.get_or_insert(now);
        true
    }

    /// Fails where others did not come in time.
    pub(super) fn look_for_others(&mut self, now: Now) {
        let timeout = Duration::from_millis(self.job.executor_timeout_ms);
        let since = self.elastic.short_since.filter(|_| self.phase == Phase::Short);
        if since.is_none_or(|since| now.saturating_sub(since) < timeout) {
            return;
        }
        let first = self
            .recovery
            .as_ref()
            .map(|recovery| format!("{}; then ", recovery.told()));
        let message = format!(
            "{}{} for executorTimeout = {} s: give the application executors in time, lower minTrainers or raise \
             executorTimeout",
            first.unwrap_or_default(),
            self.too_few(),
            timeout.as_secs_f64()
        );
        self.fail(Failure::new(ErrorKind::JobFailed, message));
    }

    /// "only 1 trainer was there of at least minTrainers = 2".
    pub(super) fn too_few(&self) -> String {
        let (have, least) = (self.members.len(), self.least());
        let were = if have == 1 { "trainer was" } else { "trainers were" };
        format!("only {have} {were} there of at least minTrainers = {least}")
    }

    /// Those that have handed over what they had may end.
    pub(super) fn dismiss_leaving(&mut self) {
        let gone: Vec<(String, String)> = self
            .trainers
            .values()
            .filter(|trainer| trainer.connected && self.rank_of(&trainer.info.id).is_none())
            .filter_map(|trainer| Some((trainer.info.id.clone(), trainer.leaving.clone()?)))
            .collect();
        for (id, why) in gone {
            self.send(&id, ToTrainer::Finish);
            self.let_go(&id);
            let why = format!("{} has left: {why}", self.who(&id));
            self.out.push(Output::Event(Event::Left { trainer: id, why }));
        }
    }

    /// One that is no member is gone, or is given up: nobody misses it, unless it has rows to hand over.
    pub(super) fn drop_stranger(&mut self, now: Now, id: &str, why: &str) {
        self.log(format!("{why}: it was no member"));
        let reason = why.to_owned();
        self.send(id, ToTrainer::Die { reason });
        self.let_go(id);
        self.out.push(Output::Event(Event::Left {
            trainer: id.to_owned(),
            why: why.to_owned(),
        }));
        self.when_all_moved(now);
    }

    /// Its stream is closed, and its end is no loss.
    fn let_go(&mut self, id: &str) {
        if let Some(trainer) = self.trainers.get_mut(id) {
            trainer.connected = false;
        }
        self.out.push(Output::Close {
            trainer: id.to_owned(),
        });
    }

    /// START was said: what has come of it.
    pub(super) fn rescaled(&mut self, now: Now, generation: u64, resume_step: u64) {
        self.end_planned_recovery();
        let Some(rescale) = self.elastic.rescale.take() else {
            return;
        };
        let record = RescaleRecord {
            generation,
            cause: rescale.cause,
            joined: rescale.joined,
            left: rescale.left,
            trainers: u32::try_from(self.members.len()).unwrap_or(u32::MAX),
            resume_step,
            rows_moved: rescale.rows_moved,
            seconds: now.saturating_sub(rescale.began).as_secs_f64(),
        };
        self.out.push(Output::Event(Event::Rescaled { record }));
    }
}
