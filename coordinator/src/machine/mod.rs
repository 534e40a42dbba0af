//! The coordinator's state machine: pure and synchronous. Messages, commands and the time go in; messages to
//! trainers and events for the driver come out. Threads, sockets and clocks are in `runtime` and `service`.
//!
//! ```text
//! Gathering --members--> Feeding(0) --seal--> Sealing(0) --all sums equal--> Sealed --train--> Forming(g), after
//!     Restoring where training goes on from a checkpoint
//!     --READY from all, equal hashes--> Running(g) --DONE from all, equal hashes, weights here--> Done
//! Forming(g), Running(g) --a member lost, or two lost each other--> Halting(g) --HALTED from all-->
//!     Feeding(r) --seal--> Sealing(r), where shards were lost -->
//!     Dealing(r) --DEALT from all--> Sealing(r), where a shard is as it was fed and rows are dealt -->
//!     Moving(r) --MOVED from all--> Sealing(r), where a copy of a shard is missing --> Forming(g + 1)
//! ```
//! and Failed from everywhere.

mod commands;
mod dealing;
mod elastic;
mod explain;
mod limit;
mod loss;
mod moves;
mod pace;
mod phases;
mod record;
mod recovery;
mod replicas;
mod rounds;
mod states;
#[cfg(test)]
pub(crate) mod tests;
mod trainer;

use crate::command::{Event, Limit};
use crate::config::Timeouts;
use crate::ledger::Expected;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::feed::TaskLedger;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::message::{Member, Progress, ToCoordinator, ToTrainer};
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::{ErrorKind, Failure};
use candlewick_wire::Assembly;
use dealing::{Dealings, Told};
use elastic::Elastic;
use explain::Wait;
use loss::PendingLoss;
use moves::Moves;
use record::Recorder;
use recovery::Recovery;
pub use states::Snapshot;
use states::States;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use trainer::{DoneReport, Trainer};

/// Time since the coordinator's start.
pub(crate) type Now = Duration;

/// Generation of the first FORM.
const FIRST_GENERATION: u64 = 1;

/// What the machine wants done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Output {
    Send {
        trainer: String,
        message: ToTrainer,
    },
    /// Send a trainer a state in parts, beside what else it is sent.
    Restore {
        trainer: String,
        counter: ProgramCounter,
        state: Arc<Vec<u8>>,
    },
    /// Close the trainer's stream, after what was sent before.
    Close {
        trainer: String,
    },
    Event(Event),
}

/// Where the job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Gathering,
    Feeding {
        round: u32,
    },
    /// Trainers hand shards over to each other.
    Moving {
        round: u32,
    },
    /// Trainers deal each other the copies of rows.
    Dealing {
        round: u32,
    },
    Sealing {
        round: u32,
    },
    Sealed,
    /// Fewer members than minTrainers: others are waited for.
    Short,
    /// The first member takes the state of a checkpoint.
    Restoring,
    Forming {
        generation: u64,
    },
    Running {
        generation: u64,
    },
    Halting {
        generation: u64,
    },
    Done,
    Failed,
}

/// The state machine of one job.
#[derive(Debug)]
pub(crate) struct Machine {
    job: JobSpec,
    timeouts: Timeouts,
    phase: Phase,
    trainers: BTreeMap<String, Trainer>,
    /// By id, who those were that were lost before the members were fixed, and how they ended.
    lost: BTreeMap<String, String>,
    members: Vec<Member>,
    /// What the first feed round brought, all shards.
    expected: Option<Expected>,
    /// The feed round that was opened last.
    round: u32,
    /// What tasks of a round have said so far, where the driver tells it in parts.
    told: (u32, Vec<TaskLedger>),
    /// Shards that this round's tasks could not hand over.
    incomplete: ShardSet,
    /// True once the driver has said so.
    training: bool,
    pending_loss: Option<PendingLoss>,
    /// The generation that was formed last.
    generation: u64,
    recovery: Option<Recovery>,
    /// So far.
    recoveries: u32,
    /// How often a member lost another, or was lost to it, though both lived.
    breaks: BTreeMap<String, u32>,
    /// How often a member was the one that another had lost.
    suspected: BTreeMap<String, u32>,
    /// Members that feed tasks did not reach once.
    unreached: BTreeSet<String>,
    /// For what of the trainers it waits, and since when.
    wait: Option<Wait>,
    weights: Assembly,
    /// The weights file, once the job is done. Shared: nobody copies it under a lock.
    model: Option<Arc<Vec<u8>>>,
    states: States,
    moves: Moves,
    dealings: Dealings,
    elastic: Elastic,
    recorder: Recorder,
    epochs_reported: u32,
    /// How far training may go, where the driver decides that after every epoch.
    limit: Option<Limit>,
    driver_seen: Now,
    /// The last time this process stood still for longer than its trainers wait: until when, and for how long.
    stood_still: Option<(Now, Duration)>,
    last_tick: Now,
    out: Vec<Output>,
}

impl Machine {
    /// The job.
    pub(crate) fn job(&self) -> &JobSpec {
        &self.job
    }

    pub(crate) fn new(job: JobSpec, timeouts: Timeouts) -> Self {
        Machine {
            job,
            timeouts,
            phase: Phase::Gathering,
            trainers: BTreeMap::new(),
            lost: BTreeMap::new(),
            members: Vec::new(),
            expected: None,
            round: 0,
            told: (0, Vec::new()),
            incomplete: ShardSet::default(),
            training: false,
            pending_loss: None,
            generation: 0,
            recovery: None,
            recoveries: 0,
            breaks: BTreeMap::new(),
            suspected: BTreeMap::new(),
            unreached: BTreeSet::new(),
            wait: None,
            weights: recovery::weights(),
            model: None,
            states: States::default(),
            moves: Moves::default(),
            dealings: Dealings::default(),
            elastic: Elastic::default(),
            recorder: Recorder::default(),
            epochs_reported: 0,
            limit: None,
            driver_seen: Duration::ZERO,
            stood_still: None,
            last_tick: Duration::ZERO,
            out: Vec::new(),
        }
    }

    /// Takes what the machine wants done, in order.
    pub(crate) fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// A message from a registered trainer.
    pub(crate) fn message(&mut self, now: Now, from: &str, message: ToCoordinator, body: &[u8]) {
        if self.phase == Phase::Failed || !self.trainers.contains_key(from) {
            return;
        }
        self.recorder.at(now);
        self.recorder.heard(from, &message);
        match message {
            ToCoordinator::Register { .. } => self.log(format!("{} registered twice", self.who(from))),
            ToCoordinator::Beat { number, progress, .. } => self.on_beat(now, from, number, progress),
            ToCoordinator::Halted {
                generation,
                counter,
                made,
            } => self.on_halted(now, from, generation, (counter, made)),
            ToCoordinator::Ready {
                generation,
                counter,
                state_hash,
            } => {
                self.on_ready(now, from, generation, (counter, state_hash));
            }
            ToCoordinator::Epoch { generation, record } => self.on_epoch(now, from, generation, record),
            ToCoordinator::Pace { generation, pace } => self.on_pace(now, from, generation, pace),
            ToCoordinator::Done {
                generation,
                steps,
                state_hash,
                weights_hash,
                stopping,
                class_weights,
                memory,
                compression,
                exchange,
            } => {
                let report = DoneReport {
                    steps,
                    state_hash,
                    weights_hash,
                    stopping,
                    class_weights,
                    memory,
                    compression,
                    exchange,
                };
                self.on_done(now, from, generation, report);
            }
            ToCoordinator::Suspect {
                generation,
                peer,
                why,
            } => {
                self.on_suspect(now, from, generation, &peer, why);
            }
            ToCoordinator::Log { error, line } => {
                let trainer = self.who(from);
                self.out
                    .push(Output::Event(Event::TrainerLog { trainer, error, line }));
            }
            ToCoordinator::Failed { failure } => self.on_failed(now, from, &failure),
            rows_or_bulk => self.transfer(now, from, rows_or_bulk, body),
        }
    }

    /// A message about rows, weights or states.
    fn transfer(&mut self, now: Now, from: &str, message: ToCoordinator, body: &[u8]) {
        match message {
            ToCoordinator::Sealed {
                round,
                shards,
                heaped,
            } => self.on_sealed(now, from, round, &shards, &heaped),
            ToCoordinator::Dealt {
                round,
                lost,
                because,
                heaps,
                shares,
            } => {
                let told = Told { lost, heaps, shares };
                self.on_dealt(now, from, round, told, because);
            }
            ToCoordinator::Moved {
                round,
                rows,
                lost,
                because,
            } => self.on_moved(now, from, round, rows, (lost, because)),
            ToCoordinator::Weights {
                generation,
                offset,
                total,
            } => self.on_weights(from, generation, (offset, total), body),
            ToCoordinator::Snapshot {
                generation,
                counter,
                last,
                offset,
                total,
            } => self.on_snapshot(from, generation, (counter, last), (offset, total), body),
            ToCoordinator::Restored { counter } => self.on_restored(now, from, counter),
            _ => {}
        }
    }

    fn on_beat(&mut self, now: Now, from: &str, number: u64, progress: Progress) {
        let Some(trainer) = self.trainers.get_mut(from) else {
            return;
        };
        trainer.last_beat = now;
        let changed = !trainer.progress.is_as(&progress);
        if trainer.progress.ticks != progress.ticks {
            trainer.progressed = now;
        }
        trainer.progress = progress;
        if self.phase == Phase::Short {
            self.proceed(now);
        }
        let epochs = self.epochs_reported;
        self.send(from, ToTrainer::BeatAck { number, epochs });
        self.notice_resumption(now, progress.counter);
        if changed {
            self.out.push(Output::Event(Event::Progress {
                trainer: from.to_owned(),
                progress,
            }));
        }
    }

    /// Time passes: deadlines. To be called at least every 100 ms.
    pub(crate) fn tick(&mut self, now: Now) {
        self.recorder.at(now);
        self.forgive_pause(now);
        if matches!(self.phase, Phase::Failed) {
            return;
        }
        if now.saturating_sub(self.driver_seen) > self.timeouts.driver {
            return self.driver_lost(now);
        }
        if self.phase == Phase::Done {
            return;
        }
        self.drop_ended(now);
        self.repeat_halt(now);
        self.leave_when_possible(now);
        self.look_for_others(now);
        self.tell_of_waits(now);
        if self.pending_loss.is_some() {
            self.conclude_when_due(now);
        } else {
            self.look_for_silence(now);
        }
    }

    /// A pause of this very process (SIGSTOP, a sleeping laptop) is nobody's silence. Time without a look at the clock
    /// counts for one second only; where looks come late all the time, silence is found later, but it is found.
    fn forgive_pause(&mut self, now: Now) {
        const USUAL: Duration = Duration::from_secs(1);
        self.notice_pause(now);
        let pause = now.saturating_sub(self.last_tick).saturating_sub(USUAL);
        if !pause.is_zero() {
            // What came since the last tick is no older than now.
            self.driver_seen = now.min(self.driver_seen + pause);
            for trainer in self.trainers.values_mut() {
                trainer.last_beat = now.min(trainer.last_beat + pause);
                trainer.progressed = now.min(trainer.progressed + pause);
            }
        }
        self.last_tick = now;
    }

    /// Remembers that this process stood still for longer than its trainers wait. To be called by what may tell of a loss
    /// before the first tick after that.
    fn notice_pause(&mut self, now: Now) {
        let gap = now.saturating_sub(self.last_tick);
        // They count from the last beat that was answered, which came a moment before.
        if gap + self.timeouts.failure / 10 >= self.timeouts.failure {
            self.stood_still = Some((now, gap));
        }
    }

    /// What a loss is told with soon after this process stood still: by then its trainers have given it up.
    fn after_a_pause(&self, now: Now) -> String {
        let recent = self.timeouts.failure + self.timeouts.grace;
        match self.stood_still {
            Some((until, gap)) if now.saturating_sub(until) <= recent => format!(
                "\nBefore that the driver itself stood still for {:.0} s (stopped, swapping, or on a machine that slept), longer \
                 than its trainers wait for it (failureTimeout)",
                gap.as_secs_f64()
            ),
            _ => String::new(),
        }
    }

    /// The driver ticks but takes no events.
    pub(crate) fn driver_overflow(&mut self) {
        let why = "the driver has taken no event of this job for so long that there is no room for more: what it does \
                   with an epoch (verbose, a progress callback) blocks";
        self.fail(Failure::new(ErrorKind::JobFailed, why));
    }

    fn driver_lost(&mut self, now: Now) {
        let silent = now.saturating_sub(self.driver_seen).as_secs();
        let why = format!("the driver has been silent for {silent} s: its fit no longer waits for this job");
        if self.phase == Phase::Done {
            self.terminate_trainers(&why);
            self.phase = Phase::Failed;
        } else {
            self.fail(Failure::new(ErrorKind::Cancelled, why));
        }
    }

    /// The end of the coordinator: every trainer still connected is told to die.
    pub(crate) fn shut_down(&mut self) {
        self.terminate_trainers("the coordinator shuts down");
        self.phase = Phase::Failed;
    }

    fn fail(&mut self, failure: Failure) {
        if matches!(self.phase, Phase::Failed | Phase::Done) {
            return;
        }
        self.record_failure(&failure);
        self.phase = Phase::Failed;
        self.pending_loss = None;
        self.terminate_trainers(&format!("the job failed: {}", failure.message));
        self.out.push(Output::Event(Event::Failed { failure }));
    }

    /// Die to every connected trainer, and its stream closed.
    fn terminate_trainers(&mut self, reason: &str) {
        let connected: Vec<String> = self
            .trainers
            .iter()
            .filter(|t| t.1.connected)
            .map(|t| t.0.clone())
            .collect();
        for trainer in connected {
            self.send(
                &trainer,
                ToTrainer::Die {
                    reason: reason.to_owned(),
                },
            );
            self.out.push(Output::Close { trainer });
        }
    }

    fn send(&mut self, trainer: &str, message: ToTrainer) {
        self.recorder.said(trainer, &message);
        self.out.push(Output::Send {
            trainer: trainer.to_owned(),
            message,
        });
    }

    fn log(&mut self, message: String) {
        self.recorder.note(None, message.as_str());
        self.out.push(Output::Event(Event::Log { message }));
    }

    /// True where a member has said what the phase waits for from every one: it idles, and makes no progress by right.
    fn has_answered(&self, trainer: &Trainer) -> bool {
        match self.phase {
            Phase::Sealing { .. } => trainer.taken.is_empty(),
            Phase::Moving { .. } => !self.still_moves(&trainer.info.id),
            Phase::Dealing { .. } => !self.still_deals(&trainer.info.id),
            Phase::Short => true,
            Phase::Forming { .. } => trainer.ready.is_some(),
            Phase::Restoring => {
                let first = self.members.first();
                self.is_restored(trainer) || first.is_none_or(|member| member.trainer.id != trainer.info.id)
            }
            Phase::Halting { .. } => trainer.halted.is_some(),
            _ => (trainer.done.is_some() && !self.owes_weights(trainer)) || self.awaits_decision(),
        }
    }

    /// True of the first member until all of its weights are here.
    fn owes_weights(&self, trainer: &Trainer) -> bool {
        let first = self.members.first();
        first.is_some_and(|first| first.trainer.id == trainer.info.id) && !self.weights.is_complete()
    }

    fn rank_of(&self, trainer: &str) -> Option<usize> {
        self.members
            .iter()
            .position(|member| member.trainer.id == trainer)
    }

    /// True where every member's report satisfies `test`.
    fn all_members(&self, test: impl Fn(&Trainer) -> bool) -> bool {
        self.members
            .iter()
            .all(|member| self.trainers.get(&member.trainer.id).is_some_and(&test))
    }

    /// "trainer 1 (hostB, executor 3, pid 4711)": the rank that it had at first, else the beginning of the id.
    fn who(&self, trainer: &str) -> String {
        let number = self.trainers.get(trainer).and_then(|known| known.number);
        let name = match number {
            Some(number) => number.to_string(),
            None => trainer.chars().take(8).collect(),
        };
        match self.trainers.get(trainer) {
            Some(known) => format!(
                "trainer {name} ({}, executor {}, pid {})",
                known.info.host, known.info.executor, known.info.pid
            ),
            None => format!("trainer {name}"),
        }
    }

    /// "training, step 812": what the job was doing, for the message of a loss.
    fn doing(&self, trainer: &str) -> String {
        let step = self
            .trainers
            .get(trainer)
            .map_or(0, |known| known.progress.counter.step);
        match self.phase {
            Phase::Gathering => "launch".to_owned(),
            Phase::Feeding { .. }
            | Phase::Moving { .. }
            | Phase::Dealing { .. }
            | Phase::Sealing { .. }
            | Phase::Sealed => "feed".to_owned(),
            Phase::Restoring
            | Phase::Forming {
                generation: FIRST_GENERATION,
            } => "training, before its first step".to_owned(),
            Phase::Forming { .. }
            | Phase::Running { .. }
            | Phase::Halting { .. }
            | Phase::Short
            | Phase::Done
            | Phase::Failed => format!("training, step {step}"),
        }
    }

    /// The weights file and its weightsHash, once `done` was reported.
    pub(crate) fn weights(&self) -> Result<(Arc<Vec<u8>>, String), Failure> {
        let first = self.members.first();
        let done = first
            .and_then(|member| self.trainers.get(&member.trainer.id))
            .and_then(|trainer| trainer.done.as_ref());
        if let (Some(model), Some(done)) = (&self.model, done) {
            return Ok((Arc::clone(model), done.weights_hash.clone()));
        }
        Err(Failure::unavailable(
            "there are no weights yet: wait for the event \"done\"",
        ))
    }
}
