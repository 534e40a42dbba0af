//! Control messages between coordinator and trainers, docs/protocol/membership.md.
//!
//! A trainer opens one Flight `DoExchange` stream to the coordinator and keeps it for its life: the end of the stream
//! is the end of the other side. Each `FlightData` carries one message as JSON in `app_metadata`; weights travel in
//! `data_body`.

use crate::compression::CompressionUse;
use crate::counter::ProgramCounter;
use crate::dealing::Deal;
use crate::error::Failure;
use crate::exchange::ExchangeUse;
use crate::feed::{Owner, ShardSum, Winner};
use crate::job::JobSpec;
use crate::shards::ShardSet;
use crate::stopping::StoppingReport;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ops::Range;

/// Largest control message before authentication, bytes.
pub const MAX_UNAUTHENTICATED_FRAME: usize = 4 * 1024;
/// Bytes of weights or of a state in one message.
pub const BULK_CHUNK: usize = 1024 * 1024;
/// Largest Flight message either side decodes.
pub const MAX_FLIGHT_MESSAGE: usize = 64 * 1024 * 1024;

/// A trainer as the others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainerInfo {
    /// Id of the process, never reused.
    pub id: String,
    /// Host both listeners are bound to.
    pub host: String,
    /// Spark executor whose JVM is the parent.
    pub executor: String,
    /// Position among the trainers of that executor, from 0.
    pub index: u32,
    /// Port of the Flight server.
    pub flight_port: u16,
    /// Port of the collective listener.
    pub collective_port: u16,
    /// Process id, for the logs and for tests that kill.
    pub pid: u32,
    /// Compute threads.
    pub threads: u32,
    /// Instruction set the kernels use: "avx512", "avx2", "generic".
    pub cpu_level: String,
    /// What it computes on: "cpu", "cuda", or "candle" (tests).
    #[serde(default = "processors")]
    pub device: String,
}

fn processors() -> String {
    "cpu".to_owned()
}

/// A member of a generation: a trainer and the contiguous logical shards `[lo, hi)` it owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Who it is; the position in the list is its rank.
    pub trainer: TrainerInfo,
    /// First shard.
    pub lo: u32,
    /// One past the last shard.
    pub hi: u32,
}

impl Member {
    /// The same trainer with other shards.
    #[must_use]
    pub fn with_shards(&self, shards: Range<u32>) -> Member {
        Member {
            trainer: self.trainer.clone(),
            lo: shards.start,
            hi: shards.end,
        }
    }
}

/// Progress of the computing thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Where the training run stands.
    #[serde(flatten)]
    pub counter: ProgramCounter,
    /// Rows received by the spool so far.
    pub rows_spooled: u64,
    /// Grows whenever the computing thread does something.
    pub ticks: u64,
    /// Memory of the process that is in use (resident set size), bytes; 0 where that is not known.
    #[serde(default)]
    pub resident_bytes: u64,
    /// Mean loss over the epoch at hand so far; none before its first step, or where it is not finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Steps of an epoch; 0 before the first one.
    #[serde(default)]
    pub steps_per_epoch: u64,
}

impl Progress {
    /// Whether it stands where another one does, whatever memory it uses.
    #[must_use]
    pub fn is_as(&self, other: &Progress) -> bool {
        let place = |progress: &Progress| Progress {
            resident_bytes: 0,
            ..*progress
        };
        place(self) == place(other)
    }
}

/// One record of `summary.history`, made by the trainers from replicated state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochRecord {
    /// Epoch, from 0.
    pub epoch: u32,
    /// Steps completed since the start of training.
    pub step: u64,
    /// Mean loss over the epoch's rows, weighted as the loss is.
    pub loss: f64,
    /// Learning rate of the epoch's last step.
    pub lr: f64,
    /// Rows trained on in this epoch, over all trainers.
    pub rows: u64,
    /// Seconds the epoch took, by the clock of the trainer that tells of it; no part of the state.
    pub seconds: f64,
    /// Metrics by name, those over the validation rows with the prefix `val_`; null where a value is not defined.
    /// With `validationSteps` also `validations`, a list of the evaluations within the epoch, each with its `step`.
    #[serde(flatten)]
    pub metrics: Map<String, Value>,
}

impl EpochRecord {
    /// The loss or a metric by its name; NaN where there is none, or it is not defined this time.
    #[must_use]
    pub fn value(&self, name: &str) -> f64 {
        if name == "loss" {
            return self.loss;
        }
        let found = self.metrics.get(name);
        found.and_then(Value::as_f64).unwrap_or(f64::NAN)
    }
}

/// One entry of `summary.recoveryLog` (rule C6): a generation that replaced another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryRecord {
    /// The generation that training went on with.
    pub generation: u64,
    /// Why: who noticed what.
    pub cause: String,
    /// Trainers that were lost; none where a connection broke between two that live.
    pub lost: Vec<LostTrainer>,
    /// Steps completed before it, with which training went on.
    pub resume_step: u64,
    /// Steps that a trainer had made beyond it, and that were made again: 0 or 1, or those since the last point from which a run
    /// can go on.
    pub steps_redone: u64,
    /// Rows that were fed again.
    pub rows_refed: u64,
    /// How long it took.
    pub seconds: RecoverySeconds,
}

/// A trainer that was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LostTrainer {
    /// Its id.
    pub trainer: String,
    /// Its host.
    pub host: String,
    /// Its executor.
    pub executor: String,
    /// How it ended.
    pub cause: String,
}

/// The parts of a recovery, seconds by the coordinator's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct RecoverySeconds {
    /// From the last sign of a lost trainer to the knowledge that it is lost.
    pub detect: f64,
    /// Until every member had halted.
    pub halt: f64,
    /// Until lost shards, and lost copies, were there again.
    pub feed: f64,
    /// Until the members were connected and all had the donor's state.
    pub donate: f64,
    /// Until the first sign that training went on.
    pub resume: f64,
}

/// From a trainer to the coordinator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ToCoordinator {
    /// First message on the stream.
    Register {
        /// Who it is and where it listens.
        trainer: TrainerInfo,
    },
    /// Sign of life, every failureTimeout / 20, within 50 ms and 1 s.
    Beat {
        /// Beats are numbered from 0.
        number: u64,
        /// Generation, 0 before the first FORM.
        generation: u64,
        /// Where the computing thread is.
        progress: Progress,
    },
    /// Answer to `Seal`.
    Sealed {
        /// Feed round.
        round: u32,
        /// What the spool holds of this round, recomputed from its bytes.
        shards: Vec<ShardSum>,
        /// Those of them with rows that are to be dealt, or were (rule A7).
        #[serde(default)]
        heaped: ShardSet,
    },
    /// Answer to `Move`.
    Moved {
        /// Feed round.
        round: u32,
        /// Rows that were sent, those that are in the spools of the others.
        rows: u64,
        /// Shards that could not be handed over.
        lost: ShardSet,
        /// Why the first of them could not.
        because: Option<String>,
    },
    /// Answer to `Deal`.
    Dealt {
        /// Feed round.
        round: u32,
        /// Shards to which what is theirs could not be sent.
        lost: ShardSet,
        /// Why the first of them could not.
        because: Option<String>,
        /// Of each home that is dealt in this round: what its rows are in all that are dealt.
        heaps: Vec<ShardSum>,
        /// Of each shard that takes rows in this round: what of them belongs to it, what was here already too.
        shares: Vec<ShardSum>,
    },
    /// Answer to `Halt`: the connections of that generation are closed, and the state stands there.
    Halted {
        /// Generation.
        generation: u64,
        /// The last completed point from which it can go on.
        counter: ProgramCounter,
        /// Steps that it had made, those too that it went back from.
        #[serde(default)]
        made: u64,
    },
    /// Answer to `Form`: connected to all peers, state installed.
    Ready {
        /// Generation.
        generation: u64,
        /// Where training goes on.
        counter: ProgramCounter,
        /// Hash of weights and optimiser state.
        state_hash: String,
    },
    /// An epoch is over. Any member may send it; rank 0 does, and again in the next generation until it is acknowledged.
    Epoch {
        /// Generation.
        generation: u64,
        /// Its record.
        record: EpochRecord,
    },
    /// How long this trainer took for the steps of an epoch in this generation, or those of them that were made in it.
    Pace {
        /// Generation.
        generation: u64,
        /// How long.
        pace: Pace,
    },
    /// Training is over.
    Done {
        /// Generation.
        generation: u64,
        /// Steps made.
        steps: u64,
        /// Hash of weights and optimiser state.
        state_hash: String,
        /// weightsHash of the model.
        weights_hash: String,
        /// How early stopping went, where it was asked for.
        stopping: Option<StoppingReport>,
        /// What rows of each class weighed in the loss, where `classWeight` said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class_weights: Option<Vec<f64>>,
        /// What memory it needed.
        #[serde(default)]
        memory: MemoryUse,
        /// What compressed gradients took, where they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compression: Option<CompressionUse>,
        /// How it exchanged gradients; nothing where it was alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exchange: Option<ExchangeUse>,
    },
    /// A part of the weights file (safetensors), in `data_body`; sent by rank 0 after `Done`.
    Weights {
        /// Generation.
        generation: u64,
        /// Position of this part.
        offset: u64,
        /// Bytes of the whole file.
        total: u64,
    },
    /// A part of the state as it stood at `counter`, in `data_body`; sent by rank 0 where one is due (rule C5).
    Snapshot {
        /// Generation.
        generation: u64,
        /// Where the state stands.
        counter: ProgramCounter,
        /// True where training is over.
        last: bool,
        /// Position of this part.
        offset: u64,
        /// Bytes of the whole file.
        total: u64,
    },
    /// Answer to the last part of `Restore`: the state is installed.
    Restored {
        /// Where it stands.
        counter: ProgramCounter,
    },
    /// A peer is silent or its connection broke.
    Suspect {
        /// Generation.
        generation: u64,
        /// Id of the peer.
        peer: String,
        /// What was being waited for, and how long.
        why: String,
    },
    /// A line that the trainer has logged as a warning or an error; left out where there is no room.
    Log {
        /// True for an error.
        error: bool,
        /// The line.
        line: String,
    },
    /// The trainer cannot go on.
    Failed {
        /// Why.
        failure: Failure,
    },
}

/// The memory that a trainer needed, by its own ledger (rule D); no part of the state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryUse {
    /// Bytes that it might use in all; 0: as many as there are.
    pub limit: u64,
    /// The most that each account held at a time, bytes. Not all had their most at the same time.
    pub accounts: BTreeMap<String, u64>,
    /// Bytes of rows that were written to disk.
    pub spilled_bytes: u64,
}

/// One entry of the job's `memory`: what a trainer needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainerMemoryUse {
    /// Its id.
    pub trainer: String,
    /// Its host.
    pub host: String,
    /// What it needed.
    #[serde(flatten)]
    pub memory: MemoryUse,
}

/// What a trainer did in an epoch, by its own clock; no part of the state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pace {
    /// The epoch.
    pub epoch: u32,
    /// Steps of it that this is about.
    pub steps: u32,
    /// Seconds in which it worked.
    pub busy_seconds: f64,
    /// Seconds in exchanges with the others, waiting for them for the most part.
    pub waited_seconds: f64,
    /// Logical shards that it has memory for beside rows, wherever they lie; none: for all but one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_shards: Option<u32>,
}

/// One entry of `summary.stragglerLog`: how long each trainer worked and waited in an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaceRecord {
    /// The epoch.
    pub epoch: u32,
    /// Time of the slowest over that of the mean: 1 where all take equally long.
    pub skew: f64,
    /// All members, the slowest first.
    pub trainers: Vec<TrainerPace>,
}

/// How a trainer did in an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainerPace {
    /// Its id.
    pub trainer: String,
    /// Its host.
    pub host: String,
    /// Its executor.
    pub executor: String,
    /// Logical shards that it owns.
    pub shards: u32,
    /// Seconds in which it worked.
    pub busy_seconds: f64,
    /// Seconds in exchanges with the others.
    pub waited_seconds: f64,
}

/// One entry of `summary.rescaleLog`: trainers that came or left by plan, or shards that moved between those that stayed
/// (rule C4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RescaleRecord {
    /// The generation that training went on with.
    pub generation: u64,
    /// Why.
    pub cause: String,
    /// Who came.
    pub joined: Vec<TrainerRef>,
    /// Who left.
    pub left: Vec<TrainerRef>,
    /// Trainers from then on.
    pub trainers: u32,
    /// Steps completed before it, with which training went on.
    pub resume_step: u64,
    /// Rows that went from one trainer to another.
    pub rows_moved: u64,
    /// From the end of the generation before to the next START.
    pub seconds: f64,
}

/// A trainer that came or left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainerRef {
    /// Its id.
    pub trainer: String,
    /// Its host.
    pub host: String,
    /// Its executor.
    pub executor: String,
}

impl From<&TrainerInfo> for TrainerRef {
    fn from(info: &TrainerInfo) -> Self {
        TrainerRef {
            trainer: info.id.clone(),
            host: info.host.clone(),
            executor: info.executor.clone(),
        }
    }
}

/// From the coordinator to a trainer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ToTrainer {
    /// Answer to `Register`: the job. `Open` says which shards the trainer takes.
    Welcome {
        /// The job.
        job: Box<JobSpec>,
    },
    /// Answer to `Beat`, and to all before it.
    BeatAck {
        /// Number of the beat.
        number: u64,
        /// The records of so many epochs, from 0, are in the history: they need not be kept any longer.
        epochs: u32,
    },
    /// A feed round begins: accept frames of it for these shards, which this trainer does not have yet, or has as they were fed
    /// while others have them dealt.
    Open {
        /// Feed round.
        round: u32,
        /// The shards.
        shards: ShardSet,
    },
    /// Send the rows of these shards, which this trainer has, to the members that own them now, or keep copies of them, as a
    /// task of the feed round does (rules C4, A5). They stay here too until the next `Form`.
    Move {
        /// Feed round.
        round: u32,
        /// Who takes what.
        owners: Vec<Owner>,
        /// Stands for the partition in the names of the streams; no other trainer has it in this round.
        partition: u32,
    },
    /// Send those copies of rows that belong to other shards to the members that own these, as in a feed round (rule A7).
    Deal {
        /// Feed round.
        round: u32,
        /// Who takes which shards, this trainer too.
        owners: Vec<Owner>,
        /// Stands for the partition in the names of the streams; no other trainer has it in this round.
        partition: u32,
        /// What is dealt.
        deal: Deal,
    },
    /// The feed round is over: keep the winners, drop all else, refuse later frames, answer `Sealed`. What earlier rounds
    /// sealed stays.
    Seal {
        /// Feed round.
        round: u32,
        /// The attempt that won each partition.
        winners: Vec<Winner>,
        /// Rows and hash sums of every shard of the job, as they were fed or, once all are dealt, as they were dealt. Which
        /// rows are dealt follows from their number.
        expected: Vec<ShardSum>,
        /// Shards of which a task could not hand over all rows: they are dropped too, and fed again in a later round.
        incomplete: ShardSet,
        /// The round was one of dealing: its rows join the shards that were opened, which are here, and so do those that
        /// belong to them of these homes, which are here too; the opened shards give up what is not theirs.
        dealt: Option<ShardSet>,
    },
    /// A part of a saved state that training goes on from, in `data_body`; `Restored` answers the last one. Before the first
    /// FORM, to one member, which gives it to the others.
    Restore {
        /// Where the state stands.
        counter: ProgramCounter,
        /// Position of this part.
        offset: u64,
        /// Bytes of the whole file.
        total: u64,
    },
    /// Connect to the members and answer `Ready`.
    Form {
        /// Generation.
        generation: u64,
        /// Members by rank; contiguous shard ranges in rank order.
        members: Vec<Member>,
        /// Rows and hash sums of every shard of the job: the plan of a step needs all of them.
        sums: Vec<ShardSum>,
        /// Where training goes on: the highest point that a member has completed.
        counter: ProgramCounter,
        /// Id of the member that gives its state to the others, where one of them is behind.
        donor: Option<String>,
        /// Shards of others that this trainer has and keeps beside its own (rule A5); what is in neither it gives up.
        #[serde(default)]
        copies: ShardSet,
    },
    /// Begin the steps of a generation.
    Start {
        /// Generation.
        generation: u64,
    },
    /// Begin no epoch from this one on, counted from 0, before another of these comes: the driver decides at the end of each
    /// epoch. Where training is `over`, it ends there. Never said to trainers that need not wait.
    Until {
        /// Epochs that may be made.
        epochs: u32,
        /// Training ends after them.
        over: bool,
    },
    /// Abandon the step in flight and answer `Halted`: generations up to this one are over. Repeated until answered.
    Halt {
        /// Generation.
        generation: u64,
    },
    /// The job is over and its model received: end with status 0.
    Finish,
    /// End at once.
    Die {
        /// Why.
        reason: String,
    },
}
