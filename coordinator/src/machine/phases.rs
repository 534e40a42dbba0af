//! Answers of trainers that move the job on: READY, epochs, DONE, weights.

use super::{DoneReport, Machine, Now, Output, Phase};
use crate::command::Event;
use candlewick_failpoint::{Fault, planted};
use candlewick_protocol::compression::CompressionUse;
use candlewick_protocol::counter::{ProgramCounter, ProgramPhase};
use candlewick_protocol::message::{EpochRecord, ToTrainer, TrainerInfo, TrainerMemoryUse};
use candlewick_protocol::{ErrorKind, Failure};
use std::sync::Arc;

impl Machine {
    pub(super) fn on_ready(
        &mut self,
        now: Now,
        from: &str,
        generation: u64,
        state: (ProgramCounter, String),
    ) {
        if self.rank_of(from).is_none() || self.phase != (Phase::Forming { generation }) {
            return;
        }
        let begun = self.trainers.values().any(|trainer| trainer.has_state);
        if let Some(trainer) = self.trainers.get_mut(from) {
            // It has taken it: whoever is lost before START, it could give it to others.
            trainer.has_state |= begun;
            trainer.ready = Some(state);
            trainer.progressed = now;
        }
        let when = if generation == super::FIRST_GENERATION {
            "at the start of training"
        } else {
            "after a recovery"
        };
        if let Some(failure) = self.unequal(when, |trainer| {
            trainer
                .ready
                .as_ref()
                .map(|(counter, hash)| format!("{counter}, state {hash}"))
        }) {
            return self.fail(failure);
        }
        if self.all_members(|trainer| trainer.ready.is_some()) {
            self.phase = Phase::Running { generation };
            self.restart_progress(now);
            self.recovery_started(now);
            self.resumed();
            self.forget_failed_moves();
            self.unreached.clear();
            for member in self.members.clone() {
                if let Some(trainer) = self.trainers.get_mut(&member.trainer.id) {
                    trainer.has_state = true;
                    trainer.newcomer = false;
                }
                self.say_limit(&member.trainer.id);
                self.send(&member.trainer.id, ToTrainer::Start { generation });
            }
            let ready = self
                .members
                .first()
                .and_then(|first| self.trainers.get(&first.trainer.id));
            let at = ready
                .and_then(|first| first.ready.as_ref())
                .map(|(counter, _)| counter.step);
            self.rescaled(now, generation, at.unwrap_or_default());
        }
    }

    pub(super) fn on_epoch(&mut self, now: Now, from: &str, generation: u64, record: EpochRecord) {
        let current = self.phase == (Phase::Running { generation }) && self.rank_of(from).is_some();
        // Idempotent by epoch: a record that is told again adds nothing. Answers to beats say how many are here.
        let again = record.epoch != self.epochs_reported;
        if !current || again && !planted(Fault::DoubleCommit) {
            return;
        }
        self.epochs_reported += 1;
        // Trainers are in lock step: what one completed, all took part in; beats come more seldom.
        let closed = ProgramCounter {
            epoch: record.epoch + 1,
            step: record.step,
            phase: ProgramPhase::Step,
        };
        for trainer in self.trainers.values_mut() {
            trainer.progress.counter = trainer.progress.counter.max(closed);
        }
        self.notice_resumption(now, closed);
        let more = closed.epoch < self.job.train.epochs;
        self.out.push(Output::Event(Event::Epoch { record }));
        if more {
            self.regroup_at_epoch_end(now);
        }
    }

    pub(super) fn on_done(&mut self, now: Now, from: &str, generation: u64, report: DoneReport) {
        if self.rank_of(from).is_none() || self.phase != (Phase::Running { generation }) {
            return;
        }
        self.notice_resumption(
            now,
            ProgramCounter {
                // Done is later than any point.
                epoch: u32::MAX,
                ..ProgramCounter::default()
            },
        );
        if let Some(trainer) = self.trainers.get_mut(from) {
            trainer.done = Some(report);
        }
        if let Some(failure) = self.unequal("at the end of training", |trainer| {
            trainer.done.as_ref().map(|done| {
                format!(
                    "{} steps, state {}, weights {}",
                    done.steps, done.state_hash, done.weights_hash
                )
            })
        }) {
            return self.fail(failure);
        }
        self.complete_when_done();
    }

    pub(super) fn on_weights(&mut self, from: &str, generation: u64, place: (u64, u64), body: &[u8]) {
        if self.rank_of(from) != Some(0) || self.phase != (Phase::Running { generation }) {
            return;
        }
        let (offset, total) = place;
        match self.weights.add(offset, total, body) {
            Ok(()) => self.complete_when_done(),
            Err(failure) => self.fail(failure),
        }
    }

    fn complete_when_done(&mut self) {
        if !self.weights.is_complete() || !self.all_members(|trainer| trainer.done.is_some()) {
            return;
        }
        let first = self
            .members
            .first()
            .and_then(|member| self.trainers.get(&member.trainer.id));
        let Some(done) = first.and_then(|trainer| trainer.done.clone()) else {
            return;
        };
        if done.weights_hash.is_empty() {
            return self.fail(Failure::internal("the trainers gave no hash of the weights"));
        }
        let needed = self.members.iter().filter_map(|member| {
            let TrainerInfo { id, host, .. } = &member.trainer;
            let done = self.trainers.get(id)?.done.as_ref()?;
            Some(TrainerMemoryUse {
                trainer: id.clone(),
                host: host.clone(),
                memory: done.memory.clone(),
            })
        });
        let memory = needed.collect();
        let told = self.members.iter().map(|member| {
            let trainer = self.trainers.get(&member.trainer.id)?;
            trainer.done.as_ref()?.compression.clone()
        });
        let compression = CompressionUse::of_all(told);
        self.model = self.weights.take().map(Arc::new);
        self.phase = Phase::Done;
        self.pending_loss = None;
        self.out.push(Output::Event(Event::Done {
            weights_hash: done.weights_hash,
            steps: done.steps,
            stopping: done.stopping,
            class_weights: done.class_weights,
            memory,
            compression,
            exchange: done.exchange,
        }));
    }

    /// A failure naming two members (and their hosts) whose reports differ, rule B11.
    fn unequal(&self, when: &str, report: impl Fn(&super::Trainer) -> Option<String>) -> Option<Failure> {
        let mut reports = self
            .members
            .iter()
            .filter_map(|member| self.trainers.get(&member.trainer.id))
            .filter_map(|trainer| Some((&trainer.info.id, report(trainer)?)));
        let (first, mine) = reports.next()?;
        let (other, theirs) = reports.find(|(_, theirs)| *theirs != mine)?;
        Some(Failure::new(
            ErrorKind::JobFailed,
            format!(
                "the trainers differ {when}: {} has {mine}, {} has {theirs}; the same data and parameters must give \
                 the same bits, so one of the two computes wrongly (memory, CPU) or runs another build",
                self.who(first),
                self.who(other)
            ),
        ))
    }
}
