//! What a job needs of memory beside rows (rule D).

use crate::memory::{Account, Charge, Ledger};
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
}

impl Needs {
    /// Charges what a trainer of these logical shards needs.
    ///
    /// # Errors
    /// `InvalidParameter` where a document is wrong, or the limit is less than that.
    pub(crate) fn of(job: &JobSpec, shards: Range<u32>, ledger: &Arc<Ledger>) -> Result<Self, Failure> {
        let memory = TrainingMemory::of(job, shards)?;
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
        };
        ledger.check()?;
        Ok(needs)
    }
}
