//! What the gang goes on after: a member that is lost, or two that lost each other (docs/protocol/membership.md).
//!
//! HALT, HALTED from all, the feed of what was lost, FORM, READY from all, START. A loss before the first generation has
//! nothing to halt.

use super::{Machine, Now, Output, Phase};
use crate::command::Event;
use candlewick_failpoint::{Fault, planted};
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::message::{LostTrainer, RecoveryRecord, RecoverySeconds, ToTrainer};
use candlewick_protocol::{ErrorKind, Failure};
use candlewick_wire::Assembly;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often a HALT that is not answered is said again.
const REPEAT: Duration = Duration::from_secs(1);
/// A member may lose another, or be lost to it, so often before it counts as lost (rule C3).
const MOST_BREAKS: u32 = 2;

/// How a member was lost.
#[derive(Debug, Clone)]
pub(super) struct Loss {
    pub(super) trainer: String,
    /// "trainer 1 (hostB, executor 10, pid 4711) ended during training, step 7"; empty where `how` says it all.
    pub(super) what: String,
    /// "killed by signal 9 (SIGKILL)".
    pub(super) how: String,
    /// True where no more is known yet than that it ended: a report may say how.
    pub(super) open: bool,
}

impl Loss {
    /// For a reader.
    pub(super) fn told(&self) -> String {
        if self.what.is_empty() {
            self.how.clone()
        } else {
            format!("{}: {}", self.what, self.how)
        }
    }
}

/// A recovery that goes on.
#[derive(Debug)]
pub(super) struct Recovery {
    /// What it began with, where that was no loss.
    cause: String,
    began: Now,
    lost: Vec<(Loss, LostTrainer)>,
    /// From the last sign of the first one that was lost to the knowledge of it.
    detected: Duration,
    /// Steps that somebody had made, who was lost or went back.
    furthest: u64,
    halted: Option<Now>,
    fed: Option<Now>,
    pub(super) rows_refed: u64,
    started: Option<Now>,
    /// When HALT was said last.
    said: Now,
    /// Where training goes on, once it is known.
    counter: ProgramCounter,
    /// True where nothing went wrong: the generation was ended by plan. A loss on the way makes it a recovery.
    planned: bool,
}

impl Recovery {
    /// The first cause in causal order: a loss explains what others complained about.
    pub(super) fn told(&self) -> String {
        let first = self.lost.first();
        first.map_or_else(|| self.cause.clone(), |(loss, _)| loss.told())
    }
}

/// The weights file of a generation, of which nothing has come.
pub(super) fn weights() -> Assembly {
    Assembly::new("the weights")
}

impl Machine {
    /// Two members have lost each other, though both live. True where the gang goes on with the next generation; one that has part
    /// in such breaks again and again is given up.
    pub(super) fn survives_break(&mut self, now: Now, by: &str, peer: &str, why: &str) -> bool {
        let (Phase::Running { generation } | Phase::Forming { generation }) = self.phase else {
            return false;
        };
        if let Some(newcomer) = [peer, by].into_iter().find(|id| self.is_newcomer(id)) {
            let loss = Loss {
                trainer: newcomer.to_owned(),
                what: format!("{} is not taken in", self.who(newcomer)),
                how: format!("{} lost {}: {why}", self.who(by), self.who(peer)),
                open: false,
            };
            self.lose(now, vec![loss]);
            return true;
        }
        if self.phase
            == (Phase::Forming {
                generation: super::FIRST_GENERATION,
            })
        {
            // They never reached each other: that is for the user to mend.
            return false;
        }
        let (evicted, times, whose) = self.count_break(by, peer);
        if self.recoveries >= self.job.max_recoveries {
            return false;
        }
        let told = format!(
            "{} lost {} during {}: {why}",
            self.who(by),
            self.who(peer),
            self.doing(by)
        );
        if times <= MOST_BREAKS {
            self.recoveries += 1;
            self.recovery_of(now, told);
            self.halt(now, generation);
            return true;
        }
        let loss = Loss {
            what: format!("{} is given up", self.who(&evicted)),
            trainer: evicted,
            how: format!("{told}; {whose}"),
            open: false,
        };
        self.lose(now, vec![loss]);
        true
    }

    /// Counts a break. Who of the two has had part in more, how often, and that in words; of two that are even it is the one that
    /// was suspected more often.
    fn count_break(&mut self, by: &str, peer: &str) -> (String, u32, String) {
        for id in [by, peer] {
            *self.breaks.entry(id.to_owned()).or_default() += 1;
        }
        *self.suspected.entry(peer.to_owned()).or_default() += 1;
        let of = |counts: &BTreeMap<String, u32>, id: &str| counts.get(id).copied().unwrap_or_default();
        let blame = |id: &str| (of(&self.breaks, id), of(&self.suspected, id));
        let (more, less) = if blame(by) > blame(peer) {
            (by, peer)
        } else {
            (peer, by)
        };
        let times = of(&self.breaks, more);
        let whose = if of(&self.breaks, less) == times {
            format!("these two have lost each other or others {times} times")
        } else {
            format!("it has lost others, or they it, {times} times")
        };
        (more.to_owned(), times, whose)
    }

    /// Members are lost at once: the others go on without them, as long as there are any and recoveries are left. Else the
    /// fit fails with the first cause.
    pub(super) fn lose(&mut self, now: Now, losses: Vec<Loss>) {
        let mut new = !self.recovers();
        let before = self.members.len();
        for loss in losses {
            let Some(rank) = self.rank_of(&loss.trainer) else {
                continue;
            };
            self.pending_loss = None;
            let newcomer = self.is_newcomer(&loss.trainer);
            if !self.others_have_the_state(&loss.trainer)
                || (new && !newcomer && !self.can_lose(&loss.trainer))
            {
                return self.fail(Failure::new(ErrorKind::JobFailed, self.last_words(&loss)));
            }
            if !newcomer {
                self.recoveries += u32::from(std::mem::take(&mut new));
            }
            let told = loss.told();
            self.log(format!("{told}: the fit goes on without it"));
            self.recovery_of(now, told.clone());
            self.members.remove(rank);
            self.forget(now, &loss);
            self.out.push(Output::Event(Event::Lost {
                trainer: loss.trainer,
                why: told,
            }));
        }
        if self.members.len() == before {
            // None of them was a member: nobody is missed.
            return;
        }
        self.forget_the_last_move();
        match self.phase {
            Phase::Forming { generation } | Phase::Running { generation } => self.halt(now, generation),
            Phase::Halting { .. } => self.when_all_halted(now),
            Phase::Sealing { .. } => self.when_all_sealed(now),
            Phase::Moving { .. } => self.when_all_moved(now),
            Phase::Dealing { .. } => self.when_all_dealt(now),
            Phase::Restoring | Phase::Short => self.proceed(now),
            _ => {}
        }
    }

    /// True where a member would be left that could give others the state.
    fn others_have_the_state(&self, lost: &str) -> bool {
        let others = self.members.iter().map(|member| &member.trainer.id);
        let leavers = self.leavers_with_state().map(|trainer| &trainer.info.id);
        others
            .chain(leavers)
            .filter(|id| *id != lost)
            .any(|id| self.has_state(id))
    }

    /// A recovery is under way that takes another loss too: nothing has been formed since it began.
    fn recovers(&self) -> bool {
        self.recovery.as_ref().is_some_and(|recovery| !recovery.planned)
            && !matches!(self.phase, Phase::Forming { .. } | Phase::Running { .. })
    }

    /// Whether the gang could go on after the loss of this member.
    pub(super) fn can_lose(&self, trainer: &str) -> bool {
        let at_work = !matches!(self.phase, Phase::Gathering | Phase::Done | Phase::Failed);
        let counts = !self.is_newcomer(trainer);
        at_work
            && self.others_have_the_state(trainer)
            && (!counts || self.recovers() || self.recoveries < self.job.max_recoveries)
    }

    /// The failure of a fit that does not survive a loss: with the loss that it could not get over, and the first cause.
    fn last_words(&self, loss: &Loss) -> String {
        let earlier = self
            .recovery
            .as_ref()
            .filter(|recovery| !recovery.lost.is_empty());
        match earlier {
            Some(recovery) if !self.others_have_the_state(&loss.trainer) => format!(
                "{}; then, before training went on, {}: no trainer is left{}",
                recovery.told(),
                loss.told(),
                if self.members.len() > 1 {
                    " that has the state of the training"
                } else {
                    ""
                }
            ),
            _ => after_last_lines(&loss.told(), &self.recoveries_so_far()),
        }
    }

    /// What a member says that cannot go on: where that is part of a recovery, with what it began with.
    pub(super) fn after_the_cause(&self, message: &str) -> String {
        let cause = self.recovery.as_ref().map(Recovery::told).unwrap_or_default();
        if cause.is_empty() {
            return message.to_owned();
        }
        after_last_lines(&cause, &format!("; then, before training went on: {message}"))
    }

    /// Ends what a lost member had.
    fn forget(&mut self, now: Now, loss: &Loss) {
        let Some(trainer) = self.trainers.get_mut(&loss.trainer) else {
            return;
        };
        let silent = now.saturating_sub(trainer.last_beat);
        let (step, info) = (trainer.progress.counter.step, trainer.info.clone());
        let connected = std::mem::take(&mut trainer.connected);
        if let Some(recovery) = &mut self.recovery {
            if recovery.lost.is_empty() {
                recovery.detected = silent;
            }
            recovery.furthest = recovery.furthest.max(step);
            let lost = LostTrainer {
                trainer: info.id.clone(),
                host: info.host,
                executor: info.executor,
                cause: String::new(),
            };
            recovery.lost.push((loss.clone(), lost));
        }
        if connected {
            let reason = format!("the gang goes on without it: {}", loss.how);
            self.send(&info.id, ToTrainer::Die { reason });
            self.out.push(Output::Close { trainer: info.id });
        }
    }

    /// A report about a member that is lost already: now it is known how it ended.
    pub(super) fn refine_loss(&mut self, id: &str, how: &str) {
        let lost = self.recovery.iter_mut().flat_map(|recovery| &mut recovery.lost);
        for (loss, _) in lost.filter(|(loss, _)| loss.trainer == id && loss.open) {
            how.clone_into(&mut loss.how);
            loss.open = false;
        }
    }

    /// Begins a recovery, unless one goes on: then this belongs to it.
    pub(super) fn recovery_of(&mut self, now: Now, cause: String) {
        let planned = self.recovery.as_ref().is_some_and(|recovery| recovery.planned);
        if planned {
            self.recovery = None;
        }
        self.begin_recovery(now, cause);
    }

    /// The generation is ended by plan.
    pub(super) fn plan_recovery(&mut self, now: Now) {
        self.begin_recovery(now, String::new());
        if let Some(recovery) = &mut self.recovery {
            recovery.planned = true;
        }
    }

    /// What was planned is done.
    pub(super) fn end_planned_recovery(&mut self) {
        self.recovery.take_if(|recovery| recovery.planned);
    }

    fn begin_recovery(&mut self, now: Now, cause: String) {
        let recovery = self.recovery.get_or_insert_with(|| Recovery {
            cause,
            began: now,
            lost: Vec::new(),
            detected: Duration::ZERO,
            furthest: 0,
            halted: None,
            fed: None,
            rows_refed: 0,
            started: None,
            said: now,
            counter: ProgramCounter::default(),
            planned: false,
        });
        recovery.started = None;
    }

    /// The generation is over: every member abandons its step and says where it stands.
    pub(super) fn halt(&mut self, now: Now, generation: u64) {
        self.log(format!("halting generation {generation}"));
        self.phase = Phase::Halting { generation };
        if let Some(recovery) = &mut self.recovery {
            (recovery.halted, recovery.fed, recovery.said) = (None, None, now);
        }
        for trainer in self.trainers.values_mut() {
            trainer.halted.take_if(|_| !planted(Fault::LateAck));
            trainer.done = None;
        }
        self.restart_progress(now);
        self.say_halt(generation);
        // Nobody missed one that ended after its last step; now it cannot answer.
        let gone = |id: &String| self.trainers.get(id).is_none_or(|trainer| !trainer.connected);
        let ids = self.members.iter().map(|member| member.trainer.id.clone());
        let gone: Vec<_> = ids
            .filter(gone)
            .map(|id| self.ended_loss(now, &id, None))
            .collect();
        if !gone.is_empty() {
            self.lose(now, gone);
        }
    }

    fn say_halt(&mut self, generation: u64) {
        for member in self.members.clone() {
            let id = member.trainer.id;
            if self
                .trainers
                .get(&id)
                .is_some_and(|trainer| trainer.halted.is_none())
            {
                self.send(&id, ToTrainer::Halt { generation });
            }
        }
    }

    /// Says HALT again to those that have not answered.
    pub(super) fn repeat_halt(&mut self, now: Now) {
        let (Phase::Halting { generation }, Some(recovery)) = (self.phase, &mut self.recovery) else {
            return;
        };
        if now.saturating_sub(recovery.said) >= REPEAT && !planted(Fault::HaltSaidOnce) {
            recovery.said = now;
            self.say_halt(generation);
        }
    }

    pub(super) fn on_halted(
        &mut self,
        now: Now,
        from: &str,
        generation: u64,
        (counter, made): (ProgramCounter, u64),
    ) {
        if self.rank_of(from).is_none() || self.phase != (Phase::Halting { generation }) {
            return;
        }
        if let Some(trainer) = self.trainers.get_mut(from) {
            trainer.halted = Some(counter);
            trainer.progressed = now;
        }
        if let Some(recovery) = &mut self.recovery {
            recovery.furthest = recovery.furthest.max(made);
        }
        self.when_all_halted(now);
    }

    /// Moves on once every member has halted.
    fn when_all_halted(&mut self, now: Now) {
        let halting = matches!(self.phase, Phase::Halting { .. });
        if halting && self.all_members(|trainer| trainer.halted.is_some()) {
            if let Some(recovery) = &mut self.recovery {
                recovery.halted = Some(now);
            }
            self.proceed(now);
        }
    }

    /// The next generation goes on where the foremost member stands; who is behind takes the state of the lowest id that
    /// stands there.
    pub(super) fn form_next(&mut self, now: Now) {
        // Who never trained stands at the beginning.
        let at = |id: &String| {
            let known = self.trainers.get(id);
            known.and_then(|trainer| trainer.halted).unwrap_or_default()
        };
        let mut ids: Vec<&String> = self.members.iter().map(|member| &member.trainer.id).collect();
        ids.sort();
        let counter = ids.iter().map(|id| at(id)).max().unwrap_or_default();
        let donor = ids.iter().find(|id| at(id) == counter);
        let behind = ids.iter().any(|id| at(id) != counter);
        let donor = donor.filter(|_| behind).map(|id| (*id).clone());
        if let Some(recovery) = &mut self.recovery {
            recovery.counter = counter;
        }
        self.form(now, counter, donor);
    }

    /// FORM to every member.
    pub(super) fn form(&mut self, now: Now, counter: ProgramCounter, donor: Option<String>) {
        self.generation += 1;
        let generation = self.generation;
        self.phase = Phase::Forming { generation };
        self.weights = weights();
        self.forget_arriving_state();
        for trainer in self.trainers.values_mut() {
            trainer.ready = None;
        }
        let copies = self.kept_copies();
        // What has moved is given up where it was.
        for (member, copies) in self.members.iter().zip(&copies) {
            if let Some(trainer) = self.trainers.get_mut(&member.trainer.id) {
                let keeps = |shard| (member.lo..member.hi).contains(&shard) || copies.contains(shard);
                for shards in [&mut trainer.held, &mut trainer.undealt, &mut trainer.heaped] {
                    *shards = shards.filter(keeps);
                }
                trainer.rows.retain(|shard, _| keeps(*shard));
            }
        }
        self.restart_progress(now);
        let sums = self.known_sums();
        for (member, copies) in self.members.clone().into_iter().zip(copies) {
            let message = ToTrainer::Form {
                generation,
                members: self.members.clone(),
                sums: sums.clone(),
                counter,
                donor: donor.clone(),
                copies,
            };
            self.send(&member.trainer.id, message);
        }
    }

    /// What a loss is told with that no recovery is left for.
    pub(super) fn recoveries_so_far(&self) -> String {
        match self.recoveries {
            0 if self.job.max_recoveries == 0 => {
                "; with maxRecoveries = 0 training does not go on after a loss".to_owned()
            }
            0 => String::new(),
            recoveries => format!(
                "; training has gone on after a loss or a break {recoveries} times before, which it does up to maxRecoveries = \
                 {} times",
                self.job.max_recoveries
            ),
        }
    }

    /// Rows that were sealed in a round after the first, or that make good for what was lost in it.
    pub(super) fn count_refed(&mut self, rows: u64) {
        let fed = self.round > 0 && !self.round_moves() && !self.round_deals();
        if let (Some(recovery), true) = (&mut self.recovery, fed) {
            recovery.rows_refed += rows;
        }
    }

    /// The shards that were lost are sealed again.
    pub(super) fn fed(&mut self, now: Now) {
        if let (Some(recovery), true) = (&mut self.recovery, self.round > 0) {
            recovery.fed = Some(now);
        }
    }

    /// START was said.
    pub(super) fn recovery_started(&mut self, now: Now) {
        if let Some(recovery) = &mut self.recovery {
            recovery.started = Some(now);
        }
    }

    /// A member stands there: where that is further than a recovery began, training goes on, and the recovery is told.
    pub(super) fn notice_resumption(&mut self, now: Now, counter: ProgramCounter) {
        let Phase::Running { generation } = self.phase else {
            return;
        };
        let Some(recovery) = self.recovery.take_if(|recovery| counter > recovery.counter) else {
            return;
        };
        let halted = recovery.halted.unwrap_or(recovery.began);
        let fed = recovery.fed.unwrap_or(halted);
        let started = recovery.started.unwrap_or(fed);
        let between = |from: Now, to: Now| to.saturating_sub(from).as_secs_f64();
        let record = RecoveryRecord {
            generation,
            cause: recovery.told(),
            resume_step: recovery.counter.step,
            steps_redone: recovery.furthest.saturating_sub(recovery.counter.step),
            rows_refed: recovery.rows_refed,
            seconds: RecoverySeconds {
                detect: recovery.detected.as_secs_f64(),
                halt: between(recovery.began, halted),
                feed: between(halted, fed),
                donate: between(fed, started),
                resume: between(started, now),
            },
            lost: recovery
                .lost
                .into_iter()
                .map(|(loss, lost)| LostTrainer {
                    cause: loss.how,
                    ..lost
                })
                .collect(),
        };
        self.out.push(Output::Event(Event::Recovered { record }));
    }
}

/// Appends what follows "; " to a message; on a line of its own where the message ends with lines of a process.
fn after_last_lines(told: &str, more: &str) -> String {
    match more.strip_prefix("; ") {
        Some(more) if told.contains('\n') => format!("{told}\n{more}"),
        _ => format!("{told}{more}"),
    }
}
