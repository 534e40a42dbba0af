//! What logical shards tell each other of the steps that they made by themselves, where they meet (`localSteps`,
//! `asynchrony = "stale"`).

use crate::head::Head;
use crate::metrics::MetricSet;
use crate::network::Network;
use candlewick_protocol::Failure;
use candlewick_protocol::asynchrony::AGREE_EVERY;
use candlewick_protocol::exchange::MAX_DESCRIPTION;
use candlewick_protocol::job::JobSpec;

/// Numbers that a slice tells of a step beside what is measured: its loss, its denominator, its rows.
pub const SCALARS: usize = 3;
/// Numbers that a shard tells before those of its steps: updates, and what its rows weigh.
pub const HEAD: usize = 2;
/// The same with `asynchrony = "stale"`. The first shard of a trainer: updates, rows, and how old the weights were, all steps
/// together and at most. The others: zeros.
pub const STALE_HEAD: usize = 4;
/// Numbers before the scalars of a step: how many follow, and whether a BatchNorm used its running statistics.
const BEFORE: usize = 2;

/// Bytes that a shard tells at a meeting, at most; none where shards are not by themselves.
///
/// # Errors
/// `InvalidParameter` where a document of the job is wrong.
pub(crate) fn told(job: &JobSpec, network: &Network) -> Result<u64, Failure> {
    let train = &job.train;
    let (head, mut steps) = match (&train.local_steps, train.asynchrony.staleness()) {
        (Some(local), _) => (HEAD, u64::from(local.steps)),
        (None, Some(_)) => (STALE_HEAD, AGREE_EVERY),
        (None, None) => return Ok(0),
    };
    let judged = train.evaluation.validation_steps;
    if judged > 0 {
        steps = steps.min(u64::from(judged));
    }
    if let Some(rows) = job.data.rows {
        steps = steps.min(rows.div_ceil(u64::from(job.train.batch_size).max(1)));
    }
    let set = MetricSet::of_job(job, Head::of(&job.data.label, network)?)?.of_training();
    let measured = if set.is_empty() { 0 } else { set.width() };
    let step = (BEFORE + SCALARS + measured) as u64;
    Ok((head as u64 + steps * step) * size_of::<f64>() as u64)
}

/// Refuses what one trainer cannot tell the others in one frame: no step is to be made in vain.
///
/// # Errors
/// `InvalidParameter`: with what is set, as `named`, and what to lower.
pub(crate) fn check(job: &JobSpec, network: &Network, (named, lower): (&str, &str)) -> Result<(), Failure> {
    let shards = u64::from(job.train.logical_shards);
    // The count of each shard's numbers goes with them.
    let bytes = (told(job, network)? + size_of::<u32>() as u64).saturating_mul(shards);
    if bytes <= MAX_DESCRIPTION as u64 {
        return Ok(());
    }
    Err(Failure::parameter(format!(
        "{named} does not go together with logicalShards = {shards} and metrics = {:?}: what shards tell of their steps when they \
         meet may take {bytes} bytes of one trainer, and {} GiB are the most; lower {lower}, or leave metrics out",
        job.train.evaluation.metrics,
        MAX_DESCRIPTION >> 30
    )))
}
