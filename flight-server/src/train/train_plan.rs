//! What is trained on, in which steps.

use crate::dataset::Dataset;
use candlewick_protocol::feed::ShardSum;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::plan::StepPlan;
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::validation::FedShard;
use candlewick_protocol::{Failure, order};
use std::ops::Range;

/// A job, the rows this trainer holds, and the plan over the rows of all trainers. Shards that it holds and does not own are
/// copies (rule A5): nothing here looks at them.
#[derive(Debug)]
pub struct TrainPlan {
    pub(crate) job: JobSpec,
    pub(crate) data: Dataset,
    owned: Range<u32>,
    pub(crate) step_plan: StepPlan,
}

impl TrainPlan {
    /// The plan of `job` over shards of `sums` rows (all shards, in order), of which `data` holds this trainer's.
    ///
    /// # Errors
    /// `InvalidData` without any row; `InvalidParameter` where dropLast leaves no step; `Internal` where the sums are
    /// not those of all shards, or the rows not those of a range of them.
    pub fn new(job: JobSpec, data: Dataset, sums: &[ShardSum]) -> Result<Self, Failure> {
        let owned = data.shards().as_range();
        let owned = owned.ok_or_else(|| {
            let message = format!("the shards of a trainer lie apart: {}", data.shards());
            Failure::internal(message)
        })?;
        TrainPlan::over(job, data, sums, owned)
    }

    /// The same, where `data` may hold others beside those that this trainer owns.
    ///
    /// # Errors
    /// As [`TrainPlan::new`]; `Internal` where one that it owns is not there.
    pub(crate) fn over(
        job: JobSpec,
        data: Dataset,
        sums: &[ShardSum],
        owned: Range<u32>,
    ) -> Result<Self, Failure> {
        let step_plan = step_plan(&job, sums)?;
        let held = data.shards();
        if let Some(shard) = owned.clone().find(|shard| !held.contains(*shard)) {
            return Err(Failure::internal(format!(
                "this trainer is to own the shards from {} to below {}, but it does not hold shard {shard}",
                owned.start, owned.end
            )));
        }
        Ok(TrainPlan {
            job,
            data,
            owned,
            step_plan,
        })
    }

    /// The shards of this trainer, which are one range.
    pub(crate) fn owned(&self) -> Range<u32> {
        self.owned.clone()
    }

    /// The shards that are here, copies too.
    pub(crate) fn held(&self) -> ShardSet {
        self.data.shards()
    }

    /// The rows again, for the plan of a later generation.
    pub(crate) fn into_data(self) -> Dataset {
        self.data
    }

    /// Steps of the whole training.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.step_plan.steps_per_epoch() * u64::from(self.job.train.epochs)
    }
}

/// The steps of `job` over shards of `sums` rows: all shards, in order.
///
/// # Errors
/// As [`TrainPlan::new`].
pub(crate) fn step_plan(job: &JobSpec, sums: &[ShardSum]) -> Result<StepPlan, Failure> {
    let train = &job.train;
    let complete = sums.len() == job.fed_shards() as usize
        && sums.iter().zip(0..).all(|(sum, shard)| sum.shard == shard);
    if !complete {
        return Err(Failure::internal(
            "the sums of a feed round cover every shard, in order",
        ));
    }
    for sum in sums {
        order::check_shard(
            FedShard::numbered(sum.shard, train.logical_shards).shard,
            sum.rows,
        )?;
    }
    let (training, held_out) = sums.split_at(train.logical_shards as usize);
    let rows: Vec<u64> = training.iter().map(|sum| sum.rows).collect();
    if job.data.validation.is_some() && held_out.iter().all(|sum| sum.rows == 0) {
        return Err(Failure::data(
            "no row is held out for validation: raise validationFraction or give more rows (rows that are equal stay \
             together)",
        ));
    }
    let step_plan = StepPlan::new(rows, train.batch_size, train.drop_last);
    if step_plan.total_rows() == 0 {
        return Err(Failure::data("there are no rows to train on"));
    }
    if train.epochs > 0 && step_plan.steps_per_epoch() == 0 {
        return Err(Failure::parameter(format!(
            "there are {} rows, fewer than batchSize = {}, and dropLast = true leaves out the only step of an epoch: \
             lower batchSize or set dropLast = false",
            step_plan.total_rows(),
            train.batch_size
        )));
    }
    Ok(step_plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Shape;
    use candlewick_protocol::job::{LabelKind, TrainSpec};
    use candlewick_protocol::validation::Validation;
    use serde_json::json;

    fn job(logical_shards: u32) -> JobSpec {
        let train: TrainSpec = serde_json::from_value(json!({
            "network": null, "loss": null, "optimizer": null, "epochs": 1, "batchSize": 8, "dropLast": false, "seed": 1,
            "logicalShards": logical_shards, "clipNorm": null, "clipValue": null,
        }))
        .unwrap();
        serde_json::from_value(json!({
            "job": "j", "failureTimeoutMs": 1, "progressTimeoutMs": 1, "maxRecoveries": 3, "train": train,
            "data": {"featureWidth": 1, "inputShape": [1], "label": LabelKind::class(2), "validation": Validation::Column},
        }))
        .unwrap()
    }

    #[test]
    fn a_shard_of_more_rows_than_positions_is_refused_before_the_first_step() {
        let job = job(2);
        let shape = Shape::of(&job.data, 2);
        let none = ShardSet::default();
        let data = Dataset::build(shape, &[0, 1].into_iter().collect(), &none, Vec::new(), 1).unwrap();
        let sums: Vec<ShardSum> = (0..4)
            .map(|shard| ShardSum {
                shard,
                rows: if shard == 3 { (1 << 32) + 1 } else { 1 },
                hash_sum: 0,
            })
            .collect();
        let refused = TrainPlan::new(job, data, &sums).unwrap_err();
        assert!(
            refused.message.contains("logical shard 1 has 4294967297 rows")
                && refused.message.contains("raise logicalShards"),
            "{refused}"
        );
    }
}
