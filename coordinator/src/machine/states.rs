//! States of the training run that pass through here: those that the gang sends to the driver, which makes checkpoints of
//! them (rule C5), and the one that training goes on from where the driver has a checkpoint.

use super::trainer::Trainer;
use super::{Machine, Now, Output, Phase};
use crate::command::Event;
use candlewick_protocol::Failure;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_wire::Assembly;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A state that the gang has sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Where it stands.
    pub counter: ProgramCounter,
    /// True where training is over.
    pub last: bool,
    /// The file.
    pub state: Vec<u8>,
}

/// One on its way.
#[derive(Debug)]
struct Arriving {
    counter: ProgramCounter,
    last: bool,
    file: Assembly,
}

/// The state that training goes on from, until every member has it.
#[derive(Debug)]
struct Resume {
    counter: ProgramCounter,
    state: Arc<Vec<u8>>,
    /// To whom it was sent.
    sent: BTreeSet<String>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct States {
    arriving: Option<Arriving>,
    /// The youngest that is whole, until the driver takes it.
    latest: Option<Snapshot>,
    /// What the driver has given so far of the state to go on from.
    given: Vec<u8>,
    resume: Option<Resume>,
}

#[cfg(test)]
impl States {
    /// True where no state takes memory.
    pub(super) fn is_empty(&self) -> bool {
        self.arriving.is_none() && self.latest.is_none() && self.given.is_empty() && self.resume.is_none()
    }
}

impl Machine {
    /// A part of a state from rank 0. What is not whole when its generation ends is given up: the next one sends it again
    /// where it is still due.
    pub(super) fn on_snapshot(
        &mut self,
        from: &str,
        generation: u64,
        (counter, last): (ProgramCounter, bool),
        (offset, total): (u64, u64),
        part: &[u8],
    ) {
        if self.rank_of(from) != Some(0) || self.phase != (Phase::Running { generation }) {
            return;
        }
        if offset == 0 {
            self.states.arriving = Some(Arriving {
                counter,
                last,
                file: Assembly::new("the state"),
            });
        }
        let arriving = &mut self.states.arriving;
        let Some(known) = arriving.as_mut().filter(|known| known.counter == counter) else {
            return;
        };
        if let Err(failure) = known.file.add(offset, total, part) {
            self.states.arriving = None;
            return self.fail(failure);
        }
        let Some(whole) = arriving.take_if(|known| known.file.is_complete()) else {
            return;
        };
        if self.epochs_reported < counter.epoch {
            // Its history would have a hole. Records come before the state that has them, so this is a defect of ours.
            return self.log(format!(
                "a state at {counter} came before the records of its epochs"
            ));
        }
        let (last, state) = (whole.last, whole.file.into_bytes());
        self.out.push(Output::Event(Event::Snapshot {
            counter,
            last,
            bytes: state.len() as u64,
        }));
        self.states.latest = Some(Snapshot { counter, last, state });
    }

    /// What is on its way is of a generation that is over.
    pub(super) fn forget_arriving_state(&mut self) {
        self.states.arriving = None;
    }

    /// The youngest state, once.
    pub(crate) fn take_snapshot(&mut self) -> Option<Snapshot> {
        self.states.latest.take()
    }

    /// The driver gives a part of the state that training is to go on from; the first one begins it anew.
    pub(crate) fn resume_from(&mut self, offset: u64, part: &[u8]) -> Result<(), Failure> {
        if offset == 0 {
            self.states.given.clear();
        }
        let have = self.states.given.len() as u64;
        if have != offset {
            return Err(Failure::internal(format!(
                "a part of a state at {offset}, expected at {have}"
            )));
        }
        self.states.given.extend_from_slice(part);
        Ok(())
    }

    /// What was given turned out not to be whole.
    pub(super) fn forget_given_state(&mut self) {
        self.states.given = Vec::new();
    }

    /// Training is to go on from the state that was given, which stands at `counter`.
    pub(super) fn resume_at(&mut self, counter: ProgramCounter) -> Result<(), Failure> {
        let state = std::mem::take(&mut self.states.given);
        if state.is_empty() {
            return Err(Failure::internal(
                "training is to go on from a state that was not given",
            ));
        }
        // The driver has the records of these epochs.
        self.epochs_reported = counter.epoch;
        self.states.resume = Some(Resume {
            counter,
            state: Arc::new(state),
            sent: BTreeSet::new(),
        });
        Ok(())
    }

    /// Gives the first member the state to go on from, unless a member has it. True where that is waited for.
    pub(super) fn restore_first(&mut self, now: Now) -> bool {
        let Some(resume) = &mut self.states.resume else {
            return false;
        };
        let there = |id: &String| {
            let known = self.trainers.get(id);
            known.is_some_and(|trainer| trainer.stands_at(resume.counter))
        };
        if self.members.iter().any(|member| there(&member.trainer.id)) {
            return false;
        }
        let Some(first) = self.members.first() else {
            return false;
        };
        // On its way to one that lives on it is not sent again: the parts would mingle.
        if resume.sent.insert(first.trainer.id.clone()) {
            self.out.push(Output::Restore {
                trainer: first.trainer.id.clone(),
                counter: resume.counter,
                state: Arc::clone(&resume.state),
            });
        }
        self.phase = Phase::Restoring;
        self.restart_progress(now);
        true
    }

    /// True of a member that has the state to go on from: one that answered a halt may stand before it.
    pub(super) fn is_restored(&self, trainer: &Trainer) -> bool {
        let resume = self.states.resume.as_ref();
        resume.is_none_or(|resume| trainer.stands_at(resume.counter))
    }

    /// A member has the state to go on from: it can give it to the others.
    pub(super) fn on_restored(&mut self, now: Now, from: &str, counter: ProgramCounter) {
        let awaited = self.states.resume.as_ref().map(|resume| resume.counter);
        if self.rank_of(from).is_none() || awaited != Some(counter) {
            return;
        }
        if let Some(trainer) = self.trainers.get_mut(from) {
            trainer.halted = Some(counter);
            trainer.progress.counter = counter;
            trainer.progressed = now;
        }
        if self.phase == Phase::Restoring {
            self.form_next(now);
        }
    }

    /// Every member has the state.
    pub(super) fn resumed(&mut self) {
        self.states.resume = None;
    }
}
