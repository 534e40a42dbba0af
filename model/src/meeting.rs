//! What logical shards tell each other of the steps that they made by themselves, where they meet (`localSteps`).

use crate::head::Head;
use crate::metrics::MetricSet;
use crate::network::Network;
use candlewick_protocol::Failure;
use candlewick_protocol::job::JobSpec;

/// Numbers that a slice tells of a step beside what is measured: its loss, its denominator, its rows.
pub const SCALARS: usize = 3;
/// Numbers that a shard tells before those of its steps: updates, and what its rows weigh.
pub const HEAD: usize = 2;
/// Numbers before the scalars of a step: how many follow, and whether a BatchNorm used its running statistics.
const BEFORE: usize = 2;

/// Bytes that a shard tells at a meeting, at most; none without `localSteps`.
///
/// # Errors
/// `InvalidParameter` where a document of the job is wrong.
pub(crate) fn told(job: &JobSpec, network: &Network) -> Result<u64, Failure> {
    let Some(local) = &job.train.local_steps else {
        return Ok(0);
    };
    let asked = &job.train.evaluation;
    let mut steps = u64::from(local.steps);
    if asked.validation_steps > 0 {
        steps = steps.min(u64::from(asked.validation_steps));
    }
    if let Some(rows) = job.data.rows {
        steps = steps.min(rows.div_ceil(u64::from(job.train.batch_size).max(1)));
    }
    let set = MetricSet::of_job(job, Head::of(&job.data.label, network)?)?.of_training();
    let measured = if set.is_empty() { 0 } else { set.width() };
    let step = (BEFORE + SCALARS + measured) as u64;
    Ok((HEAD as u64 + steps * step) * size_of::<f64>() as u64)
}
