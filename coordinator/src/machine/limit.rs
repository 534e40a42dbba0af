//! How far training may go, where the driver decides at the end of each epoch (rule C7): its callbacks may end it.
//!
//! The limit is told to all members when it moves, and before every START: who joins knows it then, and nobody can be
//! further than the driver has said.

use super::{Machine, Now, Phase};
use crate::command::Limit;
use candlewick_protocol::Failure;
use candlewick_protocol::message::ToTrainer;

impl Machine {
    /// The driver has decided.
    pub(super) fn until(&mut self, now: Now, next: Limit) -> Result<(), Failure> {
        let Some(limit) = self.limit else {
            return Err(Failure::internal(
                "until: the driver said at \"train\" that it decides nothing at the end of an epoch",
            ));
        };
        // A decision stands. One that comes late, after the end of training, changes nothing.
        let ended = matches!(self.phase, Phase::Done | Phase::Failed);
        if ended || limit.over || next.epochs < limit.epochs {
            return Ok(());
        }
        self.limit = Some(next);
        // They did nothing while they waited.
        self.restart_progress(now);
        let members = self.members.iter().map(|member| member.trainer.id.clone());
        for id in members.collect::<Vec<_>>() {
            self.say_limit(&id);
        }
        Ok(())
    }

    /// Tells a trainer how far it may go.
    pub(super) fn say_limit(&mut self, trainer: &str) {
        if let Some(Limit { epochs, over }) = self.limit {
            self.send(trainer, ToTrainer::Until { epochs, over });
        }
    }

    /// True where every trainer has to wait for the driver.
    pub(super) fn awaits_decision(&self) -> bool {
        let undecided = self.limit.filter(|limit| !limit.over);
        undecided
            .is_some_and(|limit| self.epochs_reported >= limit.epochs && limit.epochs < self.job.train.epochs)
    }
}
