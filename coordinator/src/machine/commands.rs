//! Commands of the driver.

use super::{Machine, Now, Output, Phase};
use crate::command::{Command, Limit};
use crate::members::{Known, owners, rank};
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::message::{ToTrainer, TrainerInfo};
use candlewick_protocol::{ErrorKind, Failure};
use serde_json::{Value, json};

impl Machine {
    /// Obeys a command; its answer is a JSON object.
    pub(crate) fn command(&mut self, now: Now, command: Command) -> Result<Value, Failure> {
        self.recorder.at(now);
        self.recorder.note_command(&command);
        self.notice_pause(now);
        // An executor's report is no sign of life of the driver.
        if !matches!(command, Command::Exited(_)) {
            self.driver_seen = now;
        }
        match command {
            Command::Tick => {}
            Command::Registered => return Ok(json!({"trainers": self.registered()})),
            Command::Members { trainers } => return self.fix_members(&trainers),
            Command::Seal { round, ledgers, more } => self.take_ledgers(now, round, ledgers, more)?,
            Command::Train { resume, until } => self.train(now, resume, until)?,
            Command::Until(limit) => self.until(now, limit)?,
            Command::Expect { trainers } => self.expect(trainers),
            Command::Decommission { executor, reason } => self.decommission(now, &executor, &reason),
            Command::ExecutorLost { executor, reason } => self.on_executor_lost(now, &executor, &reason),
            Command::Exited(report) => self.on_exited(now, report)?,
            Command::Cancel { reason } => {
                self.fail(Failure::new(
                    ErrorKind::Cancelled,
                    format!("the fit was cancelled: {reason}"),
                ));
            }
            Command::Finish => self.finish()?,
        }
        Ok(json!({}))
    }

    fn registered(&self) -> Vec<&TrainerInfo> {
        self.trainers
            .values()
            .filter(|trainer| trainer.connected)
            .map(|trainer| &trainer.info)
            .collect()
    }

    /// An error for a command that does not fit the phase.
    pub(super) fn out_of_place(&self, command: &str, wanted: &str) -> Failure {
        let phase = match self.phase {
            Phase::Failed => {
                // Why, the event tells, which may still be on its way.
                return Failure::unavailable(format!("{command}: the job has failed"));
            }
            phase => format!("{phase:?}"),
        };
        Failure::internal(format!(
            "{command}: the job is {phase} and waits for {}; expected {wanted}",
            self.explain()
        ))
    }

    fn fix_members(&mut self, wanted: &[String]) -> Result<Value, Failure> {
        if self.phase != Phase::Gathering {
            return Err(self.out_of_place("members", "Gathering"));
        }
        let mut infos: Vec<TrainerInfo> = Vec::new();
        for id in wanted {
            match self.trainers.get(id).filter(|trainer| trainer.connected) {
                Some(known) if !infos.iter().any(|info| info.id == *id) => infos.push(known.info.clone()),
                Some(_) => return Err(Failure::parameter(format!("members names trainer {id} twice"))),
                None => return Err(Failure::unavailable(self.why_missing(id))),
            }
        }
        self.members = rank(infos, self.job.train.logical_shards, &|_| Known::default())?;
        for (number, member) in self.members.iter().enumerate() {
            if let Some(trainer) = self.trainers.get_mut(&member.trainer.id) {
                trainer.number = Some(number);
            }
        }
        self.open_round();
        let surplus: Vec<String> = self
            .trainers
            .keys()
            .filter(|id| self.rank_of(id).is_none())
            .cloned()
            .collect();
        for trainer in surplus {
            self.send(
                &trainer,
                ToTrainer::Die {
                    reason: "the gang is complete without it".to_owned(),
                },
            );
            self.out.push(Output::Close { trainer });
        }
        Ok(json!({"round": self.round, "owners": owners(&self.members)}))
    }

    /// Why a trainer that shall be a member cannot be one.
    fn why_missing(&self, id: &str) -> String {
        match (self.lost.get(id), self.trainers.contains_key(id)) {
            (Some(why), _) => why.clone(),
            (None, true) => self.ended_launching(id, "its connection ended"),
            (None, false) => format!("trainer {id} has not registered"),
        }
    }

    fn train(
        &mut self,
        now: Now,
        resume: Option<ProgramCounter>,
        until: Option<Limit>,
    ) -> Result<(), Failure> {
        if self.phase != Phase::Sealed {
            return Err(self.out_of_place("train", "Sealed"));
        }
        match resume {
            Some(counter) => self.resume_at(counter)?,
            None => self.forget_given_state(),
        }
        self.limit = until;
        self.training = true;
        self.proceed(now);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Failure> {
        if self.phase != Phase::Done {
            return Err(self.out_of_place("finish", "Done"));
        }
        // Those too that came too late to be taken in.
        let connected = |known: &&super::Trainer| known.connected || self.rank_of(&known.info.id).is_some();
        let all = self.trainers.values().filter(connected);
        for trainer in all.map(|known| known.info.id.clone()).collect::<Vec<_>>() {
            self.send(&trainer, ToTrainer::Finish);
            self.out.push(Output::Close { trainer });
        }
        Ok(())
    }

    /// The clock of progressTimeout starts anew: what came before was another phase.
    pub(super) fn restart_progress(&mut self, now: Now) {
        for trainer in self.trainers.values_mut() {
            trainer.progressed = now;
        }
    }
}
