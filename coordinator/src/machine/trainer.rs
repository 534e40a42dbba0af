//! What is known of a trainer.

use super::Now;
use crate::command::ExitReport;
use crate::members::Known;
use candlewick_protocol::compression::CompressionUse;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::exchange::ExchangeUse;
use candlewick_protocol::message::{MemoryUse, Pace, Progress, TrainerInfo};
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::stopping::StoppingReport;
use std::collections::BTreeMap;

/// A trainer's word that training is over.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DoneReport {
    pub(super) steps: u64,
    pub(super) state_hash: String,
    pub(super) weights_hash: String,
    pub(super) stopping: Option<StoppingReport>,
    pub(super) class_weights: Option<Vec<f64>>,
    pub(super) memory: MemoryUse,
    pub(super) compression: Option<CompressionUse>,
    pub(super) exchange: Option<ExchangeUse>,
}

/// What is known of a registered trainer.
#[derive(Debug)]
pub(crate) struct Trainer {
    pub(super) info: TrainerInfo,
    pub(super) connected: bool,
    pub(super) last_beat: Now,
    pub(super) progress: Progress,
    pub(super) progressed: Now,
    pub(super) ended: Option<Now>,
    /// Logical shards that it holds, sealed.
    pub(super) held: ShardSet,
    /// Those that it takes in the open round, until it has sealed them.
    pub(super) taken: ShardSet,
    /// Those that it holds as they were fed: what is to be dealt of them, and to them, is not dealt yet (rule A7).
    pub(super) undealt: ShardSet,
    /// Those that are the home of rows that are dealt, or to be dealt.
    pub(super) heaped: ShardSet,
    /// Its rank at first, by which messages call it: ranks move where others are lost.
    pub(super) number: Option<usize>,
    /// Rows of the shards that it holds, by its own count.
    pub(super) rows: BTreeMap<u32, u64>,
    /// It has been a member of a generation that began: it holds the state of the training.
    pub(super) has_state: bool,
    /// It has come while the fit runs, and no generation with it has begun yet.
    pub(super) newcomer: bool,
    /// How it did in the last epoch.
    pub(super) pace: Option<Pace>,
    /// What it takes for a shard of a step, seconds, once that is known.
    pub(super) cost: Option<f64>,
    /// Why it leaves, where it does.
    pub(super) leaving: Option<String>,
    /// Where it stood when its generation was halted.
    pub(super) halted: Option<ProgramCounter>,
    pub(super) ready: Option<(ProgramCounter, String)>,
    pub(super) done: Option<DoneReport>,
    pub(super) exit: Option<ExitReport>,
}

impl Trainer {
    pub(super) fn new(info: TrainerInfo, now: Now) -> Self {
        Trainer {
            info,
            connected: true,
            last_beat: now,
            progress: Progress::default(),
            progressed: now,
            ended: None,
            held: ShardSet::default(),
            taken: ShardSet::default(),
            undealt: ShardSet::default(),
            heaped: ShardSet::default(),
            number: None,
            rows: BTreeMap::new(),
            has_state: false,
            newcomer: false,
            pace: None,
            cost: None,
            leaving: None,
            halted: None,
            ready: None,
            done: None,
            exit: None,
        }
    }

    /// True where it stands there or further, by what it said when it was halted or had taken a state.
    pub(super) fn stands_at(&self, counter: ProgramCounter) -> bool {
        self.halted.is_some_and(|stands| stands >= counter)
    }

    /// What of it matters where shards are dealt.
    pub(super) fn known(&self) -> Known {
        Known {
            cost: self.cost,
            most_shards: self.pace.and_then(|pace| pace.most_shards),
        }
    }

    /// True where it holds the shard as it is trained on.
    pub(super) fn has_dealt(&self, shard: u32) -> bool {
        self.held.contains(shard) && !self.undealt.contains(shard)
    }
}
