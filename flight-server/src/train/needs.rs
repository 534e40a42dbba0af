//! What a job needs of memory beside rows (rule D).

use crate::memory::{Account, Charge, Ledger, OneState};
pub(super) use candlewick_model::memory::BATCHES;
use candlewick_model::memory::TrainingMemory;
use candlewick_protocol::Failure;
use candlewick_protocol::job::JobSpec;
use std::ops::Range;
use std::sync::Arc;

/// Left free where a trainer says for how many shards it has memory: batches of equally many shards differ by a row.
const SPARE: u64 = 1 << 20;

/// See the module.
#[derive(Debug)]
pub(crate) struct Needs {
    _charges: Vec<Charge>,
    _state: OneState,
    bytes: u64,
}

impl Needs {
    /// Charges what a trainer needs of which nothing is known but the job.
    ///
    /// # Errors
    /// As [`Needs::of`].
    pub(crate) fn least(job: &JobSpec, ledger: &Arc<Ledger>) -> Result<Self, Failure> {
        Needs::charged(&TrainingMemory::least(job)?, ledger).checked(ledger)
    }

    /// Charges what a trainer of these logical shards needs before it has their rows.
    ///
    /// # Errors
    /// `InvalidParameter` where a document is wrong, or the limit is less than that.
    pub(crate) fn of(job: &JobSpec, shards: Range<u32>, ledger: &Arc<Ledger>) -> Result<Self, Failure> {
        Needs::coming(job, shards, ledger)?.checked(ledger)
    }

    /// The same where the trainer may not come to own them: nothing is refused yet.
    ///
    /// # Errors
    /// `InvalidParameter` where a document is wrong.
    pub(crate) fn coming(job: &JobSpec, shards: Range<u32>, ledger: &Arc<Ledger>) -> Result<Self, Failure> {
        Ok(Needs::charged(&TrainingMemory::of(job, shards)?, ledger))
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
        Needs::charged(&TrainingMemory::judging(job, shards, aside)?, ledger).checked(ledger)
    }

    /// What is free beside rows if this is given back; none without a limit.
    pub(crate) fn free(&self, ledger: &Ledger) -> Option<u64> {
        ledger.free_beside(self.bytes)
    }

    fn charged(memory: &TrainingMemory, ledger: &Arc<Ledger>) -> Self {
        let charges = [
            (Account::Weights, memory.weights),
            (Account::Gradients, memory.gradients),
            (Account::Optimizer, memory.optimizer),
            (Account::Activations, memory.activations),
            (Account::Batches, memory.batches),
        ];
        Needs {
            _charges: charges
                .map(|(account, bytes)| ledger.charge(account, bytes))
                .into(),
            _state: ledger.keep_for_state(memory.states),
            bytes: memory.beside_rows(),
        }
    }

    fn checked(self, ledger: &Arc<Ledger>) -> Result<Self, Failure> {
        ledger.check()?;
        Ok(self)
    }
}

/// For how many logical shards, whichever, so many bytes are enough beside rows where others have the rest; none where that is all but
/// one. `aside` are the rows of one that are put aside, at most, as far as they are known.
///
/// # Errors
/// `InvalidParameter` where a document of the job is wrong.
pub(crate) fn most_shards(job: &JobSpec, aside: u64, free: u64) -> Result<Option<u32>, Failure> {
    let aside = usize::try_from(aside).unwrap_or(usize::MAX);
    let fits = |shards: u32| -> Result<bool, Failure> {
        let memory = TrainingMemory::at_most(job, shards, aside)?;
        Ok(memory.beside_rows().saturating_add(SPARE) <= free)
    };
    let (mut holds, mut refuses) = (0, job.train.logical_shards.saturating_sub(1));
    if refuses == 0 || fits(refuses)? {
        return Ok(None);
    }
    while holds + 1 < refuses {
        let middle = holds.midpoint(refuses);
        if fits(middle)? {
            holds = middle;
        } else {
            refuses = middle;
        }
    }
    Ok(Some(holds))
}
