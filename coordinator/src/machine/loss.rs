//! Losses and who is to blame: the first cause in causal order. A trainer that died is blamed before those that
//! complained about it. Where the fit fails by it, its exit status and last stderr lines are waited for a moment; where it
//! goes on, they are told with the recovery if they come in time.

use super::recovery::Loss;
use super::{Machine, Now, Output, Phase, Trainer};
use crate::command::{Event, ExitReport};
use candlewick_protocol::{ErrorKind, Failure};

/// A loss that is being looked into until `deadline`.
#[derive(Debug)]
pub(super) struct PendingLoss {
    deadline: Now,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    /// The trainer's stream ended; its exit report may still come.
    Ended { trainer: String },
    /// A member complained about a peer, whose end may still be seen.
    Suspected { by: String, peer: String, why: String },
}

impl Machine {
    /// The trainer's stream ended, or it does not read what it is sent.
    pub(crate) fn disconnect(&mut self, now: Now, from: &str) {
        self.recorder.at(now);
        self.notice_pause(now);
        let Some(trainer) = self.trainers.get_mut(from).filter(|trainer| trainer.connected) else {
            return;
        };
        trainer.connected = false;
        trainer.ended = Some(now);
        let done = trainer.done.is_some();
        self.recorder.note(Some(from), "its stream ended");
        if matches!(self.phase, Phase::Gathering | Phase::Done | Phase::Failed) {
            return;
        }
        let Some(rank) = self.rank_of(from) else {
            let why = format!("the connection of {} ended", self.who(from));
            return self.drop_stranger(now, from, &why);
        };
        if done && rank != 0 {
            // Its work is done and reported; rank 0 alone still has something to give.
            return self.log(format!("{} ended after its last step", self.who(from)));
        }
        if self.can_lose(from) {
            // How it ended, its report may still tell.
            self.lose_ended(now, from, None);
        } else {
            self.look_into_the_end_of(now, from);
        }
    }

    /// A member has ended: its report is waited for a moment. The end that was seen first is looked into.
    pub(super) fn look_into_the_end_of(&mut self, now: Now, trainer: &str) {
        let earlier = matches!(
            self.pending_loss,
            Some(PendingLoss {
                cause: Cause::Ended { .. },
                ..
            })
        );
        if earlier {
            return;
        }
        let cause = Cause::Ended {
            trainer: trainer.to_owned(),
        };
        self.pending_loss = Some(PendingLoss {
            deadline: now + self.timeouts.grace,
            cause,
        });
    }

    /// The JVM that started a trainer saw it end.
    pub(super) fn on_exited(&mut self, now: Now, report: ExitReport) -> Result<(), Failure> {
        if report.job.as_ref().is_some_and(|job| *job != self.job.job) {
            return Err(Failure::parameter("the report is about a trainer of another job"));
        }
        let id = report.trainer.clone();
        if let Some(trainer) = self.trainers.get_mut(&id) {
            trainer.exit = Some(report.clone());
        }
        match self.phase {
            Phase::Done | Phase::Failed => {}
            Phase::Gathering => self.ended_at_launch(&id, &report),
            _ => self.ended_at_work(now, &id, &report),
        }
        Ok(())
    }

    /// A trainer that could not start fails the fit with its reason; one that went with its executor, or was killed, is
    /// replaced.
    fn ended_at_launch(&mut self, id: &str, report: &ExitReport) {
        // Its executor was lost before it: it ends because its stream was closed, and others start in its place.
        if self.lost.contains_key(id) {
            return;
        }
        let why = match (self.trainers.get(id), &report.executor) {
            (None, Some(executor)) => {
                format!(
                    "a trainer of executor {executor} ended during launch: {}",
                    report.describe()
                )
            }
            _ => self.ended_launching(id, &report.describe()),
        };
        if report.is_from_outside() {
            self.lose_at_launch(id, why);
        } else {
            self.fail(Failure::new(ErrorKind::JobFailed, why));
        }
    }

    /// Why a trainer is gone that registered and was no member yet.
    pub(super) fn ended_launching(&self, id: &str, how: &str) -> String {
        format!("{} ended during launch: {how}", self.who(id))
    }

    /// Forgets a trainer before the members are fixed, but for how it ended: whoever still counts on it learns that. It may
    /// be one that never registered.
    fn lose_at_launch(&mut self, id: &str, why: String) {
        self.log(why.clone());
        if self.trainers.remove(id).is_some_and(|trainer| trainer.connected) {
            self.out.push(Output::Close {
                trainer: id.to_owned(),
            });
        }
        self.lost.insert(id.to_owned(), why.clone());
        self.out.push(Output::Event(Event::Lost {
            trainer: id.to_owned(),
            why,
        }));
    }

    fn ended_at_work(&mut self, now: Now, id: &str, report: &ExitReport) {
        let Some(rank) = self.rank_of(id) else {
            return self.refine_loss(
                id,
                &format!("{}{}", self.describe_exit(report), self.after_a_pause(now)),
            );
        };
        let done = self
            .trainers
            .get(id)
            .is_some_and(|trainer| trainer.done.is_some());
        if done && rank != 0 {
            return;
        }
        match &self.pending_loss {
            // Another one ended before: this end may well be its consequence.
            Some(PendingLoss {
                cause: Cause::Ended { trainer },
                ..
            }) if trainer != id => {}
            _ => self.lose_ended(now, id, None),
        }
    }

    pub(super) fn on_executor_lost(&mut self, now: Now, executor: &str, reason: &str) {
        let of_it = |trainer: &Trainer| trainer.info.executor == executor;
        let ids: Vec<String> = self
            .trainers
            .values()
            .filter(|t| of_it(t))
            .map(|t| t.info.id.clone())
            .collect();
        if ids.is_empty() || matches!(self.phase, Phase::Done | Phase::Failed) {
            return;
        }
        if self.phase == Phase::Gathering {
            for id in ids {
                let why = self.ended_launching(&id, &format!("its executor was lost: {reason}"));
                self.lose_at_launch(&id, why);
            }
            return;
        }
        let earlier = match &self.pending_loss {
            Some(PendingLoss {
                cause: Cause::Ended { trainer },
                ..
            }) => !ids.contains(trainer),
            _ => false,
        };
        for trainer in self.trainers.values_mut().filter(|trainer| of_it(trainer)) {
            trainer.ended.get_or_insert(now);
        }
        let mut losses = Vec::new();
        for id in ids.iter().filter(|_| !earlier) {
            let done = self
                .trainers
                .get(id)
                .is_some_and(|trainer| trainer.done.is_some());
            match self.rank_of(id) {
                Some(rank) if rank == 0 || !done => losses.push(self.ended_loss(now, id, Some(reason))),
                Some(_) => {}
                None => {
                    let how = self.ended_loss(now, id, Some(reason)).how;
                    self.refine_loss(id, &how);
                    if self.trainers.get(id).is_some_and(|trainer| trainer.connected) {
                        self.drop_stranger(now, id, &format!("{} has gone: {how}", self.who(id)));
                    }
                }
            }
        }
        if !losses.is_empty() {
            self.lose(now, losses);
        }
    }

    pub(super) fn on_suspect(&mut self, now: Now, by: &str, generation: u64, peer: &str, why: String) {
        let current = matches!(self.phase, Phase::Forming { generation: g } | Phase::Running { generation: g }
            if g == generation);
        if !current || self.rank_of(by).is_none() || self.pending_loss.is_some() {
            return;
        }
        let lives = |id: &str| {
            let known = self.trainers.get(id);
            known.is_some_and(|trainer| trainer.connected && trainer.exit.is_none())
        };
        if lives(by) && lives(peer) && self.survives_break(now, by, peer, &why) {
            return;
        }
        let cause = Cause::Suspected {
            by: by.to_owned(),
            peer: peer.to_owned(),
            why,
        };
        self.pending_loss = Some(PendingLoss {
            deadline: now + self.timeouts.grace,
            cause,
        });
        // The peer's end may have been reported before anybody complained.
        if self
            .trainers
            .get(peer)
            .is_some_and(|trainer| trainer.exit.is_some() || trainer.ended.is_some())
        {
            self.lose_ended(now, peer, None);
        }
    }

    /// A trainer says itself that it cannot go on.
    pub(super) fn on_failed(&mut self, now: Now, from: &str, failure: &Failure) {
        let registered = self.phase == Phase::Gathering && self.trainers.contains_key(from);
        let at_work = !matches!(self.phase, Phase::Gathering | Phase::Done | Phase::Failed);
        let member = self.rank_of(from).is_some();
        if at_work && (!member || self.is_newcomer(from)) {
            // Nothing depends on it: the fit goes on as if it had not come, or goes on without it.
            let how = format!("{} cannot go on: {}", self.who(from), failure.message);
            return self.lose_as_told(now, from.to_owned(), how);
        }
        let mine = member || registered;
        let earlier = matches!(&self.pending_loss, Some(PendingLoss { cause: Cause::Ended { trainer }, .. }) if trainer != from);
        if !mine || earlier {
            return;
        }
        let failure = match failure.kind {
            // The user's to mend: no trainer is at fault.
            ErrorKind::InvalidParameter | ErrorKind::InvalidData => {
                Failure::new(failure.kind, self.after_the_cause(&failure.message))
            }
            kind => {
                let kind = if kind == ErrorKind::Internal {
                    kind
                } else {
                    ErrorKind::JobFailed
                };
                let message = format!(
                    "{} failed during {}: {}",
                    self.who(from),
                    self.doing(from),
                    failure.message
                );
                Failure::new(kind, message)
            }
        };
        self.fail(failure);
    }

    /// Loses a member whose process ended.
    pub(super) fn lose_ended(&mut self, now: Now, id: &str, executor_lost: Option<&str>) {
        let loss = self.ended_loss(now, id, executor_lost);
        self.lose(now, vec![loss]);
    }

    /// The loss of a member whose process ended.
    pub(super) fn ended_loss(&self, now: Now, id: &str, executor_lost: Option<&str>) -> Loss {
        let (how, open) = self.how_ended(id, executor_lost);
        Loss {
            trainer: id.to_owned(),
            what: format!("{} ended during {}", self.who(id), self.doing(id)),
            how: format!("{how}{}", self.after_a_pause(now)),
            open,
        }
    }

    /// How a process ended, with the memory that it had.
    fn describe_exit(&self, report: &ExitReport) -> String {
        let known = self.trainers.get(&report.trainer);
        report.describe_with(known.map_or(0, |trainer| trainer.progress.resident_bytes))
    }

    /// How a process ended: by its exit report where that came, and the loss of its executor. True where nothing is known
    /// yet.
    fn how_ended(&self, id: &str, executor_lost: Option<&str>) -> (String, bool) {
        let known = self.trainers.get(id);
        let exit = known.and_then(|trainer| trainer.exit.as_ref());
        let ended = known.and_then(|trainer| trainer.ended);
        let waited = ended.is_some_and(|ended| self.last_tick >= ended + self.timeouts.grace);
        match (exit, executor_lost) {
            (Some(report), _) if !report.is_harmless() || executor_lost.is_none() => {
                (self.describe_exit(report), false)
            }
            (_, Some(reason)) => (format!("its executor was lost: {reason}"), false),
            _ if waited => {
                let grace = self.timeouts.grace.as_millis();
                let how = format!("its connection ended and no exit status came within {grace} ms");
                (how, true)
            }
            _ => ("its connection ended".to_owned(), true),
        }
    }

    /// What an open case waits for.
    pub(super) fn explain_loss(&self, loss: &PendingLoss) -> String {
        match &loss.cause {
            Cause::Ended { trainer } => format!("how {} ended", self.who(trainer)),
            Cause::Suspected { by, peer, .. } => {
                format!("the end of {}, which {} has lost", self.who(peer), self.who(by))
            }
        }
    }

    /// Ends the open case once its time is over.
    pub(super) fn conclude_when_due(&mut self, now: Now) {
        if self
            .pending_loss
            .as_ref()
            .is_some_and(|case| now >= case.deadline)
        {
            let waited = self.explain();
            self.recorder.note(None, format!("waited in vain for {waited}"));
        }
        let Some(case) = self.pending_loss.take_if(|case| now >= case.deadline) else {
            return;
        };
        match case.cause {
            Cause::Ended { trainer } => self.lose_ended(now, &trainer, None),
            Cause::Suspected { by, peer, why } => {
                let so_far = match self.job.max_recoveries {
                    0 => "; with maxRecoveries = 0 training does not go on after such a break".to_owned(),
                    _ => self.recoveries_so_far(),
                };
                let message = format!(
                    "{} lost {} during {}: {why}; neither of the two processes was seen to end{so_far}",
                    self.who(&by),
                    self.who(&peer),
                    self.doing(&by)
                );
                self.fail(Failure::new(ErrorKind::JobFailed, message));
            }
        }
    }

    /// During launch a trainer whose stream ended is forgotten once no report about it came.
    pub(super) fn drop_ended(&mut self, now: Now) {
        if self.phase != Phase::Gathering {
            return;
        }
        let grace = self.timeouts.grace;
        let due = |trainer: &Trainer| trainer.ended.is_some_and(|at| now >= at + grace);
        let gone: Vec<String> = self
            .trainers
            .values()
            .filter(|t| due(t))
            .map(|t| t.info.id.clone())
            .collect();
        for id in gone {
            let grace = self.timeouts.grace.as_millis();
            let how = format!("its connection ended and no exit status came within {grace} ms");
            let why = self.ended_launching(&id, &how);
            self.lose_at_launch(&id, why);
        }
    }

    /// Silence (no beat) and standstill (no progress of the computing thread), rule C2.
    pub(super) fn look_for_silence(&mut self, now: Now) {
        let alive = || self.trainers.values().filter(|trainer| trainer.connected);
        let silent = alive()
            .filter(|trainer| now.saturating_sub(trainer.last_beat) > self.timeouts.failure)
            .min_by_key(|trainer| trainer.last_beat);
        if let Some(trainer) = silent {
            let id = trainer.info.id.clone();
            let seconds = now.saturating_sub(trainer.last_beat).as_secs_f64();
            let message = format!(
                "{} silent for {seconds:.0} s during {}",
                self.who(&id),
                self.doing(&id)
            );
            return self.lose_as_told(now, id, message);
        }
        if matches!(
            self.phase,
            Phase::Gathering | Phase::Feeding { .. } | Phase::Sealed | Phase::Short
        ) {
            return;
        }
        let stuck: Vec<&Trainer> = alive()
            .filter(|trainer| {
                let id = &trainer.info.id;
                (self.rank_of(id).is_some() || self.still_moves(id)) && !self.has_answered(trainer)
            })
            .filter(|trainer| now.saturating_sub(trainer.progressed) > self.timeouts.progress)
            .filter(|trainer| !self.waits_for_another(now, trainer))
            .collect();
        let Some(first) = stuck
            .iter()
            .min_by_key(|trainer| (trainer.progress.counter, trainer.progressed))
        else {
            return;
        };
        let (id, seconds) = (
            first.info.id.clone(),
            now.saturating_sub(first.progressed).as_secs_f64(),
        );
        let level = |trainer: &&&Trainer| self.is_level(trainer, first);
        let all: Vec<String> = stuck
            .iter()
            .filter(level)
            .map(|trainer| self.who(&trainer.info.id))
            .collect();
        let message = format!(
            "{} made no progress for {seconds:.0} s during {} (progressTimeout)",
            all.join(", "),
            self.doing(&id)
        );
        match self.phase {
            Phase::Running { generation } | Phase::Forming { generation } if all.len() > 1 => {
                self.look_who_answers(now, generation, message);
            }
            _ => self.lose_as_told(now, id, message),
        }
    }

    /// Several stand at one point: one of them does not get on, and the others wait for it, which looks the same from here. Who
    /// waits answers HALT at once; the one that does not is lost for that.
    fn look_who_answers(&mut self, now: Now, generation: u64, message: String) {
        if self.recoveries >= self.job.max_recoveries {
            let message = format!("{message}{}", self.recoveries_so_far());
            return self.fail(Failure::new(ErrorKind::JobFailed, message));
        }
        self.log(format!(
            "{message}: the one that does not answer a halt is to blame"
        ));
        self.recoveries += 1;
        self.recovery_of(now, message);
        self.halt(now, generation);
    }

    /// True where a member of a gang may be the one that another waits for.
    fn is_level(&self, trainer: &Trainer, with: &Trainer) -> bool {
        match self.phase {
            Phase::Running { .. } => trainer.progress.counter == with.progress.counter,
            // Who takes the state of another is behind it, and who has it may be the one that stands.
            Phase::Forming { .. } => trainer.ready.is_none(),
            _ => trainer.info.id == with.info.id,
        }
    }

    /// True where another member of the gang is at the same point and gets on: it has more to compute, and is waited for.
    fn waits_for_another(&self, now: Now, trainer: &Trainer) -> bool {
        self.trainers.values().any(|other| {
            other.connected
                && other.info.id != trainer.info.id
                && self.rank_of(&other.info.id).is_some()
                && other.done.is_none()
                && self.is_level(other, trainer)
                && now.saturating_sub(other.progressed) <= self.timeouts.progress
        })
    }

    fn lose_as_told(&mut self, now: Now, trainer: String, how: String) {
        if self.rank_of(&trainer).is_none() {
            return match self.phase {
                Phase::Gathering => self.lose_at_launch(&trainer, how),
                _ => self.drop_stranger(now, &trainer, &how),
            };
        }
        let loss = Loss {
            trainer,
            what: String::new(),
            how,
            open: false,
        };
        self.lose(now, vec![loss]);
    }
}
