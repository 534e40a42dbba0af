//! What the coordinator waits for, in words.

use super::{Machine, Now, Output, Phase, Trainer};
use crate::command::Event;
use std::time::Duration;

/// A wait for trainers is told after so long, and again each time it has lasted so much longer.
const WORTH_A_LINE: Duration = Duration::from_secs(10);

/// A wait that goes on.
#[derive(Debug)]
pub(super) struct Wait {
    phase: Phase,
    since: Now,
    told: Now,
}

impl Machine {
    /// What has to come before the job moves on, and from whom; where it trains and nothing is missing, where it stands.
    ///
    /// "HALTED of generation 1 from trainer 1 (hostB, executor 10, pid 4711)"
    pub(crate) fn explain(&self) -> String {
        match self.missing() {
            Some(missing) => missing,
            None => match self.phase {
                Phase::Gathering => format!(
                    "the driver, which names the members; {} trainers have registered",
                    self.trainers.len()
                ),
                Phase::Feeding { round } => format!("the driver, whose feed round {round} goes on"),
                Phase::Sealed => "the driver, which begins the training".to_owned(),
                Phase::Done => "the driver, which takes the weights".to_owned(),
                Phase::Failed => "nothing: the job has failed".to_owned(),
                _ => {
                    let foremost = self
                        .trainers
                        .values()
                        .map(|trainer| trainer.progress.counter)
                        .max();
                    format!("nothing: it trains, {}", foremost.unwrap_or_default())
                }
            },
        }
    }

    /// What trainers have not said yet that all of them must say.
    pub(super) fn missing(&self) -> Option<String> {
        if let Some(loss) = &self.pending_loss {
            return Some(self.explain_loss(loss));
        }
        match self.phase {
            Phase::Sealing { round } => self.missing_from(&format!("SEALED of round {round}"), |trainer| {
                trainer.taken.is_empty()
            }),
            Phase::Moving { round } => {
                let names: Vec<String> = self.movers().map(|id| self.who(id)).collect();
                (!names.is_empty()).then(|| format!("MOVED of round {round} from {}", names.join(", ")))
            }
            Phase::Dealing { round } => {
                let names: Vec<String> = self.dealers().map(|id| self.who(id)).collect();
                (!names.is_empty()).then(|| format!("DEALT of round {round} from {}", names.join(", ")))
            }
            Phase::Short => Some(format!("other trainers: {}", self.too_few())),
            Phase::Restoring => self.missing_from("RESTORED", |trainer| self.has_answered(trainer)),
            Phase::Forming { generation } => self
                .missing_from(&format!("READY of generation {generation}"), |trainer| {
                    trainer.ready.is_some()
                }),
            Phase::Halting { generation } => self
                .missing_from(&format!("HALTED of generation {generation}"), |trainer| {
                    trainer.halted.is_some()
                }),
            Phase::Running { .. } if self.trainers.values().any(|trainer| trainer.done.is_some()) => self
                .missing_from("DONE", |trainer| trainer.done.is_some())
                .or_else(|| {
                    let first = self.members.first()?;
                    Some(format!(
                        "the rest of the weights from {}",
                        self.who(&first.trainer.id)
                    ))
                }),
            Phase::Running { .. } if self.awaits_decision() => Some(format!(
                "the driver, whose callbacks look at epoch {} and say whether training goes on",
                self.epochs_reported.saturating_sub(1)
            )),
            _ => None,
        }
    }

    fn missing_from(&self, what: &str, said: impl Fn(&Trainer) -> bool) -> Option<String> {
        let silent = self.members.iter().map(|member| &member.trainer.id);
        let silent = silent.filter(|id| !self.trainers.get(*id).is_some_and(&said));
        let names: Vec<String> = silent.map(|id| self.who(id)).collect();
        (!names.is_empty()).then(|| format!("{what} from {}", names.join(", ")))
    }

    /// Tells of a wait for trainers that lasts.
    pub(super) fn tell_of_waits(&mut self, now: Now) {
        let Some(what) = self.missing() else {
            self.wait = None;
            return;
        };
        let phase = self.phase;
        // Who has answered meanwhile does not make it another wait.
        let wait = match &mut self.wait {
            Some(wait) if wait.phase == phase => wait,
            other => other.insert(Wait {
                phase,
                since: now,
                told: now,
            }),
        };
        if now.saturating_sub(wait.told) < WORTH_A_LINE {
            return;
        }
        wait.told = now;
        let event = Event::Waiting {
            what,
            seconds: now.saturating_sub(wait.since).as_secs_f64(),
        };
        self.out.push(Output::Event(event));
    }
}
