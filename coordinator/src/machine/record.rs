//! The flight record: where everybody stood and what was said last, for a fit that failed.

use super::{Machine, Now, Phase, Trainer};
use crate::command::Command;
use candlewick_protocol::Failure;
use candlewick_protocol::message::{MemoryUse, ToCoordinator, ToTrainer};
use candlewick_protocol::shards::ShardSet;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Format of the record.
const FORMAT: &str = "candlewick.flight/1";
/// What was said last is kept, so much of it.
const KEPT: usize = 1_000;
/// Characters of one word.
const SHOWN: usize = 500;

/// Something that was said.
#[derive(Debug)]
struct Entry {
    at: Now,
    /// A trainer's id; none: the driver.
    trainer: Option<String>,
    what: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    now: Now,
    entries: VecDeque<Entry>,
    /// The record of the failure, once there is one.
    failed: Option<Value>,
}

impl Recorder {
    /// It is so late.
    pub(super) fn at(&mut self, now: Now) {
        self.now = now;
    }

    /// Takes a line; of the driver, where no trainer is named.
    pub(super) fn note(&mut self, trainer: Option<&str>, what: impl Into<String>) {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        let mut what: String = what.into();
        if let Some((end, _)) = what.char_indices().nth(SHOWN) {
            what.truncate(end);
        }
        self.entries.push_back(Entry {
            at: self.now,
            trainer: trainer.map(str::to_owned),
            what,
        });
    }

    /// The driver wants something.
    pub(super) fn note_command(&mut self, command: &Command) {
        if let Some(what) = commanded(command) {
            self.note(None, what);
        }
    }

    /// A trainer has said something.
    pub(super) fn heard(&mut self, from: &str, message: &ToCoordinator) {
        if let Some(what) = heard(message) {
            self.note(Some(from), what);
        }
    }

    /// A trainer is told something.
    pub(super) fn said(&mut self, to: &str, message: &ToTrainer) {
        if let Some(what) = said(message) {
            self.note(Some(to), format!("is told {what}"));
        }
    }
}

/// A command in short.
fn commanded(command: &Command) -> Option<String> {
    Some(match command {
        Command::Tick | Command::Registered => return None,
        Command::Members { trainers } => format!("names {} members", trainers.len()),
        // Noted once all parts are there.
        Command::Seal { .. } => return None,
        Command::Until(limit) if limit.over => format!("ends the training after {} epochs", limit.epochs),
        // The trainers are told so, which is noted.
        Command::Until(_) => return None,
        Command::Train { resume: None, .. } => "begins the training".to_owned(),
        Command::Train {
            resume: Some(counter),
            ..
        } => format!("begins the training from a checkpoint: {counter}"),
        Command::Expect { trainers } => format!("starts {} trainers more", trainers.len()),
        Command::Decommission { executor, reason } => {
            format!("Spark takes executor {executor} away: {reason}")
        }
        Command::ExecutorLost { executor, reason } => format!("Spark lost executor {executor}: {reason}"),
        Command::Exited(report) => format!("trainer {} ended: {}", report.trainer, report.describe()),
        Command::Cancel { reason } => format!("cancels: {reason}"),
        Command::Finish => "has the weights".to_owned(),
    })
}

/// A trainer's word in short; nothing for what comes all the time.
fn heard(message: &ToCoordinator) -> Option<String> {
    Some(match message {
        ToCoordinator::Beat { .. } => return None,
        ToCoordinator::Weights { offset, .. } | ToCoordinator::Snapshot { offset, .. } if *offset > 0 => {
            return None;
        }
        ToCoordinator::Register { .. } => "registers".to_owned(),
        ToCoordinator::Sealed {
            round,
            shards,
            heaped,
        } => {
            let heaps = if heaped.is_empty() {
                String::new()
            } else {
                format!(", rows to deal in {heaped}")
            };
            format!("SEALED of round {round}, {} shards{heaps}", shards.len())
        }
        ToCoordinator::Dealt {
            round, lost, heaps, ..
        } => {
            let rows: u64 = heaps.iter().map(|sum| sum.rows).sum();
            format!("DEALT of round {round}: {rows} rows of its shards, without shards {lost}")
        }
        ToCoordinator::Moved {
            round, rows, lost, ..
        } => format!("MOVED of round {round}: {rows} rows, without shards {lost}"),
        ToCoordinator::Halted {
            generation, counter, ..
        } => {
            format!("HALTED of generation {generation}: {counter}")
        }
        ToCoordinator::Ready {
            generation,
            counter,
            state_hash,
        } => format!("READY of generation {generation}: {counter}, state {state_hash}"),
        ToCoordinator::Epoch { record, .. } => {
            format!("epoch {} is over, step {}", record.epoch, record.step)
        }
        ToCoordinator::Pace { pace, .. } => format!(
            "worked {:.3} s and waited {:.3} s in epoch {}",
            pace.busy_seconds, pace.waited_seconds, pace.epoch
        ),
        ToCoordinator::Done { .. } => return ended(message),
        ToCoordinator::Weights { total, .. } => format!("begins to send the weights, {total} bytes"),
        ToCoordinator::Snapshot { counter, total, .. } => {
            format!("begins to send its state, {total} bytes: {counter}")
        }
        ToCoordinator::Restored { counter } => format!("RESTORED: {counter}"),
        ToCoordinator::Suspect {
            generation,
            peer,
            why,
        } => format!("SUSPECT {peer} in generation {generation}: {why}"),
        ToCoordinator::Log { line, .. } => format!("logs: {line}"),
        ToCoordinator::Failed { failure } => format!("FAILED: {}", failure.message),
    })
}

/// The end of training, with the memory that it took.
fn ended(message: &ToCoordinator) -> Option<String> {
    let ToCoordinator::Done {
        generation,
        steps,
        memory,
        ..
    } = message
    else {
        return None;
    };
    let MemoryUse {
        limit,
        accounts,
        spilled_bytes,
    } = memory;
    Some(format!(
        "DONE of generation {generation}: {steps} steps; memory of {limit}: {accounts:?}, on disk {spilled_bytes}"
    ))
}

/// A word to a trainer in short.
fn said(message: &ToTrainer) -> Option<String> {
    Some(match message {
        ToTrainer::BeatAck { .. } | ToTrainer::Welcome { .. } | ToTrainer::Restore { .. } => return None,
        ToTrainer::Open { round, shards } => format!("OPEN round {round} for shards {shards}"),
        ToTrainer::Move { round, owners, .. } => {
            let shards: ShardSet = owners.iter().map(|owner| owner.lo..owner.hi).collect();
            format!("MOVE shards {shards} in round {round}")
        }
        ToTrainer::Deal {
            round, owners, deal, ..
        } => {
            let shards: ShardSet = owners.iter().map(|owner| owner.lo..owner.hi).collect();
            format!(
                "DEAL rows of shards {} to shards {shards} in round {round}",
                deal.homes
            )
        }
        ToTrainer::Seal {
            round, incomplete, ..
        } => format!("SEAL round {round}, without shards {incomplete}"),
        ToTrainer::Form {
            generation,
            members,
            counter,
            donor,
            copies,
            ..
        } => format!(
            "FORM generation {generation} of {} at {counter}, donor {}, copies {copies}",
            members.len(),
            donor.as_deref().unwrap_or("none")
        ),
        ToTrainer::Until { epochs, over: true } => format!("to end after {epochs} epochs"),
        ToTrainer::Until { epochs, over: false } => format!("to make {epochs} epochs"),
        ToTrainer::Start { generation } => format!("START generation {generation}"),
        ToTrainer::Halt { generation } => format!("HALT generation {generation}"),
        ToTrainer::Finish => "FINISH".to_owned(),
        ToTrainer::Die { reason } => format!("DIE: {reason}"),
    })
}

impl Machine {
    /// The record of the failure; where nothing has failed, how it stands now.
    pub(crate) fn record(&self) -> Value {
        self.recorder
            .failed
            .clone()
            .unwrap_or_else(|| self.describe(None))
    }

    /// Keeps how everybody stands as it fails.
    pub(super) fn record_failure(&mut self, failure: &Failure) {
        self.recorder.failed = Some(self.describe(Some(failure)));
    }

    fn describe(&self, failure: Option<&Failure>) -> Value {
        let name = |trainer: &Option<String>| match trainer {
            Some(id) => self.who(id),
            None => "driver".to_owned(),
        };
        let events: Vec<Value> = self
            .recorder
            .entries
            .iter()
            .map(|entry| json!({"at": entry.at.as_secs_f64(), "who": name(&entry.trainer), "what": entry.what}))
            .collect();
        json!({
            "format": FORMAT,
            "job": self.job.job,
            "at": self.recorder.now.as_secs_f64(),
            "failure": failure,
            "phase": format!("{:?}", self.phase),
            "waitsFor": if self.phase == Phase::Failed { String::new() } else { self.explain() },
            "generation": self.generation,
            "round": self.round,
            "recoveries": self.recoveries,
            "epochs": self.epochs_reported,
            "trainers": self.trainers.values().map(|trainer| self.describe_trainer(trainer)).collect::<Vec<_>>(),
            "events": events,
        })
    }

    fn describe_trainer(&self, trainer: &Trainer) -> Value {
        let id = &trainer.info.id;
        let member = self.members.iter().find(|member| member.trainer.id == *id);
        let since = |then: Now| self.recorder.now.saturating_sub(then).as_secs_f64();
        json!({
            "trainer": trainer.info,
            "number": trainer.number,
            "rank": self.rank_of(id),
            "shards": member.map(|member| ShardSet::from(member.lo..member.hi).to_string()),
            "rows": trainer.rows.values().sum::<u64>(),
            "leaves": trainer.leaving,
            "connected": trainer.connected,
            "secondsSinceBeat": since(trainer.last_beat),
            "secondsSinceProgress": since(trainer.progressed),
            "progress": trainer.progress,
            "exit": trainer.exit.as_ref().map(|exit| json!({
                "code": exit.code,
                "signal": exit.signal(),
                "stderr": exit.stderr,
            })),
        })
    }
}
