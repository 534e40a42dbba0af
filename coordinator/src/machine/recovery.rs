//! A generation that replaces another: HALT, HALTED from all, FORM, READY from all, START (docs/protocol/membership.md).

use super::{Machine, Now, Output, Phase};
use crate::command::Event;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::message::{RecoveryRecord, RecoverySeconds, ToTrainer};
use std::time::Duration;

/// How often a HALT that is not answered is said again.
const REPEAT: Duration = Duration::from_secs(1);
/// The same two members may lose each other so often before that counts as a loss (rule C3).
const MOST_OF_A_PAIR: u32 = 2;

/// A recovery that goes on.
#[derive(Debug)]
pub(super) struct Recovery {
    cause: String,
    began: Now,
    halted: Option<Now>,
    started: Option<Now>,
    /// When HALT was said last.
    said: Now,
    /// Where training goes on, once it is known.
    counter: ProgramCounter,
}

impl Machine {
    /// Two members have lost each other in a generation that trains, or replaced one that did. True where the gang goes on
    /// with the next generation; the fit fails where they do so again and again, or where recoveries are used up.
    pub(super) fn recovers_from(&mut self, by: &str, peer: &str) -> bool {
        let goes_on = match self.phase {
            Phase::Running { .. } => true,
            // One that never trained has nothing to go on with.
            Phase::Forming { generation } => generation > super::FIRST_GENERATION,
            _ => false,
        };
        let mut pair = [by.to_owned(), peer.to_owned()];
        pair.sort();
        let times = self.suspicions.entry(pair).or_default();
        *times += 1;
        goes_on && *times <= MOST_OF_A_PAIR && self.recoveries < self.job.max_recoveries
    }

    /// The generation is over: every member abandons its step and says where it stands.
    pub(super) fn halt(&mut self, now: Now, generation: u64, cause: String) {
        self.log(format!("{cause}: halting generation {generation}"));
        self.recoveries += 1;
        self.phase = Phase::Halting { generation };
        // One that failed while it was formed goes on with the recovery that it belongs to.
        let (cause, began) = match self.recovery.take() {
            Some(earlier) => (earlier.cause, earlier.began),
            None => (cause, now),
        };
        self.recovery = Some(Recovery {
            cause,
            began,
            halted: None,
            started: None,
            said: now,
            counter: ProgramCounter::default(),
        });
        for trainer in self.trainers.values_mut() {
            trainer.halted = None;
            trainer.done = None;
        }
        self.restart_progress(now);
        // Nobody missed one that ended after its last step; now it cannot answer.
        let gone = |id: &String| self.trainers.get(id).is_none_or(|trainer| !trainer.connected);
        let mut ids = self.members.iter().map(|member| &member.trainer.id);
        match ids.find(|id| gone(id)).cloned() {
            Some(id) => self.look_into_the_end_of(now, &id),
            None => self.say_halt(generation),
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
        if now.saturating_sub(recovery.said) >= REPEAT {
            recovery.said = now;
            self.say_halt(generation);
        }
    }

    pub(super) fn on_halted(&mut self, now: Now, from: &str, generation: u64, counter: ProgramCounter) {
        if self.rank_of(from).is_none() || self.phase != (Phase::Halting { generation }) {
            return;
        }
        if let Some(trainer) = self.trainers.get_mut(from) {
            trainer.halted = Some(counter);
            trainer.progressed = now;
        }
        // A member that ended meanwhile is looked into first.
        if self.pending_loss.is_none() && self.all_members(|trainer| trainer.halted.is_some()) {
            self.form_next(now);
        }
    }

    /// The next generation goes on where the foremost member stands; who is behind takes the state of the lowest id that
    /// stands there.
    fn form_next(&mut self, now: Now) {
        let at = |id: &String| self.trainers.get(id).and_then(|trainer| trainer.halted);
        let mut ids: Vec<&String> = self.members.iter().map(|member| &member.trainer.id).collect();
        ids.sort();
        let counter = ids.iter().filter_map(|id| at(id)).max().unwrap_or_default();
        let donor = ids.iter().find(|id| at(id) == Some(counter));
        let behind = ids.iter().any(|id| at(id) != Some(counter));
        let donor = donor.filter(|_| behind).map(|id| (*id).clone());
        if let Some(recovery) = &mut self.recovery {
            recovery.halted = Some(now);
            recovery.counter = counter;
        }
        self.form(now, counter, donor);
    }

    /// FORM to every member.
    pub(super) fn form(&mut self, now: Now, counter: ProgramCounter, donor: Option<String>) {
        self.generation += 1;
        let generation = self.generation;
        self.phase = Phase::Forming { generation };
        self.weights = crate::weights::Assembly::default();
        for trainer in self.trainers.values_mut() {
            trainer.ready = None;
        }
        self.restart_progress(now);
        for member in self.members.clone() {
            let message = ToTrainer::Form {
                generation,
                members: self.members.clone(),
                counter,
                donor: donor.clone(),
            };
            self.send(&member.trainer.id, message);
        }
    }

    /// What a loss is told with that no recovery is left for.
    pub(super) fn recoveries_so_far(&self) -> String {
        match self.recoveries {
            0 => String::new(),
            recoveries => format!(
                "; training has gone on after such a break {recoveries} times before, which it does up to maxRecoveries = {} \
                 times, and twice for the same two trainers",
                self.job.max_recoveries
            ),
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
        let started = recovery.started.unwrap_or(halted);
        let between = |from: Now, to: Now| to.saturating_sub(from).as_secs_f64();
        let record = RecoveryRecord {
            generation,
            cause: recovery.cause,
            lost: Vec::new(),
            resume_step: recovery.counter.step,
            steps_redone: 0,
            rows_refed: 0,
            seconds: RecoverySeconds {
                detect: 0.0,
                halt: between(recovery.began, halted),
                feed: 0.0,
                donate: between(halted, started),
                resume: between(started, now),
            },
        };
        self.out.push(Output::Event(Event::Recovered { record }));
    }
}
