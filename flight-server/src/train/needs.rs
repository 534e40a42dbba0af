//! What a job needs of memory beside rows (rule D).

use crate::memory::{Account, Charge, Ledger};
use candlewick_model::network::Network;
use candlewick_model::optim;
use candlewick_model::summary::step_memory;
use candlewick_protocol::Failure;
use candlewick_protocol::feed::RowFormat;
use candlewick_protocol::job::JobSpec;
use std::sync::Arc;

/// Batches in memory: one being computed, one being gathered.
pub(super) const BATCHES: usize = 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct Needs {
    _charges: Vec<Charge>,
}

impl Needs {
    /// Charges what a trainer of so many logical shards needs.
    ///
    /// # Errors
    /// `InvalidParameter` where a document is wrong, or the limit is less than that.
    pub(crate) fn of(job: &JobSpec, shards: u32, ledger: &Arc<Ledger>) -> Result<Self, Failure> {
        let train = &job.train;
        let network = Network::from_document(&train.network, &job.data.input_shape)?;
        let optimizer = optim::state_size(&train.optimizer, &network, false)?.bytes();
        let all = u64::from(train.batch_size) * u64::from(shards);
        let rows = all.div_ceil(u64::from(train.logical_shards.max(1)));
        let step = step_memory(&network, usize::try_from(rows).unwrap_or(usize::MAX), optimizer);
        let format = RowFormat::new(
            job.data.feature_width as usize,
            &job.data.label,
            job.data.validation,
        );
        // A copy of the weights each: their average, the sum of several steps, the best epoch's.
        let early = train.evaluation.early_stopping.as_ref();
        let copies = u64::from(train.ema_decay.is_some())
            + u64::from(train.gradient_accumulation_steps > 1)
            + u64::from(early.is_some_and(|early| early.restore_best));
        let charges = [
            (Account::Weights, step.weights * (1 + copies)),
            (Account::Gradients, step.gradients),
            (Account::Optimizer, step.optimizer),
            (Account::Activations, step.activations),
            (Account::Batches, rows * format.row_bytes() * BATCHES as u64),
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
