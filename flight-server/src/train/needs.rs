//! What a job needs of memory beside rows (rule D).

use crate::memory::{Account, Charge, Ledger, OneState};
pub(super) use candlewick_model::memory::BATCHES;
use candlewick_model::memory::TrainingMemory;
use candlewick_protocol::Failure;
use candlewick_protocol::job::JobSpec;
use std::ops::Range;
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(crate) struct Needs {
    _charges: Vec<Charge>,
    _state: OneState,
}

impl Needs {
    /// Charges what a trainer needs of which nothing is known but the job.
    ///
    /// # Errors
    /// As [`Needs::of`].
    pub(crate) fn least(job: &JobSpec, ledger: &Arc<Ledger>) -> Result<Self, Failure> {
        Needs::charged(&TrainingMemory::least(job)?, ledger)
    }

    /// Charges what a trainer of these logical shards needs before it has their rows.
    ///
    /// # Errors
    /// `InvalidParameter` where a document is wrong, or the limit is less than that.
    pub(crate) fn of(job: &JobSpec, shards: Range<u32>, ledger: &Arc<Ledger>) -> Result<Self, Failure> {
        Needs::charged(&TrainingMemory::of(job, shards)?, ledger)
    }

    /// The same once it has them; `aside` are those of a shard that are put aside, at most.
    ///
    /// # Errors
    /// As [`Needs::of`].
    pub(crate) fn judging(
        job: &JobSpec,
        shards: Range<u32>,
        aside: u64,
        ledger: &Arc<Ledger>,
    ) -> Result<Self, Failure> {
        let aside = usize::try_from(aside).unwrap_or(usize::MAX);
        Needs::charged(&TrainingMemory::judging(job, shards, aside)?, ledger)
    }

    fn charged(memory: &TrainingMemory, ledger: &Arc<Ledger>) -> Result<Self, Failure> {
        let charges = [
            (Account::Weights, memory.weights),
            (Account::Gradients, memory.gradients),
            (Account::Optimizer, memory.optimizer),
            (Account::Activations, memory.activations),
            (Account::Batches, memory.batches),
        ];
        let needs = Needs {
            _charges: charges
                .map(|(account, bytes)| ledger.charge(account, bytes))
                .into(),
            _state: ledger.keep_for_state(memory.states),
        };
        ledger.check()?;
        Ok(needs)
    }
}
